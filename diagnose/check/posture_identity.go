package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var identityNotSeen = Check{
	Code:     "EGR050",
	Title:    "policy by an identity that the gateway cannot see",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Needs:    []snapshot.Source{snapshot.AuthorizationPolicies},
	Why: "A rule with principals, namespaces or serviceAccounts fits only callers whose certificate the gateway has seen. Where TLS passes through " +
		"the gateway, or plain text arrives, there is no certificate of Istio's: an ALLOW rule by identity never fits and the gateway refuses everybody " +
		"(rbac_access_denied_matched_policy[none]), and a DENY rule never fits and refuses nobody (R50).",
	Fix: "Have the sidecars begin Istio's TLS to the gateway and end it there (ISTIO_MUTUAL in the Gateway's server, EGR066), or restrict by what the " +
		"gateway sees: connection.sni and ipBlocks.",
}

// identities finds policies by identity on gateways where callers have none.
func (p *posture) identities() []Finding {
	var out []Finding
	for _, g := range gateways(p.paths) {
		plain := p.arriving(g, false)
		policies := p.authorizing(g)
		if len(plain) == 0 {
			continue
		}
		for _, a := range policies {
			if f, ok := blind(a, policies, plain); ok {
				out = append(out, f)
			}
		}
	}
	return out
}

// blind judges one policy for the paths whose callers have no identity. Of several ALLOW policies one that fits is enough.
func blind(a *snapshot.AuthorizationPolicy, all []*snapshot.AuthorizationPolicy, plain []*trace.Path) (Finding, bool) {
	byIdentity := func(r snapshot.AuthorizationRule) bool { return asksForIdentity(&r) }
	i := slices.IndexFunc(a.Spec.Rules, byIdentity)
	if i < 0 {
		return Finding{}, false
	}
	f := Finding{
		Object:   object("AuthorizationPolicy", a.Meta, fmt.Sprintf("spec.rules[%d]", i)),
		Evidence: []string{fmt.Sprintf("%s arrives at gateway %s without Istio's TLS, so that its callers have no identity", pathNames(plain), plain[0].Gateway)},
		Fix:      turnOnMTLS(plain[0]),
	}
	switch action(a) {
	case "DENY":
		f.State = Warn
		f.Message = fmt.Sprintf("AuthorizationPolicy %s refuses callers by their identity, and of %s it sees none: it refuses nobody", a.Meta, pathNames(plain))
	case "ALLOW":
		fits := func(o *snapshot.AuthorizationPolicy) bool {
			return action(o) == "ALLOW" && slices.ContainsFunc(o.Spec.Rules, func(r snapshot.AuthorizationRule) bool { return !asksForIdentity(&r) })
		}
		if slices.ContainsFunc(all, fits) {
			return Finding{}, false
		}
		f.Message = fmt.Sprintf("AuthorizationPolicy %s lets callers in by their identity, and of %s it sees none: it refuses everybody", a.Meta, pathNames(plain))
	default:
		return Finding{}, false
	}
	return f, true
}

// asksForIdentity says whether a rule fits only callers whose certificate was seen. What it forbids (notPrincipals) fits those without
// as well.
func asksForIdentity(r *snapshot.AuthorizationRule) bool {
	for _, f := range r.From {
		s := &f.Source
		if len(s.Principals) == 0 && len(s.Namespaces) == 0 && len(s.ServiceAccounts) == 0 {
			return slices.ContainsFunc(r.When, identityKey)
		}
	}
	return len(r.From) > 0 || slices.ContainsFunc(r.When, identityKey)
}

type condition = struct {
	Key       string   `json:"key"`
	Values    []string `json:"values,omitempty"`
	NotValues []string `json:"notValues,omitempty"`
}

func identityKey(c condition) bool {
	return len(c.Values) > 0 && slices.Contains([]string{"source.principal", "source.namespace", "source.serviceAccount"}, c.Key)
}

// asksForSource says whether a rule is about certain callers, by identity or address.
func asksForSource(r *snapshot.AuthorizationRule) bool {
	for _, f := range r.From {
		s := &f.Source
		lists := [][]string{s.Principals, s.NotPrincipals, s.Namespaces, s.NotNamespaces, s.ServiceAccounts, s.NotServiceAccounts, s.IPBlocks, s.NotIPBlocks, s.RemoteIPBlocks}
		if !slices.ContainsFunc(lists, func(l []string) bool { return len(l) > 0 && !slices.Equal(l, []string{"*"}) }) {
			return false
		}
	}
	return len(r.From) > 0 || slices.ContainsFunc(r.When, func(c condition) bool { return strings.HasPrefix(c.Key, "source.") })
}
