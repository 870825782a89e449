package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var routesForOthers = Check{
	Code:     "EGR070",
	Title:    "routes to the gateway are for other workloads",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Needs:    []snapshot.Source{snapshot.VirtualServices},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := slices.DeleteFunc(stopped(&p, egress.AtSidecar, past...), func(l *trace.Leg) bool { return foreign(s, &p, l.Proxy) == nil })
		if len(legs) > 0 {
			return []Finding{forOthers(s, &p, legs, legs[0].Proxy)}
		}
		legs = stopped(&p, egress.AtSidecar, trace.NoWorkload)
		for i := range s.Proxies {
			if proxy := &s.Proxies[i]; len(legs) > 0 && proxy.Role == snapshot.AtSidecar && foreign(s, &p, proxy) != nil {
				f := forOthers(s, &p, legs, proxy)
				f.State = Warn // who runs only now and then may have them
				f.Message += "; no running pod with a sidecar is one of those, so nobody takes it"
				return []Finding{f}
			}
		}
		return nil
	},
	Why: "A match with sourceLabels or sourceNamespace holds for the pods that have those labels, all of them, or are in that namespace. To all others " +
		"the route is not there: what they send goes straight out, and the answer looks the same. A label that is misspelt leaves nobody. " +
		"In matches of http routes that name gateways Istio looks at neither.",
	Fix: "Correct the labels in the match, or give them to the pods; without sourceLabels the route is for all pods.",
}

// foreign gives a route to the gateway that a workload sees, if each that it sees is for others.
func foreign(s *snapshot.Snapshot, p *trace.Path, proxy *snapshot.Proxy) *trace.Line {
	var first *trace.Line
	for _, l := range p.Toward() {
		if !l.ForMesh() || !l.VirtualService.VisibleTo(s, proxy.Namespace) {
			continue
		}
		if l.From(proxy) {
			return nil
		}
		if first == nil {
			first = &l
		}
	}
	return first
}

// forOthers tells for whom the routes are and what a workload that sees them is, and makes them those of all.
func forOthers(s *snapshot.Snapshot, p *trace.Path, legs []*trace.Leg, proxy *snapshot.Proxy) Finding {
	l := foreign(s, p, proxy)
	v, labels := l.VirtualService, map[string]string{}
	for k := range l.Match.SourceLabels {
		labels[k] = orNone(proxy.Labels[k])
	}
	namespace, own := l.Match.SourceNamespace, ""
	if namespace != "" {
		own = proxy.Namespace
	}
	f := because(legs)
	f.Message = fmt.Sprintf("VirtualService %s leads %s to the gateway only for pods with %s, and %s has %s", v, p,
		whose(namespace, l.Match.SourceLabels), proxy.Pod, whose(own, labels))
	f.Object = object("VirtualService", v.Meta, "spec."+string(l.List))
	var ops []op
	var last *snapshot.RouteMatch
	for _, l := range p.Toward() {
		if l.VirtualService != v || l.Match == last { // a match comes once for each of its weights
			continue
		}
		last = l.Match
		if len(last.SourceLabels) > 0 {
			ops = append(ops, remove(matchPath(l)+"/sourceLabels"))
		}
		if last.SourceNamespace != "" {
			ops = append(ops, remove(matchPath(l)+"/sourceNamespace"))
		}
	}
	f.Fix = patch(f.Object, ops...)
	return f
}

// whose writes what routes ask of their clients; the namespace is left out where labels alone tell.
func whose(namespace string, labels map[string]string) string {
	parts := selectorText(labels)
	if namespace != "" {
		parts = strings.TrimPrefix(parts+" in namespace "+namespace, " in ")
	}
	return parts
}
