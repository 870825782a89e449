package diagnose

import (
	"fmt"
	"slices"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// manyPaths makes a mesh with n hosts by passthrough out of a capture with one, as n people would have made it by hand: an entry, a
// Gateway and a VirtualService for each, and all of it in the proxies.
func manyPaths(t testing.TB, n int) *snapshot.Snapshot {
	t.Helper()
	s := load(t, "working-passthrough")
	const host, cluster = "edition.cnn.com", "outbound|443||edition.cnn.com"
	entry, gateway, routes := s.Objects.ServiceEntries[0], s.Objects.Gateways[0], s.Objects.VirtualServices[0]
	s.Objects.ServiceEntries, s.Objects.Gateways, s.Objects.VirtualServices = nil, nil, nil
	for i := range n {
		name, h := fmt.Sprintf("h%d", i), []string{fmt.Sprintf("h%d.example.com", i)}
		e, g, v := entry, gateway, routes
		e.Name, e.Spec.Hosts = name, h
		g.Name, g.Spec.Servers = name, slices.Clone(gateway.Spec.Servers)
		g.Spec.Servers[0].Hosts = h
		v.Name, v.Spec.Hosts, v.Spec.Gateways = name, h, []string{"mesh", name}
		v.Spec.TLS = slices.Clone(routes.Spec.TLS)
		for j := range v.Spec.TLS {
			v.Spec.TLS[j].Match = slices.Clone(v.Spec.TLS[j].Match)
			v.Spec.TLS[j].Match[0].SNIHosts = h
		}
		v.Spec.TLS[1].Match[0].Gateways = []string{name}
		v.Spec.TLS[1].Route = slices.Clone(v.Spec.TLS[1].Route)
		v.Spec.TLS[1].Route[0].Destination.Host = h[0]
		s.Objects.ServiceEntries, s.Objects.Gateways, s.Objects.VirtualServices = append(s.Objects.ServiceEntries, e), append(s.Objects.Gateways, g), append(s.Objects.VirtualServices, v)
	}
	for i := range s.Proxies {
		p := &s.Proxies[i]
		for j := range p.Config.Listeners {
			l := &p.Config.Listeners[j]
			k := slices.IndexFunc(l.Chains, func(c admin.FilterChain) bool { return slices.Contains(c.Match.ServerNames, host) })
			if k < 0 {
				continue
			}
			chain := l.Chains[k]
			l.Chains = slices.Delete(l.Chains, k, k+1)
			for m := range n {
				c := chain
				c.Match.ServerNames = []string{fmt.Sprintf("h%d.example.com", m)}
				if tcp := *chain.Filters[0].TCP; tcp.Cluster == cluster {
					tcp.Cluster = fmt.Sprintf("outbound|443||h%d.example.com", m)
					c.Filters = []admin.Filter{{Name: chain.Filters[0].Name, TCP: &tcp}}
				}
				l.Chains = append(l.Chains, c)
			}
		}
		for _, c := range slices.Clone(p.Config.Clusters) {
			for m := range n {
				if c.Name == cluster {
					c.Name = fmt.Sprintf("outbound|443||h%d.example.com", m)
					p.Config.Clusters = append(p.Config.Clusters, c)
					p.Hosts = append(p.Hosts, admin.HostCounters{Cluster: c.Name, Hosts: []admin.HostStatus{{Address: "10.96.0.83", Port: 443, Opened: 1}}})
					c.Name = cluster
				}
			}
		}
	}
	return s
}

func TestManyPaths(t *testing.T) {
	t.Parallel()
	r, err := Judge(manyPaths(t, 200), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Paths) != 200 || r.ExitCode != report.Fine || r.Summary.Fail+r.Summary.Unknown > 0 {
		t.Errorf("%d paths, exit code %d, %+v", len(r.Paths), r.ExitCode, r.Summary)
	}
}

// BenchmarkJudge shows how judging grows with the number of paths, after gathering; with two gateway pods and one workload.
func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		s := manyPaths(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r, err := Judge(s, Options{}); err != nil || len(r.Paths) != n {
					b.Fatal(err)
				}
			}
		})
	}
}
