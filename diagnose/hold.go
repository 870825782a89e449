package diagnose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
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

// UnseenError says that a part of the way may not be looked at. What may be looked at is as it was waited for, so that this is no
// failure: a tenant with rights in one namespace has done what can be done.
type UnseenError struct {
	What  []string // what was not looked at: "gateway istio-system/istio-egressgateway", "workloads of namespace shop"
	Right []string // the rights that are missing, as RBAC names them: "create pods/portforward in namespace istio-system"
}

// Error is one line for people.
func (e *UnseenError) Error() string {
	return fmt.Sprintf("%s could not be looked at; it takes the right to %s", strings.Join(e.What, " and "), strings.Join(e.Right, " and to "))
}

// Hold waits until the Envoys of workloads and of the gateway really have the set: its paths lead outside in the way that the set
// says, through the gateway or without one. The set must be resolved. It waits as long as the context lets it, and then says in a
// *NotHeldError what is missing. Where a right is missing to look at the gateway or at workloads, it waits for what can be seen
// and returns an *UnseenError. With no workload that has a sidecar there is nothing to wait for.
func Hold(ctx context.Context, c gather.Client, set egress.Set) error {
	return poll(ctx, proxiesOf(c, set), set, leads)
}

// HoldNot waits until the Envoys no longer have anything of the set: routes, and clusters and listeners of its own. Otherwise it is
// as Hold.
func HoldNot(ctx context.Context, c gather.Client, set egress.Set) error {
	return poll(ctx, proxiesOf(c, set), set, rid)
}

// discoverEvery is after how many looks the gateway's pods are looked up anew: it may be rolling over.
const discoverEvery = 8

// look reads the proxies as they are now.
type look func(context.Context) (*snapshot.Snapshot, error)

// proxiesOf looks at the proxies of a cluster that a set concerns.
func proxiesOf(c gather.Client, set egress.Set) look {
	var facts *mesh.Facts
	looks := 0
	return func(ctx context.Context) (*snapshot.Snapshot, error) {
		if looks++; looks%discoverEvery == 0 {
			facts = nil
		}
		s, err := gather.Proxies(ctx, c, gather.Options{Facts: facts, Namespace: set.Namespace, Set: &set})
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
		switch {
		case over(ctx): // what was read in part is no proof, nor what is missing
			return notHeld(ctx, set, last)
		case err != nil:
			return fmt.Errorf("look at the proxies for set %s: %w", set, err)
		}
		blind := unseeable(s, set)
		if last = unseen(s, set); last == "" && has(s, snapshot.AtSidecar) {
			last = missing(s, set)
		}
		switch {
		case last == "" && blind != nil:
			return blind
		case last == "":
			return nil
		}
		select {
		case <-ctx.Done():
			return notHeld(ctx, set, last)
		case <-tick.C:
		}
	}
}

// over says whether waiting has ended. On a busy machine a context's own clock comes late, and requests are refused before it does.
func over(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && !time.Now().Before(deadline)
}

func has(s *snapshot.Snapshot, role snapshot.Role) bool {
	return slices.ContainsFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == role })
}

func notHeld(ctx context.Context, set egress.Set, last string) error {
	if last == "" {
		last = fmt.Sprintf("what the proxies know of set %s was not seen in time", set)
	}
	err := ctx.Err()
	if err == nil {
		err = context.DeadlineExceeded
	}
	return &NotHeldError{Says: last, Err: err}
}

// unseeable takes the proxies out of a snapshot that may not be looked at, however long one waits, and says which rights are
// missing; nil if none.
func unseeable(s *snapshot.Snapshot, set egress.Set) error {
	e := &UnseenError{}
	note := func(st snapshot.State, what, right string) {
		if st.Right != "" {
			right = st.Right
		}
		if !slices.Contains(e.What, what) {
			e.What = append(e.What, what)
		}
		if !slices.Contains(e.Right, right) {
			e.Right = append(e.Right, right)
		}
	}
	gateway := "gateway " + set.Gateway.String()
	if st := s.State(snapshot.Facts); !set.Direct() && st.Kind == snapshot.Forbidden && len(s.Facts.Gateways) == 0 {
		note(st, gateway, "get services and list pods in namespace "+set.Gateway.Namespace)
	}
	if st := s.State(snapshot.Pods); st.Kind == snapshot.Forbidden {
		note(st, "workloads of namespace "+set.Namespace, "list pods in namespace "+set.Namespace)
	}
	s.Proxies = slices.DeleteFunc(s.Proxies, func(p snapshot.Proxy) bool {
		if p.State.Kind != snapshot.Forbidden {
			return false
		}
		what := gateway
		if p.Role == snapshot.AtSidecar {
			what = "workloads of namespace " + p.Namespace
		}
		note(p.State, what, "create pods/portforward in namespace "+p.Namespace)
		return true
	})
	if len(e.What) == 0 {
		return nil
	}
	return e
}

// unseen says which proxy could not be read this time: nothing is known of it, so it cannot count as one that has the routes.
func unseen(s *snapshot.Snapshot, set egress.Set) string {
	if st := s.State(snapshot.Pods); !st.Known() && st.Kind != snapshot.Forbidden {
		return "the pods could not be read: " + st.Detail
	}
	if st := s.State(snapshot.Facts); !set.Direct() && len(s.Facts.Gateways) == 0 && !st.Known() && st.Kind != snapshot.Forbidden {
		return fmt.Sprintf("gateway %s could not be looked at: %s", set.Gateway, st.Detail)
	}
	for i := range s.Proxies {
		if st := s.Proxies[i].State; st.Kind != snapshot.Read && s.Proxies[i].Role != snapshot.NoProxy {
			return fmt.Sprintf("%s could not be read: %s", s.Proxies[i].Name(), st.Detail)
		}
	}
	return ""
}
