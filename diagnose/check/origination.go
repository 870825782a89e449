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

var ruleNotOnGateway = Check{
	Code:     "EGR030",
	Title:    "gateway does not begin TLS",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Needs:    []snapshot.Source{snapshot.DestinationRules, snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, trace.NotBegun)
		if len(legs) == 0 {
			return nil
		}
		name, ok := trace.ParseCluster(legs[0].Stop.Cluster)
		if !ok {
			return nil
		}
		having, used := originating(s, &p, name)
		if used != nil && having == used {
			return nil // the rule is right: it is the gateway that has not got it yet
		}
		f := because(legs)
		switch {
		case having != nil:
			f.Object = object("DestinationRule", having.Meta, "metadata.namespace")
			f.Message = fmt.Sprintf("DestinationRule %s begins TLS to %s, and gateway %s does not use it: it looks in %s, at what is exported to it",
				having, name.Host, p.Gateway, strings.Join(lookUpPath(s, &p, name.Host), ", "))
			f.Fix = moveToGateway(&p, having)
		default:
			f.Message = fmt.Sprintf("no DestinationRule begins TLS to port %d of %s", name.Port, name.Host)
			f.Fix = apply(networking(s.Facts.Networking, "DestinationRule", p.Gateway.Namespace, named(name.Host), fields{
				"host": name.Host, "exportTo": []string{"."},
				"trafficPolicy": fields{"portLevelSettings": []any{fields{"port": fields{"number": name.Port}, "tls": fields{"mode": "SIMPLE"}}}},
			}))
		}
		if fix, ok := setOf(&p); ok {
			f.Fix = fix
		}
		return []Finding{f}
	},
	Why: "Only a DestinationRule makes the gateway begin TLS. The gateway looks for it in its own namespace, then in that of the host's " +
		"ServiceEntry, then in Istio's root namespace. Where it finds none it sends plain HTTP to a port that speaks TLS: 400, or an " +
		"empty reply.",
	Fix: "Put the DestinationRule into the gateway's namespace, with exportTo \".\" so that it reaches no sidecar.",
}

// originating finds a rule that begins TLS for a host's port, and the rule that the gateway uses for the host.
func originating(s *snapshot.Snapshot, p *trace.Path, name trace.ClusterName) (having, used *snapshot.DestinationRule) {
	var rules []*snapshot.DestinationRule
	for i := range s.Objects.DestinationRules {
		d := &s.Objects.DestinationRules[i]
		if !strings.EqualFold(s.FullHost(d.Spec.Host, d.Namespace), name.Host) {
			continue
		}
		rules = append(rules, d)
		if _, tls := policyTLS(d.Spec.TrafficPolicy, name.Port); begun(tls) && having == nil {
			having = d
		}
	}
	for _, namespace := range lookUpPath(s, p, name.Host) {
		i := slices.IndexFunc(rules, func(d *snapshot.DestinationRule) bool {
			return d.Namespace == namespace && d.VisibleTo(s, p.Gateway.Namespace)
		})
		if i >= 0 {
			used = rules[i]
			break
		}
	}
	if used != nil {
		if _, tls := policyTLS(used.Spec.TrafficPolicy, name.Port); begun(tls) {
			having = used
		}
	}
	return having, used
}

// begun says whether a rule begins TLS that is not Istio's own.
func begun(tls *snapshot.ClientTLS) bool {
	return tls != nil && slices.Contains([]string{"SIMPLE", "MUTUAL"}, tls.Mode)
}

// lookUpPath are the namespaces in which the gateway looks for rules about a host: its own, that of the host, the root.
func lookUpPath(s *snapshot.Snapshot, p *trace.Path, host string) []string {
	out := []string{p.Gateway.Namespace}
	for _, e := range p.Wanted.Entries(host) {
		if !slices.Contains(out, e.Namespace) {
			out = append(out, e.Namespace)
			break
		}
	}
	if service, ok := strings.CutSuffix(host, ".svc."+s.ClusterDomain()); ok {
		if _, namespace, two := strings.Cut(service, "."); two && !slices.Contains(out, namespace) {
			out = append(out, namespace)
		}
	}
	if root := s.RootNamespace(); !slices.Contains(out, root) {
		out = append(out, root)
	}
	return out
}

// moveToGateway moves a rule into the gateway's namespace, where with exportTo "." only the gateway sees it. Everything else of it stays
// as it is.
func moveToGateway(p *trace.Path, d *snapshot.DestinationRule) string {
	o := object("DestinationRule", d.Meta, "spec.exportTo")
	if d.Namespace == p.Gateway.Namespace {
		return patch(o, add("/spec/exportTo", []string{"."}))
	}
	return move(o, p.Gateway.Namespace, add("/spec/exportTo", []string{"."}))
}

var credentialMissing = Check{
	Code:     "EGR031",
	Title:    "Secret with the credential is not there",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		// Envoy keeps a cluster that was there before, without TLS, in force until the new one has its Secret
		for _, l := range stopped(&p, egress.AtGateway, trace.NoCluster, trace.NotBegun) {
			c := warming(l)
			if c == nil {
				continue
			}
			name := credentialOf(c)
			if name == "" {
				continue
			}
			f := because([]*trace.Leg{l})
			f.Message = fmt.Sprintf("cluster %s waits for Secret %s/%s, which istiod does not give to the gateway", c.Name, l.Proxy.Namespace, name)
			for _, secret := range l.Proxy.Config.Secrets {
				if secret.Warming && strings.HasPrefix(secret.Name, kubernetesSecret+name) {
					f.Evidence = append(f.Evidence, "secret "+secret.Name+" is warming")
				}
			}
			if kind, ref, ok := strings.Cut(c.Origin, " "); ok && kind == "DestinationRule" {
				ns, rule := splitRef(ref)
				f.Object = &Object{Kind: kind, Namespace: ns, Name: rule, Field: "credentialName"}
			}
			files := "--from-file=ca.crt"
			if c.TLS.Mode == admin.Mutual {
				files = "--from-file=tls.crt --from-file=tls.key " + files
			}
			f.Fix = fmt.Sprintf("kubectl -n %s create secret generic %s %s", word(l.Proxy.Namespace), word(name), files)
			return []Finding{f}
		}
		return nil
	},
	Why: "credentialName names a Secret in the namespace of the gateway's pods. istiod hands it to the gateway; until it does, Envoy keeps " +
		"the cluster warming and answers 503 (NC). A Secret in the namespace of the clients or of the rule is not looked at, and the " +
		"gateway's service account must be allowed to read Secrets.",
	Fix: "Create the Secret in the gateway's namespace, with ca.crt of the server's CA, and tls.crt and tls.key for mutual TLS.",
}

// kubernetesSecret begins the names of those of Envoy's secrets that come of Kubernetes' Secrets; "-cacert" ends that of the CA.
const kubernetesSecret = "kubernetes://" // #nosec G101 -- a prefix of names

// warming gives the cluster at which a leg has stopped if it is there and not in force yet.
func warming(l *trace.Leg) *admin.Cluster {
	clusters := l.Proxy.Config.Clusters
	i := slices.IndexFunc(clusters, func(c admin.Cluster) bool { return c.Warming && c.TLS != nil && c.Name == l.Stop.Cluster })
	if i < 0 {
		return nil
	}
	return &clusters[i]
}

// credentialOf is the name of the Secret that a cluster's TLS needs.
func credentialOf(c *admin.Cluster) string {
	if name, ok := strings.CutPrefix(c.TLS.Certificate, kubernetesSecret); ok {
		return name
	}
	if name, ok := strings.CutPrefix(c.TLS.Validation, kubernetesSecret); ok {
		return strings.TrimSuffix(name, "-cacert")
	}
	return ""
}
