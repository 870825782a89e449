package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
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
			Number   int    `json:"number"`
			Protocol string `json:"protocol"`
		} `json:"ports"` // of a ServiceEntry
		Gateways []string `json:"gateways"` // of a VirtualService; empty is mesh
	} `json:"spec"`
}

// refuseRivals looks for objects of others about the same hosts that would take the place of ours in the proxies. Of two
// ServiceEntries for a host Istio goes by one, and does not say by which (rule R53): one that lacks what this set needs
// leaves routes to clusters that do not exist. Of two VirtualServices that bind a host to the mesh the older wins (rule R7).
func refuseRivals(ctx context.Context, c Client, a api, set egress.Set) error {
	for _, kind := range []string{"ServiceEntry", "VirtualService"} {
		found, err := kube.ListOf[rival](ctx, c, a.resource(kind), "", kube.ListOptions{})
		if err != nil {
			return fmt.Errorf("look for others' objects about the hosts of set %s: %w", set, err)
		}
		slices.SortFunc(found, func(x, y rival) int { return byWriting(x.ref(kind), y.ref(kind)) })
		for _, r := range found {
			if _, ofSet := r.Metadata.Labels[egress.LabelPartOf]; ofSet || !r.visible(set.Namespace) {
				continue // sets are compared as sets
			}
			if msg := r.quarrel(kind, set); msg != "" {
				return &RefusedError{Reason: Clash, Refs: []Ref{r.ref(kind)}, Msg: r.ref(kind).String() + " " + msg}
			}
		}
	}
	return nil
}

func (r rival) ref(kind string) Ref {
	return Ref{Kind: kind, Namespace: r.Metadata.Namespace, Name: r.Metadata.Name}
}

// visible says whether proxies outside its own namespace, or those of the set's, see the object.
func (r rival) visible(namespace string) bool {
	return r.Metadata.Namespace == namespace || len(r.Spec.ExportTo) == 0 ||
		slices.ContainsFunc(r.Spec.ExportTo, func(e string) bool { return e == "*" || e == namespace })
}

// quarrel tells what of the set the object stands in the way of, or nothing.
func (r rival) quarrel(kind string, set egress.Set) string {
	for _, route := range set.Routes() {
		if !slices.ContainsFunc(r.Spec.Hosts, func(h string) bool { return strings.EqualFold(h, string(route.Host)) }) {
			continue
		}
		if kind == "VirtualService" {
			if len(r.Spec.Gateways) > 0 && !slices.Contains(r.Spec.Gateways, "mesh") {
				continue
			}
			return fmt.Sprintf("routes %s for the mesh already, and of two the older wins; take it away first, or leave that host out", route.Host)
		}
		if why := r.lacks(route); why != "" {
			return fmt.Sprintf("declares %s too, %s, and Istio goes by only one of two; take it away first, or give it %s on port %d with resolution DNS",
				route.Host, why, route.Protocol, route.Port)
		}
	}
	return ""
}

// lacks tells what the route needs and the ServiceEntry has not, or nothing.
func (r rival) lacks(route egress.Route) string {
	if r.Spec.Resolution == "" || r.Spec.Resolution == "NONE" {
		return "with resolution NONE, by which no gateway finds its address"
	}
	for _, p := range r.Spec.Ports {
		if p.Number != route.Port {
			continue
		}
		if family(p.Protocol) != string(route.Protocol) {
			return fmt.Sprintf("with protocol %s on port %d", p.Protocol, p.Number)
		}
		return ""
	}
	return fmt.Sprintf("without port %d", route.Port)
}
