package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// members are one object of every kind that a bundle may have, but Istio's, in no good order, in a namespace of their own.
func members(t *testing.T, namespace string) []*unstructured.Unstructured {
	t.Helper()
	in := "metadata: {name: egress, namespace: " + namespace + "}}"
	return []*unstructured.Unstructured{
		parse(t, "{apiVersion: policy/v1, kind: PodDisruptionBudget, "+in),
		parse(t, "{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 1}, "+in),
		parse(t, "{apiVersion: v1, kind: Service, "+in),
		parse(t, "{apiVersion: v1, kind: ConfigMap, data: {a: b}, "+in),
		parse(t, "{apiVersion: v1, kind: Secret, "+in),
		parse(t, "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, "+in),
		parse(t, "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, "+in),
		parse(t, "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, "+in),
		parse(t, "{apiVersion: v1, kind: ServiceAccount, "+in),
		parse(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+", labels: {istio-injection: enabled}}}"),
	}
}

func (w *world) bundle(b Bundle, o Options) *Plan {
	w.t.Helper()
	p, err := PlanBundle(w.t.Context(), w.client, b, o)
	if err != nil {
		w.t.Fatal(err)
	}
	p.times = quick
	return p
}

func (w *world) bundleRemoval(kind, namespace, name string) *Plan {
	w.t.Helper()
	p, err := PlanBundleRemoval(w.t.Context(), w.client, kind, namespace, name)
	if err != nil {
		w.t.Fatal(err)
	}
	p.times = quick
	return p
}

func TestNewBundle(t *testing.T) {
	t.Parallel()
	given := members(t, "edge")
	spare := parse(t, "{apiVersion: v1, kind: Secret, metadata: {name: ca, namespace: istio-system, labels: {a: b}}}")
	b := NewBundle("gateway", "edge", "egress", nil, append(given, spare))
	id := egress.ParentID("ConfigMap", "edge", "egress.gateway.egress")
	if b.What != "gateway edge/egress" || refOf(b.Parent) != (Ref{"ConfigMap", "edge", "egress.gateway.egress"}) || b.Parent.GetLabels()[egress.LabelApplySetID] != id {
		t.Errorf("%+v", b)
	}
	want := map[string]string{
		egress.AnnotationTooling: egress.Tooling, egress.AnnotationAdditionalNamespaces: "istio-system",
		egress.AnnotationContainsGroupKinds: "ConfigMap,Deployment.apps,HorizontalPodAutoscaler.autoscaling,Namespace,PodDisruptionBudget.policy,Role.rbac.authorization.k8s.io,RoleBinding.rbac.authorization.k8s.io,Secret,Service,ServiceAccount",
	}
	if diff := cmp.Diff(want, b.Parent.GetAnnotations()); diff != "" {
		t.Error(diff)
	}
	for i, m := range b.Members {
		if m.GetLabels()[egress.LabelPartOf] != id || m.GetLabels()[egress.LabelManagedBy] != egress.ManagedBy {
			t.Errorf("%s is not marked: %v", refOf(m), m.GetLabels())
		}
		if given := append(given, spare)[i]; given.GetLabels()[egress.LabelPartOf] != "" {
			t.Errorf("%s: the argument was changed", refOf(given))
		}
	}
	if b.Members[len(given)].GetLabels()["a"] != "b" {
		t.Error("a label of the member's own is lost")
	}
	c := NewBundle(KindCredential, "istio-system", "client", spare, nil)
	if refOf(c.Parent) != (Ref{"Secret", "istio-system", "client"}) || c.Parent.GetLabels()["a"] != "b" || len(c.Parent.GetAnnotations()) != 1 {
		t.Errorf("%+v", c.Parent)
	}
}

// TestBundle puts one object of every kind there, sees that a second time nothing is written, and takes all of it away again.
func TestBundle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := NewBundle("gateway", "edge", "egress", nil, members(t, "edge"))
	p := w.bundle(b, Options{})
	want := []string{
		"created Namespace edge", "created ConfigMap edge/egress.gateway.egress", "created ServiceAccount edge/egress", "created Role edge/egress",
		"created RoleBinding edge/egress", "created Secret edge/egress", "created ConfigMap edge/egress", "created Service edge/egress",
		"created Deployment edge/egress", "created HorizontalPodAutoscaler edge/egress", "created PodDisruptionBudget edge/egress",
	}
	if diff := cmp.Diff(want, brief(p.Changes)); diff != "" || p.What != "gateway edge/egress" {
		t.Errorf("%s: %s", p.What, diff)
	}
	w.execute(p)
	if p := w.bundle(b, Options{}); p.Writes() || len(p.Notes) > 0 {
		t.Errorf("not settled: %v", brief(p.Changes))
	}
	w.listed(b)
	p = w.bundleRemoval("gateway", "edge", "egress")
	want = []string{
		"deleted PodDisruptionBudget edge/egress", "deleted HorizontalPodAutoscaler edge/egress", "deleted Deployment edge/egress", "deleted Service edge/egress",
		"deleted ConfigMap edge/egress", "deleted Secret edge/egress", "deleted RoleBinding edge/egress", "deleted Role edge/egress",
		"deleted ServiceAccount edge/egress", "deleted ConfigMap edge/egress.gateway.egress", "deleted Namespace edge",
	}
	if diff := cmp.Diff(want, brief(p.Changes)); diff != "" || len(p.Notes) > 0 {
		t.Errorf("%s %v", diff, p.Notes)
	}
	w.execute(p)
	if left := w.snapshot(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	_, err := PlanBundleRemoval(t.Context(), w.client, "gateway", "edge", "egress")
	wantRefused(t, err, NoSet, "there is no gateway egress in namespace edge")
}

// listed holds that the bundle is found by its kind, and by no other.
func (w *world) listed(b Bundle) {
	w.t.Helper()
	for kind, want := range map[string]int{"gateway": 1, "sample": 0, KindCredential: 0} {
		got, err := Bundles(w.t.Context(), w.client, kind, "")
		if err != nil || len(got) != want {
			w.t.Fatalf("%s: %+v, %v", kind, got, err)
		}
		if want == 1 && (got[0].Kind != kind || got[0].Namespace != "edge" || got[0].Name != "egress" || got[0].Parent.GetName() != b.Parent.GetName()) {
			w.t.Errorf("%+v", got[0])
		}
	}
	if sets, err := Sets(w.t.Context(), w.client, ""); err != nil || len(sets) > 0 {
		w.t.Errorf("a gateway is taken for a set: %v, %v", sets, err)
	}
}

// TestCredential: a Secret that stands for itself.
func TestCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret := parse(t, "{apiVersion: v1, kind: Secret, data: {cert: Zm9v}, metadata: {name: client, namespace: istio-system}}")
	w.put("kubectl", parse(t, "{apiVersion: v1, kind: Secret, metadata: {name: other, namespace: istio-system}}"))
	before := w.snapshot()
	b := NewBundle(KindCredential, "istio-system", "client", secret, nil)
	w.execute(w.bundle(b, Options{}))
	if p := w.bundle(b, Options{}); p.Writes() {
		t.Errorf("not settled: %v", brief(p.Changes))
	}
	got, err := Bundles(t.Context(), w.client, KindCredential, "istio-system")
	if err != nil || len(got) != 1 || got[0].Name != "client" || got[0].Parent.GetKind() != "Secret" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = PlanBundleRemoval(t.Context(), w.client, KindCredential, "istio-system", "other")
	wantRefused(t, err, NoSet, "there is no credential istio-system/other: Secret istio-system/other is not one of ours and is left alone")
	_, err = PlanBundleRemoval(t.Context(), w.client, KindCredential, "istio-system", "none")
	wantRefused(t, err, NoSet, "there is no credential none in namespace istio-system")
	w.execute(w.bundleRemoval(KindCredential, "istio-system", "client"))
	if diff := cmp.Diff(before, w.snapshot()); diff != "" {
		t.Error(diff)
	}
}

// TestBundleForeign: what somebody else made is refused, whoever's it is, and an object of another bundle is named with it.
func TestBundleForeign(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("helm", parse(t, "{apiVersion: v1, kind: Service, spec: {a: b}, metadata: {name: egress, namespace: team}}"))
	b := NewBundle("gateway", "team", "egress", nil, members(t, "team"))
	_, err := PlanBundle(t.Context(), w.client, b, Options{})
	wantRefused(t, err, Foreign, `there already, and of no gateway: Service team/egress (made by "helm"); take over with --adopt, or give this gateway another name`)
	p := w.bundle(b, Options{Adopt: true})
	w.execute(p)

	_, err = PlanBundle(t.Context(), w.client, NewBundle("sample", "team", "sleep", nil, members(t, "team")), Options{Adopt: true, Force: true})
	wantRefused(t, err, OtherSet, "ServiceAccount team/egress belongs to gateway team/egress; give this sample another name")
	secret := parse(t, "{apiVersion: v1, kind: Secret, metadata: {name: egress, namespace: team}}")
	_, err = PlanBundle(t.Context(), w.client, NewBundle(KindCredential, "team", "egress", secret, nil), Options{Adopt: true, Force: true})
	wantRefused(t, err, OtherSet, "Secret team/egress belongs to gateway team/egress; give this credential another name")
}

// TestBundleShrinks: what the bundle no longer has is taken away, and the record follows.
func TestBundleShrinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := members(t, "team")
	w.execute(w.bundle(NewBundle("gateway", "team", "egress", nil, all), Options{}))
	p := w.bundle(NewBundle("gateway", "team", "egress", nil, all[1:5]), Options{})
	w.execute(p)
	want := []string{
		"configured ConfigMap team/egress.gateway.egress", "unchanged Secret team/egress", "unchanged ConfigMap team/egress", "unchanged Service team/egress",
		"unchanged Deployment team/egress", "deleted PodDisruptionBudget team/egress", "deleted HorizontalPodAutoscaler team/egress",
		"deleted RoleBinding team/egress", "deleted Role team/egress", "deleted ServiceAccount team/egress",
	}
	if diff := cmp.Diff(want, brief(p.Changes)); diff != "" {
		t.Error(diff)
	}
	record := w.object("ConfigMap", "team", "egress.gateway.egress").GetAnnotations()[egress.AnnotationContainsGroupKinds]
	if record != "ConfigMap,Deployment.apps,Secret,Service" {
		t.Errorf("the record is %s", record)
	}
	w.execute(w.bundleRemoval("gateway", "team", "egress"))
	if left := w.snapshot(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
