package check

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
)

// network says what NetworkPolicies let through, by the rules of the Kubernetes page "Network Policies": a pod that no policy of a
// direction selects is open in that direction, policies add up, and a connection needs both ends to allow it. It says nothing of
// whether a cluster's network plug-in enforces them.
type network struct {
	labels   map[string]map[string]string // of namespaces
	policies map[string][]*snapshot.NetworkPolicy
}

// newNetwork needs the namespaces for their labels.
func newNetwork(namespaces []snapshot.Namespace, policies []snapshot.NetworkPolicy) *network {
	n := &network{labels: map[string]map[string]string{}, policies: map[string][]*snapshot.NetworkPolicy{}}
	for i := range namespaces {
		n.labels[namespaces[i].Name] = namespaces[i].Labels
	}
	for i := range policies {
		p := &policies[i]
		n.policies[p.Namespace] = append(n.policies[p.Namespace], p)
	}
	return n
}

// The directions, as policyTypes calls them.
const (
	egressType  = "Egress"
	ingressType = "Ingress"
)

// call is a connection to a pod, or to an address outside of the cluster.
type call struct {
	pod      *snapshot.Workload // nil: addr
	addr     netip.Addr
	protocol string // TCP, UDP or SCTP
	port     int    // for pods, the pod's own: policies are about what Services have been resolved to
}

func (c call) String() string {
	if c.pod != nil {
		return fmt.Sprintf("pod %s, port %d", c.pod.Name(), c.port)
	}
	return netip.AddrPortFrom(c.addr, uint16(c.port)).String() //nolint:gosec // ports come from here or from a policy, which the API server checks
}

// reaches says whether a pod may make a call; if not, which end refuses it.
func (n *network) reaches(from *snapshot.Workload, c call) (refusedBy string, ok bool) {
	if !n.sends(from, c) {
		return egressType, false
	}
	if c.pod != nil && !n.takes(c.pod, from, c) {
		return ingressType, false
	}
	return "", true
}

// sends says whether the policies of the pod's namespace let it make the call.
func (n *network) sends(from *snapshot.Workload, c call) bool {
	selecting := n.selecting(from, egressType)
	return len(selecting) == 0 || slices.ContainsFunc(selecting, func(p *snapshot.NetworkPolicy) bool {
		return slices.ContainsFunc(p.Spec.Egress, func(r snapshot.PolicyRule) bool {
			return allowsPort(r.Ports, c) && n.allowsPeer(p, r.To, c.pod, c.addr)
		})
	})
}

// takes says whether the policies of the called pod's namespace let the call in.
func (n *network) takes(to, from *snapshot.Workload, c call) bool {
	selecting := n.selecting(to, ingressType)
	return len(selecting) == 0 || slices.ContainsFunc(selecting, func(p *snapshot.NetworkPolicy) bool {
		return slices.ContainsFunc(p.Spec.Ingress, func(r snapshot.PolicyRule) bool {
			return allowsPort(r.Ports, c) && n.allowsPeer(p, r.From, from, netip.Addr{})
		})
	})
}

// selecting gives the policies that isolate a pod in a direction. Pods in the host's network are not isolated by any.
func (n *network) selecting(w *snapshot.Workload, direction string) []*snapshot.NetworkPolicy {
	if w.HostNetwork {
		return nil
	}
	var out []*snapshot.NetworkPolicy
	for _, p := range n.policies[w.Namespace] {
		if isAbout(p, direction) && p.Spec.PodSelector.Fits(w.Labels) {
			out = append(out, p)
		}
	}
	return out
}

// isAbout says whether a policy isolates in a direction. Without policyTypes it does for incoming traffic, and for outgoing traffic if
// it has rules for that.
func isAbout(p *snapshot.NetworkPolicy, direction string) bool {
	if len(p.Spec.PolicyTypes) > 0 {
		return slices.Contains(p.Spec.PolicyTypes, direction)
	}
	return direction == ingressType || len(p.Spec.Egress) > 0
}

// allowsPort says whether one of a rule's ports is the call's. A name stands for what the called pod calls so; addresses have no names.
func allowsPort(ports []snapshot.PolicyPort, c call) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p snapshot.PolicyPort) bool {
		number := p.Port.Number
		if p.Port.Name != "" {
			if c.pod == nil || c.pod.Ports[p.Port.Name] == 0 {
				return false
			}
			number = c.pod.Ports[p.Port.Name]
		}
		return protocolOf(p) == c.protocol && (number == 0 || c.port >= number && c.port <= max(number, p.EndPort))
	})
}

func protocolOf(p snapshot.PolicyPort) string {
	if p.Protocol == "" {
		return "TCP"
	}
	return p.Protocol
}

// allowsPeer says whether one of a rule's peers is the other end: a pod, or else an address.
func (n *network) allowsPeer(p *snapshot.NetworkPolicy, peers []snapshot.PolicyPeer, pod *snapshot.Workload, addr netip.Addr) bool {
	return len(peers) == 0 || slices.ContainsFunc(peers, func(peer snapshot.PolicyPeer) bool {
		switch {
		case peer.IPBlock != nil && pod != nil:
			return slices.ContainsFunc(pod.IPs, func(ip string) bool {
				a, _ := netip.ParseAddr(ip) // the zero address, of what is none, is in no block
				return holds(peer.IPBlock, a)
			})
		case peer.IPBlock != nil:
			return holds(peer.IPBlock, addr)
		case pod == nil || pod.HostNetwork:
			return false // selectors choose pods, and those in the host's network are not told from their node
		case peer.NamespaceSelector == nil && pod.Namespace != p.Namespace:
			return false
		case peer.NamespaceSelector != nil && !peer.NamespaceSelector.Fits(n.namespaceLabels(pod.Namespace)):
			return false
		}
		return peer.PodSelector == nil || peer.PodSelector.Fits(pod.Labels)
	})
}

// nameLabel is the label that the API server puts on every namespace.
const nameLabel = "kubernetes.io/metadata.name"

func (n *network) namespaceLabels(name string) map[string]string {
	if labels, ok := n.labels[name]; ok {
		return labels
	}
	return map[string]string{nameLabel: name}
}

// holds says whether an address is in a block and in none of its exceptions.
func holds(b *snapshot.IPBlock, a netip.Addr) bool {
	in := func(cidr string) bool {
		p, _ := netip.ParsePrefix(cidr) // what is no block holds nothing
		return p.Contains(a.Unmap())
	}
	return in(b.CIDR) && !slices.ContainsFunc(b.Except, in)
}
