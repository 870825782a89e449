package check

import (
	"fmt"
	"slices"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// unexplained has no Run: it is what is left when all others have spoken.
var unexplained = Check{
	Code:     "EGR056",
	Title:    "path stops, cause not known to any rule",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Why: "The real configuration of the proxies does not lead the host through the gateway, but no rule of this program explains it. " +
		"The evidence says at which step Envoy would stop or leave the wanted way, and with which values.",
	Fix: "Compare the evidence with the objects: the step (listener, chain, route, cluster, endpoint) tells which object makes it. " +
		"Where the configuration was changed a moment ago, check again: a proxy may not have it yet.",
}

// rest reports the legs that no check has explained, and those about which nothing is known.
func rest(p *trace.Path, explained map[*trace.Leg]bool) []Finding {
	var failed, unknown []*trace.Leg
	judged := map[egress.Hop]bool{}
	for i := range p.Legs {
		leg := &p.Legs[i]
		switch {
		case leg.Stop == nil:
			judged[leg.Hop] = true
		case leg.Stop.Kind == trace.NotSelected, leg.Stop.Unknown() && explained[leg]:
		case leg.Stop.Unknown():
			unknown = append(unknown, leg)
		case !explained[leg]:
			failed = append(failed, leg)
		}
	}
	var out []Finding
	if len(failed) > 0 {
		f := because(failed)
		f.Hop = failed[0].Hop
		f.Message = failed[0].Stop.Says
		f.Fix = lookCloser(p, failed[0])
		out = append(out, unexplained.finding(p, f))
	}
	if len(unknown) > 0 {
		f := because(unknown)
		f.State, f.Hop, f.Message, f.Evidence = Unknown, unknown[0].Hop, unknown[0].Stop.Says, evidence(unknown[1:])
		f.Stays = slices.ContainsFunc(unknown, func(l *trace.Leg) bool { return l.Proxy.State.Kind == snapshot.Forbidden })
		out = append(out, unexplained.finding(p, f))
	}
	if len(out) == 0 {
		out = append(out, unexplained.finding(p, Finding{State: Pass}))
	}
	return out
}

// lookCloser is the best that can be done where the cause is not known: for a set, to put its objects on the cluster once more;
// for others, to see what Envoy has.
func lookCloser(p *trace.Path, leg *trace.Leg) string {
	if set, ok := setOf(p); ok {
		return set
	}
	return fmt.Sprintf("kubectl -n %s exec %s -c istio-proxy -- pilot-agent request GET 'config_dump?resource=dynamic_listeners'",
		word(leg.Proxy.Namespace), word(leg.Proxy.Pod))
}

func setOf(p *trace.Path) (fix string, ok bool) {
	if p.Set == "" {
		return "", false
	}
	ns, name := splitRef(p.Set)
	return fmt.Sprintf("kubectl -n %s get configmap %s -o 'jsonpath={.data.set\\.yaml}' | kubectl egress enable -f -", word(ns), word(egress.ParentName(name))), true
}

// setUnreadable is about sets and not about paths: without their declaration there is no path.
var setUnreadable = Check{
	Code:     "EGR057",
	Title:    "declaration of a set cannot be read",
	Severity: Fail,
	Hop:      egress.AtWorkload,
	Stays:    true,
	Needs:    []snapshot.Source{snapshot.Sets},
	Why: "The ConfigMap that stands for a set holds what was declared, under data.set.yaml. Somebody has changed it so that it cannot be " +
		"understood; the set's objects may still be in force, but nothing can be said of them as a set, nor can the set be changed.",
	Fix: "Run enable with the same --name and the domains that were wanted, with --force-conflicts if another field manager wrote it, " +
		"or cleanup the set.",
}

func sets(s *snapshot.Snapshot, c Check) []Finding {
	if st := s.State(snapshot.Sets); !st.Known() {
		return []Finding{c.finding(nil, notRead(snapshot.Sets, st))}
	}
	var out []Finding
	for _, set := range s.Sets {
		if set.Broken == "" {
			continue
		}
		parent := egress.ParentName(set.Name)
		out = append(out, c.finding(nil, Finding{
			Object:  &Object{Kind: "ConfigMap", Namespace: set.Namespace, Name: parent, Field: "data." + egress.DataKey},
			Message: fmt.Sprintf("the declaration of set %s/%s cannot be read: %s", set.Namespace, set.Name, set.Broken),
			Fix:     fmt.Sprintf("kubectl -n %s edit configmap %s", word(set.Namespace), word(parent)),
		}))
	}
	return out
}

// pathsHidden is about what is not seen at all: a cluster of which too little could be read looks like one without egress.
var pathsHidden = Check{
	Code:     "EGR058",
	Title:    "paths may be hidden",
	Severity: Unknown,
	Hop:      egress.AtWorkload,
	Why: "Egress paths are found by the sets and by Istio's objects. A kind of object that could not be read may hold paths that this report " +
		"does not show, so that its silence proves nothing.",
	Fix: "Run with an account that may list the objects named; the message has the right that is missing.",
}

func hidden(s *snapshot.Snapshot, c Check) []Finding {
	var out []Finding
	for _, source := range []snapshot.Source{snapshot.Facts, snapshot.VirtualServices, snapshot.Gateways, snapshot.ServiceEntries} {
		if st := s.State(source); !st.Known() {
			out = append(out, c.finding(nil, notRead(source, st)))
		}
	}
	return out
}
