package recipe

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networking "istio.io/api/networking/v1alpha3"
	clientnetworking "istio.io/client-go/pkg/apis/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

func render(t *testing.T, set egress.Set, facts mesh.Facts) []*unstructured.Unstructured {
	t.Helper()
	objs, err := Render(set, facts)
	if err != nil {
		t.Fatal(err)
	}
	return objs
}

// built is a set's objects by kind.
type built struct {
	set      egress.Set
	entries  []*clientnetworking.ServiceEntry
	gateway  *clientnetworking.Gateway
	rules    []*clientnetworking.DestinationRule
	services []*clientnetworking.VirtualService
}

func buildAll(t *testing.T, set egress.Set, facts mesh.Facts) built {
	t.Helper()
	objs, err := Build(set, facts)
	if err != nil {
		t.Fatal(err)
	}
	b := built{set: set}
	for _, o := range objs {
		switch o := o.(type) {
		case *clientnetworking.ServiceEntry:
			b.entries = append(b.entries, o)
		case *clientnetworking.Gateway:
			if b.gateway != nil {
				t.Fatal("more than one Gateway")
			}
			b.gateway = o
		case *clientnetworking.DestinationRule:
			b.rules = append(b.rules, o)
		case *clientnetworking.VirtualService:
			b.services = append(b.services, o)
		default:
			t.Fatalf("unexpected %T", o)
		}
	}
	return b
}

// randomSet draws names that are hard to keep apart: dashes where others have dots, and long ones.
func randomSet(t *testing.T, r *rand.Rand) egress.Set {
	t.Helper()
	parts := []string{"a", "b", "a-b", "b-a", "a--b", "xn--bcher-kva", strings.Repeat("long", 15)}
	hosts := map[string]bool{}
	for range 1 + r.IntN(12) {
		var labels []string
		for range 1 + r.IntN(5) {
			labels = append(labels, parts[r.IntN(len(parts))])
		}
		if h := strings.Join(append(labels, "com"), "."); len(h) <= 253 {
			hosts[h] = true
		}
	}
	d := egress.Declaration{
		Name: []string{"a", "a-b", strings.Repeat("n", 50)}[r.IntN(3)], Namespace: []string{"default", "istio-system"}[r.IntN(2)],
		Mode: []string{"auto", "http", "passthrough"}[r.IntN(3)], MTLS: []string{"on", "off"}[r.IntN(2)],
	}
	for h := range hosts {
		d.Domains = append(d.Domains, h)
	}
	return declare(t, d)
}

// TestInvariants holds what makes the objects work, whatever the hosts, over many random sets.
func TestInvariants(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		set := randomSet(t, r)
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			b := buildAll(t, set, chart())
			b.checkNames(t)
			b.checkServers(t)
			b.checkRoutes(t)
			if diff := cmp.Diff(render(t, set, chart()), render(t, set, chart())); diff != "" {
				t.Errorf("not the same every time: %s", diff)
			}
			if t.Failed() {
				t.Logf("set %+v", set)
			}
		})
	}
}

var (
	dnsLabel     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	dnsSubdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

func (b built) checkNames(t *testing.T) {
	t.Helper()
	seen := map[string]bool{}
	for _, o := range render(t, b.set, chart()) {
		id := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
		if seen[id] || len(o.GetName()) > maxObjectName || !dnsSubdomain.MatchString(o.GetName()) {
			t.Errorf("bad or repeated name: %s", id)
		}
		seen[id] = true
		mark := o.GetLabels()[egress.LabelPartOf]
		if o.GetKind() == "ConfigMap" {
			mark = o.GetLabels()[egress.LabelApplySetID]
		}
		if mark != b.set.ApplySetID() || o.GetLabels()[egress.LabelManagedBy] != egress.ManagedBy {
			t.Errorf("%s is not marked as ours: %v", id, o.GetLabels())
		}
	}
	if !dnsLabel.MatchString(b.gateway.Name) {
		t.Errorf("Istio refuses a Gateway named %s", b.gateway.Name)
	}
	subsets := map[string]bool{}
	for _, d := range b.rules {
		for _, s := range d.Spec.Subsets {
			if subsets[s.Name] || !dnsLabel.MatchString(s.Name) {
				t.Errorf("bad or repeated subset %q", s.Name)
			}
			subsets[s.Name] = true
		}
	}
	ports := map[string]bool{}
	for _, s := range b.gateway.Spec.Servers {
		if ports[s.Port.Name] || !dnsLabel.MatchString(s.Port.Name) {
			t.Errorf("bad or repeated port name %q", s.Port.Name)
		}
		ports[s.Port.Name] = true
	}
}

// checkServers: each route of the set has just one server, all servers of a port are of one kind, and those that end Istio's
// TLS have one host each.
func (b built) checkServers(t *testing.T) {
	t.Helper()
	want, got := map[string]int{}, map[string]int{}
	for _, r := range b.set.Routes() {
		want[fmt.Sprintf("%s:%d", r.Host, r.Port)] = 1
	}
	kinds := map[uint32]string{}
	for _, s := range b.gateway.Spec.Servers {
		for _, h := range s.Hosts {
			got[fmt.Sprintf("%s:%d", h, s.Port.Number)]++
		}
		kind := s.Port.Protocol + " " + s.GetTls().GetMode().String()
		if before, ok := kinds[s.Port.Number]; ok && before != kind {
			t.Errorf("port %d is %s and %s", s.Port.Number, before, kind)
		}
		kinds[s.Port.Number] = kind
		if mutual := s.GetTls().GetMode() == networking.ServerTLSSettings_ISTIO_MUTUAL; mutual != (b.set.MTLS == egress.MTLSOn) || mutual && len(s.Hosts) != 1 {
			t.Errorf("server %v with Istio mTLS %s", s, b.set.MTLS)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hosts of servers: %s", diff)
	}
}

// checkRoutes follows each VirtualService: it is bound to both, its subsets exist and send an SNI that a server of that port
// expects, no tls route is on a server that ends TLS (rule R12), and what leaves is declared by a ServiceEntry.
func (b built) checkRoutes(t *testing.T) {
	t.Helper()
	if len(b.services) != len(b.set.Hosts) {
		t.Fatalf("%d VirtualServices for %d hosts", len(b.services), len(b.set.Hosts))
	}
	for _, vs := range b.services {
		if diff := cmp.Diff([]string{"mesh", b.gateway.Name}, vs.Spec.Gateways); diff != "" || vs.Namespace != b.gateway.Namespace {
			t.Errorf("%s is not bound to the sidecars and the set's Gateway: %s", vs.Name, diff)
		}
		host := vs.Spec.Hosts[0]
		legs := legsOf(&vs.Spec)
		for _, r := range b.set.Routes() {
			if string(r.Host) != host {
				continue
			}
			in := legs["mesh "+fmt.Sprint(r.Port)]
			out := legs[b.gateway.Name+" "+fmt.Sprint(r.Port)]
			if len(in) != 1 || len(out) != 1 {
				t.Fatalf("%s:%d has %d legs in and %d out", host, r.Port, len(in), len(out))
			}
			b.checkIn(t, r, in[0])
			b.checkOut(t, r, out[0])
			delete(legs, "mesh "+fmt.Sprint(r.Port))
			delete(legs, b.gateway.Name+" "+fmt.Sprint(r.Port))
		}
		if len(legs) > 0 {
			t.Errorf("%s has routes that no route of the set asks for: %v", vs.Name, legs)
		}
	}
}

// leg is one route of a VirtualService, of whatever kind.
type leg struct {
	kind string // tls, tcp or http
	sni  []string
	to   *networking.Destination
}

// legsOf lists the routes by "GATEWAY PORT" of their matches.
func legsOf(vs *networking.VirtualService) map[string][]leg {
	legs := map[string][]leg{}
	add := func(gateways []string, port uint32, l leg) {
		for _, g := range gateways {
			key := fmt.Sprintf("%s %d", g, port)
			legs[key] = append(legs[key], l)
		}
	}
	for _, r := range vs.Tls {
		for _, m := range r.Match {
			add(m.Gateways, m.Port, leg{"tls", m.SniHosts, r.Route[0].Destination})
		}
	}
	for _, r := range vs.Tcp {
		for _, m := range r.Match {
			add(m.Gateways, m.Port, leg{"tcp", nil, r.Route[0].Destination})
		}
	}
	for _, r := range vs.Http {
		for _, m := range r.Match {
			add(m.Gateways, m.Port, leg{"http", nil, r.Route[0].Destination})
		}
	}
	return legs
}

func (b built) checkIn(t *testing.T, r egress.Route, l leg) {
	t.Helper()
	want := "tls"
	if r.Protocol == egress.ProtocolHTTP {
		want = "http"
	}
	if l.kind != want || want == "tls" && !slices.Equal(l.sni, []string{string(r.Host)}) {
		t.Errorf("%s:%d enters by %+v", r.Host, r.Port, l)
	}
	const service = "istio-egressgateway.istio-system.svc.cluster.local"
	if l.to.Host != service || l.to.Port.Number != uint32(r.Port) {
		t.Errorf("%s:%d enters by %v", r.Host, r.Port, l.to)
	}
	if b.set.MTLS == egress.MTLSOff {
		if l.to.Subset != "" || len(b.rules) > 0 {
			t.Errorf("%s:%d uses subset %q without Istio mTLS; rules %v", r.Host, r.Port, l.to.Subset, b.rules)
		}
		return
	}
	if len(b.rules) != 1 || b.rules[0].Namespace != "istio-system" || b.rules[0].Spec.Host != service {
		t.Fatalf("the rule is not where every sidecar finds it: %v", b.rules)
	}
	for _, s := range b.rules[0].Spec.Subsets {
		if s.Name == l.to.Subset && s.TrafficPolicy.Tls.Mode == networking.ClientTLSSettings_ISTIO_MUTUAL && s.TrafficPolicy.Tls.Sni == string(r.Host) {
			return
		}
	}
	t.Errorf("%s:%d: no subset %q that sends its SNI", r.Host, r.Port, l.to.Subset)
}

func (b built) checkOut(t *testing.T, r egress.Route, l leg) {
	t.Helper()
	want := "http"
	if r.Protocol == egress.ProtocolTLS {
		want = map[egress.Toggle]string{egress.MTLSOn: "tcp", egress.MTLSOff: "tls"}[b.set.MTLS]
	}
	if l.kind != want || want == "tls" && !slices.Equal(l.sni, []string{string(r.Host)}) {
		t.Errorf("%s:%d leaves by %+v, want a %s route", r.Host, r.Port, l, want)
	}
	if l.to.Host != string(r.Host) || l.to.Port.Number != uint32(r.Port) || l.to.Subset != "" {
		t.Errorf("%s:%d leaves for %v", r.Host, r.Port, l.to)
	}
	for _, e := range b.entries {
		for _, p := range e.Spec.Ports {
			if slices.Contains(e.Spec.Hosts, string(r.Host)) && p.Number == uint32(r.Port) && p.Protocol == string(r.Protocol) &&
				e.Spec.Resolution == networking.ServiceEntry_DNS && e.Spec.Location == networking.ServiceEntry_MESH_EXTERNAL {
				return
			}
		}
	}
	t.Errorf("%s:%d is in no ServiceEntry", r.Host, r.Port)
}
