package check

import (
	"fmt"
	"slices"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
)

// notBoundToGateway is the part of EGR019 where the first half of the way is there and no VirtualService about the host is bound to the
// Gateway that opens the port for it.
func notBoundToGateway(s *snapshot.Snapshot, p *trace.Path, legs []*trace.Leg) []Finding {
	toward := p.Toward()
	i := slices.IndexFunc(toward, trace.Line.ForMesh)
	if i < 0 {
		return nil
	}
	bound := boundTo(p)
	for _, full := range bound {
		if elsewhere(s, p, full) != nil {
			return nil // EGR013: it is named, and by half its name
		}
	}
	all := servers(p.Wanted, p.Host)
	if slices.ContainsFunc(all, func(o opened) bool { return slices.Contains(bound, o.name()) }) {
		return nil
	}
	for _, o := range all {
		if !selects(o.Gateway, p.Want) || target(p.Want, o.Server.Port.Number) != legs[0].Ask.Port {
			continue
		}
		v := toward[i].VirtualService
		f := because(legs)
		f.Object = object("VirtualService", v.Meta, "spec.gateways")
		f.Message = fmt.Sprintf("VirtualService %s leads %s to gateway %s, and is not bound to Gateway %s: the gateway has no route for it", v, p, p.Gateway, o.Gateway)
		f.Fix = patch(f.Object, bindOps(s, p, v, o)...)
		return []Finding{f}
	}
	return nil
}

// bindOps binds an object to a Gateway as well. Its routes to the gateway stay those of sidecars alone, and it gets the second half of
// the way if it has none.
func bindOps(s *snapshot.Snapshot, p *trace.Path, v *snapshot.VirtualService, o opened) []op {
	word := gatewayWord(v, o.name())
	gateways := v.Spec.Gateways
	if len(gateways) == 0 {
		gateways = []string{snapshot.Mesh}
	}
	gateways = append(slices.Clone(gateways), word)
	ops := []op{add("/spec/gateways", gateways)}
	for _, l := range p.Toward() {
		switch {
		case l.VirtualService != v:
		case l.Match == nil:
			ops = append(ops, add(fmt.Sprintf("/spec/%s/%d/match", l.List, l.Index), []any{fields{"gateways": []string{snapshot.Mesh}}}))
		case len(l.Match.Gateways) == 0:
			ops = append(ops, add(matchPath(l)+"/gateways", []string{snapshot.Mesh}))
		}
	}
	if after := *v; !onwardIn(s, p, &after, gateways, o) {
		list := listFor(p)
		if o.ends() && list == trace.TLSList {
			list = trace.TCPList
		}
		ops = append(ops, addRoute(v, list, onwardRoute(p, word, o.Server.Port.Number, list)))
	}
	return ops
}

// onwardIn says whether an object, once it is bound to these gateways, leads the host from the Gateway to the outside.
func onwardIn(s *snapshot.Snapshot, p *trace.Path, v *snapshot.VirtualService, gateways []string, o opened) bool {
	v.Spec.Gateways = gateways
	then := trace.Want(&snapshot.Snapshot{Facts: s.Facts, Objects: snapshot.Objects{VirtualServices: []snapshot.VirtualService{*v}}})
	return slices.ContainsFunc(then.Onward(string(p.Host)), func(l trace.Line) bool { return l.ForGateway(o.name()) })
}
