package check

import (
	"fmt"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

func addRoute(v *snapshot.VirtualService, list trace.List, route any) op {
	have := map[trace.List]int{trace.HTTPList: len(v.Spec.HTTP), trace.TLSList: len(v.Spec.TLS), trace.TCPList: len(v.Spec.TCP)}[list]
	if have == 0 {
		return add("/spec/"+string(list), []any{route})
	}
	return add("/spec/"+string(list)+"/0", route)
}

func listFor(p *trace.Path) trace.List {
	if p.Protocol == egress.ProtocolTLS {
		return trace.TLSList
	}
	return trace.HTTPList
}

// fields are those of an object to be written.
type fields = map[string]any

// towardRoute is the route from the sidecars to the gateway.
func towardRoute(s *snapshot.Snapshot, p *trace.Path) fields {
	destination := fields{"host": gatewayHost(s, p), "port": fields{"number": p.Port}}
	if subset := subsetFor(s, p); subset != "" {
		destination["subset"] = subset
	}
	return fields{"match": []any{matchFor(p, snapshot.Mesh)}, "route": []any{fields{"destination": destination}}}
}

// onwardRoute is the route from a Gateway to the outside.
func onwardRoute(p *trace.Path, gateway string, number int, list trace.List) fields {
	match := fields{"gateways": []string{gateway}, "port": number}
	if list == trace.TLSList {
		match["sniHosts"] = []string{string(p.Host)}
	}
	return fields{
		"match": []any{match},
		"route": []any{fields{"destination": fields{"host": string(p.Host), "port": fields{"number": p.Port}}}},
	}
}

func matchFor(p *trace.Path, gateway string) fields {
	match := fields{"gateways": []string{gateway}, "port": p.Port}
	if p.Protocol == egress.ProtocolTLS {
		match["sniHosts"] = []string{string(p.Host)}
	}
	return match
}

// subsetFor finds a subset of the gateway that sends the host as server name, for a gateway that ends Istio's TLS.
func subsetFor(s *snapshot.Snapshot, p *trace.Path) string {
	host := gatewayHost(s, p)
	for i := range s.Objects.DestinationRules {
		d := &s.Objects.DestinationRules[i]
		if s.FullHost(d.Spec.Host, d.Namespace) != host {
			continue
		}
		for _, sub := range d.Spec.Subsets {
			if sub.TrafficPolicy != nil && sub.TrafficPolicy.TLS != nil && sub.TrafficPolicy.TLS.SNI == string(p.Host) {
				return sub.Name
			}
		}
	}
	return ""
}

// createRoutes makes the VirtualService that is missing altogether, for the Gateway that names the host.
func createRoutes(s *snapshot.Snapshot, p *trace.Path) string {
	for _, o := range servers(p.Wanted, p.Host) {
		if !selects(o.Gateway, p.Want) {
			continue
		}
		list := listFor(p)
		onward := list
		if o.ends() && list == trace.TLSList {
			onward = trace.TCPList
		}
		spec := fields{"hosts": []string{string(p.Host)}, "gateways": []string{snapshot.Mesh, o.Gateway.Name}}
		routes := map[trace.List][]any{list: {towardRoute(s, p)}}
		routes[onward] = append(routes[onward], onwardRoute(p, o.Gateway.Name, o.Server.Port.Number, onward))
		for l, r := range routes {
			spec[string(l)] = r
		}
		return apply(networking(s.Facts.Networking, "VirtualService", o.Gateway.Namespace, named(string(p.Host)), spec))
	}
	return ""
}

// matchPath is where the match of a line is in its object.
func matchPath(l trace.Line) string {
	matches := map[trace.List]func() []snapshot.RouteMatch{
		trace.HTTPList: func() []snapshot.RouteMatch { return l.VirtualService.Spec.HTTP[l.Index].Match },
		trace.TLSList:  func() []snapshot.RouteMatch { return l.VirtualService.Spec.TLS[l.Index].Match },
		trace.TCPList:  func() []snapshot.RouteMatch { return l.VirtualService.Spec.TCP[l.Index].Match },
	}[l.List]()
	for i := range matches {
		if &matches[i] == l.Match {
			return fmt.Sprintf("/spec/%s/%d/match/%d", l.List, l.Index, i)
		}
	}
	return fmt.Sprintf("/spec/%s/%d/match/0", l.List, l.Index)
}
