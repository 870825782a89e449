package trace

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// Clusters that istiod makes for traffic that it knows nothing of.
const (
	Passthrough = "PassthroughCluster"
	BlackHole   = "BlackHoleCluster"
)

// judgeSidecar says whether an exit of a sidecar is the one that the path is meant to take: the gateway, or without one the host.
func (w *Walker) judgeSidecar(p *Path, leg *Leg, e *Exit) {
	name, _ := ParseCluster(e.Cluster.Name) // of one that istiod has not made there is no host
	share := ""
	if e.Weight < 100 {
		share = fmt.Sprintf(" (%d %% of the traffic)", e.Weight)
	}
	pod := leg.Proxy.Pod
	itself := snapshot.HostCovers(name.Host, string(p.Host))
	switch {
	case e.Cluster.Name == BlackHole:
		leg.stop(Blocked, "cluster", "%s lets %s go nowhere: %s", pod, p, BlackHole)
	case p.Mode == egress.Direct && itself:
		w.judgeOutside(p, leg, e, pod)
	case p.Mode != egress.Direct && (w.isGateway(p, name.Host) || w.sharesWith(p, name.Host)):
		if usable(e.Hosts) == 0 {
			leg.stop(NoEndpoint, "endpoint", "%s has no pod of the gateway to send to: cluster %s has no healthy endpoint", pod, e.Cluster.Name)
		}
	case e.Cluster.Name == Passthrough, itself:
		leg.stop(Bypass, "cluster", "%s sends %s to %s%s", pod, p, e.Cluster.Name, share)
	default:
		leg.stop(Elsewhere, "cluster", "%s sends %s to %s%s", pod, p, e.Cluster.Name, share)
	}
	leg.blame(e)
}

// blame notes the cluster at which a leg has stopped.
func (l *Leg) blame(e *Exit) {
	if l.Stop != nil && l.Stop.Cluster == "" {
		l.Stop.Cluster = e.Cluster.Name
	}
}

// isGateway says whether a cluster's host is the gateway that the path is meant to take.
func (w *Walker) isGateway(p *Path, host string) bool {
	return host == p.Gateway.Service+"."+p.Gateway.Namespace+".svc."+w.s.ClusterDomain()
}

// sharesWith says whether a cluster's host is another egress gateway to which the path's routes lead, as where one is taking over from
// the other by weights.
func (w *Walker) sharesWith(p *Path, host string) bool {
	return slices.ContainsFunc(w.wanted.Own(p.Path), func(l Line) bool {
		_, known := w.s.Facts.Gateway(l.Gateway)
		return known && l.ForMesh() && l.To == host
	})
}

func usable(hosts []admin.HostStatus) int {
	n := 0
	for _, h := range hosts {
		if !h.Unhealthy {
			n++
		}
	}
	return n
}

// judgeGateway says whether an exit of a gateway pod leads outside.
func (w *Walker) judgeGateway(p *Path, leg *Leg, e *Exit) {
	name, _ := ParseCluster(e.Cluster.Name)
	pod := leg.Proxy.Pod
	if outer := e.Ask.outer(); e.Cluster.TLS == nil && outer != nil && outer.Mode == admin.IstioMutual {
		leg.stop(TLSToPlain, "chain", "gateway pod %s does not end Istio's TLS and would send it on to %s", pod, e.Cluster.Name)
	}
	switch {
	case e.Cluster.Name == BlackHole:
		leg.stop(Blocked, "cluster", "gateway pod %s lets %s go nowhere: %s", pod, p, BlackHole)
	case w.isGateway(p, name.Host):
		leg.stop(Elsewhere, "cluster", "gateway pod %s sends %s back to the gateway itself: %s", pod, p, e.Cluster.Name)
	default:
		w.judgeOutside(p, leg, e, "gateway pod "+pod)
	}
	leg.blame(e)
}

// judgeOutside looks at an exit to the outside, of a gateway or of a sidecar.
func (w *Walker) judgeOutside(p *Path, leg *Leg, e *Exit, who string) {
	c := e.Cluster
	switch {
	case c.Type == admin.DynamicForward:
		// it has a host only once somebody asked for one
		w.judgeLookup(p, leg, e, who)
	case c.Type == admin.OriginalDst && leg.Hop == egress.AtSidecar && leg.Ask.Address != "" && w.given(p, leg.Proxy) == leg.Ask.Address:
		leg.stop(MadeUp, "endpoint", "%s sends %s on to the address that the application asked for, and Istio's DNS proxy has told it %s: cluster %s (%s)",
			who, p, leg.Ask.Address, c.Name, c.Type)
	case c.Type == admin.OriginalDst && leg.Hop == egress.AtSidecar:
		// it goes to the address that the application asked for
	case usable(e.Hosts) == 0:
		leg.stop(NoEndpoint, "endpoint", "%s has no address for %s: cluster %s (%s) has no endpoint", who, p.Host, c.Name, c.Type)
	}
	if leg.Hop == egress.AtGateway {
		w.judgeLoopback(leg, e, who)
	}
	w.judgeOrigination(p, leg, e, who)
}

// judgeLookup looks at an exit that finds its host by the server name.
func (w *Walker) judgeLookup(p *Path, leg *Leg, e *Exit, who string) {
	switch {
	case p.Protocol == egress.ProtocolHTTP:
		// the HTTP filter of the same name goes by the Host header; it is not kept
	case e.Lookup == nil:
		leg.stop(NoLookup, "filter", "%s sends %s to %s without looking up the server name: there is no sni_dynamic_forward_proxy filter before it", who, p, e.Cluster.Name)
	case !strings.EqualFold(e.Lookup.Name, p.Sample):
		leg.stop(Elsewhere, "filter", "%s looks up %s and not the server name that the application asks for", who, named(e.Lookup.Name))
	}
}

// judgeOrigination compares the TLS that a proxy begins with what the path is meant to have.
func (w *Walker) judgeOrigination(p *Path, leg *Leg, e *Exit, who string) {
	c := e.Cluster
	origination := p.Mode == egress.TLSOrigination || p.Mode == egress.MTLSOrigination
	switch {
	case c.TLS != nil && len(e.Ask.TLS) > 1:
		leg.stop(DoubleTLS, "cluster", "%s begins TLS (%s) around the TLS that the application already speaks: cluster %s", who, c.TLS.Mode, c.Name)
	case origination && c.TLS == nil:
		leg.stop(NotBegun, "cluster", "%s sends %s in plain text: cluster %s does not begin TLS", who, p, c.Name)
	case p.Mode == egress.MTLSOrigination && c.TLS.Mode != admin.Mutual:
		leg.stop(NotBegun, "cluster", "%s begins TLS without a client certificate of its own: cluster %s is %s", who, c.Name, c.TLS.Mode)
	}
}

// judgeLoopback looks at an exit to the gateway's own pod, where the SNI proxy is.
func (w *Walker) judgeLoopback(leg *Leg, e *Exit, who string) {
	for _, h := range e.Hosts {
		if !IsLoopback(h.Address) {
			continue
		}
		if l := w.at(leg, Ask{Port: h.Port}, func(l *admin.Listener) bool { return !l.Unbound }); l != nil {
			leg.stop(Elsewhere, "endpoint", "%s sends to %s:%d, where its own listener %s is and no SNI proxy", who, h.Address, h.Port, l.Name)
			return
		}
		if n := leg.Proxy.Containers; len(n) == 1 {
			leg.stop(NoEndpoint, "endpoint", "%s sends to %s:%d, and the pod has no container but %s that could listen there", who, h.Address, h.Port, n[0])
		}
	}
}

// IsLoopback says whether an endpoint is in the pod of the proxy that sends to it.
func IsLoopback(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && a.IsLoopback()
}
