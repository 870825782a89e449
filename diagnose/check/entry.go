package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var noServiceEntry = Check{
	Code:     "EGR002",
	Title:    "no ServiceEntry for the host",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Direct:   true,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		if strings.HasSuffix(string(p.Host), ".svc."+s.ClusterDomain()) {
			return nil // a Service of the cluster needs none
		}
		known := p.Wanted.Entries(string(p.Host))
		unknown := func(l *trace.Leg) bool {
			return !slices.ContainsFunc(known, func(e *snapshot.ServiceEntry) bool {
				return entryPort(e, p.Port) >= 0 && (l.Hop == egress.AtGateway || e.VisibleTo(s, l.Proxy.Namespace))
			})
		}
		legs := append(stopped(&p, egress.AtSidecar, past...), stopped(&p, egress.AtGateway, trace.NoCluster)...)
		legs = slices.DeleteFunc(legs, func(l *trace.Leg) bool {
			through := l.Stop.Cluster == trace.Passthrough || l.Stop.Cluster == trace.BlackHole
			return !unknown(l) || l.Hop == egress.AtSidecar && (!through || keptFrom(s, &p, l.Proxy.Namespace) || carried(s, &p, l.Proxy.Namespace))
		})
		if len(legs) == 0 {
			return nil
		}
		f := because(legs)
		f.Hop = legs[0].Hop
		registerHost(s, &p, &f, known)
		return []Finding{f}
	},
	Why: "Istio makes a listener and a cluster for an outside host only if a ServiceEntry names the host with the port. Without it the " +
		"sidecar has nothing to match the host's traffic with, whatever the VirtualService says: it passes it through to the outside " +
		"(outboundTrafficPolicy ALLOW_ANY), or refuses it (REGISTRY_ONLY).",
	Fix: "Create a ServiceEntry with the host, the port, protocol TLS (HTTP for port 80), location MESH_EXTERNAL and resolution DNS.",
}

// registerHost says what is missing and creates it.
func registerHost(s *snapshot.Snapshot, p *trace.Path, f *Finding, known []*snapshot.ServiceEntry) {
	port := fields{"number": p.Port, "name": strings.ToLower(string(p.Protocol)), "protocol": string(p.Protocol)}
	if len(known) > 0 {
		e := known[0]
		f.Object = object("ServiceEntry", e.Meta, "spec.ports")
		if entryPort(e, p.Port) < 0 {
			f.Message = fmt.Sprintf("ServiceEntry %s does not have port %d", e, p.Port)
			f.Fix = patch(f.Object, add("/spec/ports/-", port))
			return
		}
		f.Object.Field = "spec.exportTo"
		f.Message = fmt.Sprintf("ServiceEntry %s is not exported to the client's namespace", e)
		f.Fix = exportEntry(s, e, f.explains[0].Proxy.Namespace)
		return
	}
	namespace := "default"
	if routes := routesFor(p); len(routes) > 0 {
		namespace = routes[0].Namespace
	}
	f.Message = fmt.Sprintf("no ServiceEntry names %s", p.Host)
	resolution := "DNS"
	if p.Host.IsWildcard() {
		resolution = "NONE"
	}
	f.Fix = apply(networking(s.Facts.Networking, "ServiceEntry", namespace, named(string(p.Host)), fields{
		"hosts": []string{string(p.Host)}, "location": "MESH_EXTERNAL", "resolution": resolution, "ports": []any{port},
	}))
	if fix, ok := setOf(p); ok {
		f.Fix = fix
	}
}

// exportEntry is the command that lets one more namespace see an entry.
func exportEntry(s *snapshot.Snapshot, e *snapshot.ServiceEntry, namespace string) string {
	return patch(object("ServiceEntry", e.Meta, ""), exportOps(e.Spec.ExportTo, s.Facts.Config.DefaultServiceExportTo, namespace)...)
}

// keptFrom says whether a whole configuration is not for a namespace: neither its routes nor its entry are exported there. That is one
// fault, and EGR001 tells it.
func keptFrom(s *snapshot.Snapshot, p *trace.Path, namespace string) bool {
	toward := p.Toward()
	return len(toward) > 0 && toward[0].ForMesh() && unseenEntry(s, p, namespace) != nil &&
		!slices.ContainsFunc(toward, func(l trace.Line) bool { return l.VirtualService.VisibleTo(s, namespace) })
}

// carried says whether clients of a namespace have the routes to the gateway although no entry names the wildcard: istiod makes chains
// for the server names of a tls route wherever it makes a listener for some host of the VirtualService, as in the document "Egress
// using Wildcard Hosts", where the one entry is that of the common host. Where there are proxies they have told that it has not.
func carried(s *snapshot.Snapshot, p *trace.Path, namespace string) bool {
	if !s.OnlyObjects() || !p.Host.IsWildcard() || p.Protocol != egress.ProtocolTLS {
		return false
	}
	for _, l := range p.Toward() {
		for i := range s.Objects.ServiceEntries {
			e := &s.Objects.ServiceEntries[i]
			at := entryPort(e, p.Port)
			if l.List != trace.TLSList || !l.ForMesh() || !l.VirtualService.VisibleTo(s, namespace) || !e.VisibleTo(s, namespace) ||
				at < 0 || !slices.Contains([]string{"TLS", "HTTPS"}, strings.ToUpper(e.Spec.Ports[at].Protocol)) ||
				len(e.Spec.Addresses) > 0 { // its listener is for those alone
				continue
			}
			for _, h := range l.VirtualService.Spec.Hosts {
				if slices.ContainsFunc(e.Spec.Hosts, func(host string) bool { return snapshot.HostCovers(h, host) }) {
					return true
				}
			}
		}
	}
	return false
}

// unseenEntry is the host's entry, if clients of a namespace see none that has the port.
func unseenEntry(s *snapshot.Snapshot, p *trace.Path, namespace string) *snapshot.ServiceEntry {
	var hidden *snapshot.ServiceEntry
	for _, e := range p.Wanted.Entries(string(p.Host)) {
		switch {
		case entryPort(e, p.Port) < 0:
		case e.VisibleTo(s, namespace):
			return nil
		case hidden == nil:
			hidden = e
		}
	}
	return hidden
}

// requestProtocols are those of ports at which Istio looks for HTTP requests.
var requestProtocols = []string{"HTTP", "HTTP2", "GRPC"}

var httpProtocolOnTLSPort = Check{
	Code:     "EGR003",
	Title:    "protocol HTTP on a port that carries TLS",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Direct:   true,
	Stays:    true,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		if p.Protocol != egress.ProtocolTLS {
			return nil
		}
		for _, e := range p.Wanted.Entries(string(p.Host)) {
			i := entryPort(e, p.Port)
			if i < 0 || !slices.Contains(requestProtocols, strings.ToUpper(e.Spec.Ports[i].Protocol)) {
				continue
			}
			legs := slices.DeleteFunc(stopped(&p, egress.AtSidecar, past...), func(l *trace.Leg) bool { return !e.VisibleTo(s, l.Proxy.Namespace) })
			if len(legs) == 0 {
				continue
			}
			f := because(legs)
			path := fmt.Sprintf("spec.ports[%d].protocol", i)
			f.Object = object("ServiceEntry", e.Meta, path)
			f.Message = fmt.Sprintf("ServiceEntry %s says that port %d speaks %s: sidecars do not look for server names there", e, p.Port, e.Spec.Ports[i].Protocol)
			f.Fix = patch(f.Object, replace(fmt.Sprintf("/spec/ports/%d/protocol", i), "TLS"))
			return []Finding{f}
		}
		return nil
	},
	Why: "A port of protocol HTTP makes sidecars look for HTTP requests. TLS is none, so it falls through to the chain for unknown traffic " +
		"and goes straight out; the VirtualService's tls routes have no chain to stand in.",
	Fix: "Give the port protocol TLS (or HTTPS).",
}
