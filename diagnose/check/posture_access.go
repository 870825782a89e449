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

var callerNotKnown = Check{
	Code:     "EGR066",
	Title:    "gateway does not know who calls it",
	Severity: Warn,
	Hop:      egress.AtGateway,
	Needs:    []snapshot.Source{snapshot.Gateways, snapshot.DestinationRules},
	Why: "Without Istio's mutual TLS from sidecar to gateway, the gateway takes connections from anybody who can reach its address, pods without a " +
		"sidecar among them, and cannot know who they are: no AuthorizationPolicy can tell callers apart, and its log has addresses alone. With it, " +
		"every caller has a certificate with its service account (Istio egress gateway task: \"If you have mutual TLS Authentication enabled in Istio\").",
	Fix: "Declare the set with --mtls=on, or for objects made by hand: ISTIO_MUTUAL in the Gateway's server and in the DestinationRule's subset " +
		"with sni, as 'kubectl egress render --mtls=on' prints it.",
}

// arriving gives the paths whose traffic arrives at a gateway and whose callers it knows by Istio's TLS, or does not.
func (p *posture) arriving(g *trace.Path, known bool) []*trace.Path {
	return slices.DeleteFunc(slices.Clone(p.all), func(path *trace.Path) bool {
		if path.Gateway == g.Gateway {
			for _, l := range path.At(egress.AtGateway) {
				if l.Stop == nil || l.Stop.Kind == trace.NoEndpoint {
					return (len(l.Ask.TLS) > 0 && l.Ask.TLS[0].Mode == admin.IstioMutual) != known
				}
			}
		}
		return true
	})
}

// anonymous finds the gateways that take connections of unknown callers.
func (p *posture) anonymous() []Finding {
	var out []Finding
	for _, g := range gateways(p.paths) {
		plain := p.arriving(g, false)
		if len(plain) == 0 {
			continue
		}
		f := Finding{
			Object:  &Object{Kind: "Service", Namespace: g.Gateway.Namespace, Name: g.Gateway.Service},
			Message: fmt.Sprintf("gateway %s takes %s from anybody: no Istio mTLS tells who calls", g.Gateway, pathNames(plain)),
		}
		var commands []string
		for i, path := range plain {
			if i < maxEvidence {
				f.Evidence = append(f.Evidence, fmt.Sprintf("%s arrives at %s without Istio's TLS", path, path.At(egress.AtGateway)[0].Proxy.Pod))
			}
			if c := turnOnMTLS(path); !slices.Contains(commands, c) {
				commands = append(commands, c)
			}
		}
		f.Fix = strings.Join(commands, "\n")
		out = append(out, f)
	}
	return out
}

func pathNames(paths []*trace.Path) string {
	const most = 3
	var names []string
	for _, path := range paths {
		names = append(names, path.String())
	}
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// turnOnMTLS declares the set anew, or prints what objects made by hand would have to be.
func turnOnMTLS(path *trace.Path) string {
	if path.Set != "" {
		ns, name := splitRef(path.Set)
		return redeclare(ns, name, "mtls", "on")
	}
	return fmt.Sprintf("kubectl egress render --domains=%s --mode=%s --gateway=%s --mtls=on", word(string(path.Host)), path.Mode, word(path.Gateway.String()))
}

// redeclare is the command that declares a set anew with another value of a field.
func redeclare(namespace, name, field, value string) string {
	return fmt.Sprintf(`kubectl -n %s get configmap %s -o 'jsonpath={.data.set\.yaml}' | sed 's/^%[3]s: .*/%[3]s: "%[4]s"/' | kubectl egress enable -f -`,
		word(namespace), word(egress.ParentName(name)), field, value)
}

var everybodyAllowed = Check{
	Code:     "EGR067",
	Title:    "every workload may use the gateway",
	Severity: Warn,
	Hop:      egress.AtGateway,
	Needs:    []snapshot.Source{snapshot.Namespaces, snapshot.Workloads, snapshot.AuthorizationPolicies},
	Why: "The gateway knows its callers by their certificates and lets all of them use every path, whatever namespace they are in: exportTo and " +
		"routes only hide a path from other sidecars, and who crafts a connection with the right server name gets through. An AuthorizationPolicy on the " +
		"gateway's workload says which namespaces or service accounts may. Who may change Gateways, VirtualServices, ServiceEntries and " +
		"EnvoyFilters is a question of RBAC and not judged here.",
	Fix: "Apply the AuthorizationPolicy that the finding prints, with only those namespaces left in it that are meant to use the gateway. An ALLOW " +
		"policy refuses everything else on that gateway.",
}

// unauthorized finds the gateways with known callers that no policy tells apart.
func (p *posture) unauthorized() []Finding {
	var out []Finding
	for _, g := range gateways(p.paths) {
		lax, restricted := p.restricted(g)
		if len(p.arriving(g, true)) == 0 || len(p.arriving(g, false)) > 0 || restricted {
			continue // where some callers are not known, that comes first: a policy by identity would cut them off
		}
		f := Finding{
			Object:   &Object{Kind: "Service", Namespace: g.Gateway.Namespace, Name: g.Gateway.Service},
			Message:  fmt.Sprintf("every workload of the mesh may use gateway %s: no AuthorizationPolicy restricts its callers", g.Gateway),
			Evidence: []string{"no AuthorizationPolicy selects its pods"},
			Fix:      p.restrict(g, lax),
		}
		if lax != nil {
			f.Object = object("AuthorizationPolicy", lax.Meta, "spec.rules")
			f.Evidence = []string{fmt.Sprintf("AuthorizationPolicy %s has a rule that asks for no source", lax.Meta)}
		}
		out = append(out, f)
	}
	return out
}

// restricted says whether policies let only certain callers use a gateway. lax is an ALLOW policy that lets everybody.
func (p *posture) restricted(g *trace.Path) (lax *snapshot.AuthorizationPolicy, yes bool) {
	for _, a := range p.authorizing(g) {
		switch action(a) {
		case "ALLOW":
			yes = true
			if slices.ContainsFunc(a.Spec.Rules, func(r snapshot.AuthorizationRule) bool { return !asksForSource(&r) }) {
				lax = a
			}
		case "DENY", "CUSTOM":
			yes = yes || len(a.Spec.Rules) > 0
		}
	}
	return lax, yes && lax == nil
}

// authorizing gives the policies that are in force on a gateway's pods.
func (p *posture) authorizing(g *trace.Path) []*snapshot.AuthorizationPolicy {
	labels := g.Want.Selector
	if len(g.Want.Pods) > 0 {
		labels = g.Want.Pods[0].Labels
	}
	var out []*snapshot.AuthorizationPolicy
	for i := range p.s.Security.AuthorizationPolicies {
		a := &p.s.Security.AuthorizationPolicies[i]
		if a.Namespace != g.Gateway.Namespace && a.Namespace != p.s.RootNamespace() || a.Spec.TargetRef != nil || len(a.Spec.TargetRefs) > 0 {
			continue
		}
		if a.Spec.Selector == nil || snapshot.Selects(a.Spec.Selector.MatchLabels, labels) {
			out = append(out, a)
		}
	}
	return out
}

func action(a *snapshot.AuthorizationPolicy) string {
	if a.Spec.Action == "" {
		return "ALLOW"
	}
	return a.Spec.Action
}

// restrict is the policy that lets the namespaces that see its paths use the gateway, and takes away one that lets everybody.
func (p *posture) restrict(g *trace.Path, lax *snapshot.AuthorizationPolicy) string {
	fix := applyText(manifest{
		APIVersion: "security.istio.io/v1", Kind: "AuthorizationPolicy",
		Metadata: fields{"namespace": g.Gateway.Namespace, "name": g.Gateway.Service + "-callers"},
		Spec: fields{
			"selector": fields{"matchLabels": g.Want.Selector}, "action": "ALLOW",
			"rules": []any{fields{"from": []any{fields{"source": fields{"namespaces": p.callers(g)}}}}},
		},
	})
	if lax != nil {
		fix += fmt.Sprintf("\nkubectl -n %s delete authorizationpolicy %s", word(lax.Namespace), word(lax.Name))
	}
	return fix
}
