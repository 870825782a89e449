package trace

import (
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestWords: what people are shown of names, of which there may be none or a thousand.
func TestWords(t *testing.T) {
	t.Parallel()
	chainsFor := func(names ...string) *admin.Listener {
		l := &admin.Listener{}
		for _, n := range names {
			l.Chains = append(l.Chains, admin.FilterChain{Match: admin.Match{ServerNames: []string{n}}})
		}
		return l
	}
	for got, want := range map[string]string{
		named(""): "(none)", named("a.org"): "a.org",
		connection{transport: "tls", sni: "a.org"}.describe(): "TLS with server name a.org",
		connection{transport: "tls"}.describe():               "TLS with server name (none)",
		connection{transport: "raw_buffer"}.describe():        "plain text (no server name)",
		offered(&admin.Listener{}):                            "no server name",
		offered(chainsFor("a", "b")):                          "a, b",
		offered(chainsFor("1", "2", "3", "4", "5")):           "1, 2, 3, 4, 5",
		offered(chainsFor("1", "2", "3", "4", "5", "6", "7")): "1, 2, 3, 4, 5 and 2 more",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestFits: a criterion that asks for nothing is fulfilled by every text.
func TestFits(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		c     snapshot.StringMatch
		text  string
		wants bool
	}{
		"exact": {snapshot.StringMatch{Exact: "a"}, "a", true}, "not exact": {snapshot.StringMatch{Exact: "a"}, "ab", false},
		"prefix": {snapshot.StringMatch{Prefix: "a"}, "ab", true}, "no prefix": {snapshot.StringMatch{Prefix: "a"}, "b", false},
		"pattern": {snapshot.StringMatch{Regex: "a+"}, "aa", true}, "no pattern": {snapshot.StringMatch{Regex: "a+"}, "aab", false},
		"nothing": {snapshot.StringMatch{}, "a", true},
	} {
		if got := fits(&tt.c, tt.text); got != tt.wants {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestRequestOfOthers: what is followed is what sidecars' http routes ask for; those of gateways, and of TLS, are no requests of clients.
func TestRequestOfOthers(t *testing.T) {
	t.Parallel()
	const gw = "istio-egressgateway.istio-system.svc.cluster.local"
	const api = "{match: [{gateways: [mesh], uri: {prefix: /api}}], route: [{destination: {host: " + gw + "}}]}"
	for name, tt := range map[string]struct{ http, tls, path string }{
		"alone":                 {api, "", "/api"},
		"one of the gateway's":  {"{match: [{gateways: [g]}], route: [{destination: {host: " + gw + "}}]}, " + api, "", "/api"},
		"TLS":                   {api, "{match: [{gateways: [mesh], sniHosts: [edition.cnn.com]}], route: [{destination: {host: " + gw + "}}]}", "/api"},
		"one for every request": {api + ", {match: [{gateways: [mesh]}], route: [{destination: {host: " + gw + "}}]}", "", "/"},
		"none":                  {"", "", "/"},
	} {
		s := routes(t, "{metadata: {namespace: a, name: v}, spec: {hosts: [edition.cnn.com], gateways: [mesh, g], http: ["+tt.http+"], tls: ["+tt.tls+"]}}")
		if got := Want(s).request("edition.cnn.com", 80); got.Path != tt.path || got.Method != "GET" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
