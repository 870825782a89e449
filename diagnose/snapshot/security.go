package snapshot

import "encoding/json"

// Sources that are read only where somebody asks who can go round the gateway.
const (
	Namespaces            Source = "namespaces"
	NetworkPolicies       Source = "networkpolicies"
	AuthorizationPolicies Source = "authorizationpolicies"
	Nodes                 Source = "nodes"
	Workloads             Source = "workloads" // pods of all namespaces, with or without a sidecar
)

// Security is what tells who can go round the gateway, and who may use it. Each list is sorted by namespace and name.
type Security struct {
	Namespaces            []Namespace           `json:"namespaces,omitempty"`
	NetworkPolicies       []NetworkPolicy       `json:"networkPolicies,omitempty"`
	AuthorizationPolicies []AuthorizationPolicy `json:"authorizationPolicies,omitempty"`
	Nodes                 []Node                `json:"nodes,omitempty"`
	Workloads             []Workload            `json:"workloads,omitempty"`
}

// Namespace is Kubernetes' own; only its labels matter.
type Namespace struct {
	Meta `json:"metadata"`
}

// Node is Kubernetes' own.
type Node struct {
	Meta `json:"metadata"`
	Spec struct {
		Taints []struct {
			Key    string `json:"key"`
			Effect string `json:"effect"`
		} `json:"taints,omitempty"`
		Unschedulable bool `json:"unschedulable,omitempty"`
	} `json:"spec"`
}

// KeepsOut says whether pods that do not tolerate it are kept from the node, and by which taint.
func (n *Node) KeepsOut() (taint string, ok bool) {
	for _, t := range n.Spec.Taints {
		if t.Effect == "NoSchedule" || t.Effect == "NoExecute" {
			return t.Key, true
		}
	}
	return "", false
}

// LabelSelector is Kubernetes' way to choose by labels; an empty one fits all.
type LabelSelector struct {
	MatchLabels      map[string]string `json:"matchLabels,omitempty"`
	MatchExpressions []Requirement     `json:"matchExpressions,omitempty"`
}

// Requirement is one condition of a LabelSelector.
type Requirement struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"` // In, NotIn, Exists or DoesNotExist
	Values   []string `json:"values,omitempty"`
}

// Fits says whether labels are chosen. An operator that nobody knows chooses nothing, as with the API server, which refuses it.
func (l *LabelSelector) Fits(labels map[string]string) bool {
	if !Selects(l.MatchLabels, labels) {
		return false
	}
	for _, r := range l.MatchExpressions {
		if !r.fits(labels) {
			return false
		}
	}
	return true
}

func (r *Requirement) fits(labels map[string]string) bool {
	value, has := labels[r.Key]
	in := false
	for _, v := range r.Values {
		in = in || has && v == value
	}
	switch r.Operator {
	case "In":
		return in
	case "NotIn":
		return !in
	case "Exists":
		return has
	case "DoesNotExist":
		return !has
	}
	return false
}

// NetworkPolicy is networking.k8s.io's.
type NetworkPolicy struct {
	Meta `json:"metadata"`
	Spec struct {
		PodSelector LabelSelector `json:"podSelector"`
		PolicyTypes []string      `json:"policyTypes,omitempty"` // empty: Ingress, and Egress if there are egress rules
		Egress      []PolicyRule  `json:"egress,omitempty"`
		Ingress     []PolicyRule  `json:"ingress,omitempty"`
	} `json:"spec"`
}

// PolicyRule lets through what fits one of its peers and one of its ports. No peers, or no ports, mean all.
type PolicyRule struct {
	To    []PolicyPeer `json:"to,omitempty"`   // of egress rules
	From  []PolicyPeer `json:"from,omitempty"` // of ingress rules
	Ports []PolicyPort `json:"ports,omitempty"`
}

// PolicyPeer is a block of addresses, or pods.
type PolicyPeer struct {
	IPBlock           *IPBlock       `json:"ipBlock,omitempty"`
	NamespaceSelector *LabelSelector `json:"namespaceSelector,omitempty"` // nil: the policy's own namespace
	PodSelector       *LabelSelector `json:"podSelector,omitempty"`       // nil: all pods of those namespaces
}

// IPBlock is a range of addresses without some of its parts.
type IPBlock struct {
	CIDR   string   `json:"cidr"`
	Except []string `json:"except,omitempty"`
}

// PolicyPort is a port or a range of them.
type PolicyPort struct {
	Protocol string `json:"protocol,omitempty"` // empty: TCP
	Port     Port   `json:"port,omitzero"`      // zero: all
	EndPort  int    `json:"endPort,omitempty"`
}

// Port is a number, or a name that the pod gives one of its ports. Its JSON form is one or the other.
type Port struct {
	Number int
	Name   string
}

// MarshalJSON writes the number, or else the name.
func (p Port) MarshalJSON() ([]byte, error) {
	if p.Name != "" {
		return json.Marshal(p.Name)
	}
	return json.Marshal(p.Number)
}

// UnmarshalJSON reads a number or a name.
func (p *Port) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &p.Name)
	}
	return json.Unmarshal(raw, &p.Number)
}

// AuthorizationPolicy is security.istio.io's, as far as it tells whom it lets through.
type AuthorizationPolicy struct {
	Meta `json:"metadata"`
	Spec struct {
		Selector   *Selector  `json:"selector,omitempty"`
		TargetRef  *TargetRef `json:"targetRef,omitempty"`
		TargetRefs []struct {
			TargetRef
		} `json:"targetRefs,omitempty"`
		Action string              `json:"action,omitempty"` // empty: ALLOW
		Rules  []AuthorizationRule `json:"rules,omitempty"`
	} `json:"spec"`
}

// TargetRef names what a policy is attached to instead of a selector: a Gateway of Gateway API, or a Service.
type TargetRef struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// AuthorizationRule is about requests that fit one of From, one of To and all of When.
type AuthorizationRule struct {
	From []struct {
		Source struct {
			Principals         []string `json:"principals,omitempty"`
			NotPrincipals      []string `json:"notPrincipals,omitempty"`
			Namespaces         []string `json:"namespaces,omitempty"`
			NotNamespaces      []string `json:"notNamespaces,omitempty"`
			ServiceAccounts    []string `json:"serviceAccounts,omitempty"`
			NotServiceAccounts []string `json:"notServiceAccounts,omitempty"`
			IPBlocks           []string `json:"ipBlocks,omitempty"`
			NotIPBlocks        []string `json:"notIpBlocks,omitempty"`
			RemoteIPBlocks     []string `json:"remoteIpBlocks,omitempty"`
		} `json:"source"`
	} `json:"from,omitempty"`
	To []struct {
		Operation struct {
			Hosts []string `json:"hosts,omitempty"`
			Ports []string `json:"ports,omitempty"`
		} `json:"operation"`
	} `json:"to,omitempty"`
	When []struct {
		Key       string   `json:"key"`
		Values    []string `json:"values,omitempty"`
		NotValues []string `json:"notValues,omitempty"`
	} `json:"when,omitempty"`
}

// Workload is a pod that runs, as far as it decides about egress.
type Workload struct {
	Namespace   string            `json:"namespace"`
	Pod         string            `json:"pod"`
	Owner       string            `json:"owner,omitempty"` // what to change to change the pod, such as "deployment/sleep"
	Labels      map[string]string `json:"labels,omitempty"`
	IPs         []string          `json:"ips,omitempty"`
	Node        string            `json:"node,omitempty"`
	HostNetwork bool              `json:"hostNetwork,omitempty"`
	Sidecar     bool              `json:"sidecar,omitempty"` // it has Istio's sidecar
	Router      bool              `json:"router,omitempty"`  // it is a gateway
	Ambient     bool              `json:"ambient,omitempty"` // ztunnel takes its traffic
	Injection   string            `json:"injection,omitempty"`
	// Pinned says that it asks for certain nodes: by nodeSelector, or by a node affinity that it requires.
	Pinned bool           `json:"pinned,omitempty"`
	Ports  map[string]int `json:"ports,omitempty"` // its named ports
	// Past is what does not go through the sidecar though there is one.
	Past Past `json:"past,omitzero"`
}

// Past holds what a pod's annotations, or the arguments of its container istio-init, leave out of the sidecar's sight. The lists are
// as they are written there, separated by commas.
type Past struct {
	ExcludedPorts  string `json:"excludedPorts,omitempty"`
	ExcludedRanges string `json:"excludedRanges,omitempty"`
	IncludedRanges string `json:"includedRanges,omitempty"` // empty or "*": all; NoRanges: none
}

// NoRanges as IncludedRanges is a list that is there and empty: nothing goes through the sidecar.
const NoRanges = "none"

// Name is NAMESPACE/POD.
func (w *Workload) Name() string { return w.Namespace + "/" + w.Pod }

// Maker is what to change to change the pod: its owner, or itself.
func (w *Workload) Maker() string {
	if w.Owner != "" {
		return w.Owner
	}
	return "pod/" + w.Pod
}
