package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

var doubleTLS = Check{
	Code:     "EGR033",
	Title:    "TLS is begun around the application's own",
	Severity: Warn,
	Hop:      egress.AtSidecar,
	Direct:   true,
	Needs:    []snapshot.Source{snapshot.DestinationRules},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := append(stopped(&p, egress.AtSidecar, trace.DoubleTLS), stopped(&p, egress.AtGateway, trace.DoubleTLS)...)
		if len(legs) > 0 {
			return []Finding{wrapped(s, &p, legs)}
		}
		if p.Protocol != egress.ProtocolHTTP || p.Mode == egress.Direct {
			return nil
		}
		for _, l := range arrived(&p) {
			for _, e := range l.Exits {
				if f, ok := reaching(s, &p, e.Cluster); ok {
					return []Finding{f}
				}
			}
		}
		return nil
	},
	Why: "A DestinationRule that begins TLS on the port where applications speak TLS by themselves wraps their TLS into another one: the " +
		"server does not understand it (wrong version number). The rule for TLS origination does that in every sidecar that sees it, " +
		"also to clients that have nothing to do with the gateway.",
	Fix: "Put the rule into the gateway's namespace with exportTo \".\"; where the gateway carries the application's TLS to the same port as " +
		"well, give port 80 of the ServiceEntry targetPort 443 and begin TLS on port 80 only.",
}

// wrapped is about a path on which it happens.
func wrapped(s *snapshot.Snapshot, p *trace.Path, legs []*trace.Leg) Finding {
	f := because(legs)
	f.State, f.Hop = Fail, legs[0].Hop
	f.Message = legs[0].Stop.Says
	f.Fix = lookCloser(p, legs[0])
	name, ok := trace.ParseCluster(legs[0].Stop.Cluster)
	if !ok {
		return f
	}
	for i := range s.Objects.DestinationRules {
		d := &s.Objects.DestinationRules[i]
		if !snapshot.HostCovers(s.FullHost(d.Spec.Host, d.Namespace), name.Host) {
			continue
		}
		path, tls := policyTLS(d.Spec.TrafficPolicy, name.Port)
		if !begun(tls) {
			continue
		}
		path = "/spec/trafficPolicy" + path
		f.Object = object("DestinationRule", d.Meta, field(path))
		f.Message = fmt.Sprintf("DestinationRule %s begins TLS (%s) to port %d of %s, where applications speak TLS already", d, tls.Mode, name.Port, name.Host)
		f.Fix = onPlainPort(p, d, path, name)
		if legs[0].Hop == egress.AtSidecar && len(p.Wanted.Toward(name.Host, 80)) > 0 {
			f.Fix = moveToGateway(&trace.Path{Path: egress.Path{Gateway: p.Wanted.Toward(name.Host, 80)[0].Gateway}}, d)
		}
		if fix, ok := setOf(p); ok {
			f.Fix = fix
		}
		break
	}
	return f
}

// onPlainPort leaves the TLS port to the applications: TLS is begun on the port that speaks HTTP, which leads to the same port of
// the server. Where nothing is sent that way, no TLS is to be begun at all.
func onPlainPort(p *trace.Path, d *snapshot.DestinationRule, path string, name trace.ClusterName) string {
	rule := object("DestinationRule", d.Meta, "")
	number := strings.TrimSuffix(path, "/tls") + "/port/number"
	entries := p.Wanted.Entries(name.Host)
	var onward []trace.Line
	for _, l := range p.Wanted.Onward(name.Host) {
		if l.List == trace.HTTPList && l.ToPort == name.Port {
			onward = append(onward, l)
		}
	}
	if len(entries) == 0 || len(onward) == 0 || entryPort(entries[0], 80) < 0 || !strings.Contains(path, "portLevelSettings") {
		return patch(rule, remove(path))
	}
	e := entries[0]
	fix := []string{
		patch(object("ServiceEntry", e.Meta, ""), add(fmt.Sprintf("/spec/ports/%d/targetPort", entryPort(e, 80)), name.Port)),
		patch(rule, replace(number, 80)),
	}
	for _, l := range onward {
		v := object("VirtualService", l.VirtualService.Meta, "")
		fix = append(fix, patch(v, replace(fmt.Sprintf("/spec/http/%d/route/0/destination/port/number", l.Index), 80)))
	}
	return strings.Join(fix, "\n")
}

// reaching looks whether the rule by which the gateway begins TLS reaches sidecars, on a port where applications may speak TLS.
func reaching(s *snapshot.Snapshot, p *trace.Path, c *admin.Cluster) (Finding, bool) {
	name, ok := trace.ParseCluster(c.Name)
	if !ok || c.TLS == nil || name.Port != 443 && !speaksTLS(p.Wanted, name) {
		return Finding{}, false
	}
	having, _ := originating(s, p, name)
	if having == nil {
		return Finding{}, false
	}
	for _, l := range p.At(egress.AtSidecar) {
		for _, own := range l.Proxy.Config.Clusters {
			if own.Name != c.Name || own.TLS == nil || own.TLS.Mode == admin.IstioMutual || !having.VisibleTo(s, l.Proxy.Namespace) {
				continue
			}
			return Finding{
				Object: object("DestinationRule", having.Meta, "spec.exportTo"),
				Message: fmt.Sprintf("DestinationRule %s, by which the gateway begins TLS, reaches sidecars as well: clients that speak TLS to %s:%d break",
					having, name.Host, name.Port),
				Evidence: []string{fmt.Sprintf("cluster %s of %s begins TLS (%s)", own.Name, l.Proxy.Pod, own.TLS.Mode)},
				Fix:      moveToGateway(p, having),
			}, true
		}
	}
	return Finding{}, false
}

func speaksTLS(w *trace.Wanted, name trace.ClusterName) bool {
	return slices.ContainsFunc(w.Entries(name.Host), func(e *snapshot.ServiceEntry) bool { return portSpeaksTLS(e, name.Port) })
}

// portSpeaksTLS says whether an entry says so of a port.
func portSpeaksTLS(e *snapshot.ServiceEntry, port int) bool {
	i := entryPort(e, port)
	return i >= 0 && slices.Contains([]string{"HTTPS", "TLS"}, strings.ToUpper(e.Spec.Ports[i].Protocol))
}

var serverNotVerified = Check{
	Code:     "EGR034",
	Title:    "server's certificate not fully verified",
	Severity: Warn,
	Hop:      egress.AtOutside,
	Needs:    []snapshot.Source{snapshot.DestinationRules},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		for _, l := range arrived(&p) {
			for _, e := range l.Exits {
				name, ok := trace.ParseCluster(e.Cluster.Name)
				if !ok || e.Cluster.TLS == nil || e.Cluster.TLS.Mode == admin.IstioMutual {
					continue
				}
				if f, weak := unverified(s, &p, l, e.Cluster, name); weak {
					return []Finding{f}
				}
			}
		}
		return nil
	},
	Why: "TLS protects only against those that cannot show the server's certificate. With sni set and no subjectAltNames Istio no longer " +
		"compares the name in the certificate: whoever has any certificate of the same CA is taken for the server. Before Istio 1.21 a " +
		"rule without CA verified nothing at all.",
	Fix: "Give subjectAltNames along with sni, or leave both out (Istio 1.21 and later use the host); do not set insecureSkipVerify.",
}

// unverified says what of the server's certificate the gateway's cluster does not look at.
func unverified(s *snapshot.Snapshot, p *trace.Path, l *trace.Leg, c *admin.Cluster, name trace.ClusterName) (Finding, bool) {
	// since Istio 1.21 istiod has the host verified where a rule gives neither sni nor names
	old := !s.Facts.Version.IsZero() && !s.Facts.Version.AtLeast(1, 21)
	f := Finding{}
	rule, _ := originating(s, p, name)
	path, settings := "", (*snapshot.ClientTLS)(nil)
	if rule != nil {
		path, settings = policyTLS(rule.Spec.TrafficPolicy, name.Port)
		path = "/spec/trafficPolicy" + path
		f.Object = object("DestinationRule", rule.Meta, field(path))
	}
	switch {
	case settings != nil && len(settings.SubjectAltNames) > 0 && len(c.TLS.SANs) == 0 && !settings.SkipVerify:
		return Finding{}, false // the rule is right: it is the gateway that has not got it yet
	case c.TLS.Validation == "":
		f.Message = fmt.Sprintf("gateway %s does not verify the certificate of %s at all", p.Gateway, name.Host)
		f.Evidence = []string{fmt.Sprintf("cluster %s of %s names no CA", c.Name, l.Proxy.Pod)}
	case len(c.TLS.SANs) == 0 && (c.TLS.SNI != "" || old):
		f.Message = fmt.Sprintf("gateway %s takes any certificate of the CA for that of %s: no name is compared", p.Gateway, name.Host)
		f.Evidence = []string{fmt.Sprintf("cluster %s of %s has CA %s, server name %s and no subjectAltNames", c.Name, l.Proxy.Pod, c.TLS.Validation, c.TLS.SNI)}
	default:
		return Finding{}, false
	}
	f.Fix = lookCloser(p, l)
	if settings == nil {
		return f, true
	}
	var ops []op
	if settings.SkipVerify {
		ops = append(ops, remove(path+"/insecureSkipVerify"))
	}
	if c.TLS.Validation == "" && !settings.SkipVerify && old {
		ops = append(ops, add(path+"/caCertificates", systemCAs))
	}
	if len(settings.SubjectAltNames) == 0 && (settings.SNI != "" || old) {
		ops = append(ops, add(path+"/subjectAltNames", []string{serverName(settings, name.Host)}))
	}
	if len(ops) > 0 {
		f.Fix = patch(f.Object, ops...)
	}
	return f, true
}

// systemCAs is the file with the system's CAs in Istio's proxy images.
const systemCAs = "/etc/ssl/certs/ca-certificates.crt"

func serverName(tls *snapshot.ClientTLS, host string) string {
	if tls.SNI != "" {
		return tls.SNI
	}
	return host
}

var neverConnected = Check{
	Code:     "EGR028",
	Title:    "no TLS connection to the server has succeeded",
	Severity: Warn,
	Hop:      egress.AtOutside,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		for _, l := range arrived(&p) {
			for _, e := range l.Exits {
				if e.Cluster.TLS == nil || e.Cluster.TLS.Mode == admin.IstioMutual {
					continue
				}
				opened, failed := attempts(e.Hosts)
				if opened == 0 || failed < opened {
					continue
				}
				if _, alert := demanded(l, e.Cluster); alert {
					continue // EGR029
				}
				f := Finding{
					Message:  fmt.Sprintf("every connection that gateway pod %s has tried to %s has failed (%d)", l.Proxy.Pod, e.Cluster.Name, failed),
					Evidence: []string{fmt.Sprintf("the server is verified by %s; the CA there must be that of the server", validation(e.Cluster.TLS))},
					Fix:      fmt.Sprintf("kubectl -n %s logs %s -c istio-proxy", word(l.Proxy.Namespace), word(l.Proxy.Pod)),
				}
				if kind, ref, ok := strings.Cut(e.Cluster.Origin, " "); ok && kind == "DestinationRule" {
					ns, rule := splitRef(ref)
					f.Object = &Object{Kind: kind, Namespace: ns, Name: rule, Field: "tls"}
				}
				if name := credentialOf(e.Cluster); name != "" {
					f.Fix = fmt.Sprintf("kubectl -n %s patch secret %s --type=merge -p \"{\\\"data\\\":{\\\"ca.crt\\\":\\\"$(base64 -w0 ca.crt)\\\"}}\"", word(l.Proxy.Namespace), word(name))
				}
				return []Finding{f}
			}
		}
		return nil
	},
	Why: "Envoy counts a connection as failed when TCP is refused or times out, and also when the TLS handshake does: above all when the server's " +
		"certificate is not signed by the CA that the gateway knows. ca.crt has to be the CA of the outside server, not that of the " +
		"client's certificate; without any, the system's CAs count, and a company's own CA is not among them.",
	Fix: "Look for CERTIFICATE_VERIFY_FAILED in the gateway's access log; give the server's CA as ca.crt of the Secret in credentialName.",
}

// attempts counts the connections of a cluster's hosts, and those that failed.
func attempts(hosts []admin.HostStatus) (opened, failed uint64) {
	for _, h := range hosts {
		opened, failed = opened+h.Opened, failed+h.Failed
	}
	return opened, failed
}

func validation(t *admin.TLS) string {
	if t.Validation == "" {
		return "nothing"
	}
	return t.Validation
}
