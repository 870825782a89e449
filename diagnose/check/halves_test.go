package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestAdmits: a server's host admits a namespace by its name, by "*", or by "." for the Gateway's own, and only for hosts it covers.
func TestAdmits(t *testing.T) {
	t.Parallel()
	for hosts, want := range map[string]bool{
		"edition.cnn.com": true, "*/edition.cnn.com": true, "a/edition.cnn.com": true, "b/edition.cnn.com": false, "./edition.cnn.com": false,
		"a/*.cnn.com": true, "a/other.example.com": false, "*/other.example.com": false, "other.example.com": false,
	} {
		o := opened{trace.Opened{Gateway: &snapshot.Gateway{Meta: snapshot.Meta{Namespace: "istio-system"}}, Server: &snapshot.Server{Hosts: []string{hosts}}}}
		v := &snapshot.VirtualService{Meta: snapshot.Meta{Namespace: "a"}}
		if got := admits(o, v, "edition.cnn.com"); got != want {
			t.Errorf("%s: %t", hosts, got)
		}
		o.Gateway.Namespace = "a"
		if got := admits(o, v, "edition.cnn.com"); got != (want || hosts == "./edition.cnn.com") {
			t.Errorf("%s of the same namespace: %t", hosts, got)
		}
	}
}

// TestPolicyTLS: a port's own settings come before those of all ports, if it has any.
func TestPolicyTLS(t *testing.T) {
	t.Parallel()
	all, port := &snapshot.ClientTLS{Mode: "SIMPLE"}, &snapshot.ClientTLS{Mode: "MUTUAL"}
	with := func(tls *snapshot.ClientTLS, number int, portTLS *snapshot.ClientTLS) *snapshot.Policy {
		p := &snapshot.Policy{TLS: tls}
		p.Ports = append(p.Ports, policyPort(80, nil), policyPort(number, portTLS))
		return p
	}
	for name, tt := range map[string]struct {
		policy *snapshot.Policy
		path   string
		tls    *snapshot.ClientTLS
	}{
		"none":               {nil, "", nil},
		"empty":              {&snapshot.Policy{}, "", nil},
		"for all":            {&snapshot.Policy{TLS: all}, "/tls", all},
		"the port's":         {with(all, 443, port), "/portLevelSettings/1/tls", port},
		"another port's":     {with(all, 8443, port), "/tls", all},
		"the port says none": {with(all, 443, nil), "/tls", all},
		"nobody says any":    {with(nil, 443, nil), "", nil},
	} {
		if path, tls := policyTLS(tt.policy, 443); path != tt.path || tls != tt.tls {
			t.Errorf("%s: %q %+v", name, path, tls)
		}
	}
}

// TestSettings: sidecars take TLS of the subset, or of the whole rule, of a rule that they see and that has the subset.
func TestSettings(t *testing.T) {
	t.Parallel()
	const gw = `host: ` + toGateway
	const plain = `{metadata: {namespace: istio-system, name: plain}, spec: {` + gw + `}}`
	const cnn = `{metadata: {namespace: istio-system, name: cnn}, spec: {` + gw + `, subsets: [{name: other}, {name: cnn, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}]}}`
	const hidden = `{metadata: {namespace: istio-system, name: cnn}, spec: {` + gw + `, exportTo: ["."], subsets: [{name: cnn, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}]}}`
	const whole = `{metadata: {namespace: istio-system, name: whole}, spec: {` + gw + `, trafficPolicy: {tls: {mode: DISABLE}}, subsets: [{name: cnn}]}}`
	for name, tt := range map[string]struct{ rules, subset, rule, path, mode string }{
		"of the subset":         {cnn, "cnn", "cnn", "/spec/subsets/1/trafficPolicy/tls", "ISTIO_MUTUAL"},
		"merged":                {plain + "," + cnn, "cnn", "cnn", "/spec/subsets/1/trafficPolicy/tls", "ISTIO_MUTUAL"},
		"merged, but not seen":  {plain + "," + hidden, "cnn", "", "", ""},
		"of the whole":          {whole, "cnn", "whole", "/spec/trafficPolicy/tls", "DISABLE"},
		"no subset is named":    {whole, "", "whole", "/spec/trafficPolicy/tls", "DISABLE"},
		"it has no such subset": {whole, "other", "", "", ""},
		"no rule":               {"", "cnn", "", "", ""},
	} {
		s, p := atSidecar(t, `destinationRules: [`+tt.rules+`]`, nil)
		rule, path, tls := settings(s, &p, "default", tt.subset, 443)
		mode := ""
		if tls != nil {
			mode = tls.Mode
		}
		if ruleName(rule) != tt.rule || path != tt.path || mode != tt.mode {
			t.Errorf("%s: %q %q %q", name, ruleName(rule), path, mode)
		}
	}
	s, p := atSidecar(t, `destinationRules: [`+cnn+","+strings.Replace(cnn, "name: cnn}", "name: later}", 1)+`]`, nil)
	if having, all := rulesFor(s, &p, "cnn"); ruleName(having) != "cnn" || len(all) != 2 {
		t.Errorf("%q of %d", ruleName(having), len(all))
	}
	// the sender is the sidecar that has sent the server name which has arrived
	p.Legs[0].Exits = []trace.Exit{{Cluster: &admin.Cluster{Name: "outbound|443|cnn|" + toGateway}, Ask: trace.Ask{TLS: []trace.Layer{{SNI: "edition.cnn.com"}}}}}
	for sni, want := range map[string]string{"edition.cnn.com": "cnn", "other.example.com": ""} {
		if rule, _, _ := sender(s, &p, &trace.Leg{Ask: trace.Ask{TLS: []trace.Layer{{SNI: sni}}}}); ruleName(rule) != want {
			t.Errorf("%s: sent by %q", sni, ruleName(rule))
		}
	}
}

// bothHalves leads the path's host to the gateway, and on from Gateway a/g with these lists and these servers.
func bothHalves(onward, server string) string {
	return `virtualServices: [
 {metadata: {namespace: a, name: in}, spec: {hosts: [edition.cnn.com], tls: [{match: [{sniHosts: [edition.cnn.com]}], route: [{destination: {host: ` + toGateway + `, port: {number: 443}}}]}]}},
 {metadata: {namespace: a, name: out}, spec: {hosts: [edition.cnn.com], gateways: [g], ` + onward + `}}]
gateways: [{metadata: {namespace: a, name: g}, spec: {selector: {istio: egressgateway}, servers: [` + server + `]}}]`
}

const (
	tlsOnward = `tls: [{match: [{sniHosts: [edition.cnn.com]}], route: [{destination: {host: edition.cnn.com}}]}]`
	tcpOnward = `tcp: [{match: [{port: 443}], route: [{destination: {host: edition.cnn.com}}]}]`
	ending    = `{port: {number: 443, protocol: TLS}, hosts: [edition.cnn.com], tls: {mode: ISTIO_MUTUAL}}`
	passing   = `{port: {number: 443, protocol: TLS}, hosts: [edition.cnn.com], tls: {mode: PASSTHROUGH}}`
)

// TestTLSRouteOnEnding: a tls route is dropped only by a server of protocol TLS that ends it, and a tcp route beside it does the work.
func TestTLSRouteOnEnding(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		objects string
		found   bool
	}{
		"it is":        {bothHalves(tlsOnward, ending), true},
		"passes":       {bothHalves(tlsOnward, passing), false},
		"a tcp route":  {bothHalves(tcpOnward, ending), false},
		"both":         {bothHalves(tlsOnward+", "+tcpOnward, ending), false},
		"HTTPS":        {bothHalves(tlsOnward, strings.Replace(ending, "protocol: TLS", "protocol: HTTPS", 1)), false},
		"another port": {bothHalves(tlsOnward, strings.Replace(ending, "443", "80", 1)), false},
	} {
		s, p := atGateway(t, tt.objects, trace.Stop{Kind: trace.NoListener})
		p.Legs[0].Ask.Port = 8443
		if found := tlsRouteOnEndingServer.Run(s, p); (len(found) == 1) != tt.found {
			t.Errorf("%s: %+v", name, found)
		}
	}
	// what sidecars follow as well stays theirs
	both := strings.Replace(bothHalves(tlsOnward, ending), "gateways: [g], ", "gateways: [mesh, g], ", 1)
	s, p := atGateway(t, both, trace.Stop{Kind: trace.NoListener})
	p.Legs[0].Ask.Port = 8443
	found := tlsRouteOnEndingServer.Run(s, p)
	if len(found) != 1 {
		t.Fatalf("%+v", found)
	}
	contains(t, found[0], `{"op":"add","path":"/spec/tls/0/match/0/gateways","value":["mesh"]}`)
	out := follow(t, s, found[0].Fix).Objects.VirtualServices[1].Spec
	if m := out.TLS[0].Match[0]; !slices.Equal(m.Gateways, []string{"mesh"}) || len(out.TCP) != 1 || !slices.Equal(out.TCP[0].Match[0].Gateways, []string{"g"}) {
		t.Errorf("%+v", out)
	}
}

// TestWiderRoute: a route is too wide where its wildcard has a chain on a server that names a part of it only.
func TestWiderRoute(t *testing.T) {
	t.Parallel()
	const wide = `tls: [{match: [{port: 443, sniHosts: ["*.cnn.com"]}], route: [{destination: {host: edition.cnn.com}}]}]`
	hosts := func(onward string) string {
		return strings.Replace(bothHalves(onward, passing), "{hosts: [edition.cnn.com], gateways", `{hosts: ["*.cnn.com"], gateways`, 1)
	}
	for name, tt := range map[string]struct {
		objects string
		change  func(*trace.Path)
		found   bool
	}{
		"it is":              {hosts(wide), func(*trace.Path) {}, true},
		"of any port":        {hosts(strings.Replace(wide, "port: 443, ", "", 1)), func(*trace.Path) {}, true},
		"of another port":    {hosts(strings.Replace(wide, "port: 443, ", "port: 80, ", 1)), func(*trace.Path) {}, false},
		"HTTP":               {hosts(wide), func(p *trace.Path) { p.Protocol = egress.ProtocolHTTP }, false},
		"it stops":           {hosts(wide), func(p *trace.Path) { p.Legs[0].Stop = &trace.Stop{Kind: trace.NoChain} }, false},
		"no chain":           {hosts(wide), func(p *trace.Path) { p.Legs[0].Proxy.Config.Listeners = nil }, false},
		"not exported there": {strings.Replace(hosts(wide), "gateways: [g],", `exportTo: ["."], gateways: [g],`, 1), func(*trace.Path) {}, false},
		"not wider":          {bothHalves(tlsOnward, passing), func(*trace.Path) {}, false},
		"the server is too":  {strings.Replace(hosts(wide), "TLS}, hosts: [edition.cnn.com]", `TLS}, hosts: ["*.cnn.com"]`, 1), func(*trace.Path) {}, false},
		"a name of another server": {
			strings.Replace(bothHalves(strings.Replace(tlsOnward, "[edition.cnn.com]", "[edition.cnn.com, '*.example.com']", 1), passing+`, {port: {number: 443, protocol: TLS}, hosts: ["*.example.com"], tls: {mode: PASSTHROUGH}}`), "{hosts: [edition.cnn.com], gateways", `{hosts: [edition.cnn.com, "*.example.com"], gateways`, 1),
			func(p *trace.Path) {
				p.Legs[0].Proxy.Config.Listeners[0].Chains[0].Match.ServerNames = []string{"*.example.com"}
			}, false,
		},
		"the server ends it": {strings.Replace(hosts(wide), "PASSTHROUGH", "SIMPLE", 1), func(*trace.Path) {}, false},
	} {
		s, p := atGateway(t, tt.objects, trace.Stop{})
		c := admin.FilterChain{}
		c.Match.ServerNames = []string{"*.cnn.com"}
		p.Legs[0].Stop, p.Legs[0].Proxy.Config.Listeners = nil, []admin.Listener{{Port: 8443, Chains: []admin.FilterChain{c}}}
		tt.change(&p)
		if found := routeWiderThanGateway.Run(s, p); (len(found) == 1) != tt.found {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
