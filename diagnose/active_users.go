package diagnose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// CredentialUser is an object that has a gateway use a Secret of its namespace.
type CredentialUser struct {
	Kind      string // DestinationRule or Gateway
	Namespace string
	Name      string
	Secrets   []string // what Envoy asks for because of it, by its own names
}

// String is "DestinationRule istio-system/news".
func (u CredentialUser) String() string { return u.Kind + " " + u.Namespace + "/" + u.Name }

type wireMeta struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

type wireTLS struct {
	Mode       string `json:"mode"`
	Credential string `json:"credentialName"`
}

type wirePolicy struct {
	TLS   wireTLS `json:"tls"`
	Ports []struct {
		TLS wireTLS `json:"tls"`
	} `json:"portLevelSettings"`
}

type wireRule struct {
	Meta wireMeta `json:"metadata"`
	Spec struct {
		ExportTo []string `json:"exportTo"`
		Selector struct {
			Labels map[string]string `json:"matchLabels"`
		} `json:"workloadSelector"`
		Policy  wirePolicy `json:"trafficPolicy"`
		Subsets []struct {
			Policy wirePolicy `json:"trafficPolicy"`
		} `json:"subsets"`
	} `json:"spec"`
}

type wireServers struct {
	Meta wireMeta `json:"metadata"`
	Spec struct {
		Selector map[string]string `json:"selector"`
		Servers  []struct {
			TLS wireTLS `json:"tls"`
		} `json:"servers"`
	} `json:"spec"`
}

// CredentialUsers finds the objects that have the gateway use the Secret name of its namespace, as a credentialName: DestinationRules
// that are exported to the gateway, and Gateways that select its pods. A cluster without Istio's kinds has none. What only might be
// used, because a rule's host is in no registry, counts: the rule comes alive with the host.
func CredentialUsers(ctx context.Context, c kube.Lister, facts mesh.Facts, gateway mesh.Gateway, name string) ([]CredentialUser, error) {
	version := facts.Networking
	if version == "" {
		return nil, nil
	}
	kind := func(plural string) kube.Resource {
		return kube.Resource{Group: "networking.istio.io", Version: version, Resource: plural}
	}
	rules, err := kube.ListOf[wireRule](ctx, c, kind("destinationrules"), "", kube.ListOptions{})
	if err != nil && !errors.Is(err, kube.ErrAbsent) {
		return nil, fmt.Errorf("find the rules that use Secret %s/%s: %w", gateway.Namespace, name, err)
	}
	var users []CredentialUser
	for i := range rules {
		if secrets := rules[i].asks(name); len(secrets) > 0 && rules[i].reaches(gateway, facts.Config.DefaultDestinationRuleExportTo) {
			users = append(users, CredentialUser{"DestinationRule", rules[i].Meta.Namespace, rules[i].Meta.Name, secrets})
		}
	}
	gateways, err := kube.ListOf[wireServers](ctx, c, kind("gateways"), "", kube.ListOptions{})
	if err != nil && !errors.Is(err, kube.ErrAbsent) {
		return nil, fmt.Errorf("find the Gateways that use Secret %s/%s: %w", gateway.Namespace, name, err)
	}
	for i := range gateways {
		g := &gateways[i]
		var secrets []string
		for _, s := range g.Spec.Servers {
			secrets = append(secrets, s.TLS.serves(name)...)
		}
		if len(secrets) > 0 && selects(g.Spec.Selector, gateway) {
			users = append(users, CredentialUser{"Gateway", g.Meta.Namespace, g.Meta.Name, once(secrets)})
		}
	}
	egress.SortFunc(users, func(a, b CredentialUser) int { return strings.Compare(a.String(), b.String()) })
	return users, nil
}

// asks gives the secrets that Envoy asks for because of a rule and that come out of the Secret name.
func (r *wireRule) asks(name string) []string {
	secrets := r.Spec.Policy.asks(name)
	for _, s := range r.Spec.Subsets {
		secrets = append(secrets, s.Policy.asks(name)...)
	}
	return once(secrets)
}

func (p wirePolicy) asks(name string) []string {
	secrets := p.TLS.asks(name)
	for _, port := range p.Ports {
		secrets = append(secrets, port.TLS.asks(name)...)
	}
	return secrets
}

// asks gives what a client needs: with SIMPLE a CA only. The CA may be in a Secret NAME-cacert of its own, which comes first.
func (t wireTLS) asks(name string) []string {
	certificate, ca := admin.CredentialSecret(t.Credential), admin.CASecret(t.Credential)
	switch {
	case t.Credential == "":
		return nil
	case ca == admin.CredentialSecret(name):
		return []string{ca}
	case certificate != admin.CredentialSecret(name):
		return nil
	case t.Mode == string(admin.Mutual):
		return []string{certificate, ca}
	case t.Mode == string(admin.Simple):
		return []string{ca}
	}
	return []string{certificate}
}

// serves gives what a server needs: with SIMPLE a certificate only.
func (t wireTLS) serves(name string) []string {
	if secrets := t.asks(name); t.Mode != string(admin.Simple) || len(secrets) == 0 {
		return secrets
	}
	if t.Credential == name {
		return []string{admin.CredentialSecret(name)}
	}
	return nil
}

// reaches says whether a rule is seen by the gateway's pods.
func (r *wireRule) reaches(gateway mesh.Gateway, byDefault []string) bool {
	to := r.Spec.ExportTo
	if len(to) == 0 {
		to = byDefault
	}
	home := r.Meta.Namespace == gateway.Namespace
	if len(r.Spec.Selector.Labels) > 0 {
		return home && selects(r.Spec.Selector.Labels, gateway)
	}
	return len(to) == 0 || slices.Contains(to, "*") || slices.Contains(to, gateway.Namespace) || home && slices.Contains(to, ".")
}

// selects says whether labels choose a pod of the gateway. One without pods is gone by its Service's.
func selects(labels map[string]string, gateway mesh.Gateway) bool {
	has := func(all map[string]string) bool {
		for k, v := range labels {
			if all[k] != v {
				return false
			}
		}
		return true
	}
	for _, p := range gateway.Pods {
		if has(p.Labels) {
			return true
		}
	}
	return len(gateway.Pods) == 0 && has(gateway.Selector)
}

func once(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
