package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var unknownHostsPass = Check{
	Code:     "EGR061",
	Title:    "sidecars let unknown hosts out",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Needs:    []snapshot.Source{snapshot.Namespaces, snapshot.NetworkPolicies, snapshot.Workloads, snapshot.Sidecars, snapshot.Facts},
	Why: "With the outbound traffic policy ALLOW_ANY, Istio's default, a sidecar sends what it has no ServiceEntry for straight to the outside " +
		"(PassthroughCluster): every host and port that nobody thought of leaves without the gateway, and an address in place of a name does too. " +
		"It fails where the network lets those pods out as well, and is a warning where NetworkPolicies hold them. It is a help against mistakes " +
		"and no barrier against attacks: who gets past the sidecar is not asked.",
	Fix: "Set outboundTrafficPolicy.mode REGISTRY_ONLY in the namespace's Sidecar, or in the mesh configuration for all. Look first at what passes " +
		"by now: access log lines of sidecars with PassthroughCluster are requests that would be refused then.",
}

// unknownHosts finds by namespace what lets unknown hosts pass.
func (p *posture) unknownHosts() []Finding {
	for _, u := range p.s.Facts.Unread {
		if strings.HasPrefix(u.Source, "configmap") && p.s.Facts.Config.OutboundTrafficPolicy == "" {
			return []Finding{{State: Unknown, Message: u.Source + " could not be read (" + u.Kind + "): " + u.Detail, Stays: u.Kind == string(snapshot.Forbidden)}}
		}
	}
	var out []Finding
	for _, namespace := range p.namespaces {
		for _, by := range p.deciders(namespace) {
			var pass byMaker
			state := Warn
			for _, w := range p.workloads[namespace] {
				if !w.Sidecar || p.decider(w) != by {
					continue
				}
				held := ", but NetworkPolicies hold it"
				if to, ok := p.mayLeave(w); ok {
					state, held = Fail, fmt.Sprintf(", and the network lets it reach %s", to)
				}
				pass.add(w, "its sidecar passes unknown hosts through"+held)
			}
			if mode := p.outbound(by); mode != registryOnly {
				out = append(out, p.lax(namespace, by, mode, state, &pass))
			}
		}
	}
	return out
}

const registryOnly = "REGISTRY_ONLY"

// deciders gives the Sidecars that decide about pods of a namespace, in the order of the pods; nil is the mesh configuration.
func (p *posture) deciders(namespace string) []*snapshot.Sidecar {
	var out []*snapshot.Sidecar
	for _, w := range p.workloads[namespace] {
		if by := p.decider(w); w.Sidecar && !slices.Contains(out, by) {
			out = append(out, by)
		}
	}
	return out
}

// decider gives the Sidecar object of a pod: one of its namespace that selects it, else the namespace's own, else that of the root
// namespace; of several the oldest. Nil if there is none.
func (p *posture) decider(w *snapshot.Workload) *snapshot.Sidecar {
	var best *snapshot.Sidecar
	rank := 0
	for i := range p.s.Objects.Sidecars {
		s := &p.s.Objects.Sidecars[i]
		selector, here := s.Spec.WorkloadSelector, s.Namespace == w.Namespace
		r := 0
		switch {
		case here && selector != nil && len(selector.Labels) > 0:
			if snapshot.Selects(selector.Labels, w.Labels) {
				r = 3
			}
		case here:
			r = 2
		case s.Namespace == p.s.RootNamespace() && (selector == nil || len(selector.Labels) == 0):
			r = 1
		}
		if r > rank || r == rank && r > 0 && s.Created < best.Created {
			best, rank = s, r
		}
	}
	return best
}

// outbound is the policy for unknown hosts: that of the Sidecar, where the mode's default is REGISTRY_ONLY, else that of the mesh, where
// it is ALLOW_ANY.
func (p *posture) outbound(s *snapshot.Sidecar) string {
	mode := p.s.Facts.Config.OutboundTrafficPolicy
	switch {
	case s != nil && s.Spec.OutboundTrafficPolicy != nil && s.Spec.OutboundTrafficPolicy.Mode == "":
		return registryOnly
	case s != nil && s.Spec.OutboundTrafficPolicy != nil:
		return s.Spec.OutboundTrafficPolicy.Mode
	case mode == "":
		return "ALLOW_ANY"
	}
	return mode
}

func (p *posture) lax(namespace string, by *snapshot.Sidecar, mode string, state State, pass *byMaker) Finding {
	f := Finding{
		State: state, Evidence: pass.evidence(),
		Object:  &Object{Kind: "Namespace", Name: namespace},
		Message: fmt.Sprintf("sidecars in namespace %s let hosts without a ServiceEntry straight out: outboundTrafficPolicy is %s in the mesh configuration", namespace, mode),
	}
	want := fields{"mode": registryOnly}
	if by == nil {
		f.Fix = applyText(networking(p.s.Facts.Networking, "Sidecar", namespace, "default", fields{
			"egress": []any{fields{"hosts": []string{"*/*"}}}, "outboundTrafficPolicy": want,
		}))
		return f
	}
	f.Object = object("Sidecar", by.Meta, "spec.outboundTrafficPolicy")
	if by.Spec.OutboundTrafficPolicy != nil {
		f.Message = fmt.Sprintf("sidecars in namespace %s let hosts without a ServiceEntry straight out: outboundTrafficPolicy is %s in Sidecar %s", namespace, mode, by.Meta)
	}
	f.Fix = patch(f.Object, add("/spec/outboundTrafficPolicy", want))
	return f
}
