package recipe

import (
	networking "istio.io/api/networking/v1alpha3"
)

// Where Istio mounted its certificates up to 1.4.
const (
	legacyChain = "/etc/certs/cert-chain.pem"
	legacyKey   = "/etc/certs/key.pem"
	legacyRoot  = "/etc/certs/root-cert.pem"
)

// serverTLS is what servers use where Istio's mutual TLS guards the way from sidecar to gateway.
func (d *draft) serverTLS() *networking.ServerTLSSettings {
	if d.set.LegacyCerts {
		return &networking.ServerTLSSettings{
			Mode: networking.ServerTLSSettings_MUTUAL, ServerCertificate: legacyChain, PrivateKey: legacyKey, CaCertificates: legacyRoot,
		}
	}
	return &networking.ServerTLSSettings{Mode: networking.ServerTLSSettings_ISTIO_MUTUAL}
}

// clientTLS is the sidecars' side of serverTLS. Istio fills in the gateway's identity where it uses its own certificates by itself.
func (d *draft) clientTLS(sni string) *networking.ClientTLSSettings {
	if !d.set.LegacyCerts {
		return &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_ISTIO_MUTUAL, Sni: sni}
	}
	tls := &networking.ClientTLSSettings{
		Mode: networking.ClientTLSSettings_MUTUAL, ClientCertificate: legacyChain, PrivateKey: legacyKey, CaCertificates: legacyRoot, Sni: sni,
	}
	if sa := d.gateway.ServiceAccount; sa != "" {
		tls.SubjectAltNames = []string{"spiffe://" + d.facts.TrustDomain + "/ns/" + d.gateway.Namespace + "/sa/" + sa}
	}
	return tls
}

// originatedTLS is what the gateway speaks to a host outside. Since Istio 1.21 it verifies the name by itself only where no sni
// is set (rule R34), and before it verified nothing without a CA, and Envoy refuses to look at names without one.
func (d *draft) originatedTLS(host string) *networking.ClientTLSSettings {
	tls := &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_SIMPLE, Sni: host, CredentialName: d.authority()}
	if d.set.Credential != "" {
		tls.Mode, tls.CredentialName = networking.ClientTLSSettings_MUTUAL, d.set.Credential
	}
	if tls.CredentialName != "" || !d.older(21) {
		tls.SubjectAltNames = []string{host}
	}
	return tls
}
