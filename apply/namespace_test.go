package apply

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// gateway puts a gateway with a namespace of its own on the cluster.
func (w *world) gateway() {
	w.t.Helper()
	w.execute(w.bundle(NewBundle("gateway", "edge", "egress", nil, members(w.t, "edge")), Options{}))
	w.put("kube-controller-manager", parse(w.t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: kube-root-ca.crt, namespace: edge}}"))
	w.put("istiod", parse(w.t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio-ca-root-cert, namespace: edge}}"))
	deployment := w.object("Deployment", "edge", "egress")
	set := w.put("kube-controller-manager", controlled(w.t, "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: egress-1, namespace: edge, ", string(deployment.GetUID())))
	w.put("kube-controller-manager", controlled(w.t, "{apiVersion: v1, kind: Pod, metadata: {name: egress-1-a, namespace: edge, ", string(set.GetUID())))
}

func controlled(t *testing.T, text, uid string) *unstructured.Unstructured {
	t.Helper()
	return parse(t, text+fmt.Sprintf("ownerReferences: [{uid: %s, controller: true, apiVersion: apps/v1, kind: x, name: x}]}}", uid))
}

// TestNamespaceGoes: what controllers made of ours, and what is in every namespace, does not keep it.
func TestNamespaceGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.gateway()
	p := w.bundleRemoval("gateway", "edge", "egress")
	if last := p.Changes[len(p.Changes)-1]; last.Action != Deleted || last.Ref != (Ref{Kind: "Namespace", Name: "edge"}) || len(p.Notes) > 0 {
		t.Fatalf("%v, %v", brief(p.Changes), p.Notes)
	}
	w.arm(func(_ int, r *http.Request) fault { // as Kubernetes' garbage collector does when the Deployment is gone
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/pods") {
			w.vanishNow("ReplicaSet", "edge", "egress-1")
			if w.calls > 40 {
				w.vanishNow("Pod", "edge", "egress-1-a")
			}
		}
		return none
	})
	w.execute(p)
	if left := w.snapshot(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// vanishNow is vanish for those who hold the lock.
func (w *world) vanishNow(kind, namespace, name string) {
	delete(w.objects, Ref{kind, namespace, name})
}

// TestNamespaceStays: a namespace of ours that holds something else stays, with everything that others rely on, and without our mark.
func TestNamespaceStays(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ object, want string }{
		"pod":         {"{apiVersion: v1, kind: Pod, metadata: {name: theirs, namespace: edge}}", "Pod edge/theirs"},
		"replica set": {"{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: theirs, namespace: edge}}", "ReplicaSet edge/theirs"},
		"deployment":  {"{apiVersion: apps/v1, kind: Deployment, metadata: {name: theirs, namespace: edge}}", "Deployment edge/theirs"},
		"volume":      {"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: theirs, namespace: edge}}", "PersistentVolumeClaim edge/theirs"},
		"secret":      {"{apiVersion: v1, kind: Secret, metadata: {name: theirs, namespace: edge}, type: Opaque}", "Secret edge/theirs"},
		"config map":  {"{apiVersion: v1, kind: ConfigMap, metadata: {name: theirs, namespace: edge}}", "ConfigMap edge/theirs"},
		"Istio's ours": {"{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: theirs, namespace: edge, labels: {" +
			egress.LabelPartOf + ": another}}}", "ServiceEntry edge/theirs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.gateway()
			w.put("kubectl", parse(t, tt.object))
			p := w.bundleRemoval("gateway", "edge", "egress")
			if diff := cmp.Diff([]string{"namespace edge stays: it holds " + tt.want}, p.Notes); diff != "" {
				t.Error(diff)
			}
			w.execute(p)
			space := w.object("Namespace", "", "edge")
			if diff := cmp.Diff(map[string]string{"istio-injection": "enabled"}, space.GetLabels()); diff != "" {
				t.Errorf("labels: %s", diff)
			}
			if len(w.snapshot()) != 1+2+2+1 {
				t.Errorf("left: %v", w.snapshot())
			}
		})
	}
}

// TestNamespaceUnseen: who may not look does not delete.
func TestNamespaceUnseen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.gateway()
	w.forbidden = []string{"list statefulsets"}
	p := w.bundleRemoval("gateway", "edge", "egress")
	if len(p.Notes) != 1 || !strings.HasPrefix(p.Notes[0], "namespace edge stays: what else it holds could not be found out: list statefulsets.apps in namespace edge: forbidden") {
		t.Errorf("%q", p.Notes)
	}
	w.execute(p)
	if w.object("Namespace", "", "edge") == nil {
		t.Error("deleted unseen")
	}
}

// TestNamespaceFilledMeanwhile: between plan and deletion somebody puts something into it.
func TestNamespaceFilledMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.execute(w.bundle(NewBundle("gateway", "edge", "egress", nil, members(t, "edge")), Options{}))
	p := w.bundleRemoval("gateway", "edge", "egress")
	w.put("kubectl", parse(t, "{apiVersion: v1, kind: Secret, metadata: {name: theirs, namespace: edge}}"))
	outcome, err := p.Execute(t.Context(), func(Change) {})
	wantRefused(t, err, Meanwhile, "namespace edge stays, because it holds Secret edge/theirs; all else of gateway edge/egress is gone; run the command again, or delete the namespace by hand")
	if outcome.State != Mixed || len(outcome.Written) != len(p.Changes)-1 || len(w.snapshot()) != 2 {
		t.Errorf("%+v, left %v", outcome, w.snapshot())
	}
	p = w.bundleRemoval("gateway", "edge", "egress")
	w.execute(p)
	if w.object("Namespace", "", "edge").GetLabels()[egress.LabelPartOf] != "" || len(p.Notes) != 1 {
		t.Errorf("%v", p.Notes)
	}
}

// TestNamespaceOfOthers is used as it is and never deleted.
func TestNamespaceOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("kubectl", parse(t, "{apiVersion: v1, kind: Namespace, metadata: {name: edge}}"))
	before := w.snapshot()
	b := NewBundle("gateway", "edge", "egress", nil, members(t, "edge"))
	p := w.bundle(b, Options{})
	if p.Changes[0].Ref != refOf(b.Parent) {
		t.Errorf("%v", brief(p.Changes))
	}
	w.execute(p)
	if p := w.bundle(b, Options{}); p.Writes() {
		t.Errorf("not settled: %v", brief(p.Changes))
	}
	w.execute(w.bundleRemoval("gateway", "edge", "egress"))
	if diff := cmp.Diff(before, w.snapshot()); diff != "" {
		t.Error(diff)
	}
}

// TestNamespaceTakenBack: a namespace that was made and has to be taken back goes, unless somebody has moved in.
func TestNamespaceTakenBack(t *testing.T) {
	t.Parallel()
	for _, inhabited := range []bool{false, true} {
		w := newWorld(t)
		p := w.bundle(NewBundle("gateway", "edge", "egress", nil, members(t, "edge")), Options{})
		w.forbidden = []string{"patch deployments"}
		if inhabited {
			w.arm(func(_ int, r *http.Request) fault {
				if strings.HasSuffix(r.URL.Path, "/deployments/egress") {
					w.mu.Unlock()
					w.put("kubectl", parse(t, "{apiVersion: v1, kind: Secret, metadata: {name: theirs, namespace: edge}}"))
					w.mu.Lock()
				}
				return none
			})
		}
		outcome, err := p.Execute(t.Context(), func(Change) {})
		if err == nil {
			t.Fatal("no error")
		}
		left := w.snapshot()
		if !inhabited {
			if outcome.State != AsBefore || len(left) > 0 {
				t.Errorf("%+v, left %v", outcome, left)
			}
			continue
		}
		if outcome.State != Mixed || len(outcome.Stuck) != 1 || len(left) != 2 {
			t.Fatalf("%+v, left %v", outcome, left)
		}
		if got := outcome.Stuck[0].Err.Error(); got != "left as it is: it holds Secret edge/theirs" {
			t.Error(got)
		}
	}
}
