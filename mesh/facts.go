// Package mesh describes what this cluster is: Istio's version, mesh configuration and egress gateways. It is plain data;
// package discover fills it from a cluster.
package mesh

import "github.com/kubectl-egress/kubectl-egress/egress"

// Facts is what discovery found. The zero value of a field means that it was not found or could not be read;
// Unread says which, and why.
type Facts struct {
	Version       Version    `json:"version"`             // of the control plane; zero if unknown
	Revisions     []Revision `json:"revisions,omitempty"` // every istiod found, sorted by name
	RootNamespace string     `json:"rootNamespace"`       // default istio-system
	TrustDomain   string     `json:"trustDomain"`         // default cluster.local
	ClusterDomain string     `json:"clusterDomain"`       // default cluster.local
	Config        MeshConfig `json:"config"`
	// Networking is the newest version of networking.istio.io that the cluster serves: v1, v1beta1 or v1alpha3.
	Networking string    `json:"networking"`
	Gateways   []Gateway `json:"gateways,omitempty"` // egress gateways, sorted by namespace and Service name
	MTLS       MTLS      `json:"mtls"`
	Unread     []Unread  `json:"unread,omitempty"`
}

// Revision is one installed control plane.
type Revision struct {
	Name      string  `json:"name"` // "default" where no revision label says otherwise
	Namespace string  `json:"namespace"`
	Version   Version `json:"version"`
}

// MeshConfig holds those fields of Istio's MeshConfig that decide about egress.
type MeshConfig struct {
	// OutboundTrafficPolicy is ALLOW_ANY (default since Istio 1.1), REGISTRY_ONLY or ALLOW_ANY_DYNAMIC_DNS (1.31).
	OutboundTrafficPolicy string `json:"outboundTrafficPolicy"`
	AccessLogFile         string `json:"accessLogFile,omitempty"`     // empty: no access log by mesh config
	AccessLogEncoding     string `json:"accessLogEncoding,omitempty"` // TEXT (default) or JSON
	AccessLogFormat       string `json:"accessLogFormat,omitempty"`   // empty: Istio's own
	EnableAutoMTLS        bool   `json:"enableAutoMtls"`              // default true since Istio 1.5
	// DefaultDestinationRuleExportTo and its sisters are empty when the default "*" holds.
	DefaultDestinationRuleExportTo []string `json:"defaultDestinationRuleExportTo,omitempty"`
	DefaultServiceExportTo         []string `json:"defaultServiceExportTo,omitempty"`
	DefaultVirtualServiceExportTo  []string `json:"defaultVirtualServiceExportTo,omitempty"`
}

// MTLS says whether a workload may use Istio's mutual TLS to a gateway.
type MTLS struct {
	On     bool   `json:"on"`
	Reason string `json:"reason"` // the object or default that decides, for people
}

// Gateway is an egress gateway: a Service with Envoy pods of type router behind it.
type Gateway struct {
	Namespace      string            `json:"namespace"`
	Service        string            `json:"service"`
	Selector       map[string]string `json:"selector"` // smallest labels that a networking.istio.io Gateway should select its pods by
	ServiceAccount string            `json:"serviceAccount,omitempty"`
	Ports          []Port            `json:"ports"`
	Pods           []Pod             `json:"pods,omitempty"` // sorted by name
	// SNIProxy is the proxy beside Envoy in the gateway's pods that forwards TLS by SNI; nil if there is none.
	SNIProxy *SNIProxy `json:"sniProxy,omitempty"`
}

// SNIProxy is a container of a gateway's pods that Envoy reaches on 127.0.0.1, in Istio's documents an nginx with ssl_preread.
type SNIProxy struct {
	Container string `json:"container"`
	Port      int    `json:"port"` // on 127.0.0.1
}

// Port is a Service port and the pod's port behind it. Envoy listens on Target, which is 0 where the Service names a port
// that no container has.
type Port struct {
	Name   string `json:"name,omitempty"`
	Number int    `json:"number"`
	Target int    `json:"target"`
}

// Pod is one gateway pod.
type Pod struct {
	Name   string            `json:"name"`
	IP     string            `json:"ip,omitempty"`
	IPs    []string          `json:"ips,omitempty"` // of all families, IP first
	Node   string            `json:"node,omitempty"`
	Ready  bool              `json:"ready"`
	Labels map[string]string `json:"labels,omitempty"`
}

// Unread is a source that discovery could not read. Kind tells forbidden, absent and timed out apart.
type Unread struct {
	Source string `json:"source"` // for example "configmap istio-system/istio"
	Kind   string `json:"kind"`   // forbidden, absent, timeout or failed
	Detail string `json:"detail"`
}

// Ref names the gateway as users write it: NAMESPACE/SERVICE.
func (g Gateway) Ref() egress.GatewayRef {
	return egress.GatewayRef{Namespace: g.Namespace, Service: g.Service}
}

// Host is the gateway Service's fully qualified name, as destinations and rules name it.
func (g Gateway) Host(clusterDomain string) string {
	return g.Service + "." + g.Namespace + ".svc." + clusterDomain
}

// Target gives the pod's port behind a Service port, and whether the Service has that port.
func (g Gateway) Target(number int) (int, bool) {
	for _, p := range g.Ports {
		if p.Number == number {
			return p.Target, true
		}
	}
	return 0, false
}

// Gateway finds a gateway by reference.
func (f Facts) Gateway(ref egress.GatewayRef) (Gateway, bool) {
	for _, g := range f.Gateways {
		if g.Ref() == ref {
			return g, true
		}
	}
	return Gateway{}, false
}
