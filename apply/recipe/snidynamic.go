package recipe

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// sniDynamic sends TLS through the gateway to whatever host of the wildcard the client names, by Envoy's own SNI dynamic forward
// proxy: Routing egress traffic to wildcard destinations (Istio blog, 2023), without the two faults of what was published there. The
// gateway's chain and its hosts are the set's own, so that other hosts share the port; and the second listener, behind Istio's TLS,
// knows the hosts too, so that a client that got past its sidecar is refused all others.
func sniDynamic(d *draft, r egress.Route) error {
	if d.mtls {
		if d.older(16) {
			return egress.Inputf("mode %s needs Istio 1.16 (Envoy's internal listeners), and this is %s; mode %s works there", egress.SNIDynamic, d.facts.Version, egress.SNIProxy)
		}
		d.declareHost(r.Host, portTLS())
		d.filter.behind = append(d.filter.behind, r.Host)
		// Where this leads does not matter, the filter changes it; but without a route Istio makes no chain to be changed.
		return d.tlsThrough(r.Host, toOutside(r.Host, tlsPort))
	}
	if !r.Host.IsWildcard() {
		return passthrough(d, r)
	}
	if d.older(30) {
		return egress.Inputf("mode %s without Istio mTLS needs Istio 1.30 (resolution DYNAMIC_DNS), and this is %s; say --mtls=on (since 1.16), or use mode %s",
			egress.SNIDynamic, d.facts.Version, egress.SNIProxy)
	}
	if !d.inCluster(r.Host) {
		d.declare(wildcard, networking.ServiceEntry_DYNAMIC_DNS, string(r.Host), portTLS())
	}
	d.filter.inline = append(d.filter.inline, r.Host)
	return d.tlsThrough(r.Host, toOutside(r.Host, tlsPort))
}
