package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

var resolutionNone = Check{
	Code:     "EGR035",
	Title:    "resolution NONE behind a gateway",
	Severity: Fail,
	Hop:      egress.AtOutside,
	Stays:    true,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := slices.DeleteFunc(stopped(&p, egress.AtGateway, trace.NoEndpoint), func(l *trace.Leg) bool {
			name, ok := trace.ParseCluster(l.Stop.Cluster)
			return ok && !snapshot.HostCovers(name.Host, string(p.Host)) // it goes on to another host
		})
		if len(legs) == 0 || p.Mode == egress.SNIDynamic && (p.Set != "" || filtered(s, &p)) {
			return nil // it is for an EnvoyFilter to lead it on
		}
		for _, e := range p.Wanted.Entries(string(p.Host)) {
			if r := strings.ToUpper(e.Spec.Resolution); r != "" && r != "NONE" || !e.VisibleTo(s, p.Gateway.Namespace) {
				continue
			}
			f := because(legs)
			f.Object = object("ServiceEntry", e.Meta, "spec.resolution")
			f.Message = fmt.Sprintf("ServiceEntry %s has resolution NONE: the gateway has no address to send %s to", e, p.Host)
			if !p.Host.IsWildcard() {
				f.Fix = patch(f.Object, add("/spec/resolution", "DNS"))
			}
			return []Finding{f}
		}
		return nil
	},
	Why: "Resolution NONE sends a connection to the address that the client asked for. At the gateway that address is the gateway's own, so " +
		"istiod gives it a cluster without endpoints: connections are reset (UH).",
	Fix: "Use resolution DNS for exact hosts. Wildcards need another mode: sni-dynamic, sni-proxy or common-host.",
}

// filtered says whether an EnvoyFilter is meant to change the gateway's chain for the path.
func filtered(s *snapshot.Snapshot, p *trace.Path) bool {
	return slices.ContainsFunc(networkPatches(s), func(n networkPatch) bool { return n.about(p) })
}

var nameNotFound = Check{
	Code:     "EGR038",
	Title:    "gateway finds no address for the name",
	Severity: Fail,
	Hop:      egress.AtOutside,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := slices.DeleteFunc(stopped(&p, egress.AtGateway, trace.NoEndpoint), func(l *trace.Leg) bool {
			return l.Stop.Step != "endpoint" || names(l) == "" || strings.HasPrefix(names(l), "*") // EGR036 is about wildcards
		})
		if len(legs) == 0 {
			return nil
		}
		f := because(legs)
		name := names(legs[0])
		f.Message = fmt.Sprintf("gateway %s looks %s up and gets no address", p.Gateway, name)
		f.Fix = fmt.Sprintf("kubectl -n %s exec %s -c istio-proxy -- getent ahosts %s", word(legs[0].Proxy.Namespace), word(legs[0].Proxy.Pod), word(name))
		if e := p.Wanted.Entries(name); len(e) > 0 {
			f.Object = object("ServiceEntry", e[0].Meta, "spec.hosts")
		}
		return []Finding{f}
	},
	Why: "With resolution DNS the gateway's Envoy looks the name up by itself and sends to what it gets. A name that does not exist, a DNS " +
		"server that cannot be reached from the gateway's pods, or only IPv6 addresses where the pods have none, leave the cluster " +
		"without an endpoint: 503 or a reset (UH).",
	Fix: "Look the name up in the gateway's pod; correct the host, the DNS server or the NetworkPolicy that keeps the pod from asking.",
}

// names gives the name that a leg's last cluster looks up in DNS; empty if it looks up none.
func names(l *trace.Leg) string {
	for _, e := range l.Exits {
		if c := e.Cluster; c.Name == l.Stop.Cluster && (c.Type == admin.StrictDNS || c.Type == admin.LogicalDNS) && len(c.Endpoints) > 0 {
			return c.Endpoints[0].Address
		}
	}
	return ""
}

var entryNotExported = Check{
	Code:     "EGR037",
	Title:    "ServiceEntry not exported to the gateway",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Stays:    true,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, trace.NoCluster)
		known := slices.DeleteFunc(p.Wanted.Entries(string(p.Host)), func(e *snapshot.ServiceEntry) bool { return entryPort(e, p.Port) < 0 })
		seen := func(e *snapshot.ServiceEntry) bool { return e.VisibleTo(s, p.Gateway.Namespace) }
		if len(legs) == 0 || len(known) == 0 || slices.ContainsFunc(known, seen) {
			return nil
		}
		e := known[0]
		f := because(legs)
		f.Object = object("ServiceEntry", e.Meta, "spec.exportTo")
		f.Message = fmt.Sprintf("ServiceEntry %s is not exported to namespace %s, where the gateway is", e, p.Gateway.Namespace)
		f.Fix = patch(f.Object, exportOps(e.Spec.ExportTo, s.Facts.Config.DefaultServiceExportTo, p.Gateway.Namespace)...)
		return []Finding{f}
	},
	Why: "The gateway's pods see only ServiceEntries that are exported to their namespace. Without it the gateway's route names a cluster that " +
		"it does not have: 503 or a reset (NC).",
	Fix: "Add the gateway's namespace to spec.exportTo.",
}
