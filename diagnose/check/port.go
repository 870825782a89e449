package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var portNotOfService = Check{
	Code:     "EGR016",
	Title:    "Gateway's port is none of the gateway's Service",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Needs:    onGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, missing...)
		if len(legs) == 0 || len(meant(&p, legs[0])) > 0 {
			return nil
		}
		bound := boundTo(&p)
		for _, o := range servers(p.Wanted, p.Host) {
			number := o.Server.Port.Number
			if !slices.Contains(bound, o.name()) || !selects(o.Gateway, p.Want) || served(p.Want, number) {
				continue
			}
			to := servicePort(p.Want, legs[0].Ask.Port)
			f := because(legs)
			f.Object = object("Gateway", o.Gateway.Meta, fmt.Sprintf("spec.servers[%d].port.number", o.Index))
			f.Message = fmt.Sprintf("Gateway %s opens port %d, which Service %s does not have; sidecars send to its port %d", o.Gateway, number, p.Gateway, to)
			if number < 1024 {
				f.Evidence = append(f.Evidence, fmt.Sprintf("%d is a privileged port: without a mapping in the Service istiod does not have the pods listen on it", number))
			}
			f.Fix = renumber(&p, o, to)
			return []Finding{f}
		}
		return nil
	},
	Why: "The port number of a Gateway's server is looked up in the gateway's Service, which maps it to the port of the pods. A number that the " +
		"Service does not have is taken for the pods' own: below 1024 istiod leaves the listener out, and in any case sidecars, which send to " +
		"a port of the Service, never come there. Connections are refused (UF, URX).",
	Fix: "Write a port of the gateway's Service in the Gateway, and in the matches of its routes; or give the Service that port.",
}

// renumber gives the server the port that sidecars send to, and the routes that match its old one as well.
func renumber(p *trace.Path, o opened, to int) string {
	fix := []string{patch(object("Gateway", o.Gateway.Meta, ""), replace(fmt.Sprintf("/spec/servers/%d/port/number", o.Index), to))}
	ops := map[*snapshot.VirtualService][]op{}
	var order []*snapshot.VirtualService
	for _, l := range linesOn(p, o.name()) {
		if l.Port != o.Server.Port.Number {
			continue
		}
		if ops[l.VirtualService] == nil {
			order = append(order, l.VirtualService)
		}
		ops[l.VirtualService] = append(ops[l.VirtualService], replace(matchPath(l)+"/port", to))
	}
	for _, v := range order {
		fix = append(fix, patch(object("VirtualService", v.Meta, ""), ops[v]...))
	}
	return strings.Join(fix, "\n")
}

var routeWiderThanGateway = Check{
	Code:     "EGR021",
	Title:    "route lets more hosts through than the Gateway names",
	Severity: Warn,
	Hop:      egress.AtGateway,
	Needs:    onGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		if p.Protocol != egress.ProtocolTLS || len(arrived(&p)) == 0 {
			return nil
		}
		for _, l := range p.Wanted.Onward(string(p.Host)) {
			if l.List != trace.TLSList || l.Match == nil || !l.VirtualService.VisibleTo(s, p.Gateway.Namespace) {
				continue
			}
			for i, sni := range l.Match.SNIHosts {
				o, narrow := narrower(&p, l, sni)
				if !narrow || !chained(&p, sni) {
					continue
				}
				at := fmt.Sprintf("%s/sniHosts/%d", matchPath(l), i)
				f := Finding{
					Object: object("VirtualService", l.VirtualService.Meta, field(at)),
					Message: fmt.Sprintf("VirtualService %s matches %s on Gateway %s, which names %s only: the gateway lets every host of the wildcard through",
						l.VirtualService, sni, o.Gateway, strings.Join(o.Server.Hosts, ", ")),
					Evidence: []string{"gateway " + p.Gateway.String() + " has a filter chain for server name " + sni},
				}
				f.Fix = patch(f.Object, replace(at, string(p.Host)))
				return []Finding{f}
			}
		}
		return nil
	},
	Why: "A tls route makes a filter chain for the server names that it matches, even where they are more than those of the Gateway's server " +
		"that it is bound to. The Gateway looks as if one host were let out, and all of the wildcard are.",
	Fix: "Match the hosts of the Gateway in the route, or write the wildcard in both.",
}

// narrower finds a server that a route is bound to and that names only a part of the wildcard that the route matches.
func narrower(p *trace.Path, l trace.Line, sni string) (opened, bool) {
	for _, o := range servers(p.Wanted, p.Host) {
		if !l.ForGateway(o.name()) || o.ends() || l.Port != 0 && l.Port != o.Server.Port.Number {
			continue
		}
		covered := slices.ContainsFunc(o.Server.Hosts, func(h string) bool { return serverCovers(h, sni) })
		if !covered && slices.ContainsFunc(o.Server.Hosts, func(h string) bool {
			_, name := snapshot.ServerHost(h)
			return snapshot.HostCovers(sni, name)
		}) {
			return o, true
		}
	}
	return opened{}, false
}

// chained says whether a gateway pod really has a chain for the server name.
func chained(p *trace.Path, sni string) bool {
	for _, leg := range arrived(p) {
		for i := range leg.Proxy.Config.Listeners {
			for _, c := range leg.Proxy.Config.Listeners[i].Chains {
				if slices.Contains(c.Match.ServerNames, sni) {
					return true
				}
			}
		}
	}
	return false
}
