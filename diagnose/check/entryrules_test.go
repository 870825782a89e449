package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestCredentialAtSidecar: only a path without a gateway, whose cluster of that host begins no TLS, is missing the rule's TLS.
func TestCredentialAtSidecar(t *testing.T) {
	t.Parallel()
	const rule = `destinationRules: [{metadata: {namespace: default, name: d}, spec: {host: edition.cnn.com, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c}}}},
 {metadata: {namespace: default, name: o}, spec: {host: other.example.com, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c}}}}]`
	const private = `destinationRules: [{metadata: {namespace: a, name: d}, spec: {host: edition.cnn.com, exportTo: ["."], trafficPolicy: {tls: {mode: SIMPLE, credentialName: c}}}}]`
	for name, tt := range map[string]struct {
		objects string
		mode    egress.Mode
		cluster admin.Cluster
		found   bool
	}{
		"plain text":           {rule, egress.Direct, admin.Cluster{Name: cnn443}, true},
		"through a gateway":    {rule, egress.HTTP, admin.Cluster{Name: cnn443}, false},
		"TLS is begun":         {rule, egress.Direct, admin.Cluster{Name: cnn443, TLS: &admin.TLS{Mode: admin.Simple}}, false},
		"another host":         {rule, egress.Direct, admin.Cluster{Name: "outbound|443||other.example.com"}, false},
		"a cluster of no host": {rule, egress.Direct, admin.Cluster{Name: "mine"}, false},
		"a rule of others":     {private, egress.Direct, admin.Cluster{Name: cnn443}, false},
	} {
		s, p := atSidecar(t, tt.objects, nil)
		p.Mode, p.Legs[0].Exits = tt.mode, []trace.Exit{{Cluster: &tt.cluster}}
		p.Legs[0].Proxy.Labels = map[string]string{"app.kubernetes.io/name": "client"}
		found := credentialAtSidecar.Run(s, p)
		if (len(found) == 1) != tt.found {
			t.Errorf("%s: %+v", name, found)
		}
		for _, f := range found {
			contains(t, f, `{"matchLabels":{"app.kubernetes.io/name":"client"}}`)
		}
	}
}

// TestWildcardLookedUp: the entry is one that names the wildcard itself, has the port, and looks it up.
func TestWildcardLookedUp(t *testing.T) {
	t.Parallel()
	entry := func(spec string) string {
		return `serviceEntries: [{metadata: {namespace: a, name: e}, spec: {` + spec + `}}]`
	}
	for name, tt := range map[string]struct {
		objects string
		found   bool
	}{
		"it is":           {entry(`hosts: ["*.cnn.com"], resolution: DNS, ports: [{number: 443, protocol: TLS}]`), true},
		"with endpoints":  {entry(`hosts: ["*.cnn.com"], resolution: DNS, endpoints: [{address: www.cnn.com}], ports: [{number: 443, protocol: TLS}]`), false},
		"another port":    {entry(`hosts: ["*.cnn.com"], resolution: DNS, ports: [{number: 80, protocol: HTTP}]`), false},
		"a wider one":     {entry(`hosts: ["*.com"], resolution: DNS, ports: [{number: 443, protocol: TLS}]`), false},
		"no resolution":   {entry(`hosts: ["*.cnn.com"], resolution: NONE, ports: [{number: 443, protocol: TLS}]`), false},
		"DYNAMIC_DNS":     {entry(`hosts: ["*.cnn.com"], resolution: DYNAMIC_DNS, ports: [{number: 443, protocol: TLS}]`), false},
		"the second port": {entry(`hosts: ["*.cnn.com"], resolution: DNS, ports: [{number: 80, protocol: HTTP}, {number: 443, protocol: TLS}]`), true},
	} {
		s, p := atGateway(t, tt.objects, trace.Stop{Kind: trace.NoCluster})
		p.Host = "*.cnn.com"
		for minor, dynamic := range map[int]bool{24: false, 30: true} {
			s.Facts.Version = mesh.Version{Major: 1, Minor: minor}
			found := wildcardLookedUp.Run(s, p)
			if (len(found) == 1) != tt.found {
				t.Errorf("%s: %+v", name, found)
			}
			for _, f := range found {
				if strings.Contains(f.Fix, "DYNAMIC_DNS") != dynamic || strings.Contains(f.Fix, "EnvoyFilter") != dynamic {
					t.Errorf("%s, Istio 1.%d: %s", name, minor, f.Fix)
				}
			}
		}
	}
}

// TestDynamicAtGateway: a set's own filter is another rule's, and an entry that the gateway does not see is none.
func TestDynamicAtGateway(t *testing.T) {
	t.Parallel()
	const seen = `serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: ["*.cnn.com"], resolution: DYNAMIC_DNS}}]`
	const hidden = `serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: ["*.cnn.com"], exportTo: ["."], resolution: DYNAMIC_DNS}}]`
	for _, tt := range []struct {
		objects, set string
		kind         trace.Kind
		found        bool
	}{
		{seen, "", trace.NoLookup, true},
		{seen, "shop/news", trace.NoLookup, false},
		{hidden, "", trace.NoLookup, false},
		{seen, "", trace.NoCluster, false},
	} {
		s, p := atGateway(t, tt.objects, trace.Stop{Kind: tt.kind})
		s.States = map[snapshot.Source]snapshot.State{snapshot.EnvoyFilters: {Kind: snapshot.Read}}
		p.Host, p.Set = "*.cnn.com", tt.set
		if found := dynamicAtGateway.Run(s, p); (len(found) == 1) != tt.found {
			t.Errorf("%+v: %+v", tt, found)
		}
	}
}

// TestEntriesKept: of two entries that differ that beside the routes is kept.
func TestEntriesKept(t *testing.T) {
	t.Parallel()
	const entries = `serviceEntries: [
 {metadata: {namespace: a, name: e}, spec: {hosts: [edition.cnn.com], resolution: DNS, ports: [{number: 443, protocol: TLS}]}},
 {metadata: {namespace: b, name: f}, spec: {hosts: [edition.cnn.com], ports: [{number: 443, protocol: TLS}]}}]
virtualServices: [{metadata: {namespace: ROUTES, name: v}, spec: {hosts: [edition.cnn.com], tls: [{match: [{sniHosts: [edition.cnn.com]}], route: [{destination: {host: ` + toGateway + `}}]}]}}]`
	for namespace, drop := range map[string]string{"a": "b", "b": "a", "c": "a"} {
		s, p := atGateway(t, strings.Replace(entries, "ROUTES", namespace, 1), trace.Stop{})
		p.Legs[0].Stop = nil
		found := entriesDiffer.Run(s, p)
		if len(found) != 1 || found[0].Object.Namespace != drop || !slices.Contains(found[0].Evidence, "resolution is DNS in a/e and not set in b/f") {
			t.Errorf("routes in %s: %+v", namespace, found)
		}
	}
}

// TestUnseenEntry: the entry that is hidden is the first that has the port, and none is hidden where one is seen.
func TestUnseenEntry(t *testing.T) {
	t.Parallel()
	const first = `{metadata: {namespace: a, name: first}, spec: {hosts: [edition.cnn.com], exportTo: ["."], ports: [{number: 443, protocol: TLS}]}}`
	const second = `{metadata: {namespace: a, name: second}, spec: {hosts: [edition.cnn.com], exportTo: ["."], ports: [{number: 80, protocol: HTTP}, {number: 443, protocol: TLS}]}}`
	const seen = `{metadata: {namespace: a, name: seen}, spec: {hosts: [edition.cnn.com], ports: [{number: 443, protocol: TLS}]}}`
	const other = `{metadata: {namespace: a, name: other}, spec: {hosts: [edition.cnn.com], exportTo: ["."], ports: [{number: 80, protocol: HTTP}]}}`
	const otherSeen = `{metadata: {namespace: a, name: other}, spec: {hosts: [edition.cnn.com], ports: [{number: 80, protocol: HTTP}]}}`
	for entries, want := range map[string]string{
		"": "", first: "first", second: "second", seen: "", other: "",
		first + "," + second: "first", other + "," + first: "first", first + "," + seen: "", otherSeen + "," + first: "first",
	} {
		s, p := atSidecar(t, `serviceEntries: [`+entries+`]`, &trace.Stop{Kind: trace.Bypass})
		got := ""
		if e := unseenEntry(s, &p, "default"); e != nil {
			got = e.Name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", entries, got, want)
		}
	}
}

// TestEntryNotExported: an entry that has the port and is not exported to the gateway is to blame, wherever the port stands in it.
func TestEntryNotExported(t *testing.T) {
	t.Parallel()
	for ports, want := range map[string]bool{`{number: 443, protocol: TLS}`: true, `{number: 80, protocol: HTTP}, {number: 443, protocol: TLS}`: true, `{number: 80, protocol: HTTP}`: false} {
		s, p := atGateway(t, `serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [edition.cnn.com], exportTo: ["."], ports: [`+ports+`]}}]`, trace.Stop{Kind: trace.NoCluster})
		if found := entryNotExported.Run(s, p); (len(found) == 1) != want {
			t.Errorf("%s: %+v", ports, found)
		}
	}
}
