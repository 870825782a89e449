package recipe

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// The ports of the applications, which are those of the gateway's Service too.
const (
	httpPort = 80
	tlsPort  = 443
)

// tlsThrough sends the application's own TLS, chosen by SNI, to the gateway and from there to a destination. With Istio mTLS the
// gateway ends Istio's TLS around it, so that its route is a tcp one: a tls route on a server that ends TLS leaves the listener
// without a filter, and Istio drops it (rule R12).
func (d *draft) tlsThrough(h egress.Host, to *networking.Destination) error {
	tls := &networking.ServerTLSSettings{Mode: networking.ServerTLSSettings_PASSTHROUGH}
	if d.mtls {
		tls = d.serverTLS()
	}
	if err := d.serve(h, tlsPort, "tls", "TLS", tls); err != nil {
		return err
	}
	vs, gateways, names := d.routesOf(h), []string{d.set.ParentName()}, []string{string(h)}
	out := []*networking.RouteDestination{{Destination: to}}
	vs.Tls = append(vs.Tls, &networking.TLSRoute{
		Match: []*networking.TLSMatchAttributes{{Gateways: []string{meshGateway}, Port: tlsPort, SniHosts: names}},
		Route: []*networking.RouteDestination{{Destination: d.toGateway(h, tlsPort)}},
	})
	if d.mtls {
		vs.Tcp = append(vs.Tcp, &networking.TCPRoute{Match: []*networking.L4MatchAttributes{{Gateways: gateways, Port: tlsPort}}, Route: out})
		return nil
	}
	vs.Tls = append(vs.Tls, &networking.TLSRoute{
		Match: []*networking.TLSMatchAttributes{{Gateways: gateways, Port: tlsPort, SniHosts: names}},
		Route: out,
	})
	return nil
}

// httpThrough sends the application's HTTP, chosen by Host header, to a port of the gateway and from there to a destination.
// With Istio mTLS the gateway's server is HTTPS with Istio's certificates.
func (d *draft) httpThrough(h egress.Host, at uint32, to *networking.Destination) error {
	name, protocol, tls := "http", "HTTP", (*networking.ServerTLSSettings)(nil)
	if d.mtls {
		protocol, tls = "HTTPS", d.serverTLS()
	}
	if err := d.serve(h, at, name, protocol, tls); err != nil {
		return err
	}
	vs := d.routesOf(h)
	vs.Http = append(vs.Http,
		&networking.HTTPRoute{
			Match: []*networking.HTTPMatchRequest{{Gateways: []string{meshGateway}, Port: httpPort}},
			Route: []*networking.HTTPRouteDestination{{Destination: d.toGateway(h, at)}},
		},
		&networking.HTTPRoute{
			Match: []*networking.HTTPMatchRequest{{Gateways: []string{d.set.ParentName()}, Port: at}},
			Route: []*networking.HTTPRouteDestination{{Destination: to}},
		})
	return nil
}
