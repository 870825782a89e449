package accesslog

import "bytes"

// Way is where a proxy sent a connection, by the name of its cluster.
type Way uint8

// The ways.
const (
	WayUnknown   Way = iota // the line has no cluster
	ToService               // to a service of the mesh; from a sidecar with a subset that is the gateway
	ToOutside               // to a host of a ServiceEntry
	ToSNIProxy              // to the nginx beside a gateway, on its loopback address
	ToInner                 // to a second listener in the same Envoy, which reads the server name anew (sni-dynamic)
	ToDynamic               // outside, to the host that the server name says
	Passthrough             // straight outside: no ServiceEntry knows the host, or the sidecar did not see its name
	BlackHole               // nowhere: the mesh forbids unknown hosts
	Inbound                 // to the workload beside the sidecar
	OtherCluster            // a cluster of somebody's EnvoyFilter
)

// ClusterParts are those of Istio's cluster names: outbound|443|subset|host.
type ClusterParts struct {
	Direction, Port, Subset, Host []byte
}

// SplitCluster takes a cluster's name apart. ok is false for names that Istio does not make of services.
func SplitCluster(name []byte) (parts ClusterParts, ok bool) {
	for _, into := range []*[]byte{&parts.Direction, &parts.Port, &parts.Subset} {
		at := bytes.IndexByte(name, '|')
		if at < 0 {
			return ClusterParts{}, false
		}
		*into, name = name[:at], name[at+1:]
	}
	parts.Host = name
	return parts, bytes.HasPrefix(parts.Direction, []byte("outbound")) || bytes.HasPrefix(parts.Direction, []byte("inbound"))
}

// Way says where the line's connection was sent.
func (l *Line) Way() Way {
	name := l.UpstreamCluster
	switch {
	case name == nil:
		return WayUnknown
	case bytes.Equal(name, []byte("PassthroughCluster")), bytes.Equal(name, []byte("AllowAnyDynamicDNSCluster")):
		return Passthrough
	case bytes.Equal(name, []byte("BlackHoleCluster")):
		return BlackHole
	case bytes.HasPrefix(name, []byte("inbound|")), bytes.HasPrefix(name, []byte("InboundPassthroughCluster")):
		return Inbound
	case bytes.HasPrefix(l.UpstreamHost, []byte("envoy://")), bytes.HasPrefix(name, []byte("sni_cluster")):
		return ToInner
	case bytes.HasPrefix(name, []byte("dynamic_forward_proxy_cluster")):
		return ToDynamic
	}
	parts, ok := SplitCluster(name)
	switch {
	case !ok:
		return OtherCluster
	case loopback(l.UpstreamHost):
		return ToSNIProxy
	case bytes.Contains(parts.Host, []byte(".svc.")) || bytes.HasSuffix(parts.Host, []byte(".svc")):
		return ToService
	}
	return ToOutside
}

// Service gives namespace and name of the service that the line's cluster is of; nil if it is of none.
func (l *Line) Service() (namespace, name []byte) {
	parts, ok := SplitCluster(l.UpstreamCluster)
	if !ok {
		return nil, nil
	}
	name, rest, _ := bytes.Cut(parts.Host, []byte("."))
	namespace, rest, _ = bytes.Cut(rest, []byte("."))
	if !bytes.HasPrefix(rest, []byte("svc")) {
		return nil, nil
	}
	return namespace, name
}

// guess tells a gateway's line from a sidecar's where nobody says whose it is. A gateway is spoken to at its own address; a sidecar
// takes connections to elsewhere, and they come from the address that it has itself.
func (l *Line) guess() Source {
	own, to, from := addressOnly(l.UpstreamLocal), addressOnly(l.DownstreamLocal), addressOnly(l.DownstreamRemote)
	switch {
	case l.Format == Istio10 || l.UpstreamCluster == nil && own == nil:
		return ""
	case bytes.HasPrefix(l.UpstreamHost, []byte("envoy://")), bytes.HasPrefix(l.DownstreamLocal, []byte("envoy://")):
		return Gateway
	case l.Way() == Inbound:
		return Sidecar
	case own != nil && bytes.Equal(own, from), l.toSubset():
		return Sidecar
	case own != nil && bytes.Equal(own, to), loopback(l.UpstreamLocal) && l.Way() == ToSNIProxy:
		return Gateway
	}
	return ""
}

// toSubset says whether the line went to a subset of a service of the mesh, as sidecars go to a gateway by Istio's documents.
func (l *Line) toSubset() bool {
	parts, ok := SplitCluster(l.UpstreamCluster)
	return ok && len(parts.Subset) > 0 && l.Way() == ToService && bytes.HasPrefix(parts.Direction, []byte("outbound"))
}

// loopback says whether an IP:PORT is of the pod itself.
func loopback(address []byte) bool {
	return bytes.HasPrefix(address, []byte("127.")) || bytes.HasPrefix(address, []byte("[::1]:"))
}
