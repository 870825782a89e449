package check

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// Paths finds every egress path that somebody wants: those of the sets, then those that the objects show by hand: a
// VirtualService leads a host to an egress gateway, or a Gateway object opens an egress gateway's port for it, or a VirtualService
// leads an outside host from the sidecars to itself, without a gateway. Sorted by host and port.
func Paths(s *snapshot.Snapshot) []egress.Path {
	f := finder{s: s, wanted: trace.Want(s), found: map[string][]int{}}
	for _, set := range s.Sets {
		for _, p := range set.Paths() { // of one that cannot be read there are none
			f.share(f.resolved(p), "set "+p.Set)
		}
	}
	for _, l := range f.wanted.Lines() {
		f.toward(l)
	}
	for i := range s.Objects.Gateways {
		f.opened(&s.Objects.Gateways[i])
	}
	for _, l := range f.wanted.Lines() {
		f.direct(l)
	}
	for _, p := range s.Seen {
		f.add(p)
	}
	f.tell()
	egress.SortFunc(f.paths, func(a, b egress.Path) int {
		return cmp.Or(strings.Compare(string(a.Host), string(b.Host)), cmp.Compare(a.Port, b.Port))
	})
	return f.paths
}

// resolved gives a path of a set that names no gateway the mesh's only one, as enable would.
func (f *finder) resolved(p egress.Path) egress.Path {
	if p.Gateway == (egress.GatewayRef{}) && p.Mode != egress.Direct && len(f.s.Facts.Gateways) == 1 {
		p.Gateway = f.s.Facts.Gateways[0].Ref()
	}
	return p
}

type finder struct {
	s      *snapshot.Snapshot
	wanted *trace.Wanted
	found  map[string][]int // in paths, by name
	paths  []egress.Path
	owners []string // of each path
}

// add adds a path unless there is one of that name.
func (f *finder) add(p egress.Path) {
	if len(f.found[p.Name()]) == 0 {
		f.share(p, "")
	}
}

// share adds a path of an owner. Others may have the same host and port, for clients of their own: then each is told with its owner. What
// leads to the gateway of another's path is that path.
func (f *finder) share(p egress.Path, owner string) {
	others := f.found[p.Name()]
	for _, i := range others {
		if f.owners[i] == owner || p.Set == "" && f.paths[i].Gateway == p.Gateway {
			return
		}
	}
	f.found[p.Name()] = append(others, len(f.paths))
	f.paths, f.owners = append(f.paths, p), append(f.owners, owner)
}

// tell names the owners where there are several.
func (f *finder) tell() {
	for _, same := range f.found {
		for _, i := range same {
			if len(same) > 1 {
				f.paths[i].Owner = f.owners[i]
			}
		}
	}
}

// toward adds the paths of a route that leads to an egress gateway.
func (f *finder) toward(l trace.Line) {
	if l.Gateway == (egress.GatewayRef{}) {
		return
	}
	for _, name := range l.Hosts {
		host, err := egress.ParseHost(name)
		if err != nil {
			continue // an address or a name of the cluster's own: no egress by name
		}
		p := f.path(l, host)
		p.Mode = f.mode(p)
		others := f.found[p.Name()]
		if len(others) > 0 && (!l.ForMesh() || l.VirtualService.Labels[egress.LabelManagedBy] != "" && f.paths[others[0]].Set != "") {
			continue // nobody takes it, or it is a set's own, whatever somebody has made of it
		}
		f.share(p, trace.ByHand+l.VirtualService.String())
	}
}

// direct adds the paths of a route that leads outside hosts from the sidecars to themselves, as in the document "Egress using
// Wildcard Hosts", where nothing leads them to a gateway.
func (f *finder) direct(l trace.Line) {
	if !l.ForMesh() {
		return
	}
	for _, name := range l.Hosts {
		host, err := egress.ParseHost(name)
		if err != nil || !strings.EqualFold(l.To, name) || !slices.ContainsFunc(f.wanted.Entries(name), outside) {
			continue
		}
		p := f.path(l, host)
		p.Mode = egress.Direct
		f.add(p) // unless another route leads it to a gateway
	}
}

// outside says whether an entry is about something outside of the mesh.
func outside(e *snapshot.ServiceEntry) bool { return e.Spec.Location != "MESH_INTERNAL" }

// path is what a line is about for one of its hosts, but for the mode.
func (f *finder) path(l trace.Line, host egress.Host) egress.Path {
	p := egress.Path{Host: host, Port: l.Port, Protocol: f.protocol(l, host), Gateway: l.Gateway}
	if p.Port == 0 {
		p.Port = map[egress.Protocol]int{egress.ProtocolHTTP: 80, egress.ProtocolTLS: 443}[p.Protocol]
	}
	return p
}

func (f *finder) protocol(l trace.Line, host egress.Host) egress.Protocol {
	switch l.List {
	case trace.HTTPList:
		return egress.ProtocolHTTP
	case trace.TLSList:
		return egress.ProtocolTLS
	}
	for _, e := range f.wanted.Entries(string(host)) {
		if i := entryPort(e, l.Port); i >= 0 && slices.Contains(requestProtocols, strings.ToUpper(e.Spec.Ports[i].Protocol)) && l.Port != 443 {
			return egress.ProtocolHTTP
		}
	}
	return egress.ProtocolTLS
}

// opened adds the paths of a Gateway object's servers to which nothing leads: the first half of the way is missing.
func (f *finder) opened(g *snapshot.Gateway) {
	for _, gw := range f.s.Facts.Gateways {
		if !selects(g, gw) {
			continue
		}
		for i := range g.Spec.Servers {
			o := opened{trace.Opened{Gateway: g, Server: &g.Spec.Servers[i], Index: i}}
			for _, h := range o.Server.Hosts {
				f.unfed(o, gw, h)
			}
		}
		return
	}
}

func (f *finder) unfed(o opened, gw mesh.Gateway, serverHost string) {
	_, name := snapshot.ServerHost(serverHost)
	host, err := egress.ParseHost(name)
	if err != nil || len(f.wanted.Entries(name)) == 0 && len(f.wanted.Onward(name)) == 0 {
		return
	}
	fed := slices.ContainsFunc(f.wanted.For(name), func(l trace.Line) bool {
		return l.Gateway == gw.Ref() && (target(gw, l.ToPort) == target(gw, o.Server.Port.Number) || !served(gw, o.Server.Port.Number))
	})
	if fed {
		return
	}
	p := egress.Path{Host: host, Port: servicePort(gw, o.Server.Port.Number), Protocol: egress.ProtocolHTTP, Gateway: gw.Ref()}
	if o.isTLS() {
		p.Protocol = egress.ProtocolTLS
	}
	p.Mode = f.mode(p)
	f.add(p)
}

// served says whether the gateway's Service has the port, or leads one to it: no sidecar comes to any other.
func served(gw mesh.Gateway, number int) bool {
	return len(gw.Ports) == 0 || slices.ContainsFunc(gw.Ports, func(p mesh.Port) bool { return p.Number == number || p.Target == number })
}

// servicePort is the number by which the gateway's Service calls a port that may be written as the pod's.
func servicePort(gw mesh.Gateway, number int) int {
	for _, p := range gw.Ports {
		if p.Target == number {
			return p.Number
		}
	}
	return number
}

// mode guesses which documented configuration a path made by hand follows.
func (f *finder) mode(p egress.Path) egress.Mode {
	host := string(p.Host)
	var onward []trace.Line
	for _, l := range f.wanted.Onward(host) {
		if (l.List == trace.HTTPList) == (p.Protocol == egress.ProtocolHTTP) {
			onward = append(onward, l)
		}
	}
	if p.Protocol == egress.ProtocolHTTP {
		return f.origination(onward)
	}
	for _, l := range onward {
		switch {
		case strings.EqualFold(l.To, host) && !p.Host.IsWildcard():
			return egress.Passthrough
		case len(f.wanted.Entries(l.To)) == 0:
		case strings.HasPrefix(l.To, "*"):
			return egress.SNIDynamic
		case f.static(l.To):
			return egress.SNIProxy
		case p.Host.IsWildcard():
			return egress.CommonHost
		}
	}
	if !p.Host.IsWildcard() {
		return egress.Passthrough
	}
	return egress.SNIDynamic
}

// origination tells by the DestinationRules for the host whether the gateway begins TLS, and with whose certificate. A route to a
// port that speaks HTTPS means that it should.
func (f *finder) origination(onward []trace.Line) egress.Mode {
	mode := egress.HTTP
	for _, l := range onward {
		if speaksTLS(f.wanted, trace.ClusterName{Host: l.To, Port: l.ToPort}) {
			mode = egress.TLSOrigination
		}
		for i := range f.s.Objects.DestinationRules {
			d := &f.s.Objects.DestinationRules[i]
			if !snapshot.HostCovers(f.s.FullHost(d.Spec.Host, d.Namespace), l.To) {
				continue
			}
			switch _, tls := policyTLS(d.Spec.TrafficPolicy, l.ToPort); {
			case tls == nil:
			case tls.Mode == "MUTUAL":
				return egress.MTLSOrigination
			case tls.Mode == "SIMPLE":
				mode = egress.TLSOrigination
			}
		}
	}
	return mode
}

// static says whether the host is an address of the gateway's own pod, as the SNI proxy is.
func (f *finder) static(host string) bool {
	return slices.ContainsFunc(f.wanted.Entries(host), func(e *snapshot.ServiceEntry) bool {
		return strings.EqualFold(e.Spec.Resolution, "STATIC") && len(e.Spec.Endpoints) > 0
	})
}
