package check

import (
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// TestCarried: routes for a wildcard that no entry names hang on a TLS entry of a host of their object, where clients see both.
func TestCarried(t *testing.T) {
	t.Parallel()
	entry := func(namespace, hosts, port, more string) string {
		return `serviceEntries: [{metadata: {namespace: ` + namespace + `, name: e}, spec: {hosts: [` + hosts + `], ports: [` + port + `]` + more + `}}]`
	}
	routes := func(hosts, exportTo, list, gateways string) string {
		return `, virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [` + hosts + `], gateways: [` + gateways + `]` + exportTo + `, ` + list +
			`: [{match: [{port: 443` + map[bool]string{true: `, sniHosts: ["*.wikipedia.org"]`}[list == "tls"] + `}], route: [{destination: {host: ` + toGateway + `}}]}]}}]`
	}
	const wild, www, secure = `"*.wikipedia.org"`, "www.wikipedia.org", "{number: 443, protocol: TLS}"
	for name, tt := range map[string]struct {
		objects  string
		host     egress.Host
		protocol egress.Protocol
		carried  bool
	}{
		"as printed":                 {entry("a", www, secure, "") + routes(wild, "", "tls", "mesh"), "*.wikipedia.org", egress.ProtocolTLS, true},
		"by HTTPS, the second port":  {entry("a", www, "{number: 80, protocol: HTTP}, {number: 443, protocol: https}", "") + routes(wild, "", "tls", "mesh"), "*.wikipedia.org", egress.ProtocolTLS, true},
		"the second host":            {entry("a", "a.example.com, "+www, secure, "") + routes("b.example.com, "+wild, "", "tls", "mesh"), "*.wikipedia.org", egress.ProtocolTLS, true},
		"HTTP":                       {entry("a", www, secure, "") + routes(wild, "", "tls", "mesh"), "*.wikipedia.org", egress.ProtocolHTTP, false},
		"a host that is no wildcard": {entry("a", www, secure, "") + routes(wild, "", "tls", "mesh"), "en.wikipedia.org", egress.ProtocolTLS, false},
		"another domain":             {entry("a", "www.example.com", secure, "") + routes(wild, "", "tls", "mesh"), "*.wikipedia.org", egress.ProtocolTLS, false},
		"another port":               {entry("a", www, "{number: 8443, protocol: TLS}", "") + routes(wild, "", "tls", "mesh"), "*.wikipedia.org", egress.ProtocolTLS, false},
		"another protocol":           {entry("a", www, "{number: 443, protocol: HTTP}", "") + routes(wild, "", "tls", "mesh"), "*.wikipedia.org", egress.ProtocolTLS, false},
		"with an address":            {entry("a", www, secure, ", addresses: [10.0.0.9]") + routes(wild, "", "tls", "mesh"), "*.wikipedia.org", egress.ProtocolTLS, false},
		"the entry is not exported":  {entry("b", www, secure, `, exportTo: ["."]`) + routes(wild, "", "tls", "mesh"), "*.wikipedia.org", egress.ProtocolTLS, false},
		"the routes are not":         {entry("a", www, secure, "") + routes(wild, `, exportTo: [b]`, "tls", "mesh"), "*.wikipedia.org", egress.ProtocolTLS, false},
		"for gateways alone":         {entry("a", www, secure, "") + routes(wild, "", "tls", "g"), "*.wikipedia.org", egress.ProtocolTLS, false},
		"tcp routes":                 {entry("a", www, secure, "") + routes(wild, "", "tcp", "mesh"), "*.wikipedia.org", egress.ProtocolTLS, false},
		"no entry":                   {"serviceEntries: []" + routes(wild, "", "tls", "mesh"), "*.wikipedia.org", egress.ProtocolTLS, false},
	} {
		s, p := atSidecar(t, "{"+tt.objects+"}", &trace.Stop{Kind: trace.Bypass, Cluster: trace.Passthrough})
		p.Host, p.Protocol = tt.host, tt.protocol
		if found := noServiceEntry.Run(s, p); len(found) == 0 {
			t.Errorf("%s: a proxy that does not have the routes is not told of", name)
		}
		s.States = map[snapshot.Source]snapshot.State{snapshot.Pods: {Kind: snapshot.NotGiven}}
		if got := carried(s, &p, "a"); got != tt.carried {
			t.Errorf("%s: %t", name, got)
		}
		if found := noServiceEntry.Run(s, p); (len(found) == 0) != tt.carried {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
