package trace

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestHalves: a tls route is about the server names of its match, an http route about the authority, and each half is for whom its
// match names.
func TestHalves(t *testing.T) {
	t.Parallel()
	const gw = "istio-egressgateway.istio-system.svc.cluster.local"
	s := routes(t, `{metadata: {namespace: a, name: v}, spec: {hosts: ["*.example.com"], gateways: [mesh, g],
 http: [{match: [{gateways: [mesh], authority: {exact: www.example.com}}], route: [{destination: {host: `+gw+`}}]}],
 tls: [{match: [{gateways: [mesh], sniHosts: [en.example.com]}], route: [{destination: {host: `+gw+`}}]},
  {match: [{gateways: [g], sniHosts: [en.example.com]}], route: [{destination: {host: en.example.com}}]}, {match: [{gateways: [mesh]}], route: [{destination: {host: en.example.com}}]}],
 tcp: [{match: [{port: 5432}], route: [{destination: {host: db.example.com}}]}]}}`)
	w := Want(s)
	tell := func(lines []Line) (out []string) {
		for _, l := range lines {
			out = append(out, fmt.Sprintf("%s[%d] %s gateway:%t", l.List, l.Index, strings.Join(l.Hosts, ","), l.ForGateway("a/g")))
		}
		return out
	}
	for what, tt := range map[string]struct{ got, want []string }{
		"all": {tell(w.Lines()), []string{
			"http[0] www.example.com gateway:false", "tls[0] en.example.com gateway:false", "tls[1] en.example.com gateway:true", "tls[2] *.example.com gateway:false", "tcp[0] *.example.com gateway:true",
		}},
		"toward": {tell(w.Toward("en.example.com", 443)), []string{"tls[0] en.example.com gateway:false"}},
		"onward": {tell(w.Onward("en.example.com")), []string{"tls[1] en.example.com gateway:true", "tcp[0] *.example.com gateway:true"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %q", what, tt.got)
		}
	}
}

// TestOwn: of several owners of a host each has the routes of its own: a set those of its namespace to its gateway, an object itself.
func TestOwn(t *testing.T) {
	t.Parallel()
	first, second := egress.GatewayRef{Namespace: "istio-system", Service: "first"}, egress.GatewayRef{Namespace: "istio-system", Service: "second"}
	s := &snapshot.Snapshot{Facts: mesh.Facts{Gateways: []mesh.Gateway{{Namespace: first.Namespace, Service: first.Service}, {Namespace: second.Namespace, Service: second.Service}}}}
	for _, text := range []string{"a first", "b first", "a second"} {
		namespace, gw, _ := strings.Cut(text, " ")
		v := routes(t, `{metadata: {namespace: `+namespace+`, name: to-`+gw+`}, spec: {hosts: [edition.cnn.com], tls: [{match: [{sniHosts: [edition.cnn.com]}], route: [{destination: {host: `+gw+`.istio-system.svc.cluster.local}}]}]}}`)
		s.Objects.VirtualServices = append(s.Objects.VirtualServices, v.Objects.VirtualServices...)
	}
	w := Want(s)
	for name, tt := range map[string]struct {
		set, owner string
		gateway    egress.GatewayRef
		want       string
	}{
		"nobody else":       {"", "", first, "a/to-first b/to-first a/to-second"},
		"a set":             {"a/cnn", "a/cnn", first, "a/to-first"},
		"another gateway":   {"a/cnn", "a/cnn", second, "a/to-second"},
		"another namespace": {"b/cnn", "b/cnn", first, "b/to-first"},
		"neither":           {"b/cnn", "b/cnn", second, ""},
		"an object":         {"", ByHand + "b/to-first", first, "b/to-first"},
	} {
		p := to("edition.cnn.com", 443)
		p.Set, p.Owner, p.Gateway = tt.set, tt.owner, tt.gateway
		var got []string
		for _, l := range w.Own(p) {
			got = append(got, l.VirtualService.String())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if sni := (Ask{}).SNI(); sni != "" {
		t.Error(sni)
	}
}

// TestKnown: a host's addresses are those of its own clusters, but for subsets, which are others' pods.
func TestKnown(t *testing.T) {
	t.Parallel()
	hosts := func(cluster string, addresses ...string) admin.HostCounters {
		c := admin.HostCounters{Cluster: cluster}
		for _, a := range addresses {
			c.Hosts = append(c.Hosts, admin.HostStatus{Address: a})
		}
		return c
	}
	proxy := &snapshot.Proxy{Hosts: []admin.HostCounters{
		hosts("outbound|443||edition.cnn.com", "192.0.2.1", "a.pipe", "::ffff:192.0.2.2"), hosts("outbound|443|v1|edition.cnn.com", "192.0.2.3"),
		hosts("outbound|443||other.example.com", "192.0.2.4"), hosts("mine", "192.0.2.5"), hosts("outbound|80||edition.cnn.com", "192.0.2.6"),
	}}
	got := known(&Path{Path: to("edition.cnn.com", 443)}, proxy)
	if s := fmt.Sprint(got); s != "[192.0.2.1 192.0.2.2 192.0.2.6]" {
		t.Error(s)
	}
}

// TestStrange: of a pod that was not looked at its name is told, and of an address that is no gateway's that it is not.
func TestStrange(t *testing.T) {
	t.Parallel()
	s := &snapshot.Snapshot{Facts: mesh.Facts{Gateways: []mesh.Gateway{{Service: "a", Pods: []mesh.Pod{{Name: "one", IP: "10.0.0.1"}, {Name: "two", IP: "10.0.0.2"}}}}}}
	w := New(s)
	for address, want := range map[string]string{"10.0.0.1": "pod one was not", "10.0.0.2": "pod two was not", "10.0.0.3": "10.0.0.3 is not a known pod"} {
		stop := w.strange(&Path{}, address)
		if !strings.Contains(stop.Says, want) || (stop.Kind == UnknownPod) != strings.HasPrefix(want, address) {
			t.Errorf("%s: %+v", address, stop)
		}
	}
}

// TestSidecarsOfPaths: what goes past the sidecar is not followed, nor is a pod that gets nothing; without a gateway all are concerned.
func TestSidecarsOfPaths(t *testing.T) {
	t.Parallel()
	load := func() *snapshot.Snapshot { return captured.Load(t, "working-passthrough") }
	p := Walk(edit(load(), snapshot.AtSidecar, func(p *snapshot.Proxy) { p.Past.ExcludedPorts = "80, 443" }), to("edition.cnn.com", 443))
	if stop := p.Legs[0].Stop; stop == nil || stop.Kind != NotCaptured || len(p.Legs) != 1 {
		t.Errorf("%+v", stop)
	}
	p = Walk(edit(load(), snapshot.AtSidecar, func(p *snapshot.Proxy) {
		for i := range p.Hosts {
			h := &p.Hosts[i]
			if len(h.Hosts) > 0 && strings.Contains(h.Cluster, "istio-egressgateway") {
				h.Hosts = append(slices.Clone(h.Hosts), admin.HostStatus{Address: "10.9.9.9", Port: 8443, Unhealthy: true})
			}
		}
	}), to("edition.cnn.com", 443))
	if got := p.At(egress.AtGateway); len(got) != 1 || got[0].Stop != nil {
		t.Errorf("%d legs at gateways", len(got))
	}
	s := load()
	s.From, s.Objects.VirtualServices[0].Spec.ExportTo = "", []string{"istio-system"}
	for mode, want := range map[egress.Mode]bool{egress.Passthrough: false, egress.Direct: true} {
		path := to("edition.cnn.com", 443)
		path.Mode = mode
		p := Walk(s, path)
		if got := p.Legs[0].Proxy.Pod != ""; got != want {
			t.Errorf("%s: looked at %t", mode, got)
		}
	}
}

// TestSharedParts: a listener with a part of another's chains has only those, and a pod without clusters none.
func TestSharedParts(t *testing.T) {
	t.Parallel()
	l := admin.Listener{Filters: []string{"tls_inspector"}, Chains: []admin.FilterChain{
		{Name: "en", Match: admin.Match{ServerNames: []string{"en.wikipedia.org"}}}, {Name: "de", Match: admin.Match{ServerNames: []string{"de.wikipedia.org"}}},
	}}
	less := l
	less.Chains = l.Chains[:1]
	w := New(&snapshot.Snapshot{})
	for range 2 {
		for name, tt := range map[string]struct {
			l    *admin.Listener
			want bool
		}{"all": {&l, true}, "less": {&less, false}} {
			if got, _ := w.chains(tt.l).choose(connection{sni: "de.wikipedia.org"}); (got != nil) != tt.want {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
	if got := w.index(&snapshot.Proxy{}); len(got.clusters) != 0 || len(got.refused) != 0 {
		t.Errorf("%+v", got)
	}
	refusing := &snapshot.Proxy{Config: admin.Config{Listeners: []admin.Listener{{Name: "fine"}, {Name: "bad", Rejected: &admin.Rejection{Detail: "no"}}}}}
	if got := w.index(refusing).refused; len(got) != 1 || got[0].Name != "bad" {
		t.Errorf("%+v", got)
	}
}
