package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

var certificateDemanded = Check{
	Code:     "EGR029",
	Title:    "server wants a certificate of the client",
	Severity: Warn,
	Hop:      egress.AtOutside,
	Logs:     true,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		if p.Protocol != egress.ProtocolHTTP {
			return nil // the application's own TLS is the application's own
		}
		legs, unread := byLog(&p, egress.AtGateway)
		if unread != nil {
			return []Finding{*unread}
		}
		for _, l := range legs {
			for _, e := range l.Exits {
				if e.Cluster.TLS == nil || e.Cluster.TLS.Mode != admin.Simple {
					continue
				}
				if said, alert := demanded(l, e.Cluster); said != "" {
					return []Finding{withCertificate(s, &p, l, e.Cluster, said, alert)}
				}
			}
		}
		return nil
	},
	Why: "The gateway begins TLS without a certificate of its own, and the server wants one. Some servers break the handshake off then (alert " +
		"certificate required); others complete it and answer every request with 400, as nginx does (\"No required SSL certificate was sent\"). " +
		"That every answer since the configuration was made is 400 is a sign of it and no proof: what the application asks may be wrong as well.",
	Fix: "Begin mutual TLS: mode mtls-origination, or tls.mode MUTUAL with credentialName in the DestinationRule; the Secret with tls.crt, " +
		"tls.key and the server's ca.crt belongs into the gateway's namespace.",
}

// alerts are what Envoy logs of a server that ends the handshake for want of a certificate.
var alerts = []string{"CERTIFICATE_REQUIRED", "ALERT_HANDSHAKE_FAILURE", "certificate required"}

// demanded tells what of the gateway's log says that the server behind a cluster wants a certificate; alert says that the server itself
// has said so, in TLS.
func demanded(l *trace.Leg, c *admin.Cluster) (said string, alert bool) {
	refused, others := 0, 0
	var last time.Time
	for _, line := range since(l) {
		if line.Cluster != c.Name {
			continue
		}
		why := line.Failure + line.Details
		for _, word := range alerts {
			if strings.Contains(why, word) {
				return fmt.Sprintf("%s has logged: %s (at %s)", l.Proxy.Pod, complained(&line), line.Time.UTC().Format(time.RFC3339)), true
			}
		}
		if line.Code == 400 && line.Details == "via_upstream" {
			refused++
			last = line.Time
			continue
		}
		others++
	}
	if refused == 0 || others > 0 {
		return "", false
	}
	return fmt.Sprintf("%s has logged %d answers of %s, all of them 400 from the server, the last at %s", l.Proxy.Pod, refused, c.Name, last.UTC().Format(time.RFC3339)), false
}

// withCertificate blames the rule that begins TLS without one, and has it begin mutual TLS.
func withCertificate(s *snapshot.Snapshot, p *trace.Path, l *trace.Leg, c *admin.Cluster, said string, alert bool) Finding {
	f := Finding{Evidence: []string{said, fmt.Sprintf("cluster %s begins TLS (%s)", c.Name, c.TLS.Mode)}}
	may := "seems to want"
	if alert {
		may = "wants"
	}
	f.Message = fmt.Sprintf("the server %s a certificate, and gateway %s begins TLS to %s without one", may, p.Gateway, p.Host)
	f.Fix = lookAtLog(l.Proxy)
	name, ok := trace.ParseCluster(c.Name)
	if !ok {
		return f
	}
	rule, _ := originating(s, p, name)
	if rule == nil {
		return f
	}
	path, _ := policyTLS(rule.Spec.TrafficPolicy, name.Port)
	path = "/spec/trafficPolicy" + path
	f.Object = object("DestinationRule", rule.Meta, field(path+"/mode"))
	credential := named(name.Host) + "-client"
	f.Fix = fmt.Sprintf("kubectl -n %s create secret generic %s --from-file=tls.crt --from-file=tls.key --from-file=ca.crt\n",
		word(l.Proxy.Namespace), word(credential)) + patch(f.Object, replace(path+"/mode", "MUTUAL"), add(path+"/credentialName", credential))
	return f
}
