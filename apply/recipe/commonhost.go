package recipe

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// throughCommonHost sends TLS for all hosts of the set to the one that serves them all: Egress using Wildcard Hosts, "Configure egress
// gateway traffic to a wildcard host". Only the gateway is told of that one: sidecars that knew it would send what is meant for
// it straight there, past the gateway.
func throughCommonHost(d *draft, r egress.Route) error {
	d.declareHost(r.Host, portTLS())
	if !d.inCluster(d.set.CommonHost) {
		d.declare(commonHost, networking.ServiceEntry_DNS, string(d.set.CommonHost), portTLS()).gatewayOnly = true
	}
	return d.tlsThrough(r.Host, toOutside(d.set.CommonHost, tlsPort))
}
