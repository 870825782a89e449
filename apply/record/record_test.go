package record

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// server is an API server with one Deployment and its pods, whose annotations are owned as server-side apply has it.
type server struct {
	pods    map[string]string // JSON by name
	meta    map[string]string // annotations of the Deployment
	tmpl    map[string]string // of its pod template
	owners  map[string]string // manager by annotation
	forbids error
	applied []kube.ApplyOptions
}

func (s *server) Get(_ context.Context, r kube.Resource, _, name string, into any) error {
	if r.Resource == "pods" {
		text, ok := s.pods[name]
		if !ok {
			return kube.ErrAbsent
		}
		return json.Unmarshal([]byte(text), into)
	}
	if s.forbids != nil {
		return s.forbids
	}
	text, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": s.meta},
		"spec":     map[string]any{"replicas": 3, "template": map[string]any{"metadata": map[string]any{"annotations": s.tmpl}}},
	})
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (s *server) Apply(_ context.Context, _ kube.Resource, obj *unstructured.Unstructured, o kube.ApplyOptions) (*unstructured.Unstructured, error) {
	s.applied = append(s.applied, o)
	meta, _, _ := unstructured.NestedStringMap(obj.Object, "metadata", "annotations")
	tmpl, _, _ := unstructured.NestedStringMap(obj.Object, "spec", "template", "metadata", "annotations")
	for key, value := range tmpl {
		if owner := s.owners[key]; owner != "" && owner != o.Manager && s.tmpl[key] != value && !o.Force {
			return nil, &kube.ConflictError{Fields: []kube.FieldConflict{{Manager: owner, Field: key}}}
		}
	}
	if o.DryRun {
		return obj, nil
	}
	for into, from := range map[*map[string]string]map[string]string{&s.meta: meta, &s.tmpl: tmpl} {
		for key := range *into {
			if _, wanted := from[key]; !wanted && s.owners[key] == o.Manager {
				delete(*into, key)
			}
		}
		for key, value := range from {
			(*into)[key], s.owners[key] = value, o.Manager
		}
	}
	all := map[string]any{}
	for key, value := range s.tmpl {
		all[key] = value
	}
	return &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": all}}}}}, nil
}

const ownPod = `{"metadata":{"labels":{"pod-template-hash":"6f8"},"ownerReferences":[{"kind":"ReplicaSet","name":"egress-gw-6f8"}]}}`

func newServer(annotations map[string]string, owner string) *server {
	s := &server{pods: map[string]string{"gw-1": ownPod, "gw-2": ownPod}, meta: map[string]string{}, tmpl: map[string]string{"kept": "x"}, owners: map[string]string{}}
	for k, v := range annotations {
		s.tmpl[k], s.owners[k] = v, owner
	}
	return s
}

var gateway = mesh.Gateway{Namespace: "istio-system", Service: "egress", Pods: []mesh.Pod{{Name: "gw-1"}, {Name: "gw-2"}}}

// turn plans and carries out.
func turn(t *testing.T, s *server, on, force bool) Plan {
	t.Helper()
	p, err := NewPlan(t.Context(), s, gateway, on, force)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Execute(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOnAndOff: off restores to the letter what was there before on, and either twice changes nothing.
func TestOnAndOff(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before map[string]string
		owner  string
		force  bool
	}{
		"nothing before":       {nil, "", false},
		"something of nobody":  {map[string]string{counter.ConfigAnnotation: "# mine\nconcurrency:   2\n"}, "", false},
		"something of another": {map[string]string{counter.ConfigAnnotation: "{concurrency: 2}"}, "helm", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(test.before, test.owner)
			want := map[string]string{"kept": "x"}
			maps.Copy(want, test.before)
			p := turn(t, s, true, test.force)
			if !p.Changes() || p.Pods != 3 || p.Workload != (Workload{"Deployment", "istio-system", "egress-gw"}) {
				t.Errorf("plan %+v", p)
			}
			value := s.tmpl[counter.ConfigAnnotation]
			if again, err := counter.Record(value); err != nil || again != value {
				t.Errorf("what is there does not record: %q, %v", value, err)
			}
			if test.before != nil && !strings.Contains(value, "concurrency: 2") {
				t.Errorf("what was there is lost: %q", value)
			}
			if writes := len(s.applied); turn(t, s, true, false).Changes() || len(s.applied) != writes {
				t.Error("on twice writes twice")
			}
			turn(t, s, false, false)
			if diff := cmp.Diff(want, s.tmpl); diff != "" {
				t.Errorf("after off (-want +got)\n%s", diff)
			}
			if len(s.meta) != 0 {
				t.Errorf("left on the Deployment: %v", s.meta)
			}
			if turn(t, s, false, false).Changes() {
				t.Error("off twice changes twice")
			}
			turn(t, s, true, test.force) // and all of it once more
			turn(t, s, false, false)
			if diff := cmp.Diff(want, s.tmpl); diff != "" {
				t.Errorf("after the second off (-want +got)\n%s", diff)
			}
			for i, o := range s.applied {
				if o.Manager != Manager || o.DryRun != (i%2 == 0) {
					t.Errorf("request %d: %+v; a dry run of our own manager comes before each write", i, o)
				}
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	alone := `{"metadata":{"labels":{}}}`
	for name, test := range map[string]struct {
		change func(*server)
		input  bool
		err    string
	}{
		"another manager's": {func(s *server) {
			s.tmpl[counter.ConfigAnnotation], s.owners[counter.ConfigAnnotation] = "concurrency: 2", "argocd"
		}, false, `is owned by "argocd"; --force-conflicts`},
		"the old annotation": {func(s *server) { s.tmpl[counter.OldAnnotation] = "a.*" }, true, "takes the place of"},
		"no YAML":            {func(s *server) { s.tmpl[counter.ConfigAnnotation] = "[" }, true, "mend it by hand"},
		"a pod alone":        {func(s *server) { s.pods["gw-2"] = alone }, true, "stands alone"},
		"a Rollout of Argo": {func(s *server) {
			s.pods["gw-1"] = `{"metadata":{"ownerReferences":[{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","name":"gw"}]}}`
		}, true, "made by Rollout gw, and by no Deployment, DaemonSet or StatefulSet"},
		"another's StatefulSet": {func(s *server) {
			s.pods["gw-1"] = `{"metadata":{"ownerReferences":[{"apiVersion":"apps.kruise.io/v1beta1","kind":"StatefulSet","name":"gw"}]}}`
		}, true, "made by StatefulSet gw, and by no"},
		"a ReplicaSet": {func(s *server) {
			s.pods["gw-1"] = `{"metadata":{"ownerReferences":[{"kind":"ReplicaSet","name":"gw"}]}}`
		}, true, "ReplicaSet gw"},
		"two Deployments":        {func(s *server) { s.pods["gw-1"] = strings.ReplaceAll(ownPod, "egress-gw", "other") }, true, "2 workloads (deployment istio-system/other, deployment istio-system/egress-gw)"},
		"all pods gone":          {func(s *server) { s.pods = nil }, true, "0 workloads"},
		"the right is not there": {func(s *server) { s.forbids = kube.ErrForbidden }, false, "forbidden"},
	} {
		s := newServer(nil, "")
		test.change(s)
		_, err := NewPlan(t.Context(), s, gateway, true, false)
		_, input := errors.AsType[*egress.InputError](err)
		if err == nil || input != test.input || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v", name, err)
		}
		for _, o := range s.applied {
			if !o.DryRun {
				t.Errorf("%s: written", name)
			}
		}
	}
	if _, err := NewPlan(t.Context(), newServer(nil, ""), mesh.Gateway{Namespace: "a", Service: "b"}, true, false); err == nil {
		t.Error("a gateway without pods is planned for")
	}
}

// TestOffLeavesOthers: what others have their gateway record stays, and is told as what it is.
func TestOffLeavesOthers(t *testing.T) {
	t.Parallel()
	s := newServer(map[string]string{counter.ConfigAnnotation: "proxyStatsMatcher: {inclusionRegexps: [mine]}"}, "helm")
	if turn(t, s, false, false).Changes() || len(s.applied) != 0 {
		t.Error("what others record is taken away")
	}
	s = newServer(map[string]string{counter.ConfigAnnotation: counter.Annotation()}, "helm")
	p, err := NewPlan(t.Context(), s, gateway, false, false)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Execute(t.Context(), s)
	if _, input := errors.AsType[*egress.InputError](err); !input || !strings.Contains(err.Error(), "another manager") {
		t.Errorf("%v", err)
	}
	if s.tmpl[counter.ConfigAnnotation] != counter.Annotation() {
		t.Error("it is gone")
	}
}
