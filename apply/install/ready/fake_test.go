package ready

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// fake is a cluster: what is there, as JSON, and what is refused. Both may change while it is looked at.
type fake struct {
	mu      sync.Mutex
	objects map[string]string   // "resource namespace/name"
	lists   map[string][]string // "resource namespace"
	fail    map[string]error    // either of these
	asked   int
	after   int       // the Deployment comes to be as later says, when it was asked for so often
	later   [2]string // object and its JSON
	fields  []string  // field selectors that were asked with
	ctx     error     // what the context of the last list had come to
}

func (f *fake) Get(_ context.Context, r kube.Resource, namespace, name string, into any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.after > 0 && f.asked > f.after {
		f.objects[f.later[0]] = f.later[1]
	}
	key := r.Resource + " " + namespace + "/" + name
	if err := f.fail[key]; err != nil {
		return &kube.Error{Kind: err, Doing: "get " + key, Words: "so it is"}
	}
	text, ok := f.objects[key]
	if !ok {
		return &kube.Error{Kind: kube.ErrAbsent, Doing: "get " + key, Words: "not found"}
	}
	return json.Unmarshal([]byte(text), into)
}

func (f *fake) List(ctx context.Context, r kube.Resource, namespace string, o kube.ListOptions, item func(json.RawMessage) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ctx = ctx.Err()
	key := r.Resource + " " + namespace
	if err := f.fail[key]; err != nil {
		return &kube.Error{Kind: err, Doing: "list " + key, Words: "so it is"}
	}
	if o.Fields != "" {
		f.fields = append(f.fields, o.Fields)
	}
	want, err := labels.Parse(o.Labels)
	if err != nil {
		return err
	}
	for _, text := range f.lists[key] {
		var head struct {
			Metadata       struct{ Labels map[string]string }
			InvolvedObject struct{ Name string }
		}
		if err := json.Unmarshal([]byte(text), &head); err != nil {
			return err
		}
		if !want.Matches(labels.Set(head.Metadata.Labels)) || o.Fields != "" && !strings.Contains(o.Fields, "involvedObject.name="+head.InvolvedObject.Name+",") {
			continue
		}
		if err := item(json.RawMessage(text)); err != nil {
			return err
		}
	}
	return nil
}
