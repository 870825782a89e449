// Package gather fills a snapshot from a cluster. It only reads, in parallel and within bounds, and says of every source how
// reading it went: what is forbidden, absent or too slow does not hold up the rest.
package gather

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
)

// Client is what gathering needs of a kube.Client.
type Client interface {
	discover.Reader
	Exec(ctx context.Context, p kube.Pod, command []string, stdout, stderr io.Writer) error
}

// Options bound what is gathered. The zero value takes the defaults.
type Options struct {
	// From names the only workload whose sidecar is looked at: NAMESPACE/NAME of a pod or of what made it, or KIND/NAME in
	// Namespace. Empty: one meshed pod in each of the first MaxNamespaces namespaces.
	From string
	// Namespace is where From is looked for if it names none, and which is read if reading all is forbidden.
	Namespace     string
	MaxNamespaces int           // default 8; those with sets and VirtualServices come first
	MaxPods       int           // of each gateway, default 5
	Parallel      int           // proxies read at the same time, default 8
	Deadline      time.Duration // for each proxy, default 10 s
	Facts         *mesh.Facts   // if discovered already
	// Set narrows what Proxies reads to one set: the pods of its gateway, which discovery need not have taken for one, and the
	// workloads of namespaces that see it.
	Set *egress.Set
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		field *int
		value int
	}{{&o.MaxNamespaces, 8}, {&o.MaxPods, 5}, {&o.Parallel, 8}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if o.Deadline <= 0 {
		o.Deadline = 10 * time.Second
	}
	return o
}

// Gather reads a cluster. An error means that there is nothing to say at all: the API server cannot be reached or does not know
// the caller, the context ended, or From names nothing; that last one is an *egress.InputError.
func Gather(ctx context.Context, c Client, o Options) (*snapshot.Snapshot, error) {
	g := &gatherer{Client: c, o: o.withDefaults(), s: &snapshot.Snapshot{Taken: time.Now().UTC(), From: o.From, States: map[snapshot.Source]snapshot.State{}}}
	both, bothCtx := errgroup.WithContext(ctx)
	both.Go(func() error { return g.facts(bothCtx) })
	both.Go(func() error { return g.objects(bothCtx) })
	if err := both.Wait(); err != nil {
		return nil, err
	}
	if err := g.strangers(ctx); err != nil {
		return nil, err
	}
	if err := g.proxies(ctx); err != nil {
		return nil, err
	}
	return g.s, nil
}

// Proxies reads only the proxies, those that Gather would take, by facts that are known already.
func Proxies(ctx context.Context, c Client, o Options) (*snapshot.Snapshot, error) {
	g := &gatherer{Client: c, o: o.withDefaults(), s: &snapshot.Snapshot{Taken: time.Now().UTC(), From: o.From, States: map[snapshot.Source]snapshot.State{}}}
	if err := g.facts(ctx); err != nil {
		return nil, err
	}
	if g.o.Set != nil {
		if err := g.only(ctx, *g.o.Set); err != nil {
			return nil, err
		}
	}
	if err := g.proxies(ctx); err != nil {
		return nil, err
	}
	return g.s, nil
}

// only leaves of the gateways that of a set, and notes how looking for it went.
func (g *gatherer) only(ctx context.Context, set egress.Set) error {
	g.s.Sets = []snapshot.Set{{Set: set}}
	gateways := g.s.Facts.Gateways
	g.s.Facts.Gateways = nil
	if set.Direct() || set.Gateway == (egress.GatewayRef{}) {
		return nil
	}
	for _, gw := range gateways {
		if gw.Ref() == set.Gateway {
			g.s.Facts.Gateways = []mesh.Gateway{gw}
			g.state(snapshot.Facts, snapshot.State{Kind: snapshot.Read})
			return nil
		}
	}
	gw, err := discover.Gateway(ctx, g, set.Gateway)
	if err != nil && fatal(ctx, err) {
		return err
	}
	g.state(snapshot.Facts, stateOf(err))
	if err == nil {
		g.s.Facts.Gateways = []mesh.Gateway{gw}
	}
	return nil
}

// gatherer is one gathering.
type gatherer struct {
	Client
	o  Options
	mu sync.Mutex // of what follows
	s  *snapshot.Snapshot
}

func (g *gatherer) facts(ctx context.Context) error {
	if g.o.Facts != nil {
		g.s.Facts = *g.o.Facts
	} else {
		facts, err := discover.Discover(ctx, g)
		if err != nil {
			return err
		}
		g.s.Facts = facts
	}
	state := snapshot.State{Kind: snapshot.Read}
	for _, u := range g.s.Facts.Unread {
		if strings.HasPrefix(u.Source, "services") || strings.HasPrefix(u.Source, "pods") {
			state = snapshot.State{Kind: snapshot.Kind(u.Kind), Detail: u.Detail}
		}
	}
	g.state(snapshot.Facts, state)
	return nil
}

func (g *gatherer) state(source snapshot.Source, st snapshot.State) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.s.States[source] = st
}

func (g *gatherer) note(text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.s.Notes = append(g.s.Notes, text)
}

// fatal says whether an error concerns every source, so that going on makes no sense.
func fatal(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, kube.ErrUnreachable) || errors.Is(err, kube.ErrUnauthorized)
}

// stateOf classifies an error of one source.
func stateOf(err error) snapshot.State {
	switch {
	case err == nil:
		return snapshot.State{Kind: snapshot.Read}
	case errors.Is(err, kube.ErrForbidden):
		st := snapshot.State{Kind: snapshot.Forbidden, Detail: err.Error()}
		if e, ok := errors.AsType[*kube.Error](err); ok {
			st.Right = e.Right()
		}
		return st
	case errors.Is(err, kube.ErrAbsent):
		return snapshot.State{Kind: snapshot.Absent, Detail: err.Error()}
	case errors.Is(err, kube.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return snapshot.State{Kind: snapshot.TimedOut, Detail: err.Error()}
	}
	return snapshot.State{Kind: snapshot.Failed, Detail: err.Error()}
}

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

// list reads all objects of a kind.
func list[T interface{ GetMeta() snapshot.Meta }](ctx context.Context, g *gatherer, r kube.Resource, into *[]T) error {
	var out []T
	err := g.List(ctx, r, "", kube.ListOptions{Restart: func() { out = nil }}, func(raw json.RawMessage) error {
		var o T
		if err := json.Unmarshal(raw, &o); err != nil {
			return err
		}
		out = append(out, o)
		return nil
	})
	if err != nil {
		return err
	}
	egress.SortFunc(out, func(a, b T) int { return strings.Compare(a.GetMeta().String(), b.GetMeta().String()) })
	*into = out
	return nil
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
	err := g.List(ctx, kube.Resource{Version: "v1", Resource: "configmaps"}, "", o, func(raw json.RawMessage) error {
		var p parent
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
		if strings.HasPrefix(p.Name, egress.ParentName("")) { // gateways and samples have parents as well
			sets = append(sets, decodeSet(p))
		}
		return nil
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
