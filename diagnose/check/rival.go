package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var otherRoutesWin = Check{
	Code:     "EGR007",
	Title:    "another VirtualService for the host wins",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Needs:    []snapshot.Source{snapshot.VirtualServices},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		for _, leg := range stopped(&p, egress.AtSidecar, past...) {
			ours, winner := rivals(s, &p, leg)
			if winner == nil {
				continue
			}
			legs := slices.DeleteFunc(stopped(&p, egress.AtSidecar, past...), func(l *trace.Leg) bool {
				_, w := rivals(s, &p, l)
				return w != winner
			})
			f := because(legs)
			f.Object = object("VirtualService", winner.Meta, "spec."+string(listFor(&p)))
			f.Message = fmt.Sprintf("sidecars follow VirtualService %s for %s; VirtualService %s, which leads to the gateway, is ignored", winner, p, ours)
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s was made %s, %s %s: for one host sidecars take the oldest",
				winner, made(winner), ours, made(ours)))
			f.Fix = patch(f.Object, routeOps(s, &p, winner)...)
			return []Finding{f}
		}
		return nil
	},
	Why: "Sidecars do not merge VirtualServices for the same host, as gateways do: of several bound to mesh they follow the oldest and " +
		"ignore the others, whoever made them. A request succeeds, and goes past the gateway.",
	Fix: "Have one VirtualService for a host bound to mesh: put the route that leads to the gateway into the one that wins, first of all, or delete that one.",
}

// rivals finds the object that leads to the gateway and could be seen by the sidecar of a leg, and the one that the sidecar follows
// instead: by what Envoy's configuration names as origin, or by age.
func rivals(s *snapshot.Snapshot, p *trace.Path, leg *trace.Leg) (ours, winner *snapshot.VirtualService) {
	leads := map[*snapshot.VirtualService]bool{}
	for _, l := range p.Toward() {
		if l.ForMesh() && l.VirtualService.VisibleTo(s, leg.Proxy.Namespace) {
			leads[l.VirtualService] = true
			if ours == nil {
				ours = l.VirtualService
			}
		}
	}
	if ours == nil {
		return nil, nil
	}
	for _, l := range p.Wanted.For(string(p.Host)) {
		v := l.VirtualService
		switch {
		case leads[v] || !l.ForMesh() || !v.VisibleTo(s, leg.Proxy.Namespace) || l.Port != 0 && l.Port != p.Port || l.List != listFor(p):
		case !slices.ContainsFunc(l.Hosts, func(h string) bool { return strings.EqualFold(h, string(p.Host)) }):
		case follows(leg, v) || winner == nil && made(v) <= made(ours) && !originKnown(leg):
			winner = v
		}
	}
	return ours, winner
}

func made(v *snapshot.VirtualService) string {
	if v.Created == "" {
		return "(not known when)"
	}
	return v.Created
}

// follows says whether a step of the leg comes from the object.
func follows(leg *trace.Leg, v *snapshot.VirtualService) bool {
	return slices.ContainsFunc(leg.Steps, func(st trace.Step) bool { return st.Origin == "VirtualService "+v.String() })
}

// originKnown says whether istiod has said by which VirtualService the leg goes.
func originKnown(leg *trace.Leg) bool {
	return slices.ContainsFunc(leg.Steps, func(st trace.Step) bool { return strings.HasPrefix(st.Origin, "VirtualService ") })
}

var hiddenBySidecar = Check{
	Code:     "EGR008",
	Title:    "Sidecar object hides the path from its clients",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Direct:   true,
	Needs:    []snapshot.Source{snapshot.Sidecars, snapshot.VirtualServices, snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		var legs []*trace.Leg
		var by *snapshot.Sidecar
		var missing []string
		for _, leg := range stopped(&p, egress.AtSidecar, past...) {
			c := sidecarFor(s, leg.Proxy)
			if c == nil || by != nil && c != by {
				continue
			}
			if m := hiddenFrom(s, &p, c, leg.Proxy); len(m) > 0 {
				by, missing, legs = c, m, append(legs, leg)
			}
		}
		if by == nil {
			return nil
		}
		f := because(legs)
		f.Object = object("Sidecar", by.Meta, "spec.egress[0].hosts")
		f.Message = fmt.Sprintf("Sidecar %s does not import %s: the sidecars of namespace %s know nothing of the path",
			by, strings.Join(missing, ", "), legs[0].Proxy.Namespace)
		var ops []op
		for _, m := range missing {
			ops = append(ops, add("/spec/egress/0/hosts/-", m))
		}
		f.Fix = patch(f.Object, ops...)
		return []Finding{f}
	},
	Why: "A Sidecar object with egress hosts limits what the sidecars of its namespace are told: only VirtualServices and ServiceEntries of the " +
		"namespaces and hosts that it lists, and what those routes lead to. A path that is made in another namespace does not exist for them.",
	Fix: "Add NAMESPACE/HOST of the VirtualService and of the ServiceEntry to spec.egress[].hosts.",
}

// sidecarFor finds the Sidecar object that holds for a pod: one of its namespace that selects it, one for all of the namespace, or
// the one of the root namespace.
func sidecarFor(s *snapshot.Snapshot, p *snapshot.Proxy) *snapshot.Sidecar {
	var found *snapshot.Sidecar
	best := 0
	for i := range s.Objects.Sidecars {
		c := &s.Objects.Sidecars[i]
		rank := 0
		switch w := c.Spec.WorkloadSelector; {
		case c.Namespace == p.Namespace && w != nil && snapshot.Selects(w.Labels, p.Labels) && len(w.Labels) > 0:
			rank = 3
		case c.Namespace == p.Namespace && w == nil:
			rank = 2
		case c.Namespace == s.RootNamespace() && w == nil:
			rank = 1
		}
		if rank > best {
			found, best = c, rank
		}
	}
	return found
}

// hiddenFrom lists what of the path a Sidecar object would have to import for a pod, as NAMESPACE/HOST. An entry comes along with
// the routes that lead to it.
func hiddenFrom(s *snapshot.Snapshot, p *trace.Path, c *snapshot.Sidecar, pod *snapshot.Proxy) []string {
	if len(c.Spec.Egress) == 0 {
		return nil
	}
	host := string(p.Host)
	var need []string
	routed := false
	for _, l := range p.Wanted.For(host) {
		if v := l.VirtualService; l.ForMesh() && v.VisibleTo(s, pod.Namespace) {
			routed = routed || imports(c, v.Namespace, host)
			need = append(need, v.Namespace+"/"+host)
		}
	}
	if routed {
		need = nil
	}
	entered := false
	var entries []string
	for _, e := range p.Wanted.Entries(host) {
		if e.VisibleTo(s, pod.Namespace) {
			entered = entered || imports(c, e.Namespace, host)
			entries = append(entries, e.Namespace+"/"+host)
		}
	}
	if !entered {
		need = append(need, entries...)
	}
	slices.Sort(need)
	return slices.Compact(need)
}

// imports says whether a Sidecar object lets a host of a namespace in.
func imports(c *snapshot.Sidecar, namespace, host string) bool {
	for _, e := range c.Spec.Egress {
		for _, h := range e.Hosts {
			ns, name, ok := strings.Cut(h, "/")
			if !ok {
				ns, name = "*", h
			}
			if (ns == "*" || ns == namespace || ns == "." && c.Namespace == namespace) && (name == "*" || snapshot.HostCovers(name, host)) {
				return true
			}
		}
	}
	return false
}
