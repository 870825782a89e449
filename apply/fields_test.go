package apply

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

func fromJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := utiljson.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestPick(t *testing.T) {
	t.Parallel()
	const object = `{"metadata":{"labels":{"a":"1","b":"2"}},"spec":{"ports":[{"name":"http","number":80},{"name":"tls","number":443,"protocol":"TLS"}],"hosts":["x","y"],"n":3}}`
	for name, tt := range map[string]struct{ tree, want string }{
		"a leaf":                  {`{"f:spec":{"f:n":{}}}`, `{"spec":{"n":3}}`},
		"a list as a whole":       {`{"f:spec":{"f:hosts":{}}}`, `{"spec":{"hosts":["x","y"]}}`},
		"one label of two":        {`{"f:metadata":{"f:labels":{"f:b":{}}}}`, `{"metadata":{"labels":{"b":"2"}}}`},
		"the node and a child":    {`{"f:metadata":{"f:labels":{".":{},"f:b":{}}}}`, `{"metadata":{"labels":{"b":"2"}}}`},
		"items by key":            {`{"f:spec":{"f:ports":{"k:{\"name\":\"tls\"}":{".":{},"f:number":{},"f:name":{}}}}}`, `{"spec":{"ports":[{"name":"tls","number":443}]}}`},
		"items by key, partly":    {`{"f:spec":{"f:ports":{"k:{\"name\":\"tls\"}":{"f:protocol":{}}}}}`, `{"spec":{"ports":[{"name":"tls","protocol":"TLS"}]}}`},
		"items by numeric key":    {`{"f:spec":{"f:ports":{"k:{\"number\":80}":{".":{},"f:number":{}}}}}`, `{"spec":{"ports":[{"number":80}]}}`},
		"items by value":          {`{"f:spec":{"f:hosts":{"v:\"y\"":{}}}}`, `{"spec":{"hosts":["y"]}}`},
		"items by index":          {`{"f:spec":{"f:hosts":{"i:0":{}}}}`, `{"spec":{"hosts":["x"]}}`},
		"what is not there":       {`{"f:spec":{"f:gone":{},"f:n":{}},"f:data":{"f:x":{}}}`, `{"spec":{"n":3}}`},
		"unknown kinds of keys":   {`{"f:spec":{"f:hosts":{"z:1":{}},"x:n":{},"f:n":{}}}`, `{"spec":{"n":3}}`},
		"keys that are no JSON":   {`{"f:spec":{"f:hosts":{"v:{":{},"k:[":{}},"f:n":{}}}`, `{"spec":{"n":3}}`},
		"an empty list of ours":   {`{"f:spec":{"f:hosts":{".":{}}}}`, `{"spec":{"hosts":null}}`},
		"a child of what is flat": {`{"f:spec":{"f:n":{"f:below":{}}}}`, `{"spec":{"n":3}}`},
	} {
		tree, _ := fromJSON(t, tt.tree).(map[string]any)
		got, _ := pick(fromJSON(t, object), tree)
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, string(text)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestUnion(t *testing.T) {
	t.Parallel()
	a, _ := fromJSON(t, `{"f:a":{},"f:b":{"f:x":{}},"f:c":{"f:x":{}}}`).(map[string]any)
	b, _ := fromJSON(t, `{"f:d":{},"f:b":{"f:y":{}},"f:c":{}}`).(map[string]any)
	want := fromJSON(t, `{"f:a":{},"f:b":{"f:x":{},"f:y":{}},"f:c":{},"f:d":{}}`)
	if diff := cmp.Diff(want, any(union(a, b))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(any(a), any(union(nil, a))); diff != "" {
		t.Errorf("with nothing: %s", diff)
	}
}

// TestUndoing: what was ours comes back, what we took from others comes back, what we added goes.
func TestUndoing(t *testing.T) {
	t.Parallel()
	before := &unstructured.Unstructured{Object: fromJSON(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"b","uid":"u","resourceVersion":"7",
"managedFields":[{"manager":"kubectl-egress","operation":"Apply","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:ours":{}}}},
{"manager":"kubectl-egress","operation":"Update","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:other":{}}}}]},
"data":{"ours":"1","taken":"2","other":"3"}}`).(map[string]any)}
	since := &unstructured.Unstructured{Object: fromJSON(t, `{"metadata":{
"managedFields":[{"manager":"kubectl-egress","operation":"Apply","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:added":{},"f:taken":{}}}}]}}`).(map[string]any)}
	undo, err := undoing(before, since)
	if err != nil {
		t.Fatal(err)
	}
	want := fromJSON(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"b","uid":"u"},"data":{"ours":"1","taken":"2"}}`)
	if diff := cmp.Diff(want, any(undo.Object)); diff != "" {
		t.Error(diff)
	}
	if before.GetResourceVersion() != "7" {
		t.Error("what was read is changed")
	}
	none, err := undoing(since, since)
	if err != nil || len(none.Object) == 0 {
		t.Errorf("%v, %v", none, err)
	}
}

func FuzzPick(f *testing.F) {
	f.Add(`{"spec":{"hosts":["x"],"ports":[{"name":"a"}]}}`, `{"f:spec":{"f:hosts":{"v:\"x\"":{}},"f:ports":{"k:{\"name\":\"a\"}":{".":{},"f:name":{}}}}}`)
	f.Add(`{"a":[1,2]}`, `{"f:a":{"i:1":{}}}`)
	f.Fuzz(func(t *testing.T, object, fields string) {
		var value, tree map[string]any
		if utiljson.Unmarshal([]byte(object), &value) != nil || json.Unmarshal([]byte(fields), &tree) != nil {
			return
		}
		before, err := json.Marshal(value)
		if err != nil {
			return
		}
		picked, ok := pick((&unstructured.Unstructured{Object: value}).DeepCopy().Object, tree)
		if m, isMap := picked.(map[string]any); ok && isMap {
			for k := range m {
				if _, there := value[k]; !there {
					t.Fatalf("%q was picked out of nothing", k)
				}
			}
		}
		after, err := json.Marshal(value)
		if err != nil || !bytes.Equal(before, after) {
			t.Fatalf("the object changed from %s to %s", before, after)
		}
	})
}
