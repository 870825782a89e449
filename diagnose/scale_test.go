package diagnose

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// manyPaths makes a mesh with n hosts by passthrough out of a capture with one, as n people would have made it by hand: an entry, a
// Gateway and a VirtualService for each, and all of it in the proxies.
func manyPaths(t testing.TB, n int) *snapshot.Snapshot {
	t.Helper()
	s := captured.Load(t, "working-passthrough")
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

// crowded makes a mesh of n paths, ten times as many Istio objects and so many pods of the gateway, each pod's configuration read on
// its own as from a cluster.
func crowded(t testing.TB, n, pods int) *snapshot.Snapshot {
	t.Helper()
	s := manyPaths(t, n)
	for i := len(s.Objects.ServiceEntries) + len(s.Objects.Gateways) + len(s.Objects.VirtualServices); i < 10*n; i++ {
		ns, name := fmt.Sprintf("team-%d", i%50), fmt.Sprintf("service-%d", i)
		host := name + "." + ns + ".svc.cluster.local"
		switch i % 5 {
		case 0, 1:
			v := snapshot.VirtualService{Meta: snapshot.Meta{Namespace: ns, Name: name}}
			v.Spec.Hosts = []string{host}
			to := snapshot.Destination{}
			to.Destination.Host, to.Destination.Subset = host, "v1"
			v.Spec.HTTP = []snapshot.HTTPRoute{{Name: "default", Route: []snapshot.Destination{to}}}
			s.Objects.VirtualServices = append(s.Objects.VirtualServices, v)
		case 2, 3:
			d := snapshot.DestinationRule{Meta: snapshot.Meta{Namespace: ns, Name: name}}
			d.Spec.Host = host
			d.Spec.TrafficPolicy = &snapshot.Policy{TLS: &snapshot.ClientTLS{Mode: "ISTIO_MUTUAL"}}
			d.Spec.Subsets = []snapshot.Subset{{Name: "v1"}}
			s.Objects.DestinationRules = append(s.Objects.DestinationRules, d)
		case 4:
			e := snapshot.ServiceEntry{Meta: snapshot.Meta{Namespace: ns, Name: name}}
			e.Spec.Hosts, e.Spec.Location, e.Spec.Resolution = []string{name + ".internal.example.org"}, "MESH_INTERNAL", "DNS"
			e.Spec.Ports = []snapshot.ServicePort{{Number: 8080, Name: "http", Protocol: "HTTP"}}
			s.Objects.ServiceEntries = append(s.Objects.ServiceEntries, e)
		}
	}
	return manyPods(t, s, pods)
}

// manyPods gives the gateway so many pods, and the sidecar as many endpoints in each of the gateway's clusters.
func manyPods(t testing.TB, s *snapshot.Snapshot, n int) *snapshot.Snapshot {
	t.Helper()
	i := slices.IndexFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtGateway })
	raw, err := json.Marshal(s.Proxies[i])
	if err != nil {
		t.Fatal(err)
	}
	first, gateway := s.Proxies[i].IP, &s.Facts.Gateways[0]
	pod := gateway.Pods[0]
	s.Proxies, gateway.Pods = slices.Delete(s.Proxies, i, i+1), nil
	var alike snapshot.Sharer // as gathering and loading do
	for j := range n {
		var p snapshot.Proxy
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		p.Pod, p.IP = fmt.Sprintf("istio-egressgateway-%d", j), fmt.Sprintf("10.245.%d.%d", j/250, j%250+1)
		for k := range p.Hosts {
			for l := range p.Hosts[k].Hosts {
				p.Hosts[k].Hosts[l].Opened += uint64(j + k)
			}
		}
		alike.Share(&p)
		s.Proxies = append(s.Proxies, p)
		pod.Name, pod.IP = p.Pod, p.IP
		gateway.Pods = append(gateway.Pods, pod)
	}
	for i := range s.Proxies {
		if s.Proxies[i].Role == snapshot.AtSidecar {
			for k := range s.Proxies[i].Hosts {
				endpointsOf(&s.Proxies[i].Hosts[k], first, s.Proxies)
			}
		}
	}
	return s
}

// endpointsOf gives a cluster of the gateway all its pods.
func endpointsOf(c *admin.HostCounters, first string, proxies []snapshot.Proxy) {
	k := slices.IndexFunc(c.Hosts, func(h admin.HostStatus) bool { return h.Address == first })
	if k < 0 {
		return
	}
	host := c.Hosts[k]
	c.Hosts = slices.Delete(slices.Clone(c.Hosts), k, k+1)
	for i := range proxies {
		if p := &proxies[i]; p.Role == snapshot.AtGateway {
			host.Address = p.IP
			c.Hosts = append(c.Hosts, host)
		}
	}
}

// cost is what judging a mesh takes.
type cost struct{ allocations, bytes, live uint64 }

// judged counts what judging allocates, and what is live with the report at the end, the snapshot apart.
func judged(t *testing.T, paths, pods int) cost {
	t.Helper()
	s := crowded(t, paths, pods)
	var before, after, collected runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, err := Judge(s, Options{})
	runtime.ReadMemStats(&after)
	runtime.GC()
	runtime.ReadMemStats(&collected)
	if err != nil || len(r.Paths) != paths || r.ExitCode != report.Fine {
		t.Fatalf("%d paths, exit code %d, %v", len(r.Paths), r.ExitCode, err)
	}
	runtime.KeepAlive(s)
	return cost{after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc, collected.HeapAlloc}
}

// TestGrowth: ten times the paths and objects cost ten times as much, not a hundred times. It counts allocations and bytes, for time
// depends on what else the machine does; BenchmarkJudge tells the time. It is not parallel, so that it counts nothing else.
func TestGrowth(t *testing.T) {
	small, large := judged(t, 100, 10), judged(t, 1000, 10)
	for _, c := range []struct {
		what         string
		small, large uint64
	}{{"allocations", small.allocations, large.allocations}, {"bytes", small.bytes, large.bytes}} {
		if c.large > 12*c.small {
			t.Errorf("%s: %d for 100 paths, %d for 1,000", c.what, c.small, c.large)
		}
	}
}

// TestManyPods: a thousand paths, ten thousand objects and a hundred gateway pods with a chain and a cluster for each path leave half of
// 128 MiB to what Go has not collected yet. It is not parallel: it measures.
func TestManyPods(t *testing.T) {
	if c := judged(t, 1000, 100); c.live > 64<<20 {
		t.Errorf("%d MiB are live", c.live>>20)
	}
}
