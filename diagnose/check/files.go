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

var filesNotThere = Check{
	Code:     "EGR068",
	Title:    "certificates in files that the proxy does not have",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Needs:    []snapshot.Source{snapshot.Gateways, snapshot.DestinationRules},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := append(stopped(&p, egress.AtSidecar, trace.NoCluster, trace.NoSecret),
			stopped(&p, egress.AtGateway, trace.NoListener, trace.NoChain, trace.PlainToTLS, trace.NoCluster, trace.NoSecret)...)
		waits := waiting(s, &p)
		if len(legs) == 0 || len(waits) == 0 {
			return nil
		}
		f := because(legs)
		f.Hop = legs[0].Hop
		f.Evidence = append(f.Evidence, waits...)
		var named, fix []string
		if o, mend := endsByFiles(&p); o != nil {
			f.Object = o
			named, fix = append(named, "Gateway "+o.Namespace+"/"+o.Name), append(fix, patch(o, mend))
		}
		if o, mend := beginsByFiles(s, &p); o != nil {
			if f.Object == nil {
				f.Object = o
			}
			named, fix = append(named, "DestinationRule "+o.Namespace+"/"+o.Name), append(fix, patch(o, mend))
		}
		if f.Object == nil {
			return nil
		}
		verb := map[bool]string{true: " has", false: " have"}[len(named) == 1]
		f.Message = strings.Join(named, " and ") + verb + " the certificates for Istio's TLS in files, which the proxies do not have"
		f.Fix = strings.Join(fix, "\n")
		return []Finding{f}
	},
	Why: "Up to Istio 1.4 every proxy had its certificates as files in /etc/certs, and the documents of that time name them in Gateways and " +
		"DestinationRules (mode MUTUAL). Since 1.5 istiod hands them over and there are no such files: Envoy waits for them, a listener does " +
		"not open and a cluster does not send (or goes on as it was before the rule). No object is in error, and no proxy says so.",
	Fix: "Write mode ISTIO_MUTUAL and no files, in the Gateway's server and in the DestinationRule (with sni); for certificates of one's own use credentialName.",
}

// waiting says which proxies of the path wait for which files: sidecars on their way to the gateway, and the gateway's pods.
func waiting(s *snapshot.Snapshot, p *trace.Path) []string {
	var out []string
	say := func(l *trace.Leg, what string, t *admin.TLS, warming bool) {
		for _, secret := range missingFiles(l.Proxy, t, warming) {
			if line := fmt.Sprintf("%s of %s waits for %s", what, l.Proxy.Pod, secret); !slices.Contains(out, line) {
				out = append(out, line)
			}
		}
	}
	host := gatewayHost(s, p)
	for i := range p.Legs {
		l := &p.Legs[i]
		for j := range l.Proxy.Config.Clusters {
			c := &l.Proxy.Config.Clusters[j]
			if l.Hop != egress.AtSidecar || c.TLS == nil { // before the name is read: a thousand paths have a thousand clusters each
				continue
			}
			if name, ok := trace.ParseCluster(c.Name); ok && name.Host == host {
				say(l, "cluster "+c.Name, c.TLS, c.Warming)
			}
		}
		for j := range l.Proxy.Config.Listeners {
			li := &l.Proxy.Config.Listeners[j]
			if l.Hop != egress.AtGateway || li.Port != l.Ask.Port {
				continue
			}
			for k := range li.Chains {
				if li.Chains[k].TLS != nil {
					say(l, "listener "+li.Name, li.Chains[k].TLS, li.Warming)
				}
			}
		}
	}
	return out
}

// missingFiles names the files that TLS of a proxy needs and the proxy has not got.
func missingFiles(pod *snapshot.Proxy, t *admin.TLS, warming bool) []string {
	if t == nil {
		return nil
	}
	var out []string
	for _, name := range []string{t.Certificate, t.Validation} {
		missing := warming || slices.ContainsFunc(pod.Config.Secrets, func(s admin.Secret) bool { return s.Warming && s.Name == name })
		if missing && (strings.HasPrefix(name, "file-cert:") || strings.HasPrefix(name, "file-root:")) && name != "file-root:system" {
			out = append(out, name)
		}
	}
	return out
}

// endsByFiles finds the server that ends what sidecars send, with certificates of neither istiod nor a Secret.
func endsByFiles(p *trace.Path) (o *Object, mend op) {
	bound := boundTo(p)
	for _, server := range servers(p.Wanted, p.Host) {
		at := fmt.Sprintf("/spec/servers/%d/tls", server.Index)
		fed := slices.ContainsFunc(p.Toward(), func(l trace.Line) bool {
			return target(p.Want, l.ToPort) == target(p.Want, server.Server.Port.Number)
		})
		if fed && server.ends() && server.Server.TLS.Mode != string(admin.IstioMutual) && server.Server.TLS.CredentialName == "" &&
			selects(server.Gateway, p.Want) && slices.Contains(bound, server.name()) {
			return object("Gateway", server.Gateway.Meta, field(at)), replace(at, fields{"mode": admin.IstioMutual})
		}
	}
	return nil, op{}
}

// beginsByFiles finds the rule by which sidecars begin TLS to the gateway with a certificate of files.
func beginsByFiles(s *snapshot.Snapshot, p *trace.Path) (o *Object, mend op) {
	for _, l := range p.Toward() {
		for _, leg := range p.At(egress.AtSidecar) {
			rule, path, tls := settings(s, p, leg.Proxy.Namespace, l.Subset, l.ToPort)
			if rule == nil || tls == nil || tls.Mode != string(admin.Mutual) || tls.CredentialName != "" {
				continue
			}
			with := fields{"mode": admin.IstioMutual, "sni": serverName(tls, string(p.Host))}
			if len(tls.SubjectAltNames) > 0 {
				with["subjectAltNames"] = tls.SubjectAltNames
			}
			return object("DestinationRule", rule.Meta, field(path)), replace(path, with)
		}
	}
	return nil, op{}
}
