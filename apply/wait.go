package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// Held is an object that was deleted and is still there.
type Held struct {
	Ref        Ref
	Finalizers []string // what has to let it go; empty if it was only slow
}

// HeldError says that deleted objects did not go in time. It unwraps to what ended
// the waiting.
type HeldError struct {
	Objects []Held
	Err     error // context.DeadlineExceeded or context.Canceled
	Last    error // why the last look failed; nil if it saw the objects
}

// Error names the objects and what holds them.
func (e *HeldError) Error() string {
	parts := make([]string, 0, len(e.Objects))
	for _, h := range e.Objects {
		part := h.Ref.String()
		if len(h.Finalizers) > 0 {
			part += " (held by " + quoteAll(h.Finalizers) + ")"
		}
		parts = append(parts, part)
	}
	why := "stopped waiting"
	if errors.Is(e.Err, context.DeadlineExceeded) {
		why = "waited in vain"
	}
	if e.Last != nil {
		why += ", and could not look: " + e.Last.Error()
	}
	return fmt.Sprintf("deleted, but not seen to be gone: %s: %s; run the command again to look once more", strings.Join(parts, ", "), why)
}

// Unwrap gives what ended the waiting and what kept it from looking.
func (e *HeldError) Unwrap() []error {
	return slices.DeleteFunc([]error{e.Err, e.Last}, func(err error) bool { return err == nil })
}

// waitGone waits until everything that was deleted so far is gone.
func (x *execution) waitGone(ctx context.Context) error {
	if len(x.pending) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, x.plan.times.gone)
	defer cancel()
	tick := time.NewTicker(x.plan.times.pause)
	defer tick.Stop()
	for {
		err := x.look(ctx)
		if err == nil && len(x.pending) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return x.held(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// look finds out once what is still there. It has a little time of its own, so that who is told to stop still learns how it ended.
func (x *execution) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.plan.times.grace)
	defer cancel()
	left, err := x.stillThere(ctx)
	if err == nil {
		x.pending = left
	}
	return err
}

func (x *execution) held(err, last error) error {
	e := &HeldError{Err: err, Last: last}
	for _, u := range x.pending {
		e.Objects = append(e.Objects, Held{Ref: refOf(u), Finalizers: u.GetFinalizers()})
	}
	return e
}

// stillThere gives those of the pending objects that are not gone, as they are now, with one list per kind and namespace.
func (x *execution) stillThere(ctx context.Context) ([]*unstructured.Unstructured, error) {
	places := map[place]bool{}
	byUID := map[types.UID]*unstructured.Unstructured{}
	for _, u := range x.pending {
		at := place{u.GetKind(), u.GetNamespace()}
		switch {
		case refOf(u) == x.plan.ref: // by its name: who takes away one record, or one Secret, need not see all
			now, err := x.plan.api.get(ctx, x.plan.client, x.plan.ref)
			if err == nil {
				byUID[now.GetUID()] = now
			} else if !errors.Is(err, kube.ErrAbsent) {
				return nil, err
			}
			continue
		case at.kind == kindNamespace:
			at.namespace = u.GetName()
		}
		places[at] = true
	}
	for at := range places {
		objs, err := x.plan.api.list(ctx, x.plan.client, at, partOf(x.plan.id), nil)
		if err != nil {
			return nil, err
		}
		for _, u := range objs {
			byUID[u.GetUID()] = u
		}
	}
	var left []*unstructured.Unstructured
	for _, u := range x.pending {
		if now := byUID[u.GetUID()]; now != nil {
			left = append(left, now)
		}
	}
	return left, nil
}
