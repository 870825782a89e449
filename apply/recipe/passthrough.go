package recipe

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// passthrough sends the application's own TLS through the gateway, chosen by SNI: Istio egress gateway task, "Egress gateway
// for HTTPS traffic". With Istio mTLS the gateway ends Istio's TLS around it, so that its route is a tcp one: a tls
// route on a server that ends TLS leaves the listener without a filter, and Istio drops it (rule R12).
func passthrough(d *draft, r egress.Route) error {
	const port = 443
	d.outside(r.Host, port, "tls", egress.ProtocolTLS)
	tls := &networking.ServerTLSSettings{Mode: networking.ServerTLSSettings_PASSTHROUGH}
	if d.mtls {
		tls = mutualTLS()
	}
	if err := d.serve(r.Host, port, "tls", "TLS", tls); err != nil {
		return err
	}
	vs, gateways := d.routesOf(r.Host), []string{d.set.ParentName()}
	out := []*networking.RouteDestination{{Destination: toOutside(r.Host, port)}}
	vs.Tls = append(vs.Tls, &networking.TLSRoute{
		Match: []*networking.TLSMatchAttributes{{Gateways: []string{meshGateway}, Port: port, SniHosts: []string{string(r.Host)}}},
		Route: []*networking.RouteDestination{{Destination: d.toGateway(r.Host, port)}},
	})
	if d.mtls {
		vs.Tcp = append(vs.Tcp, &networking.TCPRoute{
			Match: []*networking.L4MatchAttributes{{Gateways: gateways, Port: port}},
			Route: out,
		})
		return nil
	}
	vs.Tls = append(vs.Tls, &networking.TLSRoute{
		Match: []*networking.TLSMatchAttributes{{Gateways: gateways, Port: port, SniHosts: []string{string(r.Host)}}},
		Route: out,
	})
	return nil
}
