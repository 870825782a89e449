package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// enforcement is what no object tells.
const enforcement = "whether the cluster's network plug-in enforces NetworkPolicy cannot be known from objects"

var networkOpen = Check{
	Code:     "EGR059",
	Title:    "network lets workloads out without the gateway",
	Severity: Fail,
	Hop:      egress.AtWorkload,
	Needs:    []snapshot.Source{snapshot.Namespaces, snapshot.NetworkPolicies, snapshot.Workloads},
	Why: "Istio cannot enforce that traffic takes the egress gateway: a workload that gets past its sidecar, or never had one, goes straight " +
		"out, past all that the gateway permits, logs and encrypts. Only the network can hold it. This check evaluates the NetworkPolicies of " +
		"the workloads' namespaces as Kubernetes defines them, and fails where a pod may reach an address of an outside host, or any public " +
		"address, on a port other than that of DNS.\n\n" +
		"What it cannot know: whether the cluster's network plug-in enforces NetworkPolicy at all (kind's and flannel's do not), and what " +
		"policies of other kinds (Calico's, Cilium's, AdminNetworkPolicy) or a firewall outside of the cluster hold back. Where those hold, " +
		"this finding says nothing new. What can be smuggled out by DNS is not judged.",
	Fix: "Apply the NetworkPolicy that the finding prints: it lets the namespace's pods reach the cluster's DNS, istiod, the gateway, and the " +
		"pods of namespaces that are held likewise, and nothing else. Policies add up: a rule of another policy that lets more through has to " +
		"go as well. Before applying it, add what else the namespace calls in the cluster: the API server, databases, monitoring.",
}

// openNamespaces finds the namespaces with pods that may leave.
func (p *posture) openNamespaces() []Finding {
	var out []Finding
	for _, namespace := range p.namespaces {
		var open byMaker
		var leaky []leak
		for _, w := range p.workloads[namespace] {
			if w.HostNetwork {
				continue // see EGR062
			}
			for i, l := range p.net.leaks(w, p.hosts) {
				if i == 0 {
					open.add(w, l.says())
				}
				leaky = append(leaky, l)
			}
		}
		if len(leaky) > 0 {
			out = append(out, p.open(namespace, &open, leaky))
		}
	}
	if len(out) == 0 {
		return []Finding{{State: Pass, Message: "NetworkPolicies hold what workloads send; " + enforcement}}
	}
	return out
}

func (l leak) says() string {
	if l.policy == nil {
		return fmt.Sprintf("no NetworkPolicy for outgoing traffic selects it: it may reach any address, such as %s", l.to)
	}
	what := "any address"
	if l.peer >= 0 {
		what = l.policy.Spec.Egress[l.rule].To[l.peer].IPBlock.CIDR
	}
	return fmt.Sprintf("NetworkPolicy %s lets it reach %s, such as %s (%s)", l.policy.Name, what, l.to, l.to.protocol)
}

func (p *posture) open(namespace string, open *byMaker, leaky []leak) Finding {
	f := Finding{
		Object:   &Object{Kind: "Namespace", Name: namespace},
		Message:  fmt.Sprintf("pods of namespace %s may leave without the gateway: no NetworkPolicy holds %s", namespace, open.names()),
		Evidence: append(open.evidence(), enforcement),
	}
	if i := slices.IndexFunc(leaky, func(l leak) bool { return l.policy != nil }); i >= 0 {
		l := leaky[i]
		f.Object = object("NetworkPolicy", l.policy.Meta, fmt.Sprintf("spec.egress[%d]", l.rule))
		f.Message = fmt.Sprintf("pods of namespace %s may leave without the gateway: NetworkPolicy %s lets %s out", namespace, l.policy.Name, open.names())
	}
	f.Fix = strings.Join(append(closing(leaky), p.hold(namespace)), "\n")
	return f
}

// closing are the commands that take out of policies what lets pods out.
func closing(leaky []leak) []string {
	var policies []*snapshot.NetworkPolicy
	peers := map[*snapshot.NetworkPolicy]map[int][]int{}
	for _, l := range leaky {
		if l.policy == nil {
			continue
		}
		if peers[l.policy] == nil {
			policies = append(policies, l.policy)
			peers[l.policy] = map[int][]int{}
		}
		if !slices.Contains(peers[l.policy][l.rule], l.peer) {
			peers[l.policy][l.rule] = append(peers[l.policy][l.rule], l.peer)
		}
	}
	var out []string
	for _, policy := range policies {
		var ops []op
		for i := range slices.Backward(policy.Spec.Egress) { // from the end, so that the places of the others stay
			ops = append(ops, closeRule(policy, i, peers[policy][i])...)
		}
		out = append(out, patch(object("NetworkPolicy", policy.Meta, ""), ops...))
	}
	return out
}

// closeRule takes peers out of a rule. A rule that has none left would be open to all, so it goes as a whole.
func closeRule(policy *snapshot.NetworkPolicy, rule int, peers []int) []op {
	at := fmt.Sprintf("/spec/egress/%d", rule)
	if len(peers) == 0 {
		return nil
	}
	if slices.Contains(peers, -1) || len(peers) == len(policy.Spec.Egress[rule].To) {
		return []op{remove(at)}
	}
	slices.Sort(peers)
	var ops []op
	for _, j := range slices.Backward(peers) {
		ops = append(ops, remove(fmt.Sprintf("%s/to/%d", at, j)))
	}
	return ops
}

var networkTooTight = Check{
	Code:     "EGR060",
	Title:    "NetworkPolicy keeps workloads from the gateway",
	Severity: Warn,
	Hop:      egress.AtWorkload,
	Needs:    []snapshot.Source{snapshot.Namespaces, snapshot.NetworkPolicies, snapshot.Workloads, snapshot.Services},
	Why: "A policy that holds outgoing traffic has to leave open what egress through the gateway needs: the gateway's own ports (those of its " +
		"pods, not of its Service), the cluster's DNS, and istiod, from which sidecars get their configuration and certificates. Where the " +
		"network plug-in enforces the policy, the path does not work, or stops working when a certificate runs out.",
	Fix: "Apply the NetworkPolicy that the finding prints; policies add up, so that it opens what is missing and closes nothing.",
}

// need is something that workloads have to reach.
type need struct {
	what string
	call call
}

// needs gives what pods of a namespace have to reach. DNS and istiod are left out where no pod of theirs is found.
func (p *posture) needs(namespace string) []need {
	var out []need
	paths := p.seen(p.paths, namespace)
	for _, g := range gateways(paths) {
		pods := p.podsOf(g)
		if len(pods) == 0 {
			continue
		}
		for _, port := range ports(paths, g) {
			out = append(out, need{"gateway " + g.Gateway.String(), call{pod: pods[0], protocol: "TCP", port: port}})
		}
	}
	if pod, port := p.dnsPod(); pod != nil {
		out = append(out, need{"the cluster's DNS", call{pod: pod, protocol: "UDP", port: port}})
	}
	if pod := p.istiod(); pod != nil {
		out = append(out, need{"istiod", call{pod: pod, protocol: "TCP", port: istiodPort}})
	}
	return out
}

// ports are those of a gateway's pods that its paths take.
func ports(paths []*trace.Path, g *trace.Path) []int {
	var out []int
	for _, path := range paths {
		if port, _ := g.Want.Target(path.Port); port != 0 && path.Gateway == g.Gateway {
			out = append(out, port)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// cutOff finds the namespaces whose pods are kept from what they need.
func (p *posture) cutOff() []Finding {
	var out []Finding
	for _, namespace := range p.namespaces {
		needs := p.needs(namespace)
		var kept, alike byMaker // all that lack something, and those of them that lack what the first does
		var first need
		var side string
		for _, w := range p.workloads[namespace] {
			if !w.Sidecar {
				continue // nothing leads it to the gateway
			}
			for _, n := range needs {
				by, ok := p.net.reaches(w, n.call)
				if ok {
					continue
				}
				if first.what == "" {
					first, side = n, by
				}
				if n.what == first.what {
					alike.add(w, "")
				}
				kept.add(w, fmt.Sprintf("policies for %s traffic do not let it reach %s, %s", direction(by), n.what, n.call))
				break
			}
		}
		if first.what != "" {
			out = append(out, p.cut(namespace, first, side, alike.names(), kept.evidence()))
		}
	}
	return out
}

func direction(policyType string) string {
	if policyType == ingressType {
		return "incoming"
	}
	return "outgoing"
}

func (p *posture) cut(namespace string, first need, side, who string, evidence []string) Finding {
	f := Finding{
		Object:   &Object{Kind: "Namespace", Name: namespace},
		Message:  fmt.Sprintf("NetworkPolicies keep %s of namespace %s from %s", who, namespace, first.what),
		Evidence: append(evidence, enforcement),
		Fix:      p.hold(namespace),
	}
	if side == ingressType {
		f.Object.Name = first.call.pod.Namespace
		f.Fix = p.admit(first.call.pod)
	}
	return f
}
