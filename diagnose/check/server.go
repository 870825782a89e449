package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var serverNameUnknown = Check{
	Code:     "EGR017",
	Title:    "server name sent by the sidecar is not the gateway's",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Stays:    true,
	Needs:    []snapshot.Source{snapshot.Gateways, snapshot.VirtualServices, snapshot.DestinationRules},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := slices.DeleteFunc(stopped(&p, egress.AtGateway, trace.NoChain), func(l *trace.Leg) bool { return len(l.Ask.TLS) == 0 })
		if len(legs) == 0 {
			return nil
		}
		sni := legs[0].Ask.SNI()
		for _, o := range meant(&p, legs[0]) {
			if !selects(o.Gateway, p.Want) || !o.ends() || slices.ContainsFunc(o.Server.Hosts, func(h string) bool { return serverCovers(h, sni) }) {
				continue
			}
			rule, path, tls := sender(s, &p, legs[0])
			if rule != nil && tls == nil || tls != nil && slices.ContainsFunc(o.Server.Hosts, func(h string) bool { return tls.SNI != "" && serverCovers(h, tls.SNI) }) {
				continue // the rule is right: it is the proxy that has not got it yet
			}
			f := because(legs)
			f.Object = object("Gateway", o.Gateway.Meta, fmt.Sprintf("spec.servers[%d].hosts", o.Index))
			f.Message = fmt.Sprintf("sidecars send server name %s, which is not among the hosts of Gateway %s (%s)",
				sni, o.Gateway, strings.Join(o.Server.Hosts, ", "))
			switch {
			case isWide(rule):
				f.Object = object("DestinationRule", rule.Meta, "spec.host")
				f.Fix = beginning(s, &p, legs[0].From[0])
			case tls != nil:
				f.Object = object("DestinationRule", rule.Meta, field(path+"/sni"))
				f.Fix = patch(f.Object, add(path+"/sni", string(p.Host)))
			default:
				f.Fix = patch(f.Object, add(fmt.Sprintf("/spec/servers/%d/hosts/-", o.Index), "*"))
			}
			return []Finding{f}
		}
		return nil
	},
	Why: "With Istio mTLS the gateway chooses its filter chain by the server name that the sidecar sends. Without sni in the " +
		"DestinationRule that is a name of Istio's own (outbound_.80_.subset_.gateway), which no server's hosts hold: the gateway closes " +
		"the connection (NR filter_chain_not_found), and clients get 503 or a reset.",
	Fix: "Set tls.sni in the subset to the host, one subset for each host.",
}

var matchOnTargetPort = Check{
	Code:     "EGR018",
	Title:    "match on a port that is not the Gateway's",
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
			lines := linesOn(&p, o.name())
			fits := func(l trace.Line) bool { return l.Port == 0 || l.Port == o.Server.Port.Number }
			if len(lines) == 0 || slices.ContainsFunc(lines, fits) || !selects(o.Gateway, p.Want) {
				continue
			}
			i := slices.IndexFunc(lines, func(l trace.Line) bool { return target(p.Want, l.Port) == target(p.Want, o.Server.Port.Number) })
			if i < 0 {
				continue
			}
			l := lines[i]
			f := because(legs)
			at := matchPath(l) + "/port"
			f.Object = object("VirtualService", l.VirtualService.Meta, field(at))
			f.Message = fmt.Sprintf("VirtualService %s matches port %d on Gateway %s, whose server has number %d",
				l.VirtualService, l.Port, o.Gateway, o.Server.Port.Number)
			f.Fix = patch(f.Object, replace(at, o.Server.Port.Number))
			return []Finding{f}
		}
		return nil
	},
	Why: "A match for a Gateway compares with the port number that the Gateway's server is written with, not with the port on which the " +
		"pods listen. A route that matches the other one is attached to no server: 404 NR, or no listener at all.",
	Fix: "Write the Gateway's own port number in the match.",
}

var gatewayWithoutRoute = Check{
	Code:     "EGR019",
	Title:    "Gateway without a route for the host",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Needs:    onGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, missing...)
		if len(legs) == 0 {
			return nil
		}
		for _, o := range meant(&p, legs[0]) {
			if !selects(o.Gateway, p.Want) || len(linesOn(&p, o.name())) > 0 {
				continue
			}
			v := routesBoundTo(&p, o.name())
			list := listFor(&p)
			if o.ends() && list == trace.TLSList {
				list = trace.TCPList
			}
			f := because(legs)
			f.Object = object("VirtualService", v.Meta, "spec."+string(list))
			f.Message = fmt.Sprintf("VirtualService %s has no route that leads %s from Gateway %s to the outside", v, p.Host, o.Gateway)
			f.Fix = patch(f.Object, addRoute(v, list, onwardRoute(&p, gatewayWord(v, o.name()), o.Server.Port.Number, list)))
			return []Finding{f}
		}
		return notBoundToGateway(s, &p, legs)
	},
	Why: "The way has two halves: from the sidecar to the gateway, and from the gateway to the outside. Without a route for the second the " +
		"gateway answers 404 (HTTP) or has no listener (TLS). A route counts only if its VirtualService is bound to the Gateway (spec.gateways).",
	Fix: "Add a route with match.gateways naming the Gateway and the host as destination, and name the Gateway in spec.gateways.",
}

func routesBoundTo(p *trace.Path, gateway string) *snapshot.VirtualService {
	routes := routesFor(p)
	i := slices.IndexFunc(routes, func(v *snapshot.VirtualService) bool { return slices.Contains(v.Bound(), gateway) })
	return routes[i] // the caller has found the Gateway by way of such an object
}

var sameHostTwice = Check{
	Code:     "EGR020",
	Title:    "two Gateways clash on the same port of the same pods",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Stays:    true,
	Needs:    onGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, trace.NoListener, trace.NoChain, trace.NoRoute, trace.Answered, trace.PlainToTLS, trace.TLSToPlain)
		if len(legs) == 0 {
			return nil
		}
		for _, ours := range meant(&p, legs[0]) {
			if !selects(ours.Gateway, p.Want) {
				continue
			}
			theirs, why, host, ok := clash(s, &p, ours)
			if !ok {
				continue
			}
			f := because(legs)
			f.Object = object("Gateway", theirs.Gateway.Meta, fmt.Sprintf("spec.servers[%d]", theirs.Index))
			f.Message = fmt.Sprintf("Gateway %s (port %d) and Gateway %s (port %d) %s on port %d of the same pods: istiod leaves one out",
				ours.Gateway, ours.Server.Port.Number, theirs.Gateway, theirs.Server.Port.Number, why, target(p.Want, ours.Server.Port.Number))
			f.Fix = withdraw(f.Object, theirs, host)
			return []Finding{f}
		}
		return nil
	},
	Why: "The Gateways of all namespaces that select the same pods are merged per port. Of two servers with the same host on the same port " +
		"istiod keeps one and skips the other wholly, with all its other hosts; HTTP and TLS cannot share a port at all. 443 and 8443 are " +
		"the same port where the gateway's Service maps one to the other, and different selectors may select the same pods.",
	Fix: "Leave the host in one of the Gateways only, or use another port.",
}

// clash finds a server of another Gateway that cannot be on the same pods together with ours, and which of its hosts is why; -1: all
// of it.
func clash(s *snapshot.Snapshot, p *trace.Path, ours opened) (theirs opened, why string, host int, found bool) {
	port := target(p.Want, ours.Server.Port.Number)
	for i := range s.Objects.Gateways {
		g := &s.Objects.Gateways[i]
		if g == ours.Gateway || !selects(g, p.Want) || madeUp(p) && !maps.Equal(g.Spec.Selector, ours.Gateway.Spec.Selector) {
			continue // of pods that are made up it is not known that they have the labels of both
		}
		for j := range g.Spec.Servers {
			theirs = opened{trace.Opened{Gateway: g, Server: &g.Spec.Servers[j], Index: j}}
			if target(p.Want, theirs.Server.Port.Number) != port {
				continue
			}
			if theirs.plain() != ours.plain() {
				return theirs, fmt.Sprintf("want %s and %s", ours.Server.Port.Protocol, theirs.Server.Port.Protocol), -1, true
			}
			if i := sameName(ours, theirs); i >= 0 && !ours.plain() { // plain text of several servers is merged
				_, name := snapshot.ServerHost(theirs.Server.Hosts[i])
				return theirs, "both have " + name, i, true
			}
		}
	}
	return opened{}, "", -1, false
}

// plain says whether the server takes plain text, which cannot share a port with TLS.
func (o opened) plain() bool {
	return slices.Contains([]string{"HTTP", "HTTP2", "GRPC", "TCP", "MONGO"}, strings.ToUpper(o.Server.Port.Protocol))
}

// sameName finds a host of theirs that ours has in the same words, whichever: the whole server is left out for it. -1: none.
func sameName(ours, theirs opened) int {
	return slices.IndexFunc(theirs.Server.Hosts, func(t string) bool {
		_, name := snapshot.ServerHost(t)
		return slices.ContainsFunc(ours.Server.Hosts, func(o string) bool {
			_, other := snapshot.ServerHost(o)
			return strings.EqualFold(name, other)
		})
	})
}

// withdraw takes the clashing part of the other Gateway away, one host or all of the server, and leaves the rest of it.
func withdraw(o *Object, theirs opened, host int) string {
	switch {
	case host >= 0 && len(theirs.Server.Hosts) > 1:
		return patch(o, remove(fmt.Sprintf("/spec/servers/%d/hosts/%d", theirs.Index, host)))
	case len(theirs.Gateway.Spec.Servers) > 1:
		return patch(o, remove(fmt.Sprintf("/spec/servers/%d", theirs.Index)))
	}
	return fmt.Sprintf("kubectl -n %s delete %s %s", word(o.Namespace), resources[o.Kind], word(o.Name))
}
