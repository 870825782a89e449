package snapshot

import (
	"encoding/json"
	"testing"
)

func TestLabelSelector(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"app": "web", "tier": ""}
	for text, want := range map[string]bool{
		`{}`:                              true,
		`{"matchLabels":{"app":"web"}}`:   true,
		`{"matchLabels":{"app":"db"}}`:    false,
		`{"matchLabels":{"other":"web"}}`: false,
		`{"matchExpressions":[{"key":"app","operator":"In","values":["db","web"]}]}`:                                true,
		`{"matchExpressions":[{"key":"app","operator":"In","values":["db"]}]}`:                                      false,
		`{"matchExpressions":[{"key":"other","operator":"In","values":[""]}]}`:                                      false,
		`{"matchExpressions":[{"key":"app","operator":"NotIn","values":["db"]}]}`:                                   true,
		`{"matchExpressions":[{"key":"app","operator":"NotIn","values":["web"]}]}`:                                  false,
		`{"matchExpressions":[{"key":"other","operator":"NotIn","values":["web"]}]}`:                                true, // what lacks the label is not in it
		`{"matchExpressions":[{"key":"tier","operator":"Exists"}]}`:                                                 true,
		`{"matchExpressions":[{"key":"other","operator":"Exists"}]}`:                                                false,
		`{"matchExpressions":[{"key":"other","operator":"DoesNotExist"}]}`:                                          true,
		`{"matchExpressions":[{"key":"tier","operator":"DoesNotExist"}]}`:                                           false,
		`{"matchExpressions":[{"key":"app","operator":"Like","values":["web"]}]}`:                                   false,
		`{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"DoesNotExist"}]}`:               false,
		`{"matchExpressions":[{"key":"app","operator":"Exists"},{"key":"app","operator":"NotIn","values":["db"]}]}`: true,
	} {
		var s LabelSelector
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		if got := s.Fits(labels); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
}

// TestPort: the API server writes a number or a name; what is written back is the same.
func TestPort(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Port{`443`: {Number: 443}, `"https"`: {Name: "https"}, `0`: {}} {
		var p Port
		if err := json.Unmarshal([]byte(text), &p); err != nil || p != want {
			t.Errorf("%s: %+v, %v", text, p, err)
		}
		if back, err := json.Marshal(p); err != nil || string(back) != text {
			t.Errorf("%s became %s, %v", text, back, err)
		}
	}
	for _, text := range []string{`{}`, `[]`, `true`, `1.5`} {
		var p Port
		if err := json.Unmarshal([]byte(text), &p); err == nil {
			t.Errorf("%s is read as %+v", text, p)
		}
	}
	var rule PolicyRule
	const text = `{"to":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}},{"namespaceSelector":{}}],"ports":[{"protocol":"UDP","port":1,"endPort":2},{}]}`
	if err := json.Unmarshal([]byte(text), &rule); err != nil {
		t.Fatal(err)
	}
	if back, err := json.Marshal(rule); err != nil || string(back) != text {
		t.Errorf("%s\nbecame\n%s, %v", text, back, err)
	}
}

func TestKeepsOut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                              "",
		`{"spec":{"unschedulable":true}}`: "",
		`{"spec":{"taints":[{"key":"a","effect":"PreferNoSchedule"},{"key":"b","effect":"NoExecute"}]}}`: "b",
		`{"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}}`:                                        "a",
		`{"spec":{"taints":[{"key":"a","effect":"PreferNoSchedule"}]}}`:                                  "",
	} {
		var n Node
		if err := json.Unmarshal([]byte(text), &n); err != nil {
			t.Fatal(err)
		}
		if got, ok := n.KeepsOut(); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t", text, got, ok)
		}
	}
}

func TestMaker(t *testing.T) {
	t.Parallel()
	for want, w := range map[string]Workload{"deployment/a": {Pod: "a-1", Owner: "deployment/a"}, "pod/b": {Pod: "b"}} {
		if got := w.Maker(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
