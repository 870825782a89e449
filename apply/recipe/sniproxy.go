package recipe

import (
	networking "istio.io/api/networking/v1alpha3"
	clientnetworking "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// throughSNIProxy sends TLS to a proxy in the gateway's own pod that forwards by SNI: Configure Egress Gateway for HTTPS traffic to
// wildcarded domains, "Configure access to *.wikipedia.org using the egress gateway with SNI proxy".
func throughSNIProxy(d *draft, r egress.Route) error {
	proxy := d.gateway.SNIProxy
	if proxy == nil {
		return egress.Inputf("gateway %s has no SNI proxy: no container sni-proxy in its pods; install one with 'gateway install --sni-proxy', or use mode %s",
			d.set.Gateway, egress.SNIDynamic)
	}
	// Of the set alone: two ServiceEntries for one host are one too many (rule R53).
	host := d.set.Name + "." + d.set.Namespace + ".sni-proxy.local"
	port := uint32(proxy.Port) //nolint:gosec // a container's port: 65535 at most
	d.declareHost(r.Host, portTLS())
	e := d.declare(sniProxy, networking.ServiceEntry_STATIC, host, &networking.ServicePort{Number: port, Name: "tcp", Protocol: "TCP"})
	if e.address == "" {
		e.address, e.gatewayOnly = "127.0.0.1", true
		d.rules = append(d.rules, &clientnetworking.DestinationRule{
			TypeMeta: d.kind("DestinationRule"), ObjectMeta: d.meta(d.set.Namespace, d.set.ParentName()+".sni-proxy.local"),
			Spec: networking.DestinationRule{
				Host:          host,
				TrafficPolicy: &networking.TrafficPolicy{Tls: &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_DISABLE}},
				ExportTo:      d.exportToGateway(d.set.Namespace),
			},
		})
	}
	return d.tlsThrough(r.Host, &networking.Destination{Host: host, Port: &networking.PortSelector{Number: port}})
}
