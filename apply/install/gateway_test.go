package install

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// find gives the object of a kind; the test ends if there is not just one.
func find(t *testing.T, objs []*unstructured.Unstructured, kind string) fields {
	t.Helper()
	var found []fields
	for _, o := range objs {
		if o.GetKind() == kind {
			found = append(found, o.Object)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects of kind %s", len(found), kind)
	}
	return found[0]
}

// at follows a path through an object; it is nil where the path ends early.
func at(value any, path ...string) any {
	for _, key := range path {
		m, ok := value.(fields)
		if !ok {
			return nil
		}
		value = m[key]
	}
	return value
}

func containers(t *testing.T, objs []*unstructured.Unstructured) []fields {
	t.Helper()
	raw, ok := at(find(t, objs, "Deployment"), "spec", "template", "spec", "containers").(list)
	if !ok || len(raw) == 0 {
		t.Fatal("no containers")
	}
	var all []fields
	for _, c := range raw {
		all = append(all, c.(fields))
	}
	return all
}

func TestGatewayCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Gateway)
		want   string // empty: fine
	}{
		"the default":          {func(*Gateway) {}, ""},
		"full":                 {func(g *Gateway) { *g = full() }, ""},
		"one replica":          {func(g *Gateway) { g.Min, g.Max = 1, 1 }, ""},
		"many at least":        {func(g *Gateway) { g.Min = 7 }, ""},
		"no name":              {func(g *Gateway) { g.Ref.Service = "" }, `"istio-egress/" is not a gateway`},
		"upper case":           {func(g *Gateway) { g.Ref.Service = "Egress" }, "is not a gateway"},
		"a digit first":        {func(g *Gateway) { g.Ref.Service = "1egress" }, `"1egress" begins with a digit`},
		"no replica":           {func(g *Gateway) { g.Min = -1 }, "--replicas-min=-1"},
		"most below least":     {func(g *Gateway) { g.Min, g.Max = 3, 2 }, "--replicas-max=2 is less than --replicas-min=3"},
		"Envoy's port":         {func(g *Gateway) { g.SNIProxy = proxy(); g.SNIProxy.Port = 8443 }, "--sni-proxy-port=8443 is used by Istio"},
		"Istio's status port":  {func(g *Gateway) { g.SNIProxy = proxy(); g.SNIProxy.Port = 15021 }, "is used by Istio"},
		"root's port":          {func(g *Gateway) { g.SNIProxy = proxy(); g.SNIProxy.Port = 443 }, "from 1024 to 65535"},
		"no port":              {func(g *Gateway) { g.SNIProxy = proxy(); g.SNIProxy.Port = 65536 }, "from 1024 to 65535"},
		"nobody resolves":      {func(g *Gateway) { g.SNIProxy = &SNIProxy{} }, "--resolver"},
		"the SNI proxy's port": {func(g *Gateway) { g.SNIProxy = proxy(); g.SNIProxy.Port = 65535 }, ""},
	} {
		g := Gateway{Ref: DefaultGateway()}
		test.change(&g)
		err := g.Check()
		var input *egress.InputError
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (!errors.As(err, &input) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestObjectsAreJSON: numbers of Go that JSON does not have make copies of objects panic.
func TestObjectsAreJSON(t *testing.T) {
	t.Parallel()
	for name, objs := range all() {
		for _, o := range objs {
			if diff := cmp.Diff(o.Object, o.DeepCopy().Object); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			o.SetLabels(map[string]string{"a": "b"})
			again := all()[name]
			for _, other := range again {
				if other.GetKind() == o.GetKind() && other.GetLabels()["a"] == "b" {
					t.Errorf("%s: %s is shared between calls", name, o.GetKind())
				}
			}
		}
	}
}

// TestNobodySharesMaps: who marks one object must not mark another.
func TestNobodySharesMaps(t *testing.T) {
	t.Parallel()
	for name, objs := range all() {
		for i, o := range objs {
			labels := o.GetLabels()
			if labels == nil {
				labels = map[string]string{}
			}
			labels["mark"] = o.GetKind() + o.GetName()
			o.SetLabels(labels)
			for j, other := range objs {
				if i < j && other.GetLabels()["mark"] != "" {
					t.Errorf("%s: %s has the label of %s", name, other.GetKind(), o.GetKind())
				}
			}
		}
		for _, o := range objs {
			if selector := at(o.Object, "spec", "selector", "matchLabels", "mark"); selector != nil {
				t.Errorf("%s: the label of %s went into its selector", name, o.GetKind())
			}
		}
	}
}

// TestPodsAreFound: Service, Deployment, budget and the Gateways of recipes must all mean the same pods.
func TestPodsAreFound(t *testing.T) {
	t.Parallel()
	objs := full().Objects()
	labels := at(find(t, objs, "Deployment"), "spec", "template", "metadata", "labels").(fields)
	for kind, path := range map[string][]string{
		"Service":             {"spec", "selector"},
		"Deployment":          {"spec", "selector", "matchLabels"},
		"PodDisruptionBudget": {"spec", "selector", "matchLabels"},
	} {
		selector, ok := at(find(t, objs, kind), path...).(fields)
		if !ok || len(selector) == 0 {
			t.Errorf("%s selects everything", kind)
		}
		for k, v := range selector {
			if labels[k] != v {
				t.Errorf("%s selects %s=%v, pods have %v", kind, k, v, labels[k])
			}
		}
		if _, ours := selector["istio.io/rev"]; ours {
			t.Errorf("%s selects by revision: no upgrade could change it", kind)
		}
	}
}

// TestLabelIsUnique: no two gateways share the label that Gateways select by, nor is it that of Istio's own gateway.
func TestLabelIsUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]egress.GatewayRef{"egressgateway": {Namespace: "istio-system", Service: "istio-egressgateway"}}
	long := strings.Repeat("a", 63)
	for _, ref := range []egress.GatewayRef{
		DefaultGateway(),
		{Namespace: "istio-egress", Service: "istio-egressgateway"},
		{Namespace: "a", Service: "egress"},
		{Namespace: "b", Service: "egress"},
		{Namespace: "a-b", Service: "egress"},
		{Namespace: "b", Service: "egress-a"},
		{Namespace: "team", Service: "out"},
		{Namespace: long, Service: long},
		{Namespace: "b" + long[1:], Service: long},
	} {
		value := Gateway{Ref: ref}.Labels()["istio"]
		if other, twice := seen[value]; twice {
			t.Errorf("%s and %s share label istio=%s", ref, other, value)
		}
		seen[value] = ref
		if len(value) > 63 || !isLabelValue(value) {
			t.Errorf("%s: label istio=%s is none", ref, value)
		}
		if !strings.Contains(value, "egress") {
			t.Errorf("%s: discovery would not know istio=%s for an egress gateway", ref, value)
		}
	}
}

// TestInjection holds what Istio's gateway template needs, and what it would do otherwise.
func TestInjection(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]Gateway{"plain": {Ref: DefaultGateway()}, "full": full()} {
		objs := g.Objects()
		pod := at(find(t, objs, "Deployment"), "spec", "template", "metadata")
		if at(pod, "annotations", "inject.istio.io/templates") != "gateway" || at(pod, "labels", "sidecar.istio.io/inject") != "true" {
			t.Errorf("%s: not injected as a gateway: %v", name, pod)
		}
		if got := at(pod, "labels", "istio.io/rev"); (g.Revision == "") != (got == nil) || got != nil && got != g.Revision {
			t.Errorf("%s: revision %v", name, got)
		}
		envoy := containers(t, objs)[0]
		if envoy["name"] != "istio-proxy" || envoy["image"] != "auto" || envoy["imagePullPolicy"] != "IfNotPresent" {
			t.Errorf("%s: %v", name, envoy)
		}
		if ns := find(t, objs, "Namespace"); at(ns, "metadata", "labels") != nil {
			t.Errorf("%s: the namespace is labelled: %v", name, ns)
		}
		if _, fixed := at(find(t, objs, "Deployment"), "spec").(fields)["replicas"]; fixed {
			t.Errorf("%s: replicas are fixed although an autoscaler is there", name)
		}
	}
}

// TestEveryContainerAsks: an autoscaler by CPU knows nothing of a pod in which one container requests none; and none is root.
func TestEveryContainerAsks(t *testing.T) {
	t.Parallel()
	for name, objs := range all() {
		for _, c := range containers(t, objs) {
			if at(c, "resources", "requests", "cpu") == nil || at(c, "resources", "requests", "memory") == nil {
				t.Errorf("%s: container %v requests nothing", name, c["name"])
			}
			if user, ok := at(c, "securityContext", "runAsUser").(int64); !ok || user == 0 || at(c, "securityContext", "runAsNonRoot") != true {
				t.Errorf("%s: container %v may be root", name, c["name"])
			}
		}
	}
}

func TestRightsToSecrets(t *testing.T) {
	t.Parallel()
	objs := full().Objects()
	binding := find(t, objs, "RoleBinding")
	subject := binding["subjects"].(list)[0]
	if at(subject, "namespace") != "team" || at(subject, "name") != at(find(t, objs, "ServiceAccount"), "metadata", "name") {
		t.Errorf("bound to %v", subject)
	}
	if at(find(t, objs, "Deployment"), "spec", "template", "spec", "serviceAccountName") != at(subject, "name") {
		t.Error("the pods run as somebody else")
	}
	if at(binding, "roleRef", "name") != at(find(t, objs, "Role"), "metadata", "name") {
		t.Errorf("bound to another role: %v", binding["roleRef"])
	}
}

// TestConfigurationRestarts: nginx reads its configuration once, so another one must be another pod template.
func TestConfigurationRestarts(t *testing.T) {
	t.Parallel()
	template := func(g Gateway) any {
		return at(find(t, g.Objects(), "Deployment"), "spec", "template", "metadata", "annotations", annotationConfig)
	}
	one, other := full(), full()
	changed := *other.SNIProxy
	changed.Domains = changed.Domains[:1]
	other.SNIProxy = &changed
	if template(one) == template(other) || template(one) != template(full()) {
		t.Errorf("%v and %v", template(one), template(other))
	}
}

func TestReplicas(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ min, max, wantMin, wantMax int }{{0, 0, 1, 5}, {2, 0, 2, 5}, {7, 0, 7, 7}, {0, 3, 1, 3}, {4, 4, 4, 4}} {
		spec := at(find(t, Gateway{Ref: DefaultGateway(), Min: test.min, Max: test.max}.Objects(), "HorizontalPodAutoscaler"), "spec").(fields)
		got := map[string]any{"min": spec["minReplicas"], "max": spec["maxReplicas"]}
		if !maps.Equal(got, map[string]any{"min": int64(test.wantMin), "max": int64(test.wantMax)}) {
			t.Errorf("%+v: %v", test, got)
		}
	}
}
