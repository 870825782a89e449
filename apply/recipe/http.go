package recipe

import "github.com/kubectl-egress/kubectl-egress/egress"

// plainHTTP sends the application's HTTP through the gateway: Istio egress gateway task, "Egress gateway for HTTP traffic".
func plainHTTP(d *draft, r egress.Route) error {
	d.declareHost(r.Host, portHTTP())
	return d.httpThrough(r.Host, httpPort, toOutside(r.Host, httpPort))
}
