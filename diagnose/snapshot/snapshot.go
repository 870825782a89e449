// Package snapshot is what was gathered at one moment, as plain data: Istio's objects, the sets, facts about the mesh and the
// real configuration of the proxies. It can be saved and loaded, so that everything that judges it can be shown what a real
// cluster looked like. Package gather fills it from a cluster.
//
// Only fields that decide about egress are kept: no secret, no token, no key is ever part of it.
package snapshot

import (
	"fmt"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// Snapshot is a cluster at one moment. The zero value has read nothing: every source is absent from States.
type Snapshot struct {
	Taken   time.Time  `json:"taken"`
	Facts   mesh.Facts `json:"facts"`
	Sets    []Set      `json:"sets,omitempty"` // sorted by namespace and name
	Objects Objects    `json:"objects"`
	// From is set if only the workload that it names was to be looked at.
	From string `json:"from,omitempty"`
	// Seen are paths that the sidecars' own configuration shows, where no object was given to tell what is wanted.
	Seen    []egress.Path `json:"seen,omitempty"`
	Proxies []Proxy       `json:"proxies,omitempty"` // gateways first, then sidecars; sorted by namespace and pod
	// NotGateways are pods behind Services that routes lead to as gateways, and that have a sidecar instead.
	NotGateways []NotGateway `json:"notGateways,omitempty"`
	// Samples say of what only a part was looked at.
	Samples []Sample `json:"samples,omitempty"`
	// Security is nil unless it was asked for.
	Security *Security `json:"security,omitempty"`
	// States says of every source how reading it went. One that is not in it was not asked for.
	States map[Source]State `json:"states"`
	// Notes are for people: what was left out, such as "default: 1 of 12 meshed pods".
	Notes []string `json:"notes,omitempty"`
}

// Set is a declared set and how its parent on the cluster says it.
type Set struct {
	egress.Set
	// Broken is why the parent's declaration cannot be read; only name and namespace hold then.
	Broken string `json:"broken,omitempty"`
}

// Objects are the Istio and Kubernetes objects that decide about egress, each list sorted by namespace and name.
type Objects struct {
	ServiceEntries      []ServiceEntry       `json:"serviceEntries,omitempty"`
	Gateways            []Gateway            `json:"gateways,omitempty"`
	VirtualServices     []VirtualService     `json:"virtualServices,omitempty"`
	DestinationRules    []DestinationRule    `json:"destinationRules,omitempty"`
	EnvoyFilters        []EnvoyFilter        `json:"envoyFilters,omitempty"`
	Sidecars            []Sidecar            `json:"sidecars,omitempty"`
	Telemetries         []Telemetry          `json:"telemetries,omitempty"`
	PeerAuthentications []PeerAuthentication `json:"peerAuthentications,omitempty"`
	Services            []Service            `json:"services,omitempty"`
}

// Source is something that is read as a whole and that can fail as a whole.
type Source string

// The sources. Rules name those that they need.
const (
	Facts               Source = "mesh"
	Sets                Source = "sets"
	ServiceEntries      Source = "serviceentries"
	Gateways            Source = "gateways"
	VirtualServices     Source = "virtualservices"
	DestinationRules    Source = "destinationrules"
	EnvoyFilters        Source = "envoyfilters"
	Sidecars            Source = "sidecars"
	Telemetries         Source = "telemetries"
	PeerAuthentications Source = "peerauthentications"
	Services            Source = "services"
	Pods                Source = "pods"
)

// State is how reading a source went.
type State struct {
	Kind   Kind   `json:"kind"`
	Detail string `json:"detail,omitempty"` // for people: which right is missing, what the server said
	Right  string `json:"right,omitempty"`  // that is missing, if Forbidden and known: "list pods in namespace default"
}

// Kind tells apart why there is nothing to see.
type Kind string

// The kinds. Only Read means that what is not in the snapshot is not on the cluster.
const (
	Read      Kind = "read"
	Forbidden Kind = "forbidden"
	Absent    Kind = "absent" // the cluster does not have the resource: nothing to read, nothing missed
	TimedOut  Kind = "timeout"
	Failed    Kind = "failed"
	Cut       Kind = "cut"       // only a part was read
	NotGiven  Kind = "not-given" // it is not among the files that stand for the cluster: nobody could have read it
)

// Known says whether judging by the source is sound: it was read, or the cluster cannot have any.
func (s State) Known() bool { return s.Kind == Read || s.Kind == Absent }

// State gives the state of a source; one that was never asked for has failed.
func (s *Snapshot) State(source Source) State {
	if st, ok := s.States[source]; ok {
		return st
	}
	return State{Kind: Failed, Detail: "not asked for"}
}

// OnlyObjects says whether the snapshot was made of files of objects, without the configuration of any proxy.
func (s *Snapshot) OnlyObjects() bool { return s.State(Pods).Kind == NotGiven }

// NotGateway is a pod that stands where a gateway should be.
type NotGateway struct {
	Gateway egress.GatewayRef `json:"gateway"`
	Pod     string            `json:"pod"`
	Owner   string            `json:"owner,omitempty"` // as in Proxy
}

// Sample says how many of some pods were looked at.
type Sample struct {
	Gateway egress.GatewayRef `json:"gateway,omitzero"` // whose pods; zero: pods with a sidecar
	Looked  int               `json:"looked"`
	Total   int               `json:"total"`
}

func (s Sample) String() string {
	if s.Gateway == (egress.GatewayRef{}) {
		return fmt.Sprintf("%d of %d pods with a sidecar sampled, at least one of a namespace", s.Looked, s.Total)
	}
	return fmt.Sprintf("%d of %d pods of gateway %s sampled", s.Looked, s.Total, s.Gateway)
}

// Role is what a proxy is.
type Role string

// The roles.
const (
	AtGateway Role = "gateway"
	AtSidecar Role = "sidecar"
	NoProxy   Role = "none" // a workload without a sidecar: not traced
)

// Proxy is an Envoy and its configuration.
type Proxy struct {
	Namespace      string            `json:"namespace"`
	Pod            string            `json:"pod"`
	Role           Role              `json:"role"`
	IP             string            `json:"ip,omitempty"`
	ServiceAccount string            `json:"serviceAccount,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Owner          string            `json:"owner,omitempty"`       // what to change to change the pod, such as "deployment/sleep"
	Containers     []string          `json:"containers,omitempty"`  // of the pod, istio-proxy among them; empty if not known
	ProxyConfig    string            `json:"proxyConfig,omitempty"` // the pod's annotation proxy.istio.io/config
	DNSCapture     bool              `json:"dnsCapture,omitempty"`  // Istio's DNS proxy answers what the pod looks up
	Past           Past              `json:"past,omitzero"`         // what of the pod's traffic does not go through its sidecar
	Gateway        egress.GatewayRef `json:"gateway,omitzero"`      // of which gateway, for AtGateway
	Unled          string            `json:"unled,omitempty"`       // for NoProxy: what becomes of what it sends; empty: not known
	// State is that of the Envoy's configuration; with anything but Read the fields below are empty or partial.
	State  State                `json:"state"`
	Config admin.Config         `json:"config"`
	Hosts  []admin.HostCounters `json:"hosts,omitempty"`
	Certs  []admin.Certificate  `json:"certs,omitempty"` // gateways only
	Log    Log                  `json:"log,omitzero"`
}

// Name is NAMESPACE/POD.
func (p *Proxy) Name() string { return p.Namespace + "/" + p.Pod }
