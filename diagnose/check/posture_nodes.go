package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var nodesShared = Check{
	Code:     "EGR065",
	Title:    "gateway not on nodes of its own",
	Severity: Warn,
	Hop:      egress.AtGateway,
	Needs:    []snapshot.Source{snapshot.Namespaces, snapshot.Nodes, snapshot.Workloads, snapshot.Facts},
	Why: "Defining an egress gateway does nothing for the nodes that it runs on. Istio's egress gateway task leaves it to the cluster's " +
		"administrator to run gateways on dedicated nodes, and to make those more secure than the rest of the mesh: a firewall can then let out the " +
		"gateways' nodes alone, and who breaks out of a workload is not beside the gateway and its certificates. A node is the gateway's own if the " +
		"gateway's pods ask for it (nodeSelector or a required node affinity), a taint keeps others away, and no workload of the mesh runs there.",
	Fix: "Label and taint a node, and have the gateway's Deployment select and tolerate it, as the finding prints it; then move the workloads that " +
		"are there (kubectl drain). A cluster of one node cannot have this.",
}

// nodes finds the gateways that share their nodes, or may come to.
func (p *posture) nodes() []Finding {
	if len(p.s.Security.Nodes) == 1 {
		return []Finding{{State: Skip, Message: "the cluster has one node: it cannot be the gateway's own"}}
	}
	var out []Finding
	for _, g := range gateways(p.paths) {
		if f, ok := p.shared(g); ok {
			out = append(out, f)
		}
	}
	return out
}

// podsOf gives a gateway's pods that have been placed on a node.
func (p *posture) podsOf(g *trace.Path) []*snapshot.Workload {
	var out []*snapshot.Workload
	for i := range p.s.Security.Workloads {
		w := &p.s.Security.Workloads[i]
		if w.Node != "" && w.Namespace == g.Gateway.Namespace && slices.ContainsFunc(g.Want.Pods, func(pod podOf) bool { return pod.Name == w.Pod }) {
			out = append(out, w)
		}
	}
	return out
}

func (p *posture) shared(g *trace.Path) (Finding, bool) {
	var says []string
	var on []string
	pods := p.podsOf(g)
	for _, w := range pods {
		on = append(on, w.Node)
		if !w.Pinned && len(says) == 0 {
			says = append(says, fmt.Sprintf("pod %s asks for no certain node: it may be placed anywhere", w.Pod))
		}
	}
	slices.Sort(on)
	on = slices.Compact(on)
	shares := ""
	for _, name := range on {
		if node := p.node(name); node != nil {
			if _, keeps := node.KeepsOut(); !keeps {
				says = append(says, fmt.Sprintf("node %s has no taint that keeps workloads away", name))
			}
		}
		var others byMaker
		for i := range p.s.Security.Workloads {
			w := &p.s.Security.Workloads[i]
			if w.Node == name && isGuest(w, p.namespaces) {
				others.add(w, "")
			}
		}
		if len(others.makers) > 0 {
			shares = name
			says = append(says, fmt.Sprintf("on node %s there are workloads of the mesh too: %s", name, others.names()))
		}
	}
	if len(says) == 0 {
		return Finding{}, false
	}
	f := Finding{
		Object:   &Object{Kind: "Pod", Namespace: pods[0].Namespace, Name: pods[0].Pod, Field: "spec.nodeSelector"},
		Message:  fmt.Sprintf("gateway %s is not on nodes of its own", g.Gateway),
		Evidence: says,
	}
	if shares != "" {
		f.Message = fmt.Sprintf("gateway %s shares node %s with workloads of the mesh", g.Gateway, shares)
	}
	f.Fix = p.dedicate(pods[0], on)
	return f, true
}

// isGuest says whether a pod is a workload of one of the namespaces that could as well run elsewhere: DaemonSets' are on every node.
func isGuest(w *snapshot.Workload, namespaces []string) bool {
	return !w.Router && slices.Contains(namespaces, w.Namespace) && !strings.HasPrefix(w.Owner, "daemonset/")
}

func (p *posture) node(name string) *snapshot.Node {
	for i := range p.s.Security.Nodes {
		if p.s.Security.Nodes[i].Name == name {
			return &p.s.Security.Nodes[i]
		}
	}
	return nil
}

// dedicated is the label and the taint that fixes use.
const dedicated = "dedicated"

// dedicate makes a node the gateway's own: one without workloads of the mesh if there is one, else that where the gateway is. What
// somebody else has dedicated is theirs.
func (p *posture) dedicate(pod *snapshot.Workload, on []string) string {
	const value = "egress-gateway"
	busy := map[string]bool{}
	for i := range p.s.Security.Workloads {
		if w := &p.s.Security.Workloads[i]; isGuest(w, p.mesh) {
			busy[w.Node] = true
		}
	}
	choice := ""
	for i := range p.s.Security.Nodes {
		n := &p.s.Security.Nodes[i]
		taint, keeps := n.KeepsOut()
		here := slices.Contains(on, n.Name)
		ours := taint == dedicated && (here || n.Labels[dedicated] == value)
		if !n.Spec.Unschedulable && (!keeps || ours) && !busy[n.Name] && (choice == "" || here) {
			choice = n.Name
		}
	}
	if choice == "" {
		choice = on[0]
	}
	change := fields{"spec": fields{"template": fields{"spec": fields{
		"nodeSelector": fields{dedicated: value},
		"tolerations":  []any{fields{"key": dedicated, "operator": "Equal", "value": value, "effect": "NoSchedule"}},
	}}}}
	fix := fmt.Sprintf("kubectl label node %[1]s "+dedicated+"="+value+" --overwrite\nkubectl taint node %[1]s "+dedicated+"="+value+":NoSchedule --overwrite\n"+
		"kubectl -n %[2]s patch %[3]s --type=merge -p %[4]s", word(choice), word(pod.Namespace), word(pod.Maker()), word(oneLine(change)))
	if busy[choice] {
		fix += fmt.Sprintf("\nkubectl drain %s --ignore-daemonsets --delete-emptydir-data\nkubectl uncordon %[1]s", word(choice))
	}
	return fix
}
