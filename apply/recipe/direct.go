package recipe

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// direct lets sidecars send the application's own TLS straight to the host: Egress using Wildcard Hosts, "Configure direct
// traffic to a wildcard host".
func direct(d *draft, r egress.Route) error {
	d.declareHost(r.Host, portTLS())
	vs := d.routesOf(r.Host)
	vs.Tls = append(vs.Tls, &networking.TLSRoute{
		Match: []*networking.TLSMatchAttributes{{Port: tlsPort, SniHosts: []string{string(r.Host)}}},
		Route: []*networking.RouteDestination{{Destination: toOutside(r.Host, tlsPort)}},
	})
	return nil
}
