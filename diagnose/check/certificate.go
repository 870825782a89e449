package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// identityOf gives the certificate by which a gateway pod is known in the mesh: the one of its own with a SPIFFE identity. Nil if it
// has none, or nothing was read of it.
func identityOf(p *snapshot.Proxy) *admin.Certificate {
	i := slices.IndexFunc(p.Certs, func(c admin.Certificate) bool { return !c.CA && spiffe(&c) != "" })
	if i < 0 {
		return nil
	}
	return &p.Certs[i]
}

func spiffe(c *admin.Certificate) string {
	i := slices.IndexFunc(c.SANs, func(san string) bool { return strings.HasPrefix(san, "spiffe://") })
	if i < 0 {
		return ""
	}
	return c.SANs[i]
}

// mutualAt gives the gateway legs that Istio's mutual TLS arrives at, each pod once.
func mutualAt(p *trace.Path) []*trace.Leg {
	var out []*trace.Leg
	for _, l := range p.At(egress.AtGateway) {
		istio := len(l.Ask.TLS) > 0 && l.Ask.TLS[0].Mode == admin.IstioMutual
		if istio && !slices.ContainsFunc(out, func(have *trace.Leg) bool { return have.Proxy == l.Proxy }) {
			out = append(out, l)
		}
	}
	return out
}

var gatewayNotRecognized = Check{
	Code:     "EGR025",
	Title:    "sidecars do not accept the gateway's identity",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Needs:    []snapshot.Source{snapshot.DestinationRules},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		for _, gateway := range mutualAt(&p) {
			cert := identityOf(gateway.Proxy)
			if cert == nil {
				continue
			}
			for _, l := range p.At(egress.AtSidecar) {
				for _, e := range l.Exits {
					t := e.Cluster.TLS
					if e.Ask.SNI() == gateway.Ask.SNI() && t != nil && t.Mode == admin.IstioMutual && refuses(t.SANs, cert.SANs) {
						return []Finding{notRecognized(s, &p, l, gateway, e.Cluster)}
					}
				}
			}
		}
		return nil
	},
	Why: "With Istio's mutual TLS a sidecar takes only a gateway whose certificate has one of the names in the DestinationRule's subjectAltNames. " +
		"The gateway's is spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT, as the Istio egress gateway task has people look at it. Where they " +
		"differ, because the gateway runs under another service account or the trust domain is another one, every connection ends in " +
		"CERTIFICATE_VERIFY_FAILED at the sidecar (R25).",
	Fix: "Take subjectAltNames out of the rule, for istiod fills in the gateway's service account itself, or write the identity that the finding names.",
}

// refuses says whether none of the names is accepted. An empty list accepts all.
func refuses(accepted, names []string) bool {
	return len(accepted) > 0 && !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(accepted, n) })
}

func notRecognized(s *snapshot.Snapshot, p *trace.Path, l, gateway *trace.Leg, c *admin.Cluster) Finding {
	identity := spiffe(identityOf(gateway.Proxy))
	f := Finding{
		Message: fmt.Sprintf("sidecars refuse gateway %s: its certificate says %s", p.Gateway, identity),
		Evidence: []string{
			fmt.Sprintf("cluster %s of %s accepts %s", c.Name, l.Proxy.Pod, strings.Join(c.TLS.SANs, ", ")),
			fmt.Sprintf("gateway pod %s runs under service account %s, and the trust domain is %s", gateway.Proxy.Pod, p.Want.ServiceAccount, s.Facts.TrustDomain),
		},
		Fix: lookCloser(p, l),
	}
	if rule, path, tls := sender(s, p, gateway); tls != nil {
		f.Object = object("DestinationRule", rule.Meta, field(path+"/subjectAltNames"))
		if len(tls.SubjectAltNames) > 0 {
			f.Fix = patch(f.Object, replace(path+"/subjectAltNames", []string{identity}))
		}
	}
	return f
}

var gatewayCertificateInvalid = Check{
	Code:     "EGR027",
	Title:    "gateway's own certificate is not valid",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		for _, l := range mutualAt(&p) {
			if why := invalid(l.Proxy, s.Taken); why != "" {
				return []Finding{{
					Object:  &Object{Kind: "Pod", Namespace: l.Proxy.Namespace, Name: l.Proxy.Pod},
					Message: fmt.Sprintf("the certificate of gateway pod %s %s", l.Proxy.Name(), why),
					Evidence: []string{
						"Istio's agent in the pod asks istiod for a new one long before the old one ends; that it has not got it is told in the pod's log",
					},
					Fix: fmt.Sprintf("kubectl -n %s rollout restart %s", word(l.Proxy.Namespace), word(owner(&p, l))),
				}}
			}
		}
		return nil
	},
	Why: "Istio's mutual TLS needs a certificate that is there and in force. The gateway's is issued by istiod, usually for a day, and renewed after " +
		"half of it. Where istiod cannot be reached or refuses (a NetworkPolicy, a clock that is wrong, a CA that has ended), the gateway goes on with the old " +
		"one until it ends, and then every connection of every sidecar fails (R27).",
	Fix: "Look for what keeps the pod from istiod: kubectl logs of the gateway pod and of istiod, port 15012 between them, both clocks, the CA. Then restart the gateway.",
}

// invalid says what is wrong with a gateway pod's own certificate at a moment; empty: nothing, or nothing is known.
func invalid(p *snapshot.Proxy, at time.Time) string {
	warming := slices.ContainsFunc(p.Config.Secrets, func(s admin.Secret) bool { return s.Name == "default" && s.Warming })
	c := identityOf(p)
	if c == nil {
		if warming {
			return "has not been issued: Envoy still waits for it (secret default is warming)"
		}
		return ""
	}
	if ends, err := time.Parse(time.RFC3339, c.Expires); err == nil && !at.IsZero() && at.After(ends) {
		return "ended on " + c.Expires
	}
	if begins, err := time.Parse(time.RFC3339, c.From); err == nil && !at.IsZero() && at.Before(begins) {
		return "is not valid before " + c.From
	}
	return ""
}
