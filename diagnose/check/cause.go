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

// stopped gives the legs of a hop that stop in one of the ways.
func stopped(p *trace.Path, hop egress.Hop, kinds ...trace.Kind) []*trace.Leg {
	return slices.DeleteFunc(p.At(hop), func(l *trace.Leg) bool { return l.Stop == nil || !slices.Contains(kinds, l.Stop.Kind) })
}

// missing are the ways in which a gateway stops when istiod has made nothing of the objects that were meant for it.
var missing = []trace.Kind{trace.NoListener, trace.NoChain, trace.NoRoute, trace.Answered}

// because begins a finding that explains legs and tells as evidence what was seen there.
func because(legs []*trace.Leg) Finding {
	return Finding{explains: legs, Evidence: evidence(legs)}
}

// maxEvidence bounds how many proxies are told of; a thousand sidecars do the same.
const maxEvidence = 5

func evidence(legs []*trace.Leg) []string {
	var out []string
	for i, l := range legs {
		if i == maxEvidence {
			out = append(out, fmt.Sprintf("and so do %d more", len(legs)-maxEvidence))
			break
		}
		out = append(out, l.Stop.Says)
		out = append(out, l.Stop.Detail...)
	}
	return slices.Compact(out)
}

// opened is a server of a Gateway object, with what rules ask of it.
type opened struct{ trace.Opened }

func (o opened) name() string { return o.Gateway.String() }

// ends says whether the server ends TLS, so that routes see what is inside.
func (o opened) ends() bool {
	return o.Server.TLS != nil && !slices.Contains([]string{"", "PASSTHROUGH", "AUTO_PASSTHROUGH"}, o.Server.TLS.Mode)
}

// isTLS says whether the server takes TLS as such; HTTPS and HTTP are about requests.
func (o opened) isTLS() bool {
	protocol := strings.ToUpper(o.Server.Port.Protocol)
	return protocol == "TLS" || protocol == "HTTPS" && !o.ends()
}

// selects says whether the Gateway is for pods of that gateway.
func selects(g *snapshot.Gateway, want mesh.Gateway) bool {
	return slices.ContainsFunc(want.Pods, func(p mesh.Pod) bool { return snapshot.Selects(g.Spec.Selector, p.Labels) })
}

// target gives the port on which the gateway's pods would listen for a server: Istio takes the number for that of the Service
// first, then for the pod's own.
func target(want mesh.Gateway, number int) int {
	if t, ok := want.Target(number); ok {
		return t
	}
	return number
}

// servers gives the servers that name the host, of all Gateways.
func servers(w *trace.Wanted, host egress.Host) []opened {
	found := w.Servers(string(host))
	out := make([]opened, 0, len(found))
	for _, o := range found {
		out = append(out, opened{o})
	}
	return out
}

func serverCovers(serverHost, host string) bool {
	_, name := snapshot.ServerHost(serverHost)
	return snapshot.HostCovers(name, host)
}

// meant gives the servers that are meant for the path: they name its host, a VirtualService about the host is bound to their
// Gateway, and the gateway's pods would listen for them where the sidecar sends to.
func meant(p *trace.Path, leg *trace.Leg) []opened {
	bound := boundTo(p)
	return slices.DeleteFunc(servers(p.Wanted, p.Host), func(o opened) bool {
		return !slices.Contains(bound, o.name()) || target(p.Want, o.Server.Port.Number) != leg.Ask.Port
	})
}

// boundTo names the Gateways that VirtualServices about the host are bound to.
func boundTo(p *trace.Path) []string {
	var out []string
	for _, v := range routesFor(p) {
		for _, g := range v.Bound() {
			if g != snapshot.Mesh && !slices.Contains(out, g) {
				out = append(out, g)
			}
		}
	}
	return out
}

// routesFor gives the VirtualServices about the host.
func routesFor(p *trace.Path) []*snapshot.VirtualService {
	var out []*snapshot.VirtualService
	for _, l := range p.Wanted.For(string(p.Host)) {
		if !slices.Contains(out, l.VirtualService) {
			out = append(out, l.VirtualService)
		}
	}
	return out
}

// entryPort finds a port of a ServiceEntry; index is -1 if it has none.
func entryPort(e *snapshot.ServiceEntry, number int) (index int) {
	return slices.IndexFunc(e.Spec.Ports, func(p snapshot.ServicePort) bool { return p.Number == number })
}

func gatewayHost(s *snapshot.Snapshot, p *trace.Path) string {
	return p.Gateway.Service + "." + p.Gateway.Namespace + ".svc." + s.ClusterDomain()
}

func splitRef(ref string) (namespace, name string) {
	namespace, name, _ = strings.Cut(ref, "/")
	return namespace, name
}

// object blames an object.
func object(kind string, m snapshot.Meta, field string) *Object {
	return &Object{Kind: kind, Namespace: m.Namespace, Name: m.Name, Field: field}
}

// linesOn gives the routes about the host that pods of a Gateway object follow.
func linesOn(p *trace.Path, gateway string) []trace.Line {
	return slices.DeleteFunc(p.Wanted.Onward(string(p.Host)), func(l trace.Line) bool { return !l.ForGateway(gateway) })
}
