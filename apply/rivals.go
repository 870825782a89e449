package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	clientnetworking "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// rival is what of a ServiceEntry or VirtualService decides whether it takes the place of ours.
type rival struct {
	Metadata struct {
		Namespace string            `json:"namespace"`
		Name      string            `json:"name"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Hosts      []string `json:"hosts"`
		ExportTo   []string `json:"exportTo"`
		Resolution string   `json:"resolution"` // of a ServiceEntry; empty is NONE
		Ports      []struct {
			Number   uint32 `json:"number"`
			Protocol string `json:"protocol"`
		} `json:"ports"` // of a ServiceEntry
		Gateways []string `json:"gateways"` // of a VirtualService; empty is mesh
	} `json:"spec"`
}

// need is what the set wants a host to be in the proxies.
type need struct {
	entry  *networking.ServiceEntry // nil for Services of the cluster, which Istio knows without one
	routed bool                     // by a VirtualService for the mesh
}

// needsOf reads from the set's own objects what each host has to be.
func needsOf(objs []recipe.Object) map[string]need {
	needs := map[string]need{}
	for _, o := range objs {
		switch o := o.(type) {
		case *clientnetworking.ServiceEntry:
			for _, h := range o.Spec.Hosts {
				n := needs[h]
				n.entry = &o.Spec
				needs[h] = n
			}
		case *clientnetworking.VirtualService:
			for _, h := range o.Spec.Hosts {
				n := needs[h]
				n.routed = true
				needs[h] = n
			}
		}
	}
	return needs
}

// refuseRivals looks for objects of others about the same hosts that would take the place of ours in the proxies. Of two
// ServiceEntries for a host Istio goes by one, and does not say by which (rule R53): one that lacks what this set needs
// leaves routes to clusters that do not exist. Of two VirtualServices that bind a host to the mesh the older wins (rule R7).
func (p *Plan) refuseRivals(ctx context.Context, facts mesh.Facts, objs []recipe.Object) error {
	needs := needsOf(objs)
	for _, kind := range []string{"ServiceEntry", "VirtualService"} {
		var found []rival
		err := p.wide(func(namespace string) (err error) {
			found, err = kube.ListOf[rival](ctx, p.client, p.api.resource(kind), namespace, kube.ListOptions{})
			return err
		})
		if err != nil {
			return fmt.Errorf("look for others' objects about the hosts of %s: %w", p.What, err)
		}
		egress.SortFunc(found, func(x, y rival) int { return byWriting(x.ref(kind), y.ref(kind)) })
		for _, r := range found {
			if r.Metadata.Labels[egress.LabelPartOf] != "" || writes(objs, r.ref(kind)) {
				continue // sets are compared as sets
			}
			if msg := r.quarrel(kind, p.Set, needs, facts); msg != "" {
				return &RefusedError{Reason: Clash, Refs: []Ref{r.ref(kind)}, Msg: r.ref(kind).String() + " " + msg}
			}
		}
	}
	return nil
}

func (r rival) ref(kind string) Ref {
	return Ref{Kind: kind, Namespace: r.Metadata.Namespace, Name: r.Metadata.Name}
}

// visible says whether proxies of a namespace see the object.
func (r rival) visible(namespace string) bool {
	return r.Metadata.Namespace == namespace || len(r.Spec.ExportTo) == 0 ||
		slices.ContainsFunc(r.Spec.ExportTo, func(e string) bool { return e == "*" || e == namespace })
}

// quarrel tells what of the set the object stands in the way of, or nothing.
func (r rival) quarrel(kind string, set egress.Set, needs map[string]need, facts mesh.Facts) string {
	byClients := r.visible(set.Namespace)
	byGateway := !set.Direct() && r.visible(set.Gateway.Namespace)
	for _, host := range r.Spec.Hosts {
		host = strings.ToLower(host)
		if !strings.Contains(host, ".") { // a Service, by its name alone
			host += "." + r.Metadata.Namespace + ".svc." + facts.ClusterDomain
		}
		n := needs[host]
		switch {
		case kind == "VirtualService" && n.routed && byClients && (len(r.Spec.Gateways) == 0 || slices.Contains(r.Spec.Gateways, "mesh")):
			return fmt.Sprintf("routes %s for the mesh already, and of two the older wins; take it away first, or leave that host out", host)
		case kind == "ServiceEntry" && n.entry != nil && (byClients || byGateway):
			if why, remedy := r.lacks(n.entry); why != "" {
				return fmt.Sprintf("declares %s too, %s, and Istio goes by only one of two; take it away first, or give it %s", host, why, remedy)
			}
		}
	}
	return ""
}

// lacks tells what our ServiceEntry has and theirs needs too, and how to give it to them, or nothing.
func (r rival) lacks(ours *networking.ServiceEntry) (why, remedy string) {
	resolution := r.Spec.Resolution
	if resolution == "" {
		resolution = networking.ServiceEntry_NONE.String()
	}
	port := ours.Ports[0]
	why = unfit(resolution, ours.Resolution)
	for _, want := range ours.Ports {
		if why != "" {
			break
		}
		port, why = want, r.lacksPort(want)
	}
	if why == "" {
		return "", ""
	}
	return why, fmt.Sprintf("%s on port %d with resolution %s", port.Protocol, port.Number, ours.Resolution)
}

// unfit says why a resolution of theirs does not do what ours does.
func unfit(theirs string, ours networking.ServiceEntry_Resolution) string {
	none, dynamic := networking.ServiceEntry_NONE.String(), networking.ServiceEntry_DYNAMIC_DNS.String()
	switch {
	case theirs == ours.String():
		return ""
	case ours == networking.ServiceEntry_DYNAMIC_DNS:
		return "with resolution " + theirs + ", by which no gateway finds the addresses of names below it"
	case ours == networking.ServiceEntry_NONE && theirs != dynamic:
		return "with resolution " + theirs + ", by which all names below it lead to the same servers"
	case ours == networking.ServiceEntry_DNS && theirs == none:
		return "with resolution NONE, by which no gateway finds its address"
	}
	return ""
}

func (r rival) lacksPort(want *networking.ServicePort) string {
	for _, p := range r.Spec.Ports {
		if p.Number != want.Number {
			continue
		}
		if family(p.Protocol) != family(want.Protocol) {
			return fmt.Sprintf("with protocol %s on port %d", p.Protocol, p.Number)
		}
		return ""
	}
	return fmt.Sprintf("without port %d", want.Number)
}
