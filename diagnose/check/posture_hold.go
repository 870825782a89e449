package check

import (
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// podOf is a pod of a gateway as discovery found it.
type podOf = mesh.Pod

const istiodPort = 15012

// holdName is the name of the policy that fixes print: applied again it is the same object.
const holdName = "egress-only-through-gateway"

// hold is the command that applies the policy that holds a namespace: its pods reach DNS, istiod, the gateways of the paths that they see, and the pods
// of the namespaces in the mesh, which are to be held likewise; nothing else.
func (p *posture) hold(namespace string) string {
	rules := []any{fields{"to": []any{p.dnsPeer()}}}
	rules = append(rules, fields{
		"to":    []any{fields{"namespaceSelector": inNamespaces(p.controlNamespaces()), "podSelector": fields{"matchLabels": fields{"app": "istiod"}}}},
		"ports": []any{fields{"protocol": "TCP", "port": istiodPort}},
	})
	for _, g := range gateways(p.seen(p.all, namespace)) {
		rules = append(rules, fields{
			"to":    []any{fields{"namespaceSelector": inNamespaces([]string{g.Gateway.Namespace}), "podSelector": fields{"matchLabels": g.Want.Selector}}},
			"ports": targets(g.Want),
		})
	}
	rules = append(rules, fields{"to": []any{fields{"namespaceSelector": p.inMesh()}}})
	return applyText(policy(namespace, holdName, fields{
		"podSelector": p.workloadsOf(namespace), "policyTypes": []string{egressType}, "egress": rules,
	}))
}

// admit is the command that lets the judged namespaces in where a policy keeps them from a pod that they need.
func (p *posture) admit(to *snapshot.Workload) string {
	labels := maps.Clone(to.Labels)
	for _, of := range []string{"pod-template-hash", "controller-revision-hash", "statefulset.kubernetes.io/pod-name"} {
		delete(labels, of) // they change with every roll-out
	}
	return applyText(policy(to.Namespace, "admit-egress-of-workloads", fields{
		"podSelector": fields{"matchLabels": labels}, "policyTypes": []string{ingressType},
		"ingress": []any{fields{"from": []any{fields{"namespaceSelector": p.inMesh()}}}},
	}))
}

func policy(namespace, name string, spec fields) manifest {
	return manifest{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Metadata: fields{"namespace": namespace, "name": name}, Spec: spec}
}

func inNamespaces(names []string) fields {
	if len(names) == 1 {
		return fields{"matchLabels": fields{nameLabel: names[0]}}
	}
	return fields{"matchExpressions": []any{fields{"key": nameLabel, "operator": "In", "values": names}}}
}

// inMesh selects the namespaces of the mesh: by name, or where they are many by the label that all of them have.
func (p *posture) inMesh() fields {
	const many = 20
	const label, value = "istio-injection", "enabled"
	without := func(name string) bool { return p.net.labels[name][label] != value }
	if len(p.mesh) <= many || slices.ContainsFunc(p.mesh, without) {
		return inNamespaces(p.mesh)
	}
	return fields{"matchLabels": fields{label: value}}
}

// workloadsOf selects all pods of a namespace but those of gateways, which have to leave.
func (p *posture) workloadsOf(namespace string) fields {
	var not []any
	for _, g := range p.s.Facts.Gateways {
		keys := slices.Sorted(maps.Keys(g.Selector))
		if g.Namespace == namespace && len(keys) > 0 {
			not = append(not, fields{"key": keys[0], "operator": "NotIn", "values": []string{g.Selector[keys[0]]}})
		}
	}
	if not == nil {
		return fields{}
	}
	return fields{"matchExpressions": not}
}

// targets are the ports of a gateway's pods.
func targets(g mesh.Gateway) []any {
	var out []any
	var seen []int
	for _, port := range g.Ports {
		if port.Target > 0 && !slices.Contains(seen, port.Target) {
			seen = append(seen, port.Target)
			out = append(out, fields{"protocol": "TCP", "port": port.Target})
		}
	}
	return out
}

// controlNamespaces are those with an istiod.
func (p *posture) controlNamespaces() []string {
	out := []string{p.s.RootNamespace()}
	for _, r := range p.s.Facts.Revisions {
		if r.Namespace != "" && !slices.Contains(out, r.Namespace) {
			out = append(out, r.Namespace)
		}
	}
	slices.Sort(out)
	return out
}

// istiod gives a pod of the control plane; nil if none is found.
func (p *posture) istiod() *snapshot.Workload {
	return p.pod(func(w *snapshot.Workload) bool {
		return w.Labels["app"] == "istiod" && slices.Contains(p.controlNamespaces(), w.Namespace)
	})
}

func (p *posture) pod(want func(*snapshot.Workload) bool) *snapshot.Workload {
	for i := range p.s.Security.Workloads {
		if w := &p.s.Security.Workloads[i]; want(w) {
			return w
		}
	}
	return nil
}

// dns gives the Service of the cluster's DNS, which is called kube-dns whatever serves it; nil if there is none.
func (p *posture) dns() *snapshot.Service {
	for i := range p.s.Objects.Services {
		if s := &p.s.Objects.Services[i]; s.Namespace == "kube-system" && s.Name == "kube-dns" && len(s.Spec.Selector) > 0 {
			return s
		}
	}
	return nil
}

// dnsPod gives a pod that answers for the cluster's names, and its port; nil if none is found, as where the nodes do it.
func (p *posture) dnsPod() (*snapshot.Workload, int) {
	service := p.dns()
	if service == nil {
		return nil, 0
	}
	pod := p.pod(func(w *snapshot.Workload) bool {
		return w.Namespace == service.Namespace && !w.HostNetwork && snapshot.Selects(service.Spec.Selector, w.Labels)
	})
	if pod != nil && pod.Ports["dns"] > 0 {
		return pod, pod.Ports["dns"]
	}
	return pod, dnsPort
}

// dnsPeer is the peer of a policy's rule that stands for DNS. It names no ports: those of the pods differ from cluster to cluster.
func (p *posture) dnsPeer() fields {
	peer := fields{"namespaceSelector": inNamespaces([]string{"kube-system"})}
	if service := p.dns(); service != nil {
		peer["podSelector"] = fields{"matchLabels": service.Spec.Selector}
	}
	return peer
}

// applyText is the command that applies an object written as people write it. Whatever its values are, they are indented, so that
// none of them ends the text early.
func applyText(m manifest) string {
	text, err := yaml.Marshal(m)
	if err != nil {
		return apply(m)
	}
	return "kubectl apply -f - <<'EOF'\n" + strings.TrimSuffix(string(text), "\n") + "\nEOF"
}
