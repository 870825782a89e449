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

var tlsModesDiffer = Check{
	Code:     "EGR024",
	Title:    "sidecar and gateway disagree about TLS",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Needs:    []snapshot.Source{snapshot.Gateways, snapshot.VirtualServices, snapshot.DestinationRules},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, trace.NoChain, trace.PlainToTLS, trace.TLSToPlain)
		others := len(legs) == 0
		if others {
			legs = stopped(&p, egress.AtGateway, trace.Bystander)
		}
		if len(legs) == 0 {
			return nil
		}
		for _, o := range meant(&p, legs[0]) {
			if _, _, _, clashes := clash(s, &p, o); clashes || !selects(o.Gateway, p.Want) {
				continue
			}
			istio := len(legs[0].Ask.TLS) > 0 && legs[0].Ask.TLS[0].Mode == admin.IstioMutual
			switch {
			case istio && !o.ends() && begins(s, &p, legs[0]):
				return []Finding{endHere(s, &p, legs, o)}
			case istio || !o.ends() || wantsTLS(s, &p, legs[0]):
			case others:
				return []Finding{beginForOthers(s, &p, legs, o)}
			default:
				return []Finding{beginThere(s, &p, legs, o)}
			}
		}
		return nil
	},
	Why: "Gateway pods do not take part in automatic mTLS: only the DestinationRule decides whether sidecars begin Istio's TLS to them, and " +
		"only the Gateway's server whether it is ended there. If one does and the other does not, connections break: plain text meets " +
		"a TLS listener, TLS meets an HTTP listener (400 DPE), or Istio's own handshake is sent on to the outside server.",
	Fix: "Use ISTIO_MUTUAL in both, with sni in the subset, or in neither.",
}

// begins says whether the rule for what sidecars send really has Istio's TLS: else it is the proxy that has not got it yet.
func begins(s *snapshot.Snapshot, p *trace.Path, leg *trace.Leg) bool {
	rule, _, tls := sender(s, p, leg)
	return rule == nil || tls != nil && tls.Mode == "ISTIO_MUTUAL"
}

// wantsTLS says whether for the clients of a leg every route to the gateway leads to a subset with TLS already.
func wantsTLS(s *snapshot.Snapshot, p *trace.Path, leg *trace.Leg) bool {
	client := leg.From[0]
	routes := slices.DeleteFunc(p.Toward(), func(l trace.Line) bool { return !l.ForMesh() })
	return len(routes) > 0 && !slices.ContainsFunc(routes, func(l trace.Line) bool {
		_, _, tls := settings(s, p, client, l.Subset, l.ToPort)
		return tls == nil || tls.Mode == "" || tls.Mode == "DISABLE"
	})
}

// endHere mends a gateway that does not end what the sidecars begin: they no longer begin it.
func endHere(s *snapshot.Snapshot, p *trace.Path, legs []*trace.Leg, o opened) Finding {
	f := because(legs)
	f.Message = fmt.Sprintf("sidecars begin Istio's TLS to the gateway, and server %d of Gateway %s (%s) does not end it",
		o.Server.Port.Number, o.Gateway, o.Server.Port.Protocol)
	f.Object = object("Gateway", o.Gateway.Meta, fmt.Sprintf("spec.servers[%d].tls", o.Index))
	if rule, path, tls := sender(s, p, legs[0]); tls != nil {
		f.Object = object("DestinationRule", rule.Meta, field(path))
		f.Fix = patch(f.Object, replace(path, fields{"mode": "DISABLE"}))
		if isWide(rule) {
			spec := fields{"trafficPolicy": fields{"tls": fields{"mode": "DISABLE"}}}
			if l := p.Toward(); len(l) > 0 && l[0].Subset != "" {
				spec["subsets"] = []any{fields{"name": l[0].Subset}}
			}
			f.Message += fmt.Sprintf("; DestinationRule %s for %s has them begin it", rule, rule.Spec.Host)
			f.Fix = createRule(s, p, rule, named(string(p.Host)), spec)
		}
	}
	return f
}

// beginForOthers mends clients that do not begin TLS since their namespace does not have the rule of those for whom the path was made:
// the gateway's namespace, where all look, gets it as well.
func beginForOthers(s *snapshot.Snapshot, p *trace.Path, legs []*trace.Leg, o opened) Finding {
	f := because(legs)
	f.State = Warn // the path works; others that see its routes are hit by it
	for _, l := range p.Toward() {
		rule, path, tls := settings(s, p, l.VirtualService.Namespace, l.Subset, l.ToPort)
		if tls == nil {
			continue
		}
		f.Object = object("DestinationRule", rule.Meta, "metadata.namespace")
		f.Message = fmt.Sprintf("server %d of Gateway %s ends TLS (%s), and DestinationRule %s has sidecars of its own namespace begin it; those of %s send plain text",
			o.Server.Port.Number, o.Gateway, o.Server.TLS.Mode, rule, strings.Join(legs[0].From, ", "))
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s of it is not looked at from there", field(path)))
		f.Fix, _, _ = strings.Cut(move(f.Object, p.Gateway.Namespace, add("/spec/exportTo", []string{"*"})), "\n")
		return f
	}
	return beginThere(s, p, legs, o)
}

// beginThere mends sidecars that do not begin what the gateway wants to end: a subset with Istio's TLS, and the route to it.
func beginThere(s *snapshot.Snapshot, p *trace.Path, legs []*trace.Leg, o opened) Finding {
	f := because(legs)
	f.Message = fmt.Sprintf("server %d of Gateway %s ends TLS (%s), and sidecars send it %s",
		o.Server.Port.Number, o.Gateway, o.Server.TLS.Mode, map[bool]string{true: "the application's own", false: "plain text"}[len(legs[0].Ask.TLS) > 0])
	f.Object = object("Gateway", o.Gateway.Meta, fmt.Sprintf("spec.servers[%d].tls", o.Index))
	f.Fix = beginning(s, p, legs[0].From[0])
	return f
}

// beginning is the command that has sidecars begin Istio's TLS with the path's host as server name: a subset, and the route to it.
func beginning(s *snapshot.Snapshot, p *trace.Path, client string) string {
	for _, l := range p.Toward() {
		if !l.ForMesh() {
			continue
		}
		subset := l.Subset
		if subset == "" {
			subset = named(string(p.Host))
		}
		having, rules := rulesFor(s, p, subset)
		used := lookUp(s, rules, client, p.Gateway.Namespace)
		rule := lookUp(s, rules, p.Gateway.Namespace, p.Gateway.Namespace)
		fix := createRule(s, p, used, named(string(p.Host)), fields{"subsets": []any{subsetSpec(p, subset)}})
		switch {
		case isWide(used) || isWide(rule):
		case having != nil:
			i := slices.IndexFunc(having.Spec.Subsets, func(sub snapshot.Subset) bool { return sub.Name == subset })
			fix = patch(object("DestinationRule", having.Meta, ""), replace(fmt.Sprintf("/spec/subsets/%d", i), subsetSpec(p, subset)))
		case rule != nil:
			fix = addSubset(object("DestinationRule", rule.Meta, ""), rule, subsetSpec(p, subset))
		}
		if l.Subset == "" {
			v := object("VirtualService", l.VirtualService.Meta, "")
			fix += "\n" + patch(v, add(fmt.Sprintf("/spec/%s/%d/route/0/destination/subset", l.List, l.Index), subset))
		}
		return fix
	}
	return ""
}
