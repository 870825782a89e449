package recipe

import "github.com/kubectl-egress/kubectl-egress/egress"

// passthrough sends the application's own TLS through the gateway: Istio egress gateway task, "Egress gateway for HTTPS traffic".
func passthrough(d *draft, r egress.Route) error {
	d.declareHost(r.Host, portTLS())
	return d.tlsThrough(r.Host, toOutside(r.Host, tlsPort))
}
