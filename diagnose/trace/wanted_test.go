package trace

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// routes makes a snapshot with one VirtualService, written as people do.
func routes(t *testing.T, text string) *snapshot.Snapshot {
	t.Helper()
	var v snapshot.VirtualService
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	s := &snapshot.Snapshot{Facts: mesh.Facts{Gateways: []mesh.Gateway{{Namespace: "istio-system", Service: "istio-egressgateway"}}}}
	s.Objects.VirtualServices = []snapshot.VirtualService{v}
	return s
}

// written tells lines in one word each.
func written(lines []Line) []string {
	var out []string
	for _, l := range lines {
		out = append(out, fmt.Sprintf("%s[%d] %v:%d on %v to %s:%d %s gateway=%s", l.List, l.Index, l.Hosts, l.Port, l.Gateways, l.To, l.ToPort, l.Subset, l.Gateway))
	}
	return out
}

func TestLines(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"the documents' passthrough": {
			`{metadata: {namespace: default, name: cnn}, spec: {hosts: [edition.cnn.com], gateways: [mesh, gw], tls: [
			 {match: [{gateways: [mesh], port: 443, sniHosts: [edition.cnn.com]}], route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, subset: cnn, port: {number: 443}}}]},
			 {match: [{gateways: [gw], port: 443, sniHosts: [edition.cnn.com]}], route: [{destination: {host: edition.cnn.com, port: {number: 443}}, weight: 100}]}]}}`,
			[]string{
				"tls[0] [edition.cnn.com]:443 on [mesh] to istio-egressgateway.istio-system.svc.cluster.local:443 cnn gateway=istio-system/istio-egressgateway",
				"tls[1] [edition.cnn.com]:443 on [default/gw] to edition.cnn.com:443  gateway=",
			},
		},
		"no gateways means mesh, no match means all": {
			`{metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com], http: [{route: [{destination: {host: x}}, {destination: {host: y.b}}]}]}}`,
			[]string{
				"http[0] [h.example.com]:0 on [mesh] to x.a.svc.cluster.local:0  gateway=",
				"http[0] [h.example.com]:0 on [mesh] to y.b:0  gateway=",
			},
		},
		"a match for a gateway that the object is not bound to": {
			`{metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com], gateways: [b/gw], tcp: [{match: [{gateways: [mesh, b/gw]}, {port: 1}], route: [{destination: {host: x}}]}]}}`,
			[]string{
				"tcp[0] [h.example.com]:0 on [b/gw] to x.a.svc.cluster.local:0  gateway=",
				"tcp[0] [h.example.com]:1 on [b/gw] to x.a.svc.cluster.local:0  gateway=",
			},
		},
		"a gateway that discovery does not know, by its shape": {
			`{metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com], gateways: [mesh, gw], http: [
			 {match: [{gateways: [mesh]}], route: [{destination: {host: own-gateway}}]}, {match: [{gateways: [gw]}], route: [{destination: {host: h.example.com}}]}]}}`,
			[]string{
				"http[0] [h.example.com]:0 on [mesh] to own-gateway.a.svc.cluster.local:0  gateway=a/own-gateway",
				"http[1] [h.example.com]:0 on [a/gw] to h.example.com:0  gateway=",
			},
		},
		"an application that is reached from outside and from inside is no egress": {
			`{metadata: {namespace: a, name: v}, spec: {hosts: [shop.example.com], gateways: [mesh, ingress], http: [{route: [{destination: {host: shop}}]}]}}`,
			[]string{"http[0] [shop.example.com]:0 on [mesh a/ingress] to shop.a.svc.cluster.local:0  gateway="},
		},
		"routes between services are no egress": {
			`{metadata: {namespace: a, name: v}, spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v2}}]}]}}`,
			[]string{"http[0] [reviews]:0 on [mesh] to reviews.a.svc.cluster.local:0 v2 gateway="},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, written(Want(routes(t, tt.text)).Lines())); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestTowardAndOnward(t *testing.T) {
	t.Parallel()
	w := Want(captured.Load(t, "both-mtls"))
	count := func(lines []Line, list List) int {
		return len(slices.DeleteFunc(lines, func(l Line) bool { return l.List != list }))
	}
	if n := count(w.Toward("edition.cnn.com", 443), TLSList); n != 1 {
		t.Errorf("%d lines toward the gateway on 443", n)
	}
	if n := len(w.Toward("edition.cnn.com", 8080)); n != 0 {
		t.Errorf("%d lines toward the gateway on a port that nobody routes", n)
	}
	if n := count(w.Onward("EDITION.cnn.com"), TCPList); n != 1 {
		t.Errorf("%d tcp lines from the gateway", n)
	}
	if n := len(w.For("cnn.com")); n != 0 {
		t.Errorf("%d lines for another host", n)
	}
}

func TestByHost(t *testing.T) {
	t.Parallel()
	b := byHost[string]{}
	for _, h := range []string{"en.wikipedia.org", "*.wikipedia.org", "*.org", "*", "EN.wikipedia.org."} {
		b.add(h, h)
	}
	for host, want := range map[string][]string{
		"en.wikipedia.org":  {"en.wikipedia.org", "EN.wikipedia.org.", "*.wikipedia.org", "*.org", "*"},
		"De.wikipedia.org":  {"*.wikipedia.org", "*.org", "*"},
		"a.b.wikipedia.org": {"*.wikipedia.org", "*.org", "*"},
		"*.wikipedia.org":   {"*.wikipedia.org", "*.org", "*"},
		"wikipedia.org":     {"*.org", "*"},
		"example.com":       {"*"},
		"*":                 {"*"},
		"localhost":         {"*"},
	} {
		if diff := cmp.Diff(want, b.get(host)); diff != "" {
			t.Errorf("%s: -want +got\n%s", host, diff)
		}
	}
}

func TestLineFrom(t *testing.T) {
	t.Parallel()
	pod := &snapshot.Proxy{Namespace: "a", Labels: map[string]string{"app": "x", "v": "1"}}
	for _, tt := range []struct {
		match *snapshot.RouteMatch
		want  bool
		http  bool // if it is one of an http route
	}{
		{nil, true, true},
		{&snapshot.RouteMatch{}, true, true},
		{&snapshot.RouteMatch{SourceNamespace: "a", SourceLabels: map[string]string{"app": "x"}}, true, true},
		{&snapshot.RouteMatch{SourceNamespace: "b"}, false, false},
		{&snapshot.RouteMatch{SourceLabels: map[string]string{"app": "y"}}, false, false},
		{&snapshot.RouteMatch{Gateways: []string{"mesh"}, SourceLabels: map[string]string{"app": "y"}}, false, true},
		{&snapshot.RouteMatch{Gateways: []string{"mesh"}, SourceNamespace: "b"}, false, true},
	} {
		if got := (Line{List: HTTPList, Match: tt.match}).From(pod); got != tt.http {
			t.Errorf("http, %+v: %t", tt.match, got)
		}
		if got := (Line{Match: tt.match}).From(pod); got != tt.want {
			t.Errorf("%+v: %t", tt.match, got)
		}
	}
}

func TestSample(t *testing.T) {
	t.Parallel()
	for in, want := range map[egress.Host]string{"*.wikipedia.org": "any-host.wikipedia.org", "en.wikipedia.org": "en.wikipedia.org"} {
		if got := (&walker{wanted: Want(&snapshot.Snapshot{})}).sample(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// TestGatewayOf: a Service is an egress gateway if the mesh has it as one, or if an object leads hosts of other names to it that are
// led on to the outside; a Service of the cluster's own, or for names of the cluster's own, is none.
func TestGatewayOf(t *testing.T) {
	t.Parallel()
	const entry = `serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [h.example.com, new.example.com]}}, {metadata: {namespace: a, name: f}, spec: {hosts: [old.example.com], location: MESH_INTERNAL}}]
`
	object := func(name, hosts, gateways, list, match, host string) string {
		return `{metadata: {namespace: a, name: ` + name + `}, spec: {hosts: [` + hosts + `], gateways: [` + gateways + `], ` + list + `: [{` + match + `route: [{destination: {host: ` + host + `}}]}]}}`
	}
	in := func(host, to string) string {
		return object("in", host, "mesh", "tls", "match: [{sniHosts: ["+host+"]}], ", to)
	}
	out := func(gateways, list, match, to string) string {
		return "," + object("out", "h.example.com", gateways, list, match, to)
	}
	const own, known, onG = "own.edge.svc.cluster.local", "istio-egressgateway.istio-system.svc.cluster.local", "match: [{gateways: [g]}], "
	for name, tt := range map[string]struct{ routes, want string }{
		"one that the mesh has":            {in("h.example.com", known), "istio-system/istio-egressgateway"},
		"one that nobody knows":            {in("h.example.com", own), ""},
		"led on by http":                   {in("h.example.com", own) + out("g", "http", "", "h.example.com"), "edge/own"},
		"led on by tls":                    {in("h.example.com", own) + out("mesh, g", "tls", onG, "h.example.com"), "edge/own"},
		"led on by tcp":                    {in("h.example.com", own) + out("mesh, g", "tcp", onG, "new.example.com"), "edge/own"},
		"for the mesh only":                {in("h.example.com", own) + out("mesh, g", "tls", "match: [{gateways: [mesh]}], ", "h.example.com"), ""},
		"of the mesh only":                 {in("h.example.com", own) + out("mesh", "tls", "", "h.example.com"), ""},
		"led on to what is inside":         {in("h.example.com", own) + out("g", "http", "", "old.example.com"), ""},
		"led on to a Service":              {in("h.example.com", own) + out("g", "http", "", "shop.a.svc.cluster.local"), ""},
		"led on to the outside and inside": {in("h.example.com", own) + out("g", "http", "", "h.example.com") + "," + object("more", "h.example.com", "g", "http", "", "old.example.com"), "edge/own"},
		"another host is led on":           {in("new.example.com", own) + out("g", "http", "", "h.example.com"), ""},
		"by letters of other size":         {in("H.example.com", own) + out("g", "http", "", "h.example.com"), "edge/own"},
		"no name of a Service":             {in("h.example.com", "x.b.c.svc.cluster.local") + out("g", "http", "", "h.example.com"), ""},
		"a name without a namespace":       {in("h.example.com", "x.svc.cluster.local") + out("g", "http", "", "h.example.com"), ""},
		"no Service":                       {in("h.example.com", "own.edge.example.com") + out("g", "http", "", "h.example.com"), ""},
		"in one object, by tls":            {strings.Replace(object("in", "h.example.com", "mesh, g", "tls", "", own), "tls: [", "tls: [{match: [{gateways: [g]}], route: [{destination: {host: h.example.com}}]}, ", 1), "edge/own"},
		"in one object, by tcp":            {strings.Replace(object("in", "h.example.com", "mesh, g", "tls", "", own), "tls: [", "tcp: [{match: [{gateways: [g]}], route: [{destination: {host: h.example.com}}]}], tls: [", 1), "edge/own"},
		"a name of the cluster's own":      {strings.ReplaceAll(in("h.example.com", own)+out("g", "http", "", "h.example.com"), "h.example.com", "shop.a.svc.cluster.local"), ""},
		"in one object, by tls, no entry":  {strings.ReplaceAll(strings.Replace(object("in", "h.example.com", "mesh, g", "tls", "", own), "tls: [", "tls: [{match: [{gateways: [g]}], route: [{destination: {host: h.example.com}}]}, ", 1), "h.example", "free.example"), "edge/own"},
		"in one object, by tcp, no entry":  {strings.ReplaceAll(strings.Replace(object("in", "h.example.com", "mesh, g", "tls", "", own), "tls: [", "tcp: [{match: [{gateways: [g]}], route: [{destination: {host: h.example.com}}]}], tls: [", 1), "h.example", "free.example"), "edge/own"},
		"two words, as kubectl has them":   {in("h.example.com", "own.edge") + out("g", "http", "", "h.example.com"), ""},
		"a short name led outside":         {in("shop", own) + "," + object("out", "shop", "g", "http", "", "h.example.com"), ""},
		"a short name":                     {strings.ReplaceAll(in("h.example.com", own)+out("g", "http", "", "h.example.com"), "h.example.com", "shop"), ""},
	} {
		s := &snapshot.Snapshot{Facts: mesh.Facts{Gateways: []mesh.Gateway{{Namespace: "istio-system", Service: "istio-egressgateway"}}}}
		if err := yaml.UnmarshalStrict([]byte(entry+"virtualServices: ["+tt.routes+"]"), &s.Objects); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := ""
		for _, l := range Want(s).Lines() {
			if l.Gateway != (egress.GatewayRef{}) {
				got = l.Gateway.String()
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
