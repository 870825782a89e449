package apply

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/kube/kubetest"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// world is a cluster with a client, as a command has them.
type world struct {
	*apiServer
	client *kube.Client
	facts  mesh.Facts
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := serve(t)
	return &world{apiServer: s, client: connect(t, s.URL), facts: mesh.Facts{
		RootNamespace: "istio-system", TrustDomain: "cluster.local", ClusterDomain: "cluster.local", Networking: "v1", MTLS: mesh.MTLS{On: true},
		Gateways: []mesh.Gateway{{
			Namespace: "istio-system", Service: "istio-egressgateway", Selector: map[string]string{"istio": "egressgateway"},
			Ports: []mesh.Port{{Name: "http2", Number: 80, Target: 8080}, {Name: "https", Number: 443, Target: 8443}},
			Pods:  []mesh.Pod{{Name: "gw-1", Labels: map[string]string{"istio": "egressgateway", "app": "istio-egressgateway"}}},
		}, {
			Namespace: "team", Service: "egress", Selector: map[string]string{"istio": "team"},
			Ports: []mesh.Port{{Number: 80, Target: 80}, {Number: 443, Target: 443}},
		}},
	}}
}

func connect(t *testing.T, server string) *kube.Client {
	t.Helper()
	return kubetest.Client(t, server, kube.Options{QPS: -1})
}

// quick is for tests: a slow machine must not end what should work, and what cannot work should end soon.
var quick = times{
	grace: 200 * time.Millisecond, rollBack: 20 * time.Second, attempt: 200 * time.Millisecond, gone: time.Second, pause: 20 * time.Millisecond,
}

// declare makes a set through the chart's gateway with Istio mTLS unless told otherwise.
func declare(t *testing.T, d egress.Declaration) egress.Set {
	t.Helper()
	direct := d.Mode == string(egress.Direct)
	if d.Gateway == "" && !direct {
		d.Gateway = "istio-system/istio-egressgateway"
	}
	if d.MTLS == "" && !direct {
		d.MTLS = "on"
	}
	set, err := egress.ParseSet(d)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (w *world) plan(set egress.Set, o Options) *Plan {
	w.t.Helper()
	p, err := NewPlan(w.t.Context(), w.client, set, w.facts, o)
	if err != nil {
		w.t.Fatal(err)
	}
	p.times = quick
	return p
}

func (w *world) removal(namespace, name string) *Plan {
	w.t.Helper()
	p, err := PlanRemoval(w.t.Context(), w.client, namespace, name)
	if err != nil {
		w.t.Fatal(err)
	}
	p.times = quick
	return p
}

// enable carries a set out, which must work.
func (w *world) enable(set egress.Set) {
	w.t.Helper()
	w.execute(w.plan(set, Options{}))
}

func (w *world) execute(p *Plan) {
	w.t.Helper()
	outcome, err := p.Execute(w.t.Context(), func(Change) {})
	if err != nil || outcome.State != AsWanted {
		w.t.Fatalf("%s: %v", outcome.State, err)
	}
}

// brief is a plan as "ACTION KIND NAMESPACE/NAME".
func brief(changes []Change) []string {
	lines := make([]string, 0, len(changes))
	for _, c := range changes {
		lines = append(lines, string(c.Action)+" "+c.Ref.String())
	}
	return lines
}

// parse reads YAML.
func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return u
}

// hold puts a finalizer on an object.
func (w *world) hold(kind, namespace, name string, finalizers ...string) {
	w.t.Helper()
	o := w.object(kind, namespace, name)
	o.SetFinalizers(finalizers)
	w.put("controller", o)
}
