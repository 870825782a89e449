package diagnose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// holdTick is how often the proxies are asked: istiod sends a change within a tenth of a second to a few seconds.
const holdTick = 250 * time.Millisecond

// NotHeldError says what is still missing when the context ended.
type NotHeldError struct {
	Says string // what was seen last, one sentence
	Err  error  // why waiting ended
}

// Error tells what is missing.
func (e *NotHeldError) Error() string { return e.Says }

// Unwrap gives the context's error, so that a time-out is known as one.
func (e *NotHeldError) Unwrap() error { return e.Err }

// Hold waits until the Envoys of workloads and of the gateway really have the set's routes: its paths lead through the gateway to
// an address outside. The set must be resolved. It waits as long as the context lets it, and then says in a *NotHeldError what is
// missing. What can never be seen, for want of rights, is an error at once. With no workload that has a sidecar there is nothing to
// wait for.
func Hold(ctx context.Context, c gather.Client, set egress.Set) error {
	return poll(ctx, proxiesOf(c, set), set, leads)
}

// HoldNot waits until the Envoys no longer have the set's routes. Otherwise it is as Hold.
func HoldNot(ctx context.Context, c gather.Client, set egress.Set) error {
	return poll(ctx, proxiesOf(c, set), set, rid)
}

// leads says what the set's paths lack to lead outside; empty if nothing.
func leads(s *snapshot.Snapshot, set egress.Set) string {
	walker := trace.New(s)
	for _, p := range set.Paths() {
		walked := walker.Walk(p)
		for i := range walked.Legs {
			if stop := walked.Legs[i].Stop; stop != nil && stop.Kind != trace.NotSelected {
				return stop.Says
			}
		}
	}
	return ""
}

// rid says which proxy still has something of the set; empty if none.
func rid(s *snapshot.Snapshot, set egress.Set) string {
	for i := range s.Proxies {
		if says := holds(s, &s.Proxies[i], set); says != "" {
			return says
		}
	}
	return ""
}

// discoverEvery is after how many looks the gateway's pods are looked up anew: it may be rolling over.
const discoverEvery = 8

// look reads the proxies as they are now.
type look func(context.Context) (*snapshot.Snapshot, error)

// proxiesOf looks at the proxies of a cluster, those of the set's own namespace first.
func proxiesOf(c gather.Client, set egress.Set) look {
	var facts *mesh.Facts
	looks := 0
	return func(ctx context.Context) (*snapshot.Snapshot, error) {
		if looks++; looks%discoverEvery == 0 {
			facts = nil
		}
		s, err := gather.Proxies(ctx, c, gather.Options{Facts: facts, Namespace: set.Namespace})
		if err == nil {
			facts = &s.Facts
		}
		return s, err
	}
}

// poll looks again and again until missing has nothing to say.
func poll(ctx context.Context, at look, set egress.Set, missing func(*snapshot.Snapshot, egress.Set) string) error {
	tick := time.NewTicker(holdTick)
	defer tick.Stop()
	last := ""
	for {
		s, err := at(ctx)
		if err == nil {
			err = unreadable(s)
		}
		switch {
		case ctx.Err() != nil: // what was read in part is no proof
			return notHeld(ctx, set, last)
		case err != nil:
			return fmt.Errorf("look at the proxies for set %s: %w", set, err)
		}
		if last = unseen(s); last == "" {
			if !slices.ContainsFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtSidecar }) {
				return nil
			}
			last = missing(s, set)
		}
		if last == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return notHeld(ctx, set, last)
		case <-tick.C:
		}
	}
}

func notHeld(ctx context.Context, set egress.Set, last string) error {
	if last == "" {
		last = fmt.Sprintf("the proxies were not seen with set %s in time", set)
	}
	return &NotHeldError{Says: last, Err: ctx.Err()}
}

// unreadable says what no amount of waiting will show.
func unreadable(s *snapshot.Snapshot) error {
	if st := s.State(snapshot.Pods); st.Kind == snapshot.Forbidden {
		return errors.New(st.Detail)
	}
	for i := range s.Proxies {
		if st := s.Proxies[i].State; st.Kind == snapshot.Forbidden {
			return errors.New(st.Detail)
		}
	}
	return nil
}

// unseen says which proxy could not be read this time: nothing is known of it, so it cannot count as one that has the routes.
func unseen(s *snapshot.Snapshot) string {
	if st := s.State(snapshot.Pods); !st.Known() {
		return "the pods could not be read: " + st.Detail
	}
	for i := range s.Proxies {
		if st := s.Proxies[i].State; st.Kind != snapshot.Read {
			return fmt.Sprintf("%s could not be read: %s", s.Proxies[i].Name(), st.Detail)
		}
	}
	return ""
}

// holds says in which way a proxy still leads the set's traffic as the set did: a sidecar to the gateway, the gateway anywhere.
func holds(s *snapshot.Snapshot, p *snapshot.Proxy, set egress.Set) string {
	if p.Role == snapshot.AtSidecar {
		walker := trace.New(&snapshot.Snapshot{Facts: s.Facts, Proxies: []snapshot.Proxy{*p}, States: s.States})
		for _, path := range set.Paths() {
			walked := walker.Walk(path)
			for _, leg := range walked.At(egress.AtSidecar) {
				if leg.Stop == nil {
					return fmt.Sprintf("%s still sends %s to gateway %s", p.Pod, path, path.Gateway)
				}
			}
		}
		return ""
	}
	gw, _ := s.Facts.Gateway(set.Gateway)
	for _, path := range set.Paths() {
		port, ok := gw.Target(path.Port)
		if ok && serves(p, port, string(path.Host)) {
			return fmt.Sprintf("gateway pod %s still has a route for %s", p.Pod, path)
		}
	}
	return ""
}

// serves says whether a gateway has a filter chain or a virtual host for exactly the host, on a listener that is in force. Envoy
// keeps the routes of listeners that only drain; they do not count.
func serves(p *snapshot.Proxy, port int, host string) bool {
	is := func(name string) bool { return strings.EqualFold(name, host) }
	routes := map[string]bool{}
	for i := range p.Config.Listeners {
		if p.Config.Listeners[i].Port != port {
			continue
		}
		for _, chain := range p.Config.Listeners[i].Chains {
			if slices.ContainsFunc(chain.Match.ServerNames, is) {
				return true
			}
			for _, f := range chain.Filters {
				if f.HTTP != nil {
					routes[f.HTTP.Routes] = true
				}
			}
		}
	}
	return slices.ContainsFunc(p.Config.Routes, func(rc admin.RouteConfig) bool {
		return routes[rc.Name] && slices.ContainsFunc(rc.Hosts, func(vh admin.VirtualHost) bool { return slices.ContainsFunc(vh.Domains, is) })
	})
}
