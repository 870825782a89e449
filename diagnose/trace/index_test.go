package trace

import (
	"fmt"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// twoPods are gateway pods that share chains and clusters, as gathering makes them, but for the default of the listener and the order
// of the counters.
func twoPods() *snapshot.Snapshot {
	chains := []admin.FilterChain{{Name: "en", Match: admin.Match{ServerNames: []string{"en.wikipedia.org"}}}}
	clusters := []admin.Cluster{{Name: "a", Warming: true}, {Name: "a"}, {Name: "b"}, {Name: "a", Warming: true}}
	s := &snapshot.Snapshot{}
	for i, names := range [][]string{{"a", "b"}, {"b", "a", "c"}} {
		p := snapshot.Proxy{Role: snapshot.AtGateway, Pod: fmt.Sprint(i), IP: fmt.Sprint("10.0.0.", i)}
		p.Config.Listeners = []admin.Listener{{Name: "l", Filters: []string{"tls_inspector"}, Chains: chains, Default: &admin.FilterChain{Name: fmt.Sprint("default ", i)}}}
		p.Config.Clusters = clusters
		for j, n := range names {
			p.Hosts = append(p.Hosts, admin.HostCounters{Cluster: n, Hosts: []admin.HostStatus{{Address: n, Port: i, Opened: uint64(j)}}})
		}
		s.Proxies = append(s.Proxies, p)
	}
	return s
}

// TestSharedChains: two listeners with the same chains have each their own default.
func TestSharedChains(t *testing.T) {
	t.Parallel()
	s := twoPods()
	w := New(s)
	for range 2 {
		for i := range s.Proxies {
			l := &s.Proxies[i].Config.Listeners[0]
			for sni, want := range map[string]string{"en.wikipedia.org": "en", "de.wikipedia.org": fmt.Sprint("default ", i)} {
				if got, ok := w.chains(l).choose(inspect(l, Ask{Port: 443, TLS: []Layer{{SNI: sni}}})); !ok || got.Name != want {
					t.Errorf("pod %d, %s: %+v", i, sni, got)
				}
			}
		}
	}
	less := s.Proxies[0].Config.Listeners[0]
	less.Chains = less.Chains[:0:0]
	if got, _ := w.chains(&less).choose(connection{sni: "en.wikipedia.org"}); got.Name != "default 0" {
		t.Errorf("%+v", got)
	}
}

// TestSharedClusters: the active one of a name is found, and a part of the same list is not taken for the whole.
func TestSharedClusters(t *testing.T) {
	t.Parallel()
	s := twoPods()
	w := New(s)
	first, second := w.index(&s.Proxies[0]), w.index(&s.Proxies[1])
	all := s.Proxies[0].Config.Clusters
	for _, x := range []*index{first, second} {
		if x.clusters["a"] != &all[1] || x.clusters["b"] != &all[2] || len(x.clusters) != 2 {
			t.Errorf("%+v", x.clusters)
		}
	}
	if part := w.clusters(all[:1]); part["a"] != &all[0] || len(part) != 1 {
		t.Errorf("%+v", part)
	}
}

// TestHostsOfCluster: each pod has its own, in whatever order it tells of them.
func TestHostsOfCluster(t *testing.T) {
	t.Parallel()
	s := twoPods()
	w := New(s)
	for range 2 {
		for i := range s.Proxies {
			for _, name := range []string{"a", "b"} {
				if got := w.hosts(&s.Proxies[i], name); len(got) != 1 || got[0].Address != name || got[0].Port != i {
					t.Errorf("pod %d, %s: %+v", i, name, got)
				}
			}
		}
	}
	if got := w.hosts(&s.Proxies[0], "c"); got != nil {
		t.Errorf("%+v", got)
	}
	if got := w.hosts(&s.Proxies[1], "c"); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestRefused: what a proxy has refused is told of each of its legs.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := twoPods()
	s.Proxies[0].Config.Listeners[0].Rejected = &admin.Rejection{Detail: "x"}
	s.Proxies[0].Config.Clusters[2].Rejected = &admin.Rejection{Detail: "y"}
	got := New(s).index(&s.Proxies[0]).refused
	if len(got) != 2 || got[0].Kind != "listener" || got[0].Name != "l" || got[1].Kind != "cluster" || got[1].Name != "b" || got[1].Rejection.Detail != "y" {
		t.Errorf("%+v", got)
	}
}

func TestParseClusterNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]ClusterName{
		"outbound|443||en.wikipedia.org": {443, "", "en.wikipedia.org"}, "outbound|80|v1|a.b": {80, "v1", "a.b"},
		"outbound|443|en.wikipedia.org": {}, "inbound|443||a": {}, "outbound|x||a": {}, "outbound|1||a|b": {}, "BlackHoleCluster": {}, "outbound|": {}, "": {},
	} {
		got, ok := ParseCluster(name)
		if got != want && ok || ok != (want != ClusterName{}) {
			t.Errorf("%q: %+v, %t", name, got, ok)
		}
	}
}
