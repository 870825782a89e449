// Package gather fills a snapshot from a cluster. It only reads, in parallel and within bounds, and says of every source how
// reading it went: what is forbidden, absent or too slow does not hold up the rest.
package gather

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
	"github.com/kubectl-egress/kubectl-egress/stats/ask"
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
	Via           ask.Via       // how proxies are asked, default ask.Auto
	Facts         *mesh.Facts   // if discovered already
	// Logs is how the proxies' access logs are read; nil: they are not. Since bounds how far back; 0: as far as they go.
	Logs  Logs
	Since time.Duration
	// Security reads also what tells who can go round the gateway: all namespaces, their pods and policies, and the nodes.
	Security bool
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
	if g.o.Security {
		both.Go(func() error { return g.security(bothCtx) })
	}
	if err := both.Wait(); err != nil {
		return nil, err
	}
	if err := g.strangers(ctx); err != nil {
		return nil, err
	}
	if err := g.proxies(ctx); err != nil {
		return nil, err
	}
	if err := g.logs(ctx); err != nil {
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
	sidecars := kube.Resource{Group: networkingGroup, Version: cmp.Or(g.s.Facts.Networking, "v1"), Resource: "sidecars"}
	if err := list(ctx, g, sidecars, &g.s.Objects.Sidecars); err != nil && fatal(ctx, err) {
		return err // who may not list them does without
	}
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
	if cut, ok := errors.AsType[*cutError](err); ok {
		return snapshot.State{Kind: snapshot.Cut, Detail: cut.Error()}
	}
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
	case errors.Is(err, io.ErrUnexpectedEOF):
		return snapshot.State{Kind: snapshot.Cut, Detail: err.Error()}
	}
	return snapshot.State{Kind: snapshot.Failed, Detail: err.Error()}
}
