package recipe

import (
	networking "istio.io/api/networking/v1alpha3"
	typed "istio.io/api/type/v1beta1"
	clientnetworking "istio.io/client-go/pkg/apis/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// originate has the gateway begin TLS for what the application sends as HTTP: Egress Gateways with TLS Origination, both "Perform
// TLS origination with an egress gateway" and, with a client certificate, "Perform mutual TLS origination with an egress gateway".
func originate(d *draft, r egress.Route) error {
	if d.set.Credential+d.set.CASecret+d.set.CA != "" && d.older(7) {
		return egress.Inputf("Secrets for TLS at a gateway (credentialName) need Istio 1.7, and this is %s; mode %s without a CA of one's own works there",
			d.facts.Version, egress.TLSOrigination)
	}
	if d.set.Private() && d.gateway.Namespace != d.set.Namespace {
		return d.originateAtHome(r)
	}
	d.declareHost(r.Host, portHTTP(), portHTTPS())
	d.withAuthority()
	// In the gateway's namespace and for it alone: sidecars that knew the rule would begin TLS too, around the TLS of clients that
	// speak it themselves (rule R33).
	d.originatingRule(r.Host, d.gateway.Namespace, tlsPort, d.exportToGateway(d.gateway.Namespace))
	return d.httpThrough(r.Host, d.originatingPort(r.Mode), toOutside(r.Host, tlsPort))
}

// originateAtHome does it with objects in the set's namespace alone, where sidecars see the rule as well: it is about port 80, which
// they send to the gateway in any case, and which leads to the server's port 443.
func (d *draft) originateAtHome(r egress.Route) error {
	switch {
	case d.inCluster(r.Host):
		return egress.Inputf("a rule for %s, which is a Service of the cluster, has to be in the gateway's namespace; leave --export-to=. out", r.Host)
	case d.set.CA != "":
		return egress.Inputf("a CA given as a file becomes a Secret in the gateway's namespace %s, which --export-to=. leaves alone; have it put there and name it with --ca-secret",
			d.gateway.Namespace)
	}
	port := portHTTP()
	port.TargetPort = tlsPort
	d.declareHost(r.Host, port, portHTTPS())
	d.originatingRule(r.Host, d.set.Namespace, httpPort, d.exportTo(nil, d.set.Namespace))
	return d.httpThrough(r.Host, d.originatingPort(r.Mode), toOutside(r.Host, httpPort))
}

// originatingPort is the gateway's port that the documents use: that of plain HTTP, but 443 for client certificates (with Istio mTLS:
// plain HTTP and TLS cannot share a port), and for everything in the days of /etc/certs.
func (d *draft) originatingPort(m egress.Mode) uint32 {
	if d.set.LegacyCerts || m == egress.MTLSOrigination && d.mtls {
		return tlsPort
	}
	return httpPort
}

// originatingRule is for the gateway alone. Where clients are in the gateway's own namespace, exportTo does not keep it from their
// sidecars: since 1.15 Istio can be told the pods.
func (d *draft) originatingRule(h egress.Host, at string, port uint32, exportTo []string) {
	var pods *typed.WorkloadSelector
	if d.gateway.Namespace == d.set.Namespace && !d.older(15) {
		pods = &typed.WorkloadSelector{MatchLabels: d.gateway.Selector}
	}
	d.rules = append(d.rules, &clientnetworking.DestinationRule{
		TypeMeta: d.kind("DestinationRule"), ObjectMeta: d.meta(at, originObject(d.set, h)),
		Spec: networking.DestinationRule{
			Host: string(h),
			TrafficPolicy: &networking.TrafficPolicy{PortLevelSettings: []*networking.TrafficPolicy_PortTrafficPolicy{{
				Port: &networking.PortSelector{Number: port}, Tls: d.originatedTLS(string(h)),
			}}},
			ExportTo: exportTo, WorkloadSelector: pods,
		},
	})
}

// authority names the Secret with the CA that servers are verified by; empty for the proxy's system CAs.
func (d *draft) authority() string {
	if d.set.CA != "" {
		return AuthorityName(d.set)
	}
	return d.set.CASecret
}

// withAuthority adds the Secret of a CA that was given with the set, where the gateway looks for it.
func (d *draft) withAuthority() {
	if d.set.CA == "" || len(d.secrets) > 0 {
		return
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
		"data": map[string]any{"ca.crt": encode(d.set.CA)},
	}}
	meta := d.meta(d.gateway.Namespace, AuthorityName(d.set))
	u.SetNamespace(meta.Namespace)
	u.SetName(meta.Name)
	u.SetLabels(meta.Labels)
	d.secrets = append(d.secrets, u)
}
