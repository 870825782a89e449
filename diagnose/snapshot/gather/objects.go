package gather

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// networkingVersion is the version of Istio's networking API to read by; v1 where it cannot be found out.
func (g *gatherer) networkingVersion(ctx context.Context) string {
	served, err := g.ServedVersions(ctx, networkingGroup)
	if err == nil {
		for _, v := range []string{"v1", "v1beta1", "v1alpha3"} {
			if slices.Contains(served, v) {
				return v
			}
		}
	}
	return "v1" // the lists will say what is wrong
}

const networkingGroup = "networking.istio.io"

func (g *gatherer) objects(ctx context.Context) error {
	v := g.networkingVersion(ctx)
	others := map[bool][2]string{true: {"v1", "v1"}, false: {"v1alpha1", "v1beta1"}}[v == "v1"] // telemetry, security
	networking := func(version, resource string) kube.Resource {
		return kube.Resource{Group: networkingGroup, Version: version, Resource: resource}
	}
	o := &g.s.Objects
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for source, read := range map[snapshot.Source]func() error{
		snapshot.ServiceEntries:   func() error { return list(ctx, g, networking(v, "serviceentries"), &o.ServiceEntries) },
		snapshot.Gateways:         func() error { return list(ctx, g, networking(v, "gateways"), &o.Gateways) },
		snapshot.VirtualServices:  func() error { return list(ctx, g, networking(v, "virtualservices"), &o.VirtualServices) },
		snapshot.DestinationRules: func() error { return list(ctx, g, networking(v, "destinationrules"), &o.DestinationRules) },
		snapshot.Sidecars:         func() error { return list(ctx, g, networking(v, "sidecars"), &o.Sidecars) },
		snapshot.EnvoyFilters:     func() error { return list(ctx, g, networking("v1alpha3", "envoyfilters"), &o.EnvoyFilters) },
		snapshot.Telemetries: func() error {
			return list(ctx, g, kube.Resource{Group: "telemetry.istio.io", Version: others[0], Resource: "telemetries"}, &o.Telemetries)
		},
		snapshot.PeerAuthentications: func() error {
			return list(ctx, g, kube.Resource{Group: "security.istio.io", Version: others[1], Resource: "peerauthentications"}, &o.PeerAuthentications)
		},
		snapshot.Services: func() error { return list(ctx, g, kube.Resource{Version: "v1", Resource: "services"}, &o.Services) },
		snapshot.Sets:     func() error { return g.sets(ctx) },
	} {
		group.Go(func() error {
			err := read()
			if err != nil && fatal(ctx, err) {
				return err
			}
			g.state(source, stateOf(err))
			return nil
		})
	}
	return group.Wait()
}

// cutError says that only one namespace could be read.
type cutError struct {
	namespace string
	err       error // why not all
}

func (e *cutError) Error() string {
	return "only namespace " + e.namespace + " could be read: " + e.err.Error()
}

// everywhere lists in all namespaces or, where that is forbidden, in the one that was asked for; then it says so in a *cutError.
func (g *gatherer) everywhere(list func(namespace string) error) error {
	err := list("")
	if !errors.Is(err, kube.ErrForbidden) || g.o.Namespace == "" {
		return err
	}
	if list(g.o.Namespace) != nil {
		return err
	}
	return &cutError{g.o.Namespace, err}
}

// list reads all objects of a kind.
func list[T interface{ GetMeta() snapshot.Meta }](ctx context.Context, g *gatherer, r kube.Resource, into *[]T) error {
	var out []T
	err := g.everywhere(func(namespace string) error {
		return g.List(ctx, r, namespace, kube.ListOptions{Restart: func() { out = nil }}, func(raw json.RawMessage) error {
			var o T
			if err := json.Unmarshal(raw, &o); err != nil {
				return err
			}
			out = append(out, o)
			return nil
		})
	})
	if _, cut := errors.AsType[*cutError](err); err != nil && !cut {
		return err
	}
	egress.SortFunc(out, func(a, b T) int { return strings.Compare(a.GetMeta().String(), b.GetMeta().String()) })
	*into = out
	return err
}

// parent is the ConfigMap of a set.
type parent struct {
	snapshot.Meta `json:"metadata"`
	Data          map[string]string `json:"data"`
}

func (g *gatherer) sets(ctx context.Context) error {
	mark := egress.LabelManagedBy + "=" + egress.ManagedBy + "," + egress.LabelApplySetID
	var sets []snapshot.Set
	o := kube.ListOptions{Labels: mark, Restart: func() { sets = nil }}
	err := g.everywhere(func(namespace string) error {
		return g.List(ctx, kube.Resource{Version: "v1", Resource: "configmaps"}, namespace, o, func(raw json.RawMessage) error {
			var p parent
			if err := json.Unmarshal(raw, &p); err != nil {
				return err
			}
			if strings.HasPrefix(p.Name, egress.ParentName("")) { // gateways and samples have parents as well
				sets = append(sets, decodeSet(p))
			}
			return nil
		})
	})
	egress.SortFunc(sets, func(a, b snapshot.Set) int { return strings.Compare(a.String(), b.String()) })
	g.s.Sets = sets
	return err
}

func decodeSet(p parent) snapshot.Set {
	set, err := egress.DecodeSet([]byte(p.Data[egress.DataKey]))
	if err == nil && (set.Namespace != p.Namespace || set.ParentName() != p.Name) {
		err = egress.Inputf("it declares set %s", set)
	}
	if err != nil {
		name := strings.TrimPrefix(p.Name, egress.ParentName(""))
		return snapshot.Set{Set: egress.Set{Namespace: p.Namespace, Name: name}, Broken: err.Error()}
	}
	set.CA = "" // certificates are never kept; what comes of it is in the gateway's configuration
	return snapshot.Set{Set: set}
}
