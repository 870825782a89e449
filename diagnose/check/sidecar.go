package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var past = []trace.Kind{trace.Bypass, trace.Blocked, trace.Elsewhere}

var notBoundToMesh = Check{
	Code:     "EGR001",
	Title:    "VirtualService not bound to mesh",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Needs:    []snapshot.Source{snapshot.VirtualServices},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := slices.DeleteFunc(stopped(&p, egress.AtSidecar, past...), func(l *trace.Leg) bool {
			return slices.ContainsFunc(p.Toward(), func(w trace.Line) bool {
				return w.ForMesh() && w.VirtualService.VisibleTo(s, l.Proxy.Namespace)
			})
		})
		if len(legs) == 0 {
			return nil
		}
		f := because(legs)
		bindToMesh(s, &p, &f)
		return []Finding{f}
	},
	Why: "Sidecars follow only routes of VirtualServices that are bound to the reserved gateway \"mesh\". Without it a request still " +
		"succeeds, but it goes straight to the outside: nothing of what the gateway logs, permits or encrypts happens, and the answer " +
		"looks the same.",
	Fix: "Add \"mesh\" to spec.gateways, and give the route that leads to the gateway match.gateways: [mesh].",
}

// bindToMesh blames the VirtualService that was meant to lead to the gateway and mends it.
func bindToMesh(s *snapshot.Snapshot, p *trace.Path, f *Finding) {
	candidates := routesFor(p)
	toward := p.Toward()
	switch {
	case len(toward) > 0 && toward[0].ForMesh():
		v, client := toward[0].VirtualService, f.explains[0].Proxy.Namespace
		f.Object = object("VirtualService", v.Meta, "spec.exportTo")
		f.Message = fmt.Sprintf("VirtualService %s is not exported to namespace %s: its sidecars go straight out", v, client)
		f.Fix = patch(f.Object, exportOps(v.Spec.ExportTo, s.Facts.Config.DefaultVirtualServiceExportTo, client)...)
		if e := unseenEntry(s, p, client); e != nil {
			f.Evidence = append(f.Evidence, fmt.Sprintf("ServiceEntry %s is not exported to namespace %s either", e, client))
			f.Fix += "\n" + exportEntry(s, e, client)
		}
	case len(toward) > 0:
		l := toward[0]
		f.Object = object("VirtualService", l.VirtualService.Meta, "spec.gateways")
		f.Message = fmt.Sprintf("VirtualService %s is not bound to %q: sidecars go straight out", l.VirtualService, snapshot.Mesh)
		f.Fix = patch(f.Object, boundOps(l)...)
	case len(candidates) > 0:
		v := candidates[0]
		f.Object = object("VirtualService", v.Meta, "spec."+string(listFor(p)))
		f.Message = fmt.Sprintf("VirtualService %s has no route that leads %s from %q to gateway %s", v, p, snapshot.Mesh, p.Gateway)
		f.Fix = patch(f.Object, routeOps(s, p, v)...)
	default:
		f.Message = fmt.Sprintf("no VirtualService leads %s to gateway %s", p, p.Gateway)
		f.Fix = createRoutes(s, p)
	}
	f.Stays = len(toward) > 0 // else the one that leads there may be on its way
	if fix, ok := setOf(p); ok && len(toward) == 0 {
		f.Fix = fix
	}
}

// boundOps binds an object to the mesh, and the match of the line as well if it names other gateways only.
func boundOps(l trace.Line) []op {
	var ops []op
	if !slices.Contains(l.VirtualService.Bound(), snapshot.Mesh) {
		ops = append(ops, bindMesh(l.VirtualService))
	}
	if l.Match == nil || len(l.Match.Gateways) == 0 || slices.Contains(l.Match.Gateways, snapshot.Mesh) {
		return ops
	}
	return append(ops, replace(matchPath(l)+"/gateways", []string{snapshot.Mesh}))
}

// bindMesh writes the whole list, so that following the remedy for two paths of one object does no more than for one.
func bindMesh(v *snapshot.VirtualService) op {
	return replace("/spec/gateways", append(slices.Clone(v.Spec.Gateways), snapshot.Mesh))
}

// routeOps adds a route towards the gateway, before the others so that none of them takes its traffic.
func routeOps(s *snapshot.Snapshot, p *trace.Path, v *snapshot.VirtualService) []op {
	var ops []op
	if !slices.Contains(v.Bound(), snapshot.Mesh) {
		ops = append(ops, bindMesh(v))
	}
	return append(ops, addRoute(v, listFor(p), towardRoute(s, p)))
}

var gatewayWithoutEndpoint = Check{
	Code:     "EGR026",
	Title:    "gateway without endpoints",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Needs:    []snapshot.Source{snapshot.Services},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtSidecar, trace.NoEndpoint)
		if len(legs) == 0 {
			return nil
		}
		f := because(legs)
		i := slices.IndexFunc(s.Objects.Services, func(svc snapshot.Service) bool {
			return svc.Namespace == p.Gateway.Namespace && svc.Name == p.Gateway.Service
		})
		if i < 0 {
			f.Message = fmt.Sprintf("there is no Service %s for sidecars to send to", p.Gateway)
			f.Fix = fmt.Sprintf("kubectl -n %s get services", word(p.Gateway.Namespace))
			return []Finding{f}
		}
		svc := &s.Objects.Services[i]
		f.Object = object("Service", svc.Meta, "spec.selector")
		f.Message = fmt.Sprintf("Service %s of the gateway has no ready pod", svc)
		f.Fix = fmt.Sprintf("kubectl -n %s get pods -l %s", word(svc.Namespace), word(selectorText(svc.Spec.Selector)))
		return []Finding{f}
	},
	Why: "Sidecars send to the pods behind the gateway's Service. If its selector fits no pod, or none is ready, connections are reset at " +
		"once (flag UH).",
	Fix: "Look at the gateway's pods: scale the Deployment up, or correct the Service's selector.",
}

func selectorText(selector map[string]string) string {
	var parts []string
	for k, v := range selector {
		parts = append(parts, k+"="+v)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}
