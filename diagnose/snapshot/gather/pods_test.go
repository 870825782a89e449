package gather

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

func TestPodsForbidden(t *testing.T) {
	t.Parallel()
	c := working(t)
	c.fails["pods"] = kube.ErrForbidden
	s := gathered(t, c, Options{})
	if st := s.State(snapshot.Pods); st.Kind != snapshot.Forbidden {
		t.Errorf("%+v", st)
	}
	s = gathered(t, c, Options{Namespace: "b"})
	if st := s.State(snapshot.Pods); st.Kind != snapshot.Read || !slices.Contains(s.Notes, "only pods of namespace b may be listed") {
		t.Errorf("%+v, notes %q", st, s.Notes)
	}
	if got := pods(s); !slices.Contains(got, "sidecar b/sleep-1 read") {
		t.Errorf("%q", got)
	}
}

func TestFrom(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{
		"a/sleep-3": "sidecar a/sleep-3 read", "b/sleep": "sidecar b/sleep-1 read", "deploy/sleep": "sidecar b/sleep-1 read",
		"pod/sleep-2": "sidecar b/sleep-2 read", "sleep-2": "sidecar b/sleep-2 read", "deployment/sleep": "sidecar b/sleep-1 read",
	} {
		s := gathered(t, working(t), Options{From: from, Namespace: "b"})
		if got := pods(s); len(got) != 2 || got[1] != want {
			t.Errorf("%s: %q, want %s", from, got, want)
		}
		if s.From != from || s.State(snapshot.Pods).Kind != snapshot.Read {
			t.Errorf("%s: from %q, %+v", from, s.From, s.State(snapshot.Pods))
		}
	}
	var input *egress.InputError
	for _, from := range []string{"a/nothing", "deploy/nothing", "c/sleep"} {
		if _, err := Gather(t.Context(), working(t), Options{From: from, Facts: facts()}); !errors.As(err, &input) || !strings.Contains(err.Error(), "NAMESPACE/POD") {
			t.Errorf("%s: %v", from, err)
		}
	}
	c := working(t)
	c.fails["pods@a"] = kube.ErrForbidden
	if _, err := Gather(t.Context(), c, Options{From: "a/sleep", Facts: facts()}); !errors.Is(err, kube.ErrForbidden) || !strings.Contains(err.Error(), "find workload a/sleep") {
		t.Errorf("%v", err)
	}
}

// TestFromWithoutSidecar: a workload without a sidecar is told so and not traced.
func TestFromWithoutSidecar(t *testing.T) {
	t.Parallel()
	c := working(t)
	c.lists["pods"] += `
- metadata: {namespace: nomesh, name: plain}
  spec: {containers: [{name: plain}]}
  status: {conditions: [{type: Ready, status: "True"}]}`
	s := gathered(t, c, Options{From: "nomesh/plain"})
	if got := pods(s); got[1] != "none nomesh/plain " || len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "has no sidecar") {
		t.Errorf("%q, notes %q", got, s.Notes)
	}
	if c.times("envoy nomesh/plain") != 0 {
		t.Error("it was asked for its Envoy")
	}
}

// TestUnled: of a workload without a sidecar it is told what becomes of what it sends.
func TestUnled(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ meta, spec, want string }{
		"nothing leads it":   {"", "", "what it sends goes straight out and is not traced"},
		"its node's network": {"", "hostNetwork: true, ", "it uses its node's network, where Istio leads nothing; what it sends goes straight out and is not traced"},
		"ambient":            {`, annotations: {ambient.istio.io/redirection: enabled}`, "", "it is of the ambient mesh, and what ztunnel and waypoints make of what it sends is not traced"},
		"not yet ambient":    {`, annotations: {ambient.istio.io/redirection: pending}`, "", "what it sends goes straight out and is not traced"},
	} {
		c := working(t)
		c.lists["pods"] += `
- metadata: {namespace: nomesh, name: plain` + tt.meta + `}
  spec: {` + tt.spec + `containers: [{name: plain}]}
  status: {conditions: [{type: Ready, status: "True"}]}`
		s := gathered(t, c, Options{From: "nomesh/plain"})
		i := slices.IndexFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.NoProxy })
		if i < 0 || s.Proxies[i].Unled != tt.want || !slices.Contains(s.Notes, "pod nomesh/plain has no sidecar: "+tt.want) {
			t.Errorf("%s: %+v, notes %q", name, s.Proxies, s.Notes)
		}
	}
	if s := gathered(t, working(t), Options{From: "b/sleep"}); s.Proxies[1].Unled != "" {
		t.Errorf("a workload with a sidecar: %q", s.Proxies[1].Unled)
	}
}

// TestSampling: bounds hold, are told, and the namespaces that matter come first.
func TestSampling(t *testing.T) {
	t.Parallel()
	c := working(t)
	f := facts()
	for i := range 9 {
		c.lists["pods"] += podText(fmt.Sprintf("a%d", i), "p", "p", "")
		f.Gateways[0].Pods = append(f.Gateways[0].Pods, mesh.Pod{Name: fmt.Sprintf("egress-gateway-%d", 10+i), IP: fmt.Sprintf("10.0.1.%d", i), Ready: true})
	}
	s := gathered(t, c, Options{MaxNamespaces: 3, MaxPods: 2, Facts: f})
	want := []string{
		"gateway istio-system/egress-gateway-1 read", "gateway istio-system/egress-gateway-10 read",
		"sidecar a/sleep-3 read", "sidecar a0/p read", "sidecar b/sleep-1 read",
	}
	if diff := cmp.Diff(want, pods(s)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	slices.Sort(s.Notes)
	notes := []string{
		"2 of 10 pods of gateway istio-system/egress-gateway sampled", "3 of 11 namespaces with meshed pods looked at",
		"3 of 12 pods with a sidecar sampled, at least one of a namespace",
	}
	samples := []snapshot.Sample{{Gateway: egress.GatewayRef{Namespace: "istio-system", Service: "egress-gateway"}, Looked: 2, Total: 10}, {Looked: 3, Total: 12}}
	if diff := cmp.Diff(samples, s.Samples); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if diff := cmp.Diff(notes, s.Notes); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestSourceLabels: where routes are for pods with labels or of a namespace, such a pod is looked at beside the first of its namespace,
// and its namespace comes before those of which nothing tells.
func TestSourceLabels(t *testing.T) {
	t.Parallel()
	labelled := func(namespace, name, labels string) string {
		return strings.Replace(podText(namespace, name, name, ""), "app: x", labels, 1)
	}
	c := working(t)
	c.lists["pods"] = labelled("b", "first", "app: x") + labelled("b", "second", "app: shop, tier: front") + labelled("b", "third", "app: shop, tier: front") +
		labelled("b", "zero", "app: shop") + labelled("d", "d1", "app: x") + labelled("e", "e1", "app: x") + labelled("z", "z1", "app: shop, tier: front")
	c.lists["virtualservices"] = `
- metadata: {namespace: b, name: v}
  spec: {hosts: [edition.cnn.com],
    tls: [{match: [{sourceLabels: {app: shop, tier: front}}, {sourceLabels: {app: nobody}}], route: [{destination: {host: a}}]}],
    tcp: [{match: [{sourceLabels: {tier: front, app: shop}}], route: [{destination: {host: a}}, {destination: {host: b}}]}],
    http: [{match: [{sourceNamespace: z}], route: [{destination: {host: a}}]}]}`
	for most, want := range map[int][]string{
		8: {"sidecar b/first read", "sidecar b/second read", "sidecar d/d1 read", "sidecar e/e1 read", "sidecar z/z1 read"},
		2: {"sidecar b/first read", "sidecar b/second read", "sidecar z/z1 read"},
	} {
		s := gathered(t, c, Options{MaxNamespaces: most, Facts: &mesh.Facts{}})
		if diff := cmp.Diff(want, pods(s)); diff != "" {
			t.Errorf("%d namespaces: -want +got\n%s", most, diff)
		}
		if want := []snapshot.Sample{{Looked: len(want), Total: 7}}; !cmp.Equal(want, s.Samples) {
			t.Errorf("%+v", s.Samples)
		}
	}
	s := gathered(t, c, Options{MaxPods: 1, Facts: &mesh.Facts{}})
	if got := pods(s); len(got) != 4 || got[0] != "sidecar b/first read" {
		t.Errorf("more than one of a namespace: %q", got)
	}
}

func TestNativeSidecar(t *testing.T) {
	t.Parallel()
	c := working(t)
	c.lists["pods"] = `
- metadata: {namespace: ns, name: native, ownerReferences: [{kind: StatefulSet, name: db}]}
  spec: {containers: [{name: app}], initContainers: [{name: istio-init}, {name: istio-proxy, restartPolicy: Always, args: [proxy, sidecar]}]}
  status: {conditions: [{type: Ready, status: "True"}]}
- metadata: {namespace: ns, name: a-router}
  spec: {containers: [{name: istio-proxy, args: [proxy, router]}]}
  status: {conditions: [{type: Ready, status: "True"}]}
- metadata: {namespace: ns, name: a-starting}
  spec: {containers: [{name: istio-proxy}]}
  status: {conditions: [{type: Ready, status: "False"}]}`
	s := gathered(t, c, Options{Facts: &mesh.Facts{}})
	if got := pods(s); len(got) != 1 || got[0] != "sidecar ns/native read" || s.Proxies[0].Owner != "statefulset/db" {
		t.Errorf("%q, owner %q", got, s.Proxies[0].Owner)
	}
}

// TestStrangers: a gateway that discovery did not take for one is read because a route leads to it.
func TestStrangers(t *testing.T) {
	t.Parallel()
	c := working(t)
	c.lists["virtualservices"] = `
- metadata: {namespace: b, name: v}
  spec: {hosts: [edition.cnn.com], gateways: [mesh, gw], tls: [
    {match: [{gateways: [mesh]}], route: [{destination: {host: door.own.svc.cluster.local}}]},
    {match: [{gateways: [gw]}], route: [{destination: {host: edition.cnn.com}}]}]}`
	c.lists["services"] = `[{metadata: {namespace: own, name: door}, spec: {selector: {app: door}, ports: [{port: 443, targetPort: 8443}]}}]`
	c.lists["pods@own"] = `
- metadata: {namespace: own, name: door-gateway, labels: {app: door}}
  spec: {containers: [{name: istio-proxy, args: [proxy, router]}]}
  status: {podIP: 10.0.0.7, phase: Running, conditions: [{type: Ready, status: "True"}]}`
	c.lists["pods"] += c.lists["pods@own"]
	s := gathered(t, c, Options{})
	ref := egress.GatewayRef{Namespace: "own", Service: "door"}
	if g, ok := s.Facts.Gateway(ref); !ok || len(g.Pods) != 1 {
		t.Fatalf("gateways %+v, notes %q", s.Facts.Gateways, s.Notes)
	}
	if got := pods(s); !slices.Contains(got, "gateway own/door-gateway read") {
		t.Errorf("%q", got)
	}
	c.lists["services"] = `[]`
	if s := gathered(t, c, Options{}); !slices.ContainsFunc(s.Notes, func(n string) bool { return strings.Contains(n, "gateway own/door") }) {
		t.Errorf("nobody says that the gateway is not there: %q", s.Notes)
	}
}

// TestDNSCapture: the proxy's environment decides, wherever its setting came from.
func TestDNSCapture(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]bool{
		`{name: ISTIO_META_DNS_CAPTURE, value: "true"}`: true, `{name: ISTIO_META_DNS_CAPTURE, value: "True"}`: true,
		`{name: ISTIO_META_DNS_CAPTURE, value: "false"}`: false, `{name: ISTIO_META_DNS_AUTO_ALLOCATE, value: "true"}`: false,
	} {
		for _, list := range []string{"containers", "initContainers"} {
			c := working(t)
			text := strings.Replace(podText("a", "sleep-9", "sleep", ""), "{name: istio-proxy, args: [proxy, sidecar]}",
				"{name: x, env: [{name: ISTIO_META_DNS_CAPTURE, value: \"true\"}]}", 1)
			c.lists["pods"] = gatewayPod + strings.Replace(text, "containers: [{name: app}",
				list+": [{name: istio-proxy, args: [proxy, sidecar], env: ["+env+"]}], other: [{name: app}", 1)
			s := gathered(t, c, Options{})
			if len(s.Proxies) != 2 || s.Proxies[1].DNSCapture != want {
				t.Errorf("%s in %s: %+v", env, list, s.Proxies)
			}
		}
	}
}

// TestSidecarForGateway: pods behind the Service that routes lead to, and that have a sidecar, are told by name.
func TestSidecarForGateway(t *testing.T) {
	t.Parallel()
	const leads = `[{metadata: {namespace: b, name: v}, spec: {hosts: [edition.cnn.com], gateways: [mesh, g], tls: [
		{match: [{gateways: [mesh], port: 443, sniHosts: [edition.cnn.com]}], route: [{destination: {host: out.edge.svc.cluster.local}}]},
		{match: [{gateways: [g], port: 443, sniHosts: [edition.cnn.com]}], route: [{destination: {host: edition.cnn.com}}]}]}}]`
	c := working(t)
	c.lists["virtualservices"] = leads
	c.lists["services"] = `[{metadata: {namespace: edge, name: out}, spec: {selector: {app: x}, ports: [{port: 443}]}}]`
	c.lists["pods"] += podText("edge", "out-2", "out", "") + podText("edge", "out-1", "out", "")
	want := []snapshot.NotGateway{
		{Gateway: egress.GatewayRef{Namespace: "edge", Service: "out"}, Pod: "out-1", Owner: "deployment/out"},
		{Gateway: egress.GatewayRef{Namespace: "edge", Service: "out"}, Pod: "out-2", Owner: "deployment/out"},
	}
	s := gathered(t, c, Options{})
	if diff := cmp.Diff(want, s.NotGateways); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if len(s.Notes) == 0 || !strings.Contains(strings.Join(s.Notes, "\n"), "no pod behind it runs Envoy as a gateway") {
		t.Errorf("notes %q", s.Notes)
	}
	// a pod that has no sidecar either is no gateway injected wrongly
	c.lists["pods"] = gatewayPod + strings.ReplaceAll(podText("edge", "out-1", "out", ""), "istio-proxy", "nginx")
	if s := gathered(t, c, Options{}); len(s.NotGateways) > 0 {
		t.Errorf("%+v", s.NotGateways)
	}
	c.lists["services"] = `[{metadata: {namespace: edge, name: out}, spec: {ports: [{port: 443}]}}]`
	if s := gathered(t, c, Options{}); len(s.NotGateways) > 0 {
		t.Errorf("a Service without selector: %+v", s.NotGateways)
	}
}
