package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// networkPatch is a patch of an EnvoyFilter to the network filters of gateways.
type networkPatch struct {
	filter *snapshot.EnvoyFilter
	index  int
	port   int    // 0: every listener
	sni    string // empty: every filter chain
	name   string // of the network filter; empty: every one
}

// networkPatches are those of all EnvoyFilters that may be about gateways.
func networkPatches(s *snapshot.Snapshot) []networkPatch {
	var out []networkPatch
	for i := range s.Objects.EnvoyFilters {
		f := &s.Objects.EnvoyFilters[i]
		for j, p := range f.Spec.ConfigPatches {
			if p.ApplyTo != "NETWORK_FILTER" || !slices.Contains([]string{"", "ANY", "GATEWAY"}, p.Match.Context) {
				continue
			}
			chain := p.Match.Listener.FilterChain
			out = append(out, networkPatch{f, j, p.Match.Listener.PortNumber, chain.SNI, chain.Filter.Name})
		}
	}
	return out
}

// at is a JSON patch's path below the patch.
func (n networkPatch) at(path string) string {
	return fmt.Sprintf("/spec/configPatches/%d%s", n.index, path)
}

// about says whether a patch may be meant for the path's chain.
func (n networkPatch) about(p *trace.Path) bool {
	return n.sni == "" || snapshot.HostCovers(n.sni, string(p.Host))
}

// seen says whether the EnvoyFilter is in a namespace that counts for the gateway: its own or the root.
func (n networkPatch) seen(s *snapshot.Snapshot, p *trace.Path) bool {
	return slices.Contains([]string{p.Gateway.Namespace, s.RootNamespace()}, n.filter.Namespace)
}

// selects says whether the EnvoyFilter is for the gateway's pods.
func (n networkPatch) selects(p *trace.Path) bool {
	selector := n.filter.Spec.WorkloadSelector
	return selector == nil || slices.ContainsFunc(p.Want.Pods, func(pod mesh.Pod) bool { return snapshot.Selects(selector.Labels, pod.Labels) })
}

// filtersHidden says that the EnvoyFilters could not be read. Few paths have anything to do with them, so that only those are not
// judged without.
func filtersHidden(s *snapshot.Snapshot, legs []*trace.Leg) ([]Finding, bool) {
	st := s.State(snapshot.EnvoyFilters)
	if st.Known() {
		return nil, false
	}
	var seen []string
	for _, l := range legs {
		if l.Stop != nil {
			seen = append(seen, l.Stop.Says)
		}
	}
	return []Finding{{State: Unknown, Message: unread(snapshot.EnvoyFilters, st), Evidence: seen}}, true
}

var filterNotApplied = Check{
	Code:     "EGR042",
	Title:    "EnvoyFilter is not applied",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, trace.NoCluster, trace.NoLookup, trace.NoEndpoint)
		legs = slices.DeleteFunc(legs, func(l *trace.Leg) bool { return warming(l) != nil })
		if len(legs) == 0 || p.Mode != egress.SNIDynamic {
			return nil
		}
		if f, hidden := filtersHidden(s, legs); hidden {
			return f
		}
		for _, n := range networkPatches(s) {
			f := because(legs)
			if !n.about(&p) || !n.misses(s, &p, legs[0], &f) {
				continue
			}
			if fix, ok := setOf(&p); ok {
				f.Fix = fix
			}
			return []Finding{f}
		}
		if fix, ok := setOf(&p); ok && !filtered(s, &p) {
			f := because(legs)
			f.Message = fmt.Sprintf("no EnvoyFilter has the gateway look up the server names of %s", p.Host)
			f.Fix = fix
			return []Finding{f}
		}
		return nil
	},
	Why: "istiod applies a patch only where everything in its match fits, and says nothing where it does not: portNumber is the port on which " +
		"the gateway's pods listen (8443) and not that of the Service (443), the workloadSelector must fit the pods' labels, and the " +
		"EnvoyFilter must be in the gateway's namespace or in the root namespace.",
	Fix: "Correct the match. The gateway's listeners show whether the patch has arrived.",
}

// misses says in which way a patch misses the gateway, if it does.
func (n networkPatch) misses(s *snapshot.Snapshot, p *trace.Path, leg *trace.Leg, f *Finding) bool {
	switch {
	case !n.seen(s, p):
		f.Object = object("EnvoyFilter", n.filter.Meta, "metadata.namespace")
		f.Message = fmt.Sprintf("EnvoyFilter %s is neither in the gateway's namespace %s nor in the root namespace %s", n.filter, p.Gateway.Namespace, s.RootNamespace())
		f.Fix = move(f.Object, p.Gateway.Namespace)
	case !n.selects(p):
		f.Object = object("EnvoyFilter", n.filter.Meta, "spec.workloadSelector.labels")
		f.Message = fmt.Sprintf("EnvoyFilter %s selects %s, which no pod of gateway %s has", n.filter, selectorText(n.filter.Spec.WorkloadSelector.Labels), p.Gateway)
		f.Fix = patch(f.Object, replace("/spec/workloadSelector/labels", p.Want.Selector))
	case n.port != 0 && n.port != leg.Ask.Port:
		path := n.at("/match/listener/portNumber")
		f.Object = object("EnvoyFilter", n.filter.Meta, field(path))
		f.Message = fmt.Sprintf("EnvoyFilter %s patches port %d, and the gateway's pods listen on %d", n.filter, n.port, leg.Ask.Port)
		f.Fix = patch(f.Object, replace(path, leg.Ask.Port))
	default:
		return false
	}
	return true
}

// move brings an object into another namespace, with everything in it.
func move(o *Object, namespace string, more ...op) string {
	ops := append([]op{replace("/metadata/namespace", namespace), remove("/metadata/uid"), remove("/metadata/resourceVersion")}, more...)
	return fmt.Sprintf("kubectl -n %[1]s get %[2]s %[3]s -o json | kubectl patch --local -f - --type=json -p %[4]s -o json | kubectl apply -f -\n"+
		"kubectl -n %[1]s delete %[2]s %[3]s", word(o.Namespace), resources[o.Kind], word(o.Name), word(oneLine(ops)))
}

var filterTooWide = Check{
	Code:     "EGR044",
	Title:    "EnvoyFilter also changes the way of other hosts",
	Severity: Warn,
	Hop:      egress.AtGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		// only what has been led into an internal listener has been led there by such a patch
		legs := slices.DeleteFunc(p.At(egress.AtGateway), func(l *trace.Leg) bool { return l.Internal == 0 })
		if len(legs) == 0 {
			return nil
		}
		if f, hidden := filtersHidden(s, legs); hidden {
			return f
		}
		broken := slices.DeleteFunc(slices.Clone(legs), func(l *trace.Leg) bool { return l.Stop == nil || l.Stop.Unknown() })
		for _, n := range networkPatches(s) {
			if n.port != 0 || n.sni != "" || !strings.HasSuffix(n.name, "tcp_proxy") || !n.seen(s, &p) || !n.selects(&p) {
				continue
			}
			f := Finding{Evidence: []string{fmt.Sprintf("its patch %d matches every tcp_proxy filter of gateways: it has neither portNumber nor sni", n.index)}}
			f.Message = fmt.Sprintf("EnvoyFilter %s leads every TLS host of the gateways that it is for the same way, not only its own", n.filter)
			if len(broken) > 0 {
				f = because(broken)
				f.State = Fail
				f.Message = fmt.Sprintf("EnvoyFilter %s, which is not about %s, takes its way as well: its patch has neither portNumber nor sni", n.filter, p.Host)
			}
			f.Object = object("EnvoyFilter", n.filter.Meta, field(n.at("/match/listener")))
			f.Fix = patch(f.Object, n.narrow(&p, legs[0])...)
			return []Finding{f}
		}
		return nil
	},
	Why: "A patch to tcp_proxy without portNumber and sni changes every filter chain of every gateway that the EnvoyFilter is for, and without " +
		"workloadSelector that is every gateway of its namespace, or of the mesh. Hosts that other configurations lead through the " +
		"same gateway end in the patch's cluster, which does not know them: their connections are reset.",
	Fix: "Give the EnvoyFilter a workloadSelector, and the match the port on which the pods listen and the sni of the chain that is meant.",
}

// narrow binds a patch to the gateway's port and, where the chains have server names, to one chain for each that the inner listener
// knows.
func (n networkPatch) narrow(p *trace.Path, leg *trace.Leg) []op {
	names := n.meant(leg)
	ops := []op{add(n.at("/match/listener/portNumber"), leg.Ask.Port)}
	if len(names) > 0 {
		ops = append(ops, add(n.at("/match/listener/filterChain/sni"), names[0]))
		last := len(n.filter.Spec.ConfigPatches)
		for i, name := range names[1:] {
			copied := fmt.Sprintf("/spec/configPatches/%d", last+i)
			ops = append(ops, op{Op: "copy", From: n.at(""), Path: copied}, replace(copied+"/match/listener/filterChain/sni", name))
		}
	}
	if n.filter.Spec.WorkloadSelector == nil {
		ops = append(ops, add("/spec/workloadSelector", fields{"labels": p.Want.Selector}))
	}
	return ops
}

// meant are the server names of chains that lead into the internal listener and that it knows.
func (n networkPatch) meant(leg *trace.Leg) []string {
	known := map[string]bool{}
	for i := range leg.Proxy.Config.Listeners {
		l := &leg.Proxy.Config.Listeners[i]
		for _, c := range l.Chains {
			for _, name := range c.Match.ServerNames {
				known[name] = known[name] || l.Internal
			}
		}
	}
	var out []string
	for i := range leg.Proxy.Config.Listeners {
		l := &leg.Proxy.Config.Listeners[i]
		if l.Port != leg.Ask.Port || l.Internal {
			continue
		}
		for _, c := range l.Chains {
			for _, name := range c.Match.ServerNames {
				if known[name] && !slices.Contains(out, name) {
					out = append(out, name)
				}
			}
		}
	}
	return out
}

var updateRefused = Check{
	Code:     "EGR043",
	Title:    "Envoy refuses a change",
	Severity: Warn,
	Hop:      egress.AtGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		for i := range p.Legs {
			l := &p.Legs[i]
			what, r := refused(l)
			if r == nil {
				continue
			}
			f := Finding{Hop: l.Hop}
			if l.Stop != nil && !l.Stop.Unknown() {
				f = because([]*trace.Leg{l})
				f.State, f.Hop = Fail, l.Hop
			}
			f.Message = fmt.Sprintf("%s %s refuses the last change of %s; what is in force is older", l.Hop, l.Proxy.Pod, what)
			f.Evidence = append(f.Evidence, r.Detail)
			f.Fix = suspects(s, l)
			return []Finding{f}
		}
		return nil
	},
	Why: "istiod sends what the objects say, and Envoy may refuse it (NACK): an EnvoyFilter with two different settings for one DNS cache, a " +
		"filter that this Envoy does not have, a field of an older API. Everything else of the listener is refused with it, and the old " +
		"one stays in force, so that nothing changes any more whatever is applied.",
	Fix: "Correct the EnvoyFilter that makes what the message names; the evidence is Envoy's own words.",
}

// refused finds the listener or cluster of a leg whose last change Envoy did not take.
func refused(l *trace.Leg) (what string, r *admin.Rejection) {
	used := func(step, name string) bool {
		return slices.ContainsFunc(l.Steps, func(s trace.Step) bool { return s.Name == step && s.Value == name })
	}
	nothing := l.Stop != nil && (l.Stop.Kind == trace.NoListener || l.Stop.Kind == trace.NoCluster)
	for _, x := range l.Refused {
		if nothing || used(x.Kind, x.Name) {
			return x.Kind + " " + x.Name, x.Rejection
		}
	}
	return "", nil
}

// suspects shows the EnvoyFilters that may be to blame.
func suspects(s *snapshot.Snapshot, l *trace.Leg) string {
	for i := range s.Objects.EnvoyFilters {
		f := &s.Objects.EnvoyFilters[i]
		selector := f.Spec.WorkloadSelector
		if slices.Contains([]string{l.Proxy.Namespace, s.RootNamespace()}, f.Namespace) && (selector == nil || snapshot.Selects(selector.Labels, l.Proxy.Labels)) {
			return fmt.Sprintf("kubectl -n %s edit envoyfilter %s", word(f.Namespace), word(f.Name))
		}
	}
	return fmt.Sprintf("kubectl -n %s logs %s -c istio-proxy", word(l.Proxy.Namespace), word(l.Proxy.Pod))
}
