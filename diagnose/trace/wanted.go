package trace

import (
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// List names one of a VirtualService's three lists of routes.
type List string

// The lists, as the fields are called.
const (
	HTTPList List = "http"
	TLSList  List = "tls"
	TCPList  List = "tcp"
)

// Line is one alternative of one route of a VirtualService with one destination: the smallest thing that people want.
type Line struct {
	VirtualService *snapshot.VirtualService
	List           List
	Index          int                  // in the list
	Match          *snapshot.RouteMatch // nil: the route has no match
	Gateways       []string             // that it applies to: snapshot.Mesh or NAMESPACE/NAME
	Hosts          []string             // server names for tls, else the hosts of the object
	Port           int                  // that the match asks for; 0: any
	To             string               // destination host, with its namespace and domain
	Subset         string
	ToPort         int // 0 where the route names none
	// Gateway is set if the destination is the Service of an egress gateway: the line leads towards it. Otherwise the line leads
	// on from a gateway, or is none of our business.
	Gateway egress.GatewayRef
}

// ForMesh says whether sidecars follow the line.
func (l Line) ForMesh() bool { return slices.Contains(l.Gateways, snapshot.Mesh) }

// ForGateway says whether pods of that Gateway object follow the line.
func (l Line) ForGateway(name string) bool { return slices.Contains(l.Gateways, name) }

// From says whether the line is about traffic from that workload. Of a match of an http route that names gateways istiod does not look
// at the source (seen with Istio 1.31); of tls and tcp routes it does.
func (l Line) From(p *snapshot.Proxy) bool {
	if l.Match == nil || l.List == HTTPList && len(l.Match.Gateways) > 0 {
		return true
	}
	ns := l.Match.SourceNamespace
	return (ns == "" || ns == p.Namespace) && snapshot.Selects(l.Match.SourceLabels, p.Labels)
}

// Wanted is what the objects of a snapshot want of egress, by host.
type Wanted struct {
	s       *snapshot.Snapshot
	all     []Line
	lines   byHost[Line]
	entries byHost[*snapshot.ServiceEntry]
	servers byHost[Opened]
	out     map[string]bool // hosts that some VirtualService leads from a Gateway to the outside
}

// Want goes through the objects of a snapshot, which must not change afterwards.
func Want(s *snapshot.Snapshot) *Wanted {
	w := &Wanted{s: s, lines: byHost[Line]{}, entries: byHost[*snapshot.ServiceEntry]{}, servers: byHost[Opened]{}, out: map[string]bool{}}
	w.index()
	return w
}

// Lines gives all lines, in the order of the objects.
func (w *Wanted) Lines() []Line { return w.all }

// For gives the lines about a host: those that name it, then those with a wildcard that covers it.
func (w *Wanted) For(host string) []Line { return w.lines.get(host) }

// Toward gives the lines that lead a host's port to a gateway, bound to the mesh or not.
func (w *Wanted) Toward(host string, port int) []Line {
	return slices.DeleteFunc(w.For(host), func(l Line) bool {
		return l.Gateway == (egress.GatewayRef{}) || l.Port != 0 && l.Port != port
	})
}

// Own gives the lines that lead a path to its gateway: of several owners of one host and port its own.
func (w *Wanted) Own(p egress.Path) []Line {
	lines := w.Toward(string(p.Host), p.Port)
	if p.Owner == "" {
		return lines
	}
	return slices.DeleteFunc(lines, func(l Line) bool {
		if p.Set != "" {
			return l.Gateway != p.Gateway || !strings.HasPrefix(p.Set, l.VirtualService.Namespace+"/")
		}
		return p.Owner != ByHand+l.VirtualService.String()
	})
}

// ByHand begins the name of an owner that is no set: the object that leads to the gateway.
const ByHand = "VirtualService "

// Onward gives the lines that lead a host from a Gateway object to the outside.
func (w *Wanted) Onward(host string) []Line {
	return slices.DeleteFunc(w.For(host), func(l Line) bool {
		onlyMesh := !slices.ContainsFunc(l.Gateways, func(g string) bool { return g != snapshot.Mesh })
		return l.Gateway != (egress.GatewayRef{}) || onlyMesh
	})
}

func (w *Wanted) linesOf(v *snapshot.VirtualService) []Line {
	var lines []Line
	for i, r := range v.Spec.HTTP {
		lines = append(lines, w.alternatives(v, HTTPList, i, r.Match, r.Route)...)
	}
	for i, r := range v.Spec.TLS {
		lines = append(lines, w.alternatives(v, TLSList, i, r.Match, r.Route)...)
	}
	for i, r := range v.Spec.TCP {
		lines = append(lines, w.alternatives(v, TCPList, i, r.Match, r.Route)...)
	}
	return lines
}

func (w *Wanted) alternatives(v *snapshot.VirtualService, list List, index int, matches []snapshot.RouteMatch, to []snapshot.Destination) []Line {
	var lines []Line
	add := func(m *snapshot.RouteMatch) {
		for i := range to {
			d := &to[i].Destination
			l := Line{
				VirtualService: v, List: list, Index: index, Match: m, Gateways: v.Applies(m), Hosts: v.Spec.Hosts,
				To: w.s.FullHost(d.Host, v.Namespace), Subset: d.Subset, ToPort: d.Port.Number,
			}
			if m != nil {
				l.Port = m.Port
				if list == TLSList && len(m.SNIHosts) > 0 {
					l.Hosts = m.SNIHosts
				}
				if list == HTTPList {
					l.Hosts = about(l.Hosts, m)
				}
			}
			l.Gateway = w.gatewayOf(l)
			lines = append(lines, l)
		}
	}
	if len(matches) == 0 {
		add(nil)
	}
	for i := range matches {
		add(&matches[i])
	}
	return lines
}

// gatewayOf says which egress gateway a line leads to, if any: one that the mesh is known to have, or a Service of the cluster to
// which an object that is also bound to a Gateway sends hosts of other names.
func (w *Wanted) gatewayOf(l Line) egress.GatewayRef {
	domain := ".svc." + w.s.ClusterDomain()
	name, ok := strings.CutSuffix(l.To, domain)
	service, namespace, two := strings.Cut(name, ".")
	if !ok || !two || strings.Contains(namespace, ".") {
		return egress.GatewayRef{}
	}
	ref := egress.GatewayRef{Namespace: namespace, Service: service}
	if _, known := w.s.Facts.Gateway(ref); known {
		return ref
	}
	foreign := !slices.ContainsFunc(l.Hosts, func(h string) bool { return strings.HasSuffix(h, domain) || !strings.Contains(h, ".") })
	if foreign && (leadsOut(w.s, l.VirtualService) || slices.ContainsFunc(l.Hosts, func(h string) bool { return w.out[strings.ToLower(h)] })) {
		return ref
	}
	return egress.GatewayRef{}
}

// outward notes the hosts that a VirtualService leads from a Gateway object to a host outside: the second half of an egress
// configuration, whose first half may stand in another object.
func (w *Wanted) outward(v *snapshot.VirtualService) {
	lead := func(hosts []string, matches []snapshot.RouteMatch, to []snapshot.Destination) {
		var bound []string
		for i := range matches {
			bound = append(bound, v.Applies(&matches[i])...)
		}
		if len(matches) == 0 {
			bound = v.Bound()
		}
		if !slices.ContainsFunc(bound, func(g string) bool { return g != snapshot.Mesh }) {
			return
		}
		outside := slices.ContainsFunc(to, func(d snapshot.Destination) bool {
			host := w.s.FullHost(d.Destination.Host, v.Namespace)
			return slices.ContainsFunc(w.entries[strings.ToLower(host)], func(e *snapshot.ServiceEntry) bool { return e.Spec.Location != "MESH_INTERNAL" })
		})
		for _, h := range hosts {
			w.out[strings.ToLower(h)] = w.out[strings.ToLower(h)] || outside
		}
	}
	for i := range v.Spec.HTTP {
		lead(v.Spec.Hosts, v.Spec.HTTP[i].Match, v.Spec.HTTP[i].Route)
	}
	for i := range v.Spec.TLS {
		lead(v.Spec.Hosts, v.Spec.TLS[i].Match, v.Spec.TLS[i].Route)
	}
	for i := range v.Spec.TCP {
		lead(v.Spec.Hosts, v.Spec.TCP[i].Match, v.Spec.TCP[i].Route)
	}
}

// leadsOut says whether an object sends some of its own hosts to themselves, as the second half of an egress configuration does
// and routes for incoming traffic never do.
func leadsOut(s *snapshot.Snapshot, v *snapshot.VirtualService) bool {
	own := func(host string) bool {
		return slices.ContainsFunc(v.Spec.Hosts, func(h string) bool { return snapshot.HostCovers(h, s.FullHost(host, v.Namespace)) })
	}
	to := func(d snapshot.Destination) bool { return own(d.Destination.Host) }
	return slices.ContainsFunc(v.Spec.HTTP, func(r snapshot.HTTPRoute) bool { return slices.ContainsFunc(r.Route, to) }) ||
		slices.ContainsFunc(v.Spec.TLS, func(r snapshot.L4Route) bool { return slices.ContainsFunc(r.Route, to) }) ||
		slices.ContainsFunc(v.Spec.TCP, func(r snapshot.L4Route) bool { return slices.ContainsFunc(r.Route, to) })
}
