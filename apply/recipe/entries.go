package recipe

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	clientnetworking "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// maxHosts is how many hosts the schema of a ServiceEntry admits (maxItems of spec.hosts).
const maxHosts = 256

// entry is what becomes a ServiceEntry, or several where it has too many hosts.
type entry struct {
	role        role
	resolution  networking.ServiceEntry_Resolution
	hosts       []string // in order of routes, without repetition
	ports       []*networking.ServicePort
	address     string // of the one endpoint of resolution STATIC
	gatewayOnly bool   // sidecars have no use for it, and might send traffic straight to it
}

// role ends the name of a ServiceEntry, so that entries of different kinds of hosts keep apart.
type role string

const (
	exact      role = ""            // hosts that are resolved by DNS
	wildcard   role = "wildcard"    // hosts with a wildcard
	commonHost role = "common-host" // the one host behind wildcards
	sniProxy   role = "sni-proxy"   // the proxy beside Envoy
)

// declareHost says to the mesh that a host is outside, with one of its ports. A Service of the cluster is known already.
func (d *draft) declareHost(h egress.Host, ports ...*networking.ServicePort) {
	if d.inCluster(h) {
		return
	}
	if h.IsWildcard() {
		d.declare(wildcard, networking.ServiceEntry_NONE, string(h), ports...)
		return
	}
	// Istio resolves an exact host by DNS: only so can a gateway reach it, which has no original destination to fall back on.
	d.declare(exact, networking.ServiceEntry_DNS, string(h), ports...)
}

func (d *draft) declare(r role, resolution networking.ServiceEntry_Resolution, host string, ports ...*networking.ServicePort) *entry {
	i := slices.IndexFunc(d.entries, func(e *entry) bool { return e.role == r })
	if i < 0 {
		i = len(d.entries)
		d.entries = append(d.entries, &entry{role: r, resolution: resolution})
	}
	e := d.entries[i]
	if !slices.Contains(e.hosts, host) {
		e.hosts = append(e.hosts, host)
	}
	for _, p := range ports {
		if !slices.ContainsFunc(e.ports, func(known *networking.ServicePort) bool { return known.Number == p.Number }) {
			e.ports = append(e.ports, p)
		}
	}
	return e
}

// inCluster says that a host is a Service of the cluster, outside the mesh perhaps, but in Istio's registry.
func (d *draft) inCluster(h egress.Host) bool {
	return strings.HasSuffix(string(h), ".svc."+d.facts.ClusterDomain)
}

// The ports that hosts outside are declared with.
func portHTTP() *networking.ServicePort {
	return &networking.ServicePort{Number: 80, Name: "http", Protocol: "HTTP"}
}

func portTLS() *networking.ServicePort {
	return &networking.ServicePort{Number: 443, Name: "tls", Protocol: "TLS"}
}

func portHTTPS() *networking.ServicePort {
	return &networking.ServicePort{Number: 443, Name: "https", Protocol: "HTTPS"}
}

func (d *draft) serviceEntries() []Object {
	var objs []Object
	for _, e := range d.entries {
		n := 0
		for hosts := range slices.Chunk(e.hosts, maxHosts) {
			n++
			o := &clientnetworking.ServiceEntry{
				TypeMeta: d.kind("ServiceEntry"), ObjectMeta: d.meta(d.set.Namespace, entryObject(d.set, e.role, n)),
				Spec: networking.ServiceEntry{
					Hosts: hosts, Ports: clonePorts(e.ports), Location: networking.ServiceEntry_MESH_EXTERNAL, Resolution: e.resolution,
					ExportTo: d.exportTo(d.facts.Config.DefaultServiceExportTo, d.set.Namespace),
				},
			}
			if e.gatewayOnly {
				o.Spec.ExportTo = d.exportToGateway(d.set.Namespace)
			}
			if e.address != "" {
				o.Spec.Endpoints = []*networking.WorkloadEntry{{Address: e.address}}
			}
			objs = append(objs, o)
		}
	}
	return objs
}

// clonePorts keeps objects apart: who changes one must not change its sister.
func clonePorts(ports []*networking.ServicePort) []*networking.ServicePort {
	clones := make([]*networking.ServicePort, 0, len(ports))
	for _, p := range ports {
		clones = append(clones, p.DeepCopy())
	}
	return clones
}
