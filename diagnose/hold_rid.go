package diagnose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// rid says which proxy still has something of the set; empty if none. It goes by the set's own names: that another set, with a
// wildcard, takes over a host is none of its business.
func rid(s *snapshot.Snapshot, set egress.Set) string {
	for i := range s.Proxies {
		p := &s.Proxies[i]
		says := ""
		switch p.Role {
		case snapshot.AtSidecar:
			says = sends(s, p, set)
		case snapshot.AtGateway:
			if says = own(p, set); says == "" {
				says = holds(s, p, set)
			}
		}
		if says != "" {
			return says
		}
	}
	return ""
}

// sends says whether a sidecar still leads a host of the set by that host's own chain or virtual host: to the gateway, or for a set
// without one to the host.
func sends(s *snapshot.Snapshot, p *snapshot.Proxy, set egress.Set) string {
	gateway := set.Gateway.Service + "." + set.Gateway.Namespace + ".svc." + s.ClusterDomain()
	for _, path := range set.Paths() {
		host, to := string(path.Host), "gateway "+set.Gateway.String()
		target := gateway
		if path.Mode == egress.Direct {
			target, to = host, "the outside"
		}
		leads := func(cluster string) bool {
			name, ok := trace.ParseCluster(cluster)
			return ok && strings.EqualFold(name.Host, target)
		}
		if chained(p, host, path.Port, leads) || routed(p, host, path.Port, leads) {
			return fmt.Sprintf("%s still sends %s to %s", p.Pod, path, to)
		}
	}
	return ""
}

// chained says whether a filter chain for exactly the host leads to a cluster.
func chained(p *snapshot.Proxy, host string, port int, leads func(string) bool) bool {
	for i := range p.Config.Listeners {
		l := &p.Config.Listeners[i]
		if l.Port != port {
			continue
		}
		for _, c := range l.Chains {
			if !slices.ContainsFunc(c.Match.ServerNames, func(n string) bool { return strings.EqualFold(n, host) }) {
				continue
			}
			for _, f := range c.Filters {
				if f.TCP != nil && (leads(f.TCP.Cluster) || slices.ContainsFunc(f.TCP.Weighted, func(w admin.Weighted) bool { return leads(w.Cluster) })) {
					return true
				}
			}
		}
	}
	return false
}

// routed says whether a virtual host for exactly the host leads to a cluster.
func routed(p *snapshot.Proxy, host string, port int, leads func(string) bool) bool {
	is := func(domain string) bool {
		return strings.EqualFold(domain, host) || strings.EqualFold(domain, host+":"+strconv.Itoa(port))
	}
	to := func(r admin.Route) bool {
		return leads(r.Cluster) || slices.ContainsFunc(r.Weighted, func(w admin.Weighted) bool { return leads(w.Cluster) })
	}
	return slices.ContainsFunc(p.Config.Routes, func(rc admin.RouteConfig) bool {
		return slices.ContainsFunc(rc.Hosts, func(vh admin.VirtualHost) bool {
			return slices.ContainsFunc(vh.Domains, is) && slices.ContainsFunc(vh.Routes, to)
		})
	})
}

// own says whether a gateway still has a cluster or listener that only the set can have brought: those of its EnvoyFilter, that of its
// SNI proxy, and those that its rules shape.
func own(p *snapshot.Proxy, set egress.Set) string {
	suffix := "_" + set.Namespace + "_" + set.Name
	names := []string{"sni_cluster" + suffix, "dynamic_forward_proxy_cluster" + suffix, "sni_listener" + suffix}
	for _, l := range p.Config.Listeners {
		if slices.Contains(names, l.Name) {
			return fmt.Sprintf("gateway pod %s still has listener %s", p.Pod, l.Name)
		}
	}
	for _, c := range p.Config.Clusters {
		name, _ := trace.ParseCluster(c.Name)
		if slices.Contains(names, c.Name) || name.Host == set.Name+"."+set.Namespace+".sni-proxy.local" || originates(c, set) {
			return fmt.Sprintf("gateway pod %s still has cluster %s", p.Pod, c.Name)
		}
	}
	return ""
}

// originates says whether a cluster begins TLS by a rule of the set, as istiod names the rule in it.
func originates(c admin.Cluster, set egress.Set) bool {
	ref, ok := strings.CutPrefix(c.Origin, "DestinationRule ")
	if !ok || c.TLS == nil || c.TLS.Mode == admin.IstioMutual {
		return false
	}
	_, name, _ := strings.Cut(ref, "/")
	return strings.HasPrefix(name, set.ParentName()+"."+set.Namespace+".")
}

// holds says in which way a gateway's pod still leads the set's traffic as the set did.
func holds(s *snapshot.Snapshot, p *snapshot.Proxy, set egress.Set) string {
	gw, _ := s.Facts.Gateway(set.Gateway)
	for _, path := range set.Paths() {
		ports := []int{path.Port}
		if path.Mode == egress.TLSOrigination || path.Mode == egress.MTLSOrigination {
			ports = []int{80, 443} // sidecars may use the gateway's other port for it
		}
		for _, number := range ports {
			port, ok := gw.Target(number)
			if ok && serves(p, port, string(path.Host), path.Protocol) {
				return fmt.Sprintf("gateway pod %s still has a route for %s", p.Pod, path)
			}
		}
	}
	return ""
}

// serves says whether a gateway has a filter chain or a virtual host for exactly the host, on a listener that is in force. Envoy
// keeps the routes of listeners that only drain; they do not count.
func serves(p *snapshot.Proxy, port int, host string, protocol egress.Protocol) bool {
	is := func(name string) bool { return strings.EqualFold(name, host) }
	routes := map[string]bool{}
	for i := range p.Config.Listeners {
		if p.Config.Listeners[i].Port != port {
			continue
		}
		for _, chain := range p.Config.Listeners[i].Chains {
			carries := slices.ContainsFunc(chain.Filters, func(f admin.Filter) bool { return (f.HTTP != nil) == (protocol == egress.ProtocolHTTP) })
			if carries && slices.ContainsFunc(chain.Match.ServerNames, is) {
				return true
			}
			for _, f := range chain.Filters {
				if f.HTTP != nil {
					routes[f.HTTP.Routes] = true
				}
			}
		}
	}
	return slices.ContainsFunc(p.Config.Routes, func(rc admin.RouteConfig) bool {
		return routes[rc.Name] && slices.ContainsFunc(rc.Hosts, func(vh admin.VirtualHost) bool { return slices.ContainsFunc(vh.Domains, is) })
	})
}
