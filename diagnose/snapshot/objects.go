package snapshot

import (
	"strings"
	"time"
)

// The object types hold those fields of Istio's and Kubernetes' objects that decide about egress, with the field names that the
// API server uses, so that an object from there can be decoded as it is.

// Meta is an object's metadata.
type Meta struct {
	Namespace string            `json:"namespace,omitempty"`
	Name      string            `json:"name"`
	Created   string            `json:"creationTimestamp,omitempty"` // RFC 3339; the older of two Gateways wins
	Labels    map[string]string `json:"labels,omitempty"`
	Writes    []Write           `json:"managedFields,omitempty"`
}

// Write is when somebody wrote an object last: one entry of the managed fields, without the fields.
type Write struct {
	Time        string `json:"time,omitempty"` // RFC 3339
	Subresource string `json:"subresource,omitempty"`
}

// Changed is when anybody wrote the object last, its status left out; zero if that is not known.
func (m Meta) Changed() time.Time {
	var last time.Time
	for _, w := range append([]Write{{Time: m.Created}}, m.Writes...) {
		if t, err := time.Parse(time.RFC3339, w.Time); err == nil && w.Subresource == "" && t.After(last) {
			last = t
		}
	}
	return last
}

// String is NAMESPACE/NAME.
func (m Meta) String() string { return m.Namespace + "/" + m.Name }

// GetMeta lets functions work on objects of all kinds.
func (m Meta) GetMeta() Meta { return m }

// ServiceEntry is networking.istio.io's.
type ServiceEntry struct {
	Meta `json:"metadata"`
	Spec struct {
		Hosts      []string      `json:"hosts,omitempty"`
		Addresses  []string      `json:"addresses,omitempty"`
		Ports      []ServicePort `json:"ports,omitempty"`
		Location   string        `json:"location,omitempty"`
		Resolution string        `json:"resolution,omitempty"` // empty: NONE
		Endpoints  []struct {
			Address string `json:"address,omitempty"`
		} `json:"endpoints,omitempty"`
		ExportTo []string `json:"exportTo,omitempty"` // empty: everywhere, or what the mesh says
	} `json:"spec"`
	Status struct {
		// Addresses are those that istiod has given the hosts (Istio 1.25), for clients that ask Istio's DNS proxy.
		Addresses []struct {
			Value string `json:"value"`
			Host  string `json:"host,omitempty"`
		} `json:"addresses,omitempty"`
	} `json:"status,omitzero"`
}

// Given are the addresses that Istio's DNS proxy answers with for a host of the entry; none where it asks on.
func (e *ServiceEntry) Given(host string) []string {
	if len(e.Spec.Addresses) > 0 {
		return e.Spec.Addresses
	}
	var out []string
	for _, a := range e.Status.Addresses {
		if strings.EqualFold(a.Host, host) {
			out = append(out, a.Value)
		}
	}
	return out
}

// ServicePort is a port of a ServiceEntry.
type ServicePort struct {
	Number     int    `json:"number"`
	Name       string `json:"name,omitempty"`
	Protocol   string `json:"protocol,omitempty"` // HTTP, HTTPS, TLS, TCP and more, in any case of letters
	TargetPort int    `json:"targetPort,omitempty"`
}

// Gateway is networking.istio.io's.
type Gateway struct {
	Meta `json:"metadata"`
	Spec struct {
		Selector map[string]string `json:"selector,omitempty"` // empty: every workload
		Servers  []Server          `json:"servers,omitempty"`
	} `json:"spec"`
}

// Server is what a Gateway opens.
type Server struct {
	Name string `json:"name,omitempty"`
	Port struct {
		Number   int    `json:"number"` // of the gateway's Service, or of its pods
		Name     string `json:"name,omitempty"`
		Protocol string `json:"protocol,omitempty"`
	} `json:"port"`
	Hosts []string   `json:"hosts,omitempty"` // HOST or NAMESPACE/HOST
	TLS   *ServerTLS `json:"tls,omitempty"`
}

// ServerTLS is how a server takes TLS.
type ServerTLS struct {
	Mode           string `json:"mode,omitempty"` // empty: PASSTHROUGH
	CredentialName string `json:"credentialName,omitempty"`
}

// VirtualService is networking.istio.io's.
type VirtualService struct {
	Meta `json:"metadata"`
	Spec struct {
		Hosts    []string    `json:"hosts,omitempty"`
		Gateways []string    `json:"gateways,omitempty"` // empty: mesh
		ExportTo []string    `json:"exportTo,omitempty"`
		HTTP     []HTTPRoute `json:"http,omitempty"`
		TLS      []L4Route   `json:"tls,omitempty"`
		TCP      []L4Route   `json:"tcp,omitempty"`
	} `json:"spec"`
}

// HTTPRoute is one entry of a VirtualService's http list.
type HTTPRoute struct {
	Name     string        `json:"name,omitempty"`
	Match    []RouteMatch  `json:"match,omitempty"`
	Route    []Destination `json:"route,omitempty"`
	Redirect *struct{}     `json:"redirect,omitempty"`
}

// L4Route is one entry of a VirtualService's tls or tcp list.
type L4Route struct {
	Match []RouteMatch  `json:"match,omitempty"`
	Route []Destination `json:"route,omitempty"`
}

// RouteMatch is one alternative of a match; an empty field fits everything.
type RouteMatch struct {
	Gateways        []string          `json:"gateways,omitempty"` // empty: those of the VirtualService
	Port            int               `json:"port,omitempty"`
	SNIHosts        []string          `json:"sniHosts,omitempty"`
	Subnets         []string          `json:"destinationSubnets,omitempty"` // addresses and networks, of tls and tcp
	SourceNamespace string            `json:"sourceNamespace,omitempty"`
	SourceLabels    map[string]string `json:"sourceLabels,omitempty"`

	// These are for http alone.
	URI       *StringMatch           `json:"uri,omitempty"`
	Authority *StringMatch           `json:"authority,omitempty"`
	Method    *StringMatch           `json:"method,omitempty"`
	Headers   map[string]StringMatch `json:"headers,omitempty"`
	Query     map[string]StringMatch `json:"queryParams,omitempty"`
}

// StringMatch is a criterion about a text; with no field set the text has to be there.
type StringMatch struct {
	Exact  string `json:"exact,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	Regex  string `json:"regex,omitempty"` // has to fit all of the text
}

// Destination is where a route sends a share of the traffic.
type Destination struct {
	Destination struct {
		Host   string `json:"host"` // a short name is one of the VirtualService's namespace
		Subset string `json:"subset,omitempty"`
		Port   struct {
			Number int `json:"number,omitempty"`
		} `json:"port,omitzero"`
	} `json:"destination"`
	Weight int `json:"weight,omitempty"`
}

// DestinationRule is networking.istio.io's.
type DestinationRule struct {
	Meta `json:"metadata"`
	Spec struct {
		Host             string    `json:"host"`
		TrafficPolicy    *Policy   `json:"trafficPolicy,omitempty"`
		Subsets          []Subset  `json:"subsets,omitempty"`
		ExportTo         []string  `json:"exportTo,omitempty"`
		WorkloadSelector *Selector `json:"workloadSelector,omitempty"`
	} `json:"spec"`
}

// Subset is a named part of a DestinationRule.
type Subset struct {
	Name          string  `json:"name"`
	TrafficPolicy *Policy `json:"trafficPolicy,omitempty"`
}

// Policy is the part of a traffic policy that decides about TLS.
type Policy struct {
	TLS   *ClientTLS `json:"tls,omitempty"`
	Ports []struct {
		Port struct {
			Number int `json:"number"`
		} `json:"port"`
		TLS *ClientTLS `json:"tls,omitempty"`
	} `json:"portLevelSettings,omitempty"`
}

// ClientTLS is how a client begins TLS.
type ClientTLS struct {
	Mode            string   `json:"mode,omitempty"` // empty: DISABLE
	SNI             string   `json:"sni,omitempty"`
	SubjectAltNames []string `json:"subjectAltNames,omitempty"`
	CredentialName  string   `json:"credentialName,omitempty"`
	CACertificates  string   `json:"caCertificates,omitempty"`     // a file in the proxy
	SkipVerify      bool     `json:"insecureSkipVerify,omitempty"` // the server's certificate is not looked at
}

// Selector selects workloads of the object's own namespace, or of all if that is the root namespace.
type Selector struct {
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"` // the older kinds' name for it
}

// EnvoyFilter is networking.istio.io's; its patches are kept as far as they say where they apply.
type EnvoyFilter struct {
	Meta `json:"metadata"`
	Spec struct {
		WorkloadSelector *Selector `json:"workloadSelector,omitempty"`
		ConfigPatches    []struct {
			ApplyTo string `json:"applyTo,omitempty"`
			Match   struct {
				Context  string `json:"context,omitempty"`
				Listener struct {
					PortNumber  int `json:"portNumber,omitempty"`
					FilterChain struct {
						SNI    string `json:"sni,omitempty"`
						Filter struct {
							Name string `json:"name,omitempty"`
						} `json:"filter,omitzero"`
					} `json:"filterChain,omitzero"`
				} `json:"listener,omitzero"`
			} `json:"match,omitzero"`
			Patch struct {
				Operation string `json:"operation,omitempty"`
			} `json:"patch,omitzero"`
		} `json:"configPatches,omitempty"`
	} `json:"spec"`
}

// Sidecar is networking.istio.io's.
type Sidecar struct {
	Meta `json:"metadata"`
	Spec struct {
		WorkloadSelector *Selector `json:"workloadSelector,omitempty"`
		Egress           []struct {
			Hosts []string `json:"hosts,omitempty"`
		} `json:"egress,omitempty"`
		OutboundTrafficPolicy *struct {
			Mode string `json:"mode,omitempty"`
		} `json:"outboundTrafficPolicy,omitempty"`
	} `json:"spec"`
}

// Telemetry is telemetry.istio.io's.
type Telemetry struct {
	Meta `json:"metadata"`
	Spec struct {
		Selector      *Selector `json:"selector,omitempty"`
		AccessLogging []struct {
			Disabled  bool `json:"disabled,omitempty"`
			Providers []struct {
				Name string `json:"name"`
			} `json:"providers,omitempty"`
		} `json:"accessLogging,omitempty"`
	} `json:"spec"`
}

// PeerAuthentication is security.istio.io's.
type PeerAuthentication struct {
	Meta `json:"metadata"`
	Spec struct {
		Selector *Selector `json:"selector,omitempty"`
		MTLS     struct {
			Mode string `json:"mode,omitempty"`
		} `json:"mtls,omitzero"`
	} `json:"spec"`
}

// Service is Kubernetes' own.
type Service struct {
	Meta `json:"metadata"`
	Spec struct {
		Type     string            `json:"type,omitempty"`
		Selector map[string]string `json:"selector,omitempty"`
		Ports    []struct {
			Name string `json:"name,omitempty"`
			Port int    `json:"port"`
		} `json:"ports,omitempty"`
	} `json:"spec"`
}
