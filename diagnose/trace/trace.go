// Package trace walks the real configuration of the proxies for one host and port, as Envoy itself would: listener, filter
// chain, filter, route, cluster, endpoint; on the sidecar, then on the gateway's pods that the sidecar really sends to. It says
// where the way stops or leaves for elsewhere, with what it saw there. It knows nothing of causes: package check does.
package trace

import (
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
)

// Path is an egress path with what the proxies make of it.
type Path struct {
	egress.Path
	// Want is the gateway that the path is meant to take; zero if the mesh has no such gateway.
	Want mesh.Gateway
	// Sample is the host name that is followed: the path's own, or for a wildcard one that no configuration names.
	Sample string
	// Wanted is what the objects of the snapshot want, for all hosts.
	Wanted *Wanted
	// Legs are the sidecars in the order of the snapshot, then the gateway pods that they send to.
	Legs []Leg
}

// Leg is one proxy's part of the way.
type Leg struct {
	Hop   egress.Hop // AtSidecar or AtGateway
	Proxy *snapshot.Proxy
	Ask   Ask
	Steps []Step
	Exits []Exit // where the traffic leaves the proxy; more than one where routes are weighted
	Log   bool   // the last filter writes an access log
	// Updated is when Envoy took the newest part of the configuration that the way goes through; zero if it is not known. What was
	// logged before says nothing of the way as it is.
	Updated time.Time
	// Internal counts listeners of the same Envoy that the traffic went through on top of the first.
	Internal int
	Stop     *Stop // nil: the way goes on as it should
	// Refused are the last changes that the proxy did not take, of whatever listener or cluster.
	Refused []Refusal
	// From are the namespaces of the sidecars that come in this way; of legs at a gateway only.
	From []string

	lookup *Lookup // of the chain that is being followed
}

// Refusal is a change that Envoy did not take.
type Refusal struct {
	Kind, Name string // listener or cluster, as a Step's Name and Value
	Rejection  *admin.Rejection
}

// Step is one decision that Envoy makes.
type Step struct {
	Name   string // listener, chain, filter, route, cluster
	Value  string
	Origin string // the Istio object behind it, as far as istiod says
}

// Exit is a cluster that takes a share of the traffic.
type Exit struct {
	Cluster *admin.Cluster
	Hosts   []admin.HostStatus
	Weight  int // percent
	Ask     Ask // what arrives at the cluster's endpoints
	// Lookup is the server name that a filter before the cluster looks up; nil if no filter does.
	Lookup *Lookup
}

// Lookup is what the SNI dynamic forward proxy filter does with a connection.
type Lookup struct {
	Name string // as the filter sees it: where the chain ends TLS, that of the outer TLS
	Port int
}

// Kind is how a way ends before its goal.
type Kind string

// The kinds of stops.
const (
	Unread      Kind = "unread"        // the proxy's configuration could not be read: nothing is known
	Undecided   Kind = "undecided"     // the configuration uses something that this package does not follow
	NoListener  Kind = "no-listener"   // nothing listens: connection refused
	NoChain     Kind = "no-chain"      // no filter chain for the server name (NR)
	NoFilter    Kind = "no-filter"     // the chain has no filter that sends the traffic anywhere
	NoRoute     Kind = "no-route"      // no route for the request (404 NR)
	Answered    Kind = "answered"      // the proxy answers or redirects by itself
	NoCluster   Kind = "no-cluster"    // the route names a cluster that does not exist (NC)
	NoSecret    Kind = "no-secret"     // TLS waits for a certificate or CA that the proxy has not got
	NoEndpoint  Kind = "no-endpoint"   // the cluster has no usable endpoint (UH)
	PlainToTLS  Kind = "plain-to-tls"  // plain text meets a chain that ends TLS, or the application's own TLS one that ends Istio's
	TLSToPlain  Kind = "tls-to-plain"  // Istio's TLS meets a chain that does not end it
	Bypass      Kind = "bypass"        // the sidecar sends the traffic past the gateway
	Blocked     Kind = "blocked"       // the sidecar lets it go nowhere (REGISTRY_ONLY)
	Elsewhere   Kind = "elsewhere"     // the proxy sends it to something that is neither the gateway nor the host
	DoubleTLS   Kind = "double-tls"    // the proxy begins TLS around the application's own
	NotBegun    Kind = "tls-not-begun" // the gateway does not begin the TLS that it is meant to begin
	NoLookup    Kind = "no-lookup"     // a dynamic forward proxy without the filter that looks up the server name
	MadeUp      Kind = "made-up"       // the sidecar sends it to an address that only Istio's DNS proxy gives out
	UnknownPod  Kind = "unknown-pod"   // the sidecar sends it to a pod that is not one of the gateway's known pods
	NoWorkload  Kind = "no-workload"   // there is no workload with a sidecar to look at
	NotCaptured Kind = "not-captured"  // the workload's traffic goes past its sidecar
	Bystander   Kind = "bystander"     // clients of another namespace fail where those of the routes' own namespace do not
	NotSelected Kind = "not-selected"  // the proxy was left out of the sample
)

// Stop is where a way ends or leaves, and what was seen there.
type Stop struct {
	Kind    Kind
	Step    string   // the step that failed: listener, chain, route, cluster, endpoint
	Cluster string   // the cluster in question, if it got that far
	Was     Kind     // of a Bystander: how it ends for those
	Says    string   // one sentence with the values
	Detail  []string // further evidence
}

// Unknown says that nothing can be said, as opposed to: it fails.
func (s *Stop) Unknown() bool {
	switch s.Kind {
	case Unread, Undecided, UnknownPod, NoWorkload, NotSelected, Bystander:
		return true
	}
	return false
}

// Ask is what arrives at a proxy.
type Ask struct {
	Address  string // destination IP; empty: some address outside the mesh
	Port     int
	Listener string // of an internal connection
	// TLS are the layers of TLS, outermost first.
	TLS []Layer
	// Authority is the Host header of the HTTP inside; empty if what is inside is not looked at.
	Authority string
	Request   Request // the rest of it
}

// Layer is one layer of TLS.
type Layer struct {
	SNI  string
	ALPN []string
	Mode admin.TLSMode // of the proxy that began it; empty: the application's own
}

// wrap puts a layer around what was asked.
func (a Ask) wrap(l Layer) Ask {
	a.TLS = append([]Layer{l}, a.TLS...)
	return a
}

// unwrap takes the outermost layer away.
func (a Ask) unwrap() Ask {
	a.TLS = a.TLS[1:]
	return a
}

// outer is the outermost layer, nil if it is plain.
func (a Ask) outer() *Layer {
	if len(a.TLS) == 0 {
		return nil
	}
	return &a.TLS[0]
}

// SNI is the server name that the proxy sees; empty without TLS.
func (a Ask) SNI() string {
	if l := a.outer(); l != nil {
		return l.SNI
	}
	return ""
}

// Toward gives the lines that lead the path to its gateway, bound to the mesh or not.
func (p *Path) Toward() []Line { return p.Wanted.Own(p.Path) }

// Failed gives the legs that stop for certain.
func (p *Path) Failed() []*Leg {
	return p.legs(func(l *Leg) bool { return l.Stop != nil && !l.Stop.Unknown() })
}

// At gives the legs of one hop.
func (p *Path) At(hop egress.Hop) []*Leg {
	return p.legs(func(l *Leg) bool { return l.Hop == hop })
}

func (p *Path) legs(want func(*Leg) bool) []*Leg {
	var out []*Leg
	for i := range p.Legs {
		if want(&p.Legs[i]) {
			out = append(out, &p.Legs[i])
		}
	}
	return out
}

// ClusterName is what istiod calls clusters: direction|port|subset|host.
type ClusterName struct {
	Port   int
	Subset string
	Host   string
}

// ParseCluster reads a name such as "outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local".
func ParseCluster(name string) (ClusterName, bool) {
	rest, outbound := strings.CutPrefix(name, "outbound|")
	number, rest, _ := strings.Cut(rest, "|")
	subset, host, hasHost := strings.Cut(rest, "|")
	port, err := strconv.Atoi(number)
	if !outbound || !hasHost || strings.Contains(host, "|") || err != nil {
		return ClusterName{}, false
	}
	return ClusterName{Port: port, Subset: subset, Host: host}, true
}
