package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

var onGateway = []snapshot.Source{snapshot.Gateways, snapshot.VirtualServices}

var selectorMatchesNoPod = Check{
	Code:     "EGR011",
	Title:    "Gateway does not select the gateway's pods",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Needs:    onGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, missing...)
		if len(legs) == 0 || len(p.Want.Pods) == 0 {
			return nil
		}
		all := meant(&p, legs[0])
		legs = slices.DeleteFunc(legs, func(l *trace.Leg) bool {
			return slices.ContainsFunc(all, func(o opened) bool {
				if len(l.Proxy.Labels) == 0 {
					return selects(o.Gateway, p.Want) // of objects alone
				}
				return snapshot.Selects(o.Gateway.Spec.Selector, l.Proxy.Labels)
			})
		})
		if len(all) == 0 || len(legs) == 0 {
			return nil
		}
		f := because(legs)
		g := all[0].Gateway
		have := len(slices.DeleteFunc(slices.Clone(p.Want.Pods), func(pod mesh.Pod) bool { return !snapshot.Selects(g.Spec.Selector, pod.Labels) }))
		f.Object = object("Gateway", g.Meta, "spec.selector")
		f.Message = fmt.Sprintf("Gateway %s selects %s, which no pod of gateway %s has: nothing listens", g, selectorText(g.Spec.Selector), p.Gateway)
		if have > 0 {
			f.Message = fmt.Sprintf("Gateway %s selects %s, which %d of %d pods of gateway %s have: nothing listens on the others",
				g, selectorText(g.Spec.Selector), have, len(p.Want.Pods), p.Gateway)
		}
		f.Fix = patch(f.Object, replace("/spec/selector", p.Want.Selector))
		return []Finding{f}
	},
	Why: "A Gateway object configures the pods that its selector fits. To those of the gateway's that it does not fit " +
		"istiod sends no listener, and connections from sidecars are refused (UF, URX): all of them, or a share where it fits some.",
	Fix: "Set spec.selector to labels that the gateway's pods have.",
}

var tlsRouteOnEndingServer = Check{
	Code:     "EGR012",
	Title:    "tls route on a server that ends TLS",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Stays:    true,
	Needs:    onGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, trace.NoListener, trace.NoChain)
		if len(legs) == 0 {
			return nil
		}
		for _, o := range meant(&p, legs[0]) {
			if !o.ends() || !strings.EqualFold(o.Server.Port.Protocol, "TLS") {
				continue
			}
			lines := linesOn(&p, o.name())
			i := slices.IndexFunc(lines, func(l trace.Line) bool { return l.List == trace.TLSList })
			if i < 0 || slices.ContainsFunc(lines, func(l trace.Line) bool { return l.List == trace.TCPList }) {
				continue
			}
			l := lines[i]
			f := because(legs)
			f.Object = object("VirtualService", l.VirtualService.Meta, fmt.Sprintf("spec.tls[%d]", l.Index))
			f.Message = fmt.Sprintf("server %d of Gateway %s ends TLS (%s), so istiod drops the tls route of VirtualService %s: it needs a tcp route",
				o.Server.Port.Number, o.Gateway, o.Server.TLS.Mode, l.VirtualService)
			f.Fix = patch(f.Object, tcpOps(&p, l, o)...)
			return []Finding{f}
		}
		return nil
	},
	Why: "Once a server has ended TLS (ISTIO_MUTUAL, SIMPLE or MUTUAL) there is no server name left to route by. istiod silently drops the " +
		"whole filter chain of a tls route there, and the connection is refused. Only PASSTHROUGH servers take tls routes.",
	Fix: "Make the gateway's route a tcp route with the same destination; the route for mesh stays a tls route.",
}

// tcpOps turns the gateway's half of a tls route into a tcp route.
func tcpOps(p *trace.Path, l trace.Line, o opened) []op {
	gateway := gatewayWord(l.VirtualService, o.name())
	route := onwardRoute(&trace.Path{Path: p.Path}, gateway, o.Server.Port.Number, trace.TCPList)
	first := remove(fmt.Sprintf("/spec/tls/%d", l.Index))
	if l.ForMesh() {
		first = add(matchPath(l)+"/gateways", []string{snapshot.Mesh}) // or replaces what is there
	}
	return []op{first, addRoute(l.VirtualService, trace.TCPList, route)}
}

// gatewayWord is the name by which an object may call a Gateway: short in its own namespace.
func gatewayWord(v *snapshot.VirtualService, full string) string {
	if ns, name := splitRef(full); ns == v.Namespace {
		return name
	}
	return full
}

var gatewayInOtherNamespace = Check{
	Code:     "EGR013",
	Title:    "Gateway of another namespace named without it",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Stays:    true,
	Needs:    onGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, missing...)
		if len(legs) == 0 {
			return nil
		}
		for _, v := range routesFor(&p) {
			for _, full := range v.Bound() {
				other := elsewhere(s, &p, full)
				if other == nil {
					continue
				}
				f := because(legs)
				f.Object = object("VirtualService", v.Meta, "spec.gateways")
				f.Message = fmt.Sprintf("VirtualService %s names Gateway %s, which namespace %s does not have; %s is meant", v, other.Name, namespaceOf(full), other)
				f.Fix = patch(f.Object, renameOps(v, full, other.String())...)
				return []Finding{f}
			}
		}
		return nil
	},
	Why: "A Gateway's name without a namespace stands for a Gateway of the VirtualService's own namespace. There is none, so the routes are " +
		"bound to nothing, the gateway gets no listener, and connections are refused.",
	Fix: "Write NAMESPACE/NAME, in spec.gateways and in every match.gateways.",
}

// elsewhere finds the Gateway that was meant by a name that does not exist.
func elsewhere(s *snapshot.Snapshot, p *trace.Path, full string) *snapshot.Gateway {
	_, name := splitRef(full)
	var found *snapshot.Gateway
	for i := range s.Objects.Gateways {
		g := &s.Objects.Gateways[i]
		if g.String() == full {
			return nil
		}
		if g.Name == name && full != snapshot.Mesh && selects(g, p.Want) {
			found = g
		}
	}
	return found
}

func namespaceOf(ref string) string {
	namespace, _ := splitRef(ref)
	return namespace
}

// renameOps writes another name for a Gateway wherever an object has it, in whatever way it is written.
func renameOps(v *snapshot.VirtualService, from, to string) []op {
	var ops []op
	for i, g := range v.Spec.Gateways {
		if v.GatewayNamed(g) == from {
			ops = append(ops, replace(fmt.Sprintf("/spec/gateways/%d", i), to))
		}
	}
	in := func(list trace.List, index int, matches []snapshot.RouteMatch) {
		for j, m := range matches {
			for k, g := range m.Gateways {
				if v.GatewayNamed(g) == from {
					ops = append(ops, replace(fmt.Sprintf("/spec/%s/%d/match/%d/gateways/%d", list, index, j, k), to))
				}
			}
		}
	}
	for i, r := range v.Spec.HTTP {
		in(trace.HTTPList, i, r.Match)
	}
	for i, r := range v.Spec.TLS {
		in(trace.TLSList, i, r.Match)
	}
	for i, r := range v.Spec.TCP {
		in(trace.TCPList, i, r.Match)
	}
	return ops
}

var serverRefusesNamespace = Check{
	Code:     "EGR014",
	Title:    "Gateway does not admit the VirtualService's namespace",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Stays:    true,
	Needs:    onGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, missing...)
		if len(legs) == 0 {
			return nil
		}
		for _, o := range meant(&p, legs[0]) {
			for _, v := range routesFor(&p) {
				if !slices.Contains(v.Bound(), o.name()) || admits(o, v, string(p.Host)) {
					continue
				}
				j := slices.IndexFunc(o.Server.Hosts, func(h string) bool { return serverCovers(h, string(p.Host)) })
				_, name := snapshot.ServerHost(o.Server.Hosts[j])
				f := because(legs)
				f.Object = object("Gateway", o.Gateway.Meta, fmt.Sprintf("spec.servers[%d].hosts[%d]", o.Index, j))
				f.Message = fmt.Sprintf("Gateway %s admits %s only from other namespaces than %s, where VirtualService %s is",
					o.Gateway, o.Server.Hosts[j], v.Namespace, v)
				f.Fix = patch(f.Object, add(fmt.Sprintf("/spec/servers/%d/hosts/-", o.Index), v.Namespace+"/"+name))
				return []Finding{f}
			}
		}
		return nil
	},
	Why: "A host of a Gateway's server may be written NAMESPACE/HOST: then only VirtualServices of that namespace may use it, and \".\" stands " +
		"for the Gateway's own. Routes from elsewhere are dropped, and with the last of them the listener.",
	Fix: "Add NAMESPACE/HOST for the VirtualService's namespace to the server's hosts.",
}

func admits(o opened, v *snapshot.VirtualService, host string) bool {
	return slices.ContainsFunc(o.Server.Hosts, func(h string) bool {
		ns, _ := snapshot.ServerHost(h)
		return serverCovers(h, host) && (ns == "*" || ns == v.Namespace || ns == "." && v.Namespace == o.Gateway.Namespace)
	})
}

var routesNotExported = Check{
	Code:     "EGR015",
	Title:    "VirtualService not exported to the gateway",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Stays:    true,
	Needs:    onGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, missing...)
		if len(legs) == 0 {
			return nil
		}
		onward := p.Wanted.Onward(string(p.Host))
		seen := func(l trace.Line) bool { return l.VirtualService.VisibleTo(s, p.Gateway.Namespace) }
		if len(onward) == 0 || slices.ContainsFunc(onward, seen) {
			return nil
		}
		v := onward[0].VirtualService
		f := because(legs)
		f.Object = object("VirtualService", v.Meta, "spec.exportTo")
		f.Message = fmt.Sprintf("VirtualService %s is not exported to namespace %s, where the gateway is", v, p.Gateway.Namespace)
		f.Fix = patch(f.Object, exportOps(v.Spec.ExportTo, s.Facts.Config.DefaultVirtualServiceExportTo, p.Gateway.Namespace)...)
		return []Finding{f}
	},
	Why: "The gateway's pods see only VirtualServices that are exported to their namespace. With exportTo [\".\"] in the application's " +
		"namespace sidecars send to the gateway, but the gateway has no route and so no listener.",
	Fix: "Add the gateway's namespace to spec.exportTo.",
}

// exportOps exports an object to one more namespace, keeping where it goes now.
func exportOps(now, fallback []string, to string) []op {
	if len(now) > 0 {
		return []op{add("/spec/exportTo/-", to)}
	}
	return []op{add("/spec/exportTo", append(slices.Clone(fallback), to))}
}
