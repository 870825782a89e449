package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// Row draws the hops of what the trace saw. It does not hold on to the path.
func Row(p *trace.Path) Path {
	out := Path{
		Host: clean(string(p.Host)), Port: p.Port, Protocol: string(p.Protocol), Set: clean(p.Set), Owner: clean(p.Owner), Mode: string(p.Mode),
		Gateway: clean(p.Gateway.String()), sample: clean(p.Sample), leaves: "HTTP",
	}
	if p.Protocol == egress.ProtocolTLS {
		out.leaves = "SNI"
	}
	if out.unseen = unlooked(p); out.unseen {
		out.Hops = unseenHops(p)
		if p.Mode == egress.TLSOrigination || p.Mode == egress.MTLSOrigination {
			out.leaves = "TLS" // as it is meant: no proxy tells
		}
		return out
	}
	sidecar := sidecarHop(p)
	out.Hops = []Hop{sidecar}
	if p.Mode == egress.Direct {
		out.Hops = append(out.Hops, directHop(p, sidecar))
	} else {
		gateway := gatewayHop(p, sidecar)
		out.Hops = append(out.Hops, gateway)
		proxied := p.Mode == egress.SNIProxy || slices.ContainsFunc(hosts(p.At(egress.AtGateway)), inPod)
		if proxied {
			out.Hops = append(out.Hops, proxyHop(p, gateway))
		}
		out.Hops = append(out.Hops, outsideHop(p, gateway, proxied))
	}
	for i := range out.Hops {
		out.Hops[i].Detail = clean(out.Hops[i].Detail)
	}
	for _, l := range p.At(egress.AtGateway) {
		out.mtls = out.mtls || len(l.Ask.TLS) > 0 && l.Ask.TLS[0].Mode == admin.IstioMutual
		if slices.ContainsFunc(l.Exits, func(e trace.Exit) bool { return e.Cluster.TLS != nil }) {
			out.leaves = "TLS" // begun by the gateway
		}
	}
	return out
}

// beyond says whether a gateway leg gets to its cluster and only lacks an address to go on to.
func beyond(l *trace.Leg) bool { return l.Stop == nil || l.Stop.Kind == trace.NoEndpoint }

// verdict is the state of a hop by its legs: one that fails fails it, one that is not known leaves it unknown unless others pass,
// one that was left out of the sample counts for nothing.
func verdict(legs []*trace.Leg, passes func(*trace.Leg) bool) (check.State, *trace.Leg) {
	state := check.Unknown
	var why *trace.Leg
	for _, l := range legs {
		switch {
		case passes(l):
			if state == check.Unknown {
				state, why = check.Pass, l
			}
		case !l.Stop.Unknown():
			return check.Fail, l
		case why == nil && l.Stop.Kind != trace.NotSelected && l.Stop.Kind != trace.Bystander:
			why = l
		}
	}
	return state, why
}

func sidecarHop(p *trace.Path) Hop {
	legs := p.At(egress.AtSidecar)
	state, leg := verdict(legs, func(l *trace.Leg) bool { return l.Stop == nil })
	h := Hop{Name: egress.AtSidecar, State: state}
	switch {
	case leg == nil:
	case state == check.Pass:
		h.Detail = clusters(leg)
		if p.Host.IsWildcard() {
			h.Detail += " (followed as " + p.Sample + ")"
		}
		if n := len(slices.DeleteFunc(legs, func(l *trace.Leg) bool { return l.Stop != nil })); n > 1 {
			h.Detail += fmt.Sprintf(" (%d workloads)", n)
		}
	default:
		h.Detail = leg.Stop.Says
	}
	return h
}

func gatewayHop(p *trace.Path, sidecar Hop) Hop {
	h := Hop{Name: egress.AtGateway, State: check.Skip, Detail: "not reached"}
	legs := p.At(egress.AtGateway)
	if len(legs) == 0 {
		if sidecar.State == check.Unknown {
			h.State, h.Detail = check.Unknown, "not known what sidecars send"
		}
		return h
	}
	state, leg := verdict(legs, beyond)
	h.State = state
	switch {
	case leg == nil:
		h.Detail = legs[0].Stop.Says
	case state == check.Pass:
		h.Detail = carried(p, legs)
	default:
		h.Detail = leg.Stop.Says
	}
	return h
}

// carried tells the counters of the gateway's pods: connections, or for HTTP, whose connections are shared, requests.
func carried(p *trace.Path, legs []*trace.Leg) string {
	var opened, requests, failed uint64
	for _, host := range concerned(p, legs) {
		opened += host.Opened
		requests += host.Requests
		failed += host.Failed
	}
	n, what := opened, "connection"
	if p.Protocol == egress.ProtocolHTTP {
		n, what = requests, "request"
	}
	text := fmt.Sprintf("%d %s", n, plural(what, n))
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	return text
}

func plural[N int | uint64](word string, n N) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// hosts are those that the legs' clusters send to, each gateway pod's own, once.
func hosts(legs []*trace.Leg) []admin.HostStatus {
	var out []admin.HostStatus
	seen := map[string]bool{}
	for _, l := range legs {
		for _, e := range l.Exits {
			key := l.Proxy.Name() + " " + e.Cluster.Name
			if !seen[key] {
				seen[key] = true
				out = append(out, e.Hosts...)
			}
		}
	}
	return out
}

// inPod says whether a host is in the gateway's own pod.
func inPod(h admin.HostStatus) bool { return trace.IsLoopback(h.Address) }

// concerned are the hosts of the legs' clusters that belong to the path: a dynamic forward proxy has those of all its names.
func concerned(p *trace.Path, legs []*trace.Leg) []admin.HostStatus {
	return slices.DeleteFunc(hosts(legs), func(h admin.HostStatus) bool {
		name, looked := lookedUp(legs, h)
		return looked && !snapshot.HostCovers(string(p.Host), name)
	})
}

// lookedUp gives the server name for which a dynamic forward proxy has found a host.
func lookedUp(legs []*trace.Leg, h admin.HostStatus) (name string, ok bool) {
	dynamic := slices.ContainsFunc(legs, func(l *trace.Leg) bool {
		return slices.ContainsFunc(l.Exits, func(e trace.Exit) bool { return e.Cluster.Type == admin.DynamicForward })
	})
	name, _, ok = strings.Cut(h.Hostname, ":")
	return name, ok && dynamic
}

// directHop is the outside as sidecars see it.
func directHop(p *trace.Path, sidecar Hop) Hop {
	h := Hop{Name: egress.AtOutside, State: sidecar.State, Detail: "not reached"}
	switch sidecar.State {
	case check.Unknown:
		h.Detail = "not known what sidecars send"
	case check.Pass:
		h.Detail = addresses(p, p.At(egress.AtSidecar))
		if h.Detail == "" {
			h.Detail = "the address that the application asks for"
		}
	default:
		h.State = check.Skip
	}
	return h
}

// proxyHop is the SNI proxy beside the gateway, as far as it can be seen from there.
func proxyHop(p *trace.Path, gateway Hop) Hop {
	h := Hop{Name: egress.AtSNIProxy, State: gateway.State, Detail: "not known what the gateway does"}
	legs := p.At(egress.AtGateway)
	switch gateway.State {
	case check.Unknown:
		return h
	case check.Pass:
	default:
		h.State, h.Detail = check.Skip, "not reached"
		return h
	}
	for _, l := range legs {
		if l.Stop != nil && !l.Stop.Unknown() {
			h.State, h.Detail = check.Fail, l.Stop.Says
			return h
		}
		for _, e := range l.Exits {
			for _, host := range e.Hosts {
				h.Detail = fmt.Sprintf("%s:%d", host.Address, host.Port)
			}
		}
	}
	if proxy := p.Want.SNIProxy; proxy != nil && h.State == check.Pass {
		h.Detail += " (container " + proxy.Container + ")"
	}
	return h
}

func outsideHop(p *trace.Path, gateway Hop, proxied bool) Hop {
	h := Hop{Name: egress.AtOutside, State: check.Skip, Detail: "not reached"}
	switch gateway.State {
	case check.Unknown:
		h.State, h.Detail = check.Unknown, "not known what the gateway does"
		return h
	case check.Pass:
	default:
		return h
	}
	legs := slices.DeleteFunc(p.At(egress.AtGateway), func(l *trace.Leg) bool { return !beyond(l) })
	for _, l := range legs {
		if l.Stop != nil && !proxied {
			h.State, h.Detail = check.Fail, l.Stop.Says
			return h
		}
	}
	if proxied {
		h.Detail = "looked up by the SNI proxy, whose log tells"
		return h
	}
	h.State, h.Detail = check.Pass, addresses(p, legs)
	if h.Detail == "" {
		h.Detail = "no host asked for yet"
	}
	return h
}

// addresses tells where the traffic goes: by name where the proxy looks names up by itself, else by address.
func addresses(p *trace.Path, legs []*trace.Leg) string {
	var out []string
	for _, h := range concerned(p, legs) {
		name, looked := lookedUp(legs, h)
		switch {
		case h.Unhealthy:
		case looked:
			out = append(out, strings.TrimSuffix(name, "."+p.Host.Domain()))
		case h.Address == "":
			out = append(out, h.Hostname)
		default:
			out = append(out, h.Address)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	const most = 3
	if len(out) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(out[:most], ", "), len(out)-most)
	}
	return strings.Join(out, ", ")
}

func clusters(l *trace.Leg) string {
	var names []string
	for _, e := range l.Exits {
		names = append(names, e.Cluster.Name)
	}
	return strings.Join(names, ", ")
}
