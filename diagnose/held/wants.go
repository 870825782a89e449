package held

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/certs"
)

// wanted is what objects want of a gateway's pods.
type wanted struct {
	secrets map[string][]string // objects by Envoy's name of the secret
	names   []certs.Want
	last    int // pods up to here are this gateway's
}

// put marks what objects want: as their users, or as missing.
func (w wanted) put(p *certs.Pod) {
	for name, objects := range w.secrets {
		i := slices.IndexFunc(p.Held, func(h certs.Held) bool { return h.Name == name })
		if i < 0 {
			p.Held = append(p.Held, certs.Expected(name))
			i = len(p.Held) - 1
		}
		p.Held[i].Users = append(slices.Clone(objects), p.Held[i].Users...)
	}
}

type wireTLS struct {
	Mode       string   `json:"mode"`
	Credential string   `json:"credentialName"`
	SANs       []string `json:"subjectAltNames"`
}

type wirePolicy struct {
	TLS   wireTLS `json:"tls"`
	Ports []struct {
		TLS wireTLS `json:"tls"`
	} `json:"portLevelSettings"`
}

func (p wirePolicy) all() []wireTLS {
	all := []wireTLS{p.TLS}
	for _, port := range p.Ports {
		all = append(all, port.TLS)
	}
	return all
}

// wireObject is a DestinationRule or a Gateway: what one has not is empty.
type wireObject struct {
	Meta struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Host    string     `json:"host"`
		Policy  wirePolicy `json:"trafficPolicy"`
		Subsets []struct {
			Policy wirePolicy `json:"trafficPolicy"`
		} `json:"subsets"`
		Servers []struct {
			TLS wireTLS `json:"tls"`
		} `json:"servers"`
	} `json:"spec"`
}

func (o *wireObject) all() []wireTLS {
	all := o.Spec.Policy.all()
	for _, s := range o.Spec.Subsets {
		all = append(all, s.Policy.all()...)
	}
	for _, s := range o.Spec.Servers {
		all = append(all, s.TLS)
	}
	return all
}

// wants reads what DestinationRules and Gateways want of a gateway: credentials, and names in its certificate.
func (l *looker) wants(ctx context.Context, gw mesh.Gateway) (wanted, error) {
	w := wanted{secrets: map[string][]string{}}
	if l.facts.Networking == "" {
		return w, nil
	}
	var credentials []string
	for _, plural := range []string{"destinationrules", "gateways"} {
		kind := kube.Resource{Group: "networking.istio.io", Version: l.facts.Networking, Resource: plural}
		objects, err := kube.ListOf[wireObject](ctx, l, kind, "", kube.ListOptions{})
		if err != nil && !errors.Is(err, kube.ErrAbsent) {
			return w, fmt.Errorf("find what uses certificates: %w", err)
		}
		for i := range objects {
			o := &objects[i]
			for _, t := range o.all() {
				if t.Credential != "" && !slices.Contains(credentials, t.Credential) {
					credentials = append(credentials, t.Credential)
				}
			}
			if plural == "destinationrules" && l.leadsTo(o, gw) {
				w.names = append(w.names, o.names()...)
			}
		}
	}
	slices.Sort(credentials)
	for _, credential := range credentials {
		users, err := diagnose.CredentialUsers(ctx, l, l.facts, gw, credential)
		if err != nil {
			return w, err
		}
		for _, u := range users {
			for _, secret := range u.Secrets {
				if !slices.Contains(w.secrets[secret], u.String()) {
					w.secrets[secret] = append(w.secrets[secret], u.String())
				}
			}
		}
	}
	return w, nil
}

// leadsTo says whether a rule's host is the gateway's Service, by any of the ways to write it.
func (l *looker) leadsTo(o *wireObject, gw mesh.Gateway) bool {
	domain := l.facts.ClusterDomain
	if domain == "" {
		domain = "cluster.local"
	}
	host := o.Spec.Host
	if !strings.Contains(host, ".") {
		host += "." + o.Meta.Namespace + ".svc." + domain
	}
	return snapshot.HostCovers(host, gw.Host(domain))
}

// names are those by which a rule verifies the gateway with Istio's mTLS. In mode MUTUAL with files of Istio up to 1.4 they are as well.
func (o *wireObject) names() []certs.Want {
	var wants []certs.Want
	for _, t := range o.all() {
		if len(t.SANs) == 0 || t.Credential != "" || t.Mode != "ISTIO_MUTUAL" && t.Mode != "MUTUAL" {
			continue
		}
		w := certs.Want{By: "DestinationRule " + o.Meta.Namespace + "/" + o.Meta.Name, SANs: t.SANs}
		if !slices.ContainsFunc(wants, func(have certs.Want) bool { return slices.Equal(have.SANs, w.SANs) }) {
			wants = append(wants, w)
		}
	}
	return wants
}
