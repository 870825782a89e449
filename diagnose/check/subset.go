package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var subsetNotFound = Check{
	Code:     "EGR023",
	Title:    "subset of the gateway not found",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Needs:    []snapshot.Source{snapshot.DestinationRules},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		subset := ""
		legs := slices.DeleteFunc(stopped(&p, egress.AtSidecar, trace.NoCluster, trace.Bystander), func(l *trace.Leg) bool {
			name, _ := trace.ParseCluster(l.Stop.Cluster)
			if name.Subset == "" || name.Host != gatewayHost(s, &p) {
				return true
			}
			subset = name.Subset
			return false
		})
		if len(legs) == 0 || found(s, &p, legs[0].Proxy.Namespace, subset) {
			return nil
		}
		f := because(legs)
		provideSubset(s, &p, &f, subset)
		if !slices.ContainsFunc(legs, func(l *trace.Leg) bool { return l.Stop.Kind == trace.NoCluster }) {
			f.State = Warn // the path works; others that see its routes are hit by it
		}
		return []Finding{f}
	},
	Why: "A route may name a subset of the gateway's Service. Only a DestinationRule makes subsets, and a sidecar looks for the rule in its " +
		"own namespace, then in that of the gateway's Service, then in Istio's root namespace, and takes the first that is exported to " +
		"it. If it finds no rule with the subset, the route leads to a cluster that does not exist: 503 NC, or a reset connection.",
	Fix: "Put the DestinationRule with the subset into the namespace of the gateway's Service, exported to all.",
}

// found says whether the rule that a sidecar takes has the subset: then it is the proxy that has not got it yet.
func found(s *snapshot.Snapshot, p *trace.Path, client, subset string) bool {
	_, rules := rulesFor(s, p, subset)
	used := lookUp(s, rules, client, p.Gateway.Namespace)
	return used != nil && hasSubset(merged(s, rules, used, client, subset), subset)
}

// merged gives the rule that has the subset among those that istiod merges with the one that a sidecar takes: rules of one namespace
// for one host are one rule. Without such a one it is the rule itself.
func merged(s *snapshot.Snapshot, rules []*snapshot.DestinationRule, used *snapshot.DestinationRule, client, subset string) *snapshot.DestinationRule {
	for _, d := range rules {
		if d.Namespace == used.Namespace && isWide(d) == isWide(used) && d.VisibleTo(s, client) && hasSubset(d, subset) {
			return d
		}
	}
	return used
}

// provideSubset says why the subset is not found and brings it to where it is.
func provideSubset(s *snapshot.Snapshot, p *trace.Path, f *Finding, subset string) {
	client := f.explains[0].Proxy.Namespace
	having, rules := rulesFor(s, p, subset)
	used := lookUp(s, rules, client, p.Gateway.Namespace)
	own := createRule(s, p, used, named(string(p.Host)), fields{"subsets": []any{subsetSpec(p, subset)}})
	switch {
	case isWide(used):
		f.Object = object("DestinationRule", used.Meta, "spec.host")
		f.Message = fmt.Sprintf("sidecars in namespace %s use DestinationRule %s, which is for %s and has no subset %s", client, used, used.Spec.Host, subset)
		if having != nil {
			f.Message += fmt.Sprintf("; %s has it", having)
		}
		f.Fix = own
	case having != nil && !having.VisibleTo(s, client) && onPath(s, having.Namespace, client, p.Gateway.Namespace):
		f.Object = object("DestinationRule", having.Meta, "spec.exportTo")
		f.Message = fmt.Sprintf("DestinationRule %s with subset %s is not exported to namespace %s", having, subset, client)
		f.Fix = patch(f.Object, add("/spec/exportTo", []string{"*"}))
	case used != nil && having == nil:
		f.Object = object("DestinationRule", used.Meta, "spec.subsets")
		f.Message = fmt.Sprintf("DestinationRule %s has no subset %s", used, subset)
		f.Fix = addSubset(f.Object, used, subsetSpec(p, subset))
	case used != nil:
		f.Object = object("DestinationRule", used.Meta, "spec.subsets")
		f.Message = fmt.Sprintf("sidecars in namespace %s use DestinationRule %s, which has no subset %s; %s has it", client, used, subset, having)
		f.Fix = addSubset(f.Object, used, subsetSpec(p, subset))
	case having != nil:
		f.Object = object("DestinationRule", having.Meta, "metadata.namespace")
		f.Message = fmt.Sprintf("DestinationRule %s with subset %s is in a namespace where sidecars of %s do not look", having, subset, client)
		f.Fix = createRule(s, p, used, having.Name, fields{"subsets": []any{subsetSpec(p, subset)}})
	default:
		f.Message = fmt.Sprintf("no DestinationRule has subset %s of %s", subset, gatewayHost(s, p))
		f.Fix = own
	}
	if fix, ok := setOf(p); ok {
		f.Fix = fix
	}
}

// rulesFor gives the DestinationRules for the gateway's Service, those for wildcards such as "*.local" among them, and the first for the
// Service itself that has the subset.
func rulesFor(s *snapshot.Snapshot, p *trace.Path, subset string) (having *snapshot.DestinationRule, all []*snapshot.DestinationRule) {
	host := gatewayHost(s, p)
	for i := range s.Objects.DestinationRules {
		d := &s.Objects.DestinationRules[i]
		if !snapshot.HostCovers(s.FullHost(d.Spec.Host, d.Namespace), host) {
			continue
		}
		all = append(all, d)
		if having == nil && !isWide(d) && hasSubset(d, subset) {
			having = d
		}
	}
	return having, all
}

// isWide says whether a rule is for a wildcard: what it says holds for others than the gateway as well, and is not to be changed for it.
func isWide(d *snapshot.DestinationRule) bool { return d != nil && strings.HasPrefix(d.Spec.Host, "*") }

func hasSubset(d *snapshot.DestinationRule, name string) bool {
	return slices.ContainsFunc(d.Spec.Subsets, func(sub snapshot.Subset) bool { return sub.Name == name })
}

// lookUp takes the rule that a sidecar takes: of its own namespace, then of the Service's, then of the root namespace; of one namespace
// the first of those for the narrowest host.
func lookUp(s *snapshot.Snapshot, rules []*snapshot.DestinationRule, client, service string) *snapshot.DestinationRule {
	for _, namespace := range []string{client, service, s.RootNamespace()} {
		var found *snapshot.DestinationRule
		for _, d := range rules {
			if d.Namespace == namespace && d.VisibleTo(s, client) &&
				(found == nil || isWide(found) && (!isWide(d) || len(d.Spec.Host) > len(found.Spec.Host))) {
				found = d
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

func onPath(s *snapshot.Snapshot, namespace, client, service string) bool {
	return slices.Contains([]string{client, service, s.RootNamespace()}, namespace)
}

// subsetSpec is the subset that fits what the gateway expects: Istio's TLS with the host as server name, or plain.
func subsetSpec(p *trace.Path, subset string) fields {
	spec := fields{"name": subset}
	for _, o := range servers(p.Wanted, p.Host) {
		if selects(o.Gateway, p.Want) && o.ends() {
			spec["trafficPolicy"] = fields{"tls": fields{"mode": "ISTIO_MUTUAL", "sni": string(p.Host)}}
		}
	}
	return spec
}

func addSubset(o *Object, d *snapshot.DestinationRule, subset fields) string {
	if len(d.Spec.Subsets) == 0 {
		return patch(o, add("/spec/subsets", []any{subset}))
	}
	return patch(o, add("/spec/subsets/-", subset))
}

// createRule is the command that gives the gateway's Service a rule: in the namespace of the Service, or, where clients use one for a
// wildcard, beside that one and for the same clients.
func createRule(s *snapshot.Snapshot, p *trace.Path, used *snapshot.DestinationRule, name string, spec fields) string {
	namespace := p.Gateway.Namespace
	spec["host"] = gatewayHost(s, p)
	if isWide(used) {
		namespace = used.Namespace
		if len(used.Spec.ExportTo) > 0 {
			spec["exportTo"] = used.Spec.ExportTo
		}
	}
	return apply(networking(s.Facts.Networking, "DestinationRule", namespace, name, spec))
}

// sender finds the DestinationRule and the place in it that decides about TLS from the sidecar of a leg to the gateway.
func sender(s *snapshot.Snapshot, p *trace.Path, leg *trace.Leg) (rule *snapshot.DestinationRule, path string, tls *snapshot.ClientTLS) {
	cluster := ""
	client := ""
	for i := range p.Legs {
		l := &p.Legs[i]
		for _, e := range l.Exits {
			if l.Hop == egress.AtSidecar && e.Ask.SNI() == leg.Ask.SNI() {
				cluster, client = e.Cluster.Name, l.Proxy.Namespace
			}
		}
	}
	name, ok := trace.ParseCluster(cluster)
	if !ok {
		return nil, "", nil
	}
	return settings(s, p, client, name.Subset, name.Port)
}

// settings finds the DestinationRule and the place in it that decides about TLS from sidecars of a namespace to a subset and port of
// the gateway.
func settings(s *snapshot.Snapshot, p *trace.Path, client, subset string, port int) (rule *snapshot.DestinationRule, path string, tls *snapshot.ClientTLS) {
	_, rules := rulesFor(s, p, subset)
	if rule = lookUp(s, rules, client, p.Gateway.Namespace); rule != nil {
		rule = merged(s, rules, rule, client, subset)
	}
	if rule == nil || subset != "" && !hasSubset(rule, subset) {
		return nil, "", nil
	}
	for i := range rule.Spec.Subsets {
		if rule.Spec.Subsets[i].Name == subset {
			if path, tls = policyTLS(rule.Spec.Subsets[i].TrafficPolicy, port); tls != nil {
				return rule, fmt.Sprintf("/spec/subsets/%d/trafficPolicy%s", i, path), tls
			}
		}
	}
	path, tls = policyTLS(rule.Spec.TrafficPolicy, port)
	return rule, "/spec/trafficPolicy" + path, tls
}

// policyTLS finds the settings for a port: those of the port itself, then those for all.
func policyTLS(p *snapshot.Policy, port int) (path string, tls *snapshot.ClientTLS) {
	if p == nil {
		return "", nil
	}
	for i := range p.Ports {
		if p.Ports[i].Port.Number == port && p.Ports[i].TLS != nil {
			return fmt.Sprintf("/portLevelSettings/%d/tls", i), p.Ports[i].TLS
		}
	}
	if p.TLS != nil {
		return "/tls", p.TLS
	}
	return "", nil
}
