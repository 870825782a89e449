package offline

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// unread takes the pods out whose configuration is not among the files: that they were not given is no fault of theirs.
func (f *Files) unread(s *snapshot.Snapshot) {
	s.Proxies = slices.DeleteFunc(s.Proxies, func(p snapshot.Proxy) bool {
		return !slices.ContainsFunc(f.proxies, func(e *envoy) bool { return e.namespace == p.Namespace && e.pod == p.Pod })
	})
}

// named gives clusters that look names up the names that they are configured with, where no reply of /clusters says what came of
// it.
func (f *Files) lookedUp(s *snapshot.Snapshot) {
	for i := range s.Proxies {
		p := &s.Proxies[i]
		for j := range p.Config.Clusters {
			c := &p.Config.Clusters[j]
			if c.Type == admin.EDS || len(c.Endpoints) == 0 ||
				slices.ContainsFunc(p.Hosts, func(h admin.HostCounters) bool { return h.Cluster == c.Name && len(h.Hosts) > 0 }) {
				continue
			}
			counters := admin.HostCounters{Cluster: c.Name}
			for _, e := range c.Endpoints {
				h := admin.HostStatus{Address: e.Address, Port: e.Port, Listener: e.Listener}
				if c.Type == admin.StrictDNS || c.Type == admin.LogicalDNS {
					h.Address, h.Hostname = "", e.Address
				}
				counters.Hosts = append(counters.Hosts, h)
			}
			p.Hosts = append(p.Hosts, counters)
		}
	}
}

// assume gives gateways that objects lead to, and of which nothing else is known, the looks of Istio's own chart: the ports 80 and
// 443 of the Service are 8080 and 8443 in the pods, and the pods have the labels that the Gateway objects select. The pods so made
// up have no name.
func assume(s *snapshot.Snapshot) {
	if len(s.Proxies) > 0 {
		return
	}
	var refs []egress.GatewayRef
	for _, l := range trace.Want(s).Lines() {
		if ref := led(s, l); ref != (egress.GatewayRef{}) {
			refs = append(refs, ref)
		}
	}
	for _, set := range s.Sets {
		if set.Gateway != (egress.GatewayRef{}) && !set.Direct() {
			refs = append(refs, set.Gateway)
		}
	}
	// that such a gateway is not found is what is expected here
	s.Notes = slices.DeleteFunc(s.Notes, func(n string) bool {
		return strings.HasPrefix(n, "gateway ") && strings.Contains(n, kube.ErrAbsent.Error()+" among the files")
	})
	egress.SortFunc(refs, func(a, b egress.GatewayRef) int { return strings.Compare(a.String(), b.String()) })
	for _, ref := range slices.Compact(refs) {
		if _, known := s.Facts.Gateway(ref); !known {
			s.Facts.Gateways = append(s.Facts.Gateways, mesh.Gateway{
				Namespace: ref.Namespace, Service: ref.Service,
				Ports: []mesh.Port{{Name: "http2", Number: 80, Target: 8080}, {Name: "https", Number: 443, Target: 8443}},
			})
		}
	}
	var names []string
	for i := range s.Facts.Gateways {
		g := &s.Facts.Gateways[i]
		if len(g.Pods) > 0 {
			continue
		}
		labels := selected(s, g.Ref())
		maps.Copy(labels, g.Selector)
		g.Pods = []mesh.Pod{{Ready: true, Labels: labels}}
		names = append(names, g.Ref().String())
		if len(g.Selector) == 0 {
			g.Selector = labels
		}
	}
	egress.SortFunc(s.Facts.Gateways, func(a, b mesh.Gateway) int { return strings.Compare(a.Ref().String(), b.Ref().String()) })
	if len(names) > 0 {
		s.Notes = append(s.Notes, "supposed to be as Istio's chart makes them: "+strings.Join(names, ", "))
	}
}

// led is the gateway to which a route leads: one that is known, or a Service that is called after egress, as discovery has it live.
func led(s *snapshot.Snapshot, l trace.Line) egress.GatewayRef {
	short, isService := strings.CutSuffix(l.To, ".svc."+s.ClusterDomain())
	name, namespace, two := strings.Cut(short, ".")
	if l.Gateway == (egress.GatewayRef{}) && isService && two && strings.Contains(name, "egress") {
		return egress.GatewayRef{Namespace: namespace, Service: name}
	}
	return l.Gateway
}

// selected are the labels by which those Gateways select to which the objects are bound that lead to a gateway; if they are bound to
// none that is there, those that open a port for the same hosts.
func selected(s *snapshot.Snapshot, ref egress.GatewayRef) map[string]string {
	bound, same := map[string]string{}, map[string]string{}
	wanted := trace.Want(s)
	for _, l := range wanted.Lines() {
		if led(s, l) != ref {
			continue
		}
		for _, host := range l.Hosts {
			for _, o := range wanted.Servers(host) {
				into := same
				if slices.Contains(l.VirtualService.Bound(), o.Gateway.String()) {
					into = bound
				}
				for k, v := range o.Gateway.Spec.Selector {
					into[k] = cmp.Or(into[k], v)
				}
			}
		}
	}
	if len(bound) == 0 {
		return same
	}
	return bound
}

// seen finds the paths that sidecars themselves show: what they send to a gateway whose configuration was given.
func seen(s *snapshot.Snapshot) []egress.Path {
	found := map[string]egress.Path{}
	add := func(name string, port int, protocol egress.Protocol, cluster string) {
		gateway, ok := gatewayOf(s, cluster)
		host, err := egress.ParseHost(name)
		if !ok || err != nil || strings.HasSuffix(name, ".svc."+s.ClusterDomain()) {
			return
		}
		p := egress.Path{Host: host, Port: port, Protocol: protocol, Gateway: gateway}
		p.Mode = mode(s, p)
		found[p.String()] = p
	}
	for i := range s.Proxies {
		p := &s.Proxies[i]
		if p.Role != snapshot.AtSidecar {
			continue
		}
		for _, l := range p.Config.Listeners {
			for _, c := range l.Chains {
				for _, name := range c.Match.ServerNames {
					for _, f := range c.Filters {
						if f.TCP != nil {
							add(name, cmp.Or(c.Match.Port, l.Port), egress.ProtocolTLS, first(f.TCP.Cluster, f.TCP.Weighted))
						}
					}
				}
			}
		}
		for _, routes := range p.Config.Routes {
			for _, h := range routes.Hosts {
				for _, r := range h.Routes {
					name, port, _ := strings.Cut(firstOf(h.Domains), ":")
					add(name, cmp.Or(number(port), number(routes.Name), 80), egress.ProtocolHTTP, first(r.Cluster, r.Weighted))
				}
			}
		}
	}
	var out []egress.Path
	for _, key := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[key])
	}
	return out
}

func gatewayOf(s *snapshot.Snapshot, cluster string) (egress.GatewayRef, bool) {
	name, ok := trace.ParseCluster(cluster)
	for i := range s.Facts.Gateways {
		if g := &s.Facts.Gateways[i]; ok && g.Host(s.ClusterDomain()) == name.Host {
			return g.Ref(), true
		}
	}
	return egress.GatewayRef{}, false
}

// mode is what the gateway does with a path, as its clusters show.
func mode(s *snapshot.Snapshot, p egress.Path) egress.Mode {
	var begins *admin.TLS
	dynamic := false
	for i := range s.Proxies {
		if s.Proxies[i].Role != snapshot.AtGateway {
			continue
		}
		for _, c := range s.Proxies[i].Config.Clusters {
			dynamic = dynamic || c.Type == admin.DynamicForward
			if name, ok := trace.ParseCluster(c.Name); ok && name.Host == string(p.Host) && c.TLS != nil {
				begins = c.TLS
			}
		}
	}
	switch {
	case p.Protocol == egress.ProtocolHTTP && begins != nil && begins.Mode == admin.Mutual:
		return egress.MTLSOrigination
	case p.Protocol == egress.ProtocolHTTP && begins != nil:
		return egress.TLSOrigination
	case p.Protocol == egress.ProtocolHTTP:
		return egress.HTTP
	case p.Host.IsWildcard() && dynamic:
		return egress.SNIDynamic
	case p.Host.IsWildcard():
		return egress.CommonHost
	}
	return egress.Passthrough
}

func first(cluster string, weighted []admin.Weighted) string {
	if cluster == "" && len(weighted) > 0 {
		return weighted[0].Cluster
	}
	return cluster
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// number is 0 for what is none, or no port.
func number(s string) int {
	n := 0
	for _, r := range s {
		if r < '0' || r > '9' || n > 6553 {
			return 0
		}
		n = n*10 + int(r-'0')
	}
	return n
}
