package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var resolutionNone = Check{
	Code:     "EGR035",
	Title:    "resolution NONE behind a gateway",
	Severity: Fail,
	Hop:      egress.AtOutside,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := slices.DeleteFunc(stopped(&p, egress.AtGateway, trace.NoEndpoint), func(l *trace.Leg) bool {
			name, ok := trace.ParseCluster(l.Stop.Cluster)
			return ok && !snapshot.HostCovers(name.Host, string(p.Host)) // it goes on to another host
		})
		if len(legs) == 0 {
			return nil
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

var entryNotExported = Check{
	Code:     "EGR037",
	Title:    "ServiceEntry not exported to the gateway",
	Severity: Fail,
	Hop:      egress.AtGateway,
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
