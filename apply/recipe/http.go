package recipe

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// plainHTTP sends the application's HTTP through the gateway, chosen by Host header: Istio egress gateway task, "Egress
// gateway for HTTP traffic". With Istio mTLS the server on the gateway's port 80 is HTTPS with Istio's certificates.
func plainHTTP(d *draft, r egress.Route) error {
	const port = 80
	d.outside(r.Host, port, "http", egress.ProtocolHTTP)
	protocol, tls := "HTTP", (*networking.ServerTLSSettings)(nil)
	if d.mtls {
		protocol, tls = "HTTPS", mutualTLS()
	}
	if err := d.serve(r.Host, port, "http", protocol, tls); err != nil {
		return err
	}
	vs := d.routesOf(r.Host)
	vs.Http = append(vs.Http,
		&networking.HTTPRoute{
			Match: []*networking.HTTPMatchRequest{{Gateways: []string{meshGateway}, Port: port}},
			Route: []*networking.HTTPRouteDestination{{Destination: d.toGateway(r.Host, port)}},
		},
		&networking.HTTPRoute{
			Match: []*networking.HTTPMatchRequest{{Gateways: []string{d.set.ParentName()}, Port: port}},
			Route: []*networking.HTTPRouteDestination{{Destination: toOutside(r.Host, port)}},
		})
	return nil
}
