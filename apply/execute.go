package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// State says what is on the cluster after Execute.
type State string

// The states.
const (
	AsWanted State = "as wanted" // everything was done
	AsBefore State = "as before" // nothing was written, or all of it was taken back
	Mixed    State = "mixed"     // see Outcome.Written and Outcome.Stuck
)

// Outcome says exactly what is on the cluster now. Each change of the plan that called for a write and was begun is in one of the
// lists, each in the order of writing, unless it turned out not to have happened.
type Outcome struct {
	State   State
	Written []Change // done, and standing
	Undone  []Change // done, or perhaps done, and taken back
	Stuck   []Stuck  // done, or perhaps done, and not taken back
	Kept    bool     // nothing was to be taken back (Options.NoRollback)
}

// Stuck is a change that could not be taken back, and why; or, where nothing is taken back, of which could not be found out whether
// it was done.
type Stuck struct {
	Change Change
	Err    error
}

// Execute does what the plan says and calls done after each change, those without a write included. If a write fails, or ctx
// ends, it takes back what it wrote, on a clock of its own, and returns the error with what is on the cluster now. With
// Options.NoRollback it takes nothing back, and only finds out how writes ended whose answers were lost.
//
// Deletions end with waiting until the objects are gone. If finalizers hold them, the error is a *HeldError and nothing is
// taken back: a deletion cannot be called off.
//
// Objects of one kind do not wait for each other: several are written at a time. Kinds wait for kinds, and done and the outcome have
// the plan's order.
func (p *Plan) Execute(ctx context.Context, done func(Change)) (Outcome, error) {
	x := &execution{plan: p}
	for _, group := range p.groups() {
		if err := x.carryOut(ctx, group, done); err != nil {
			return x.failed(ctx, err), err
		}
	}
	if err := x.finish(ctx); err != nil {
		return x.failed(ctx, err), err
	}
	return x.outcome(AsWanted), nil
}

// groups cuts the plan into runs of changes that do not stand on each other.
func (p *Plan) groups() [][]Change {
	var groups [][]Change
	for _, c := range p.Changes {
		if n := len(groups); n > 0 && p.alike(groups[n-1][0], c) {
			groups[n-1] = append(groups[n-1], c)
		} else {
			groups = append(groups, []Change{c})
		}
	}
	return groups
}

func (p *Plan) alike(a, b Change) bool {
	return p.rank(a.Ref) == p.rank(b.Ref) && (a.Action == Deleted) == (b.Action == Deleted) && a.Ref.Kind != kindNamespace
}

// failed takes back what was written, unless nothing can be taken back or should be.
func (x *execution) failed(ctx context.Context, err error) Outcome {
	switch _, held := errors.AsType[*HeldError](err); {
	case len(x.journal) == 0:
		return Outcome{State: AsBefore}
	case held || errors.Is(err, errStays):
		return x.outcome(Mixed)
	case x.plan.keep:
		return x.standing(ctx)
	}
	return x.rollBack(ctx)
}

// execution is one run of a plan.
type execution struct {
	plan    *Plan
	journal []*written // writes that were begun, in the plan's order
	pending []*unstructured.Unstructured
}

// written is a write that was begun: if the API server's answer got lost, it may or may not have happened.
type written struct {
	change  Change
	result  *unstructured.Unstructured // what the API server answered; nil if it did not, or to a deletion
	done    bool                       // the API server said yes
	refused bool                       // the API server said no, so nothing was written
	leaving bool                       // the object was deleted and has to be seen to be gone
	remade  bool                       // rolling back has asked to make it anew
}

// carryOut does changes that do not stand on each other. The error is that of the first one, in the plan's order, that failed.
func (x *execution) carryOut(ctx context.Context, group []Change, done func(Change)) error {
	entries, errs, well := make([]*written, len(group)), make([]error, len(group)), make([]bool, len(group))
	told, stop := 0, false
	tell := func() {
		for ; told < len(group) && well[told]; told++ {
			done(group[told])
		}
	}
	inParallel(len(group), func(i int) bool {
		if err := ctx.Err(); err != nil && !stop {
			errs[i], stop = fmt.Errorf("before %s: %w", doing(group[i]), err), true
		}
		if !stop {
			entries[i] = &written{change: group[i]}
		}
		return !stop
	}, func(i int) {
		errs[i] = x.step(ctx, entries[i])
	}, func(i int) {
		well[i] = errs[i] == nil
		stop = stop || !well[i]
		tell()
	})
	for _, w := range entries {
		if w != nil && w.change.Action != Unchanged && !w.refused {
			x.journal = append(x.journal, w)
		}
		if w != nil && w.leaving {
			x.pending = append(x.pending, w.change.Before)
		}
	}
	return cmp.Or(errs...)
}

func (x *execution) step(ctx context.Context, w *written) error {
	c := w.change
	switch c.Action {
	case Unchanged:
		return nil
	case Deleted:
		w.refused = true // until it is begun
		if c.Ref == x.plan.ref || c.Ref.Kind == kindNamespace {
			if err := x.waitGone(ctx); err != nil {
				return err
			}
		}
		if c.Ref.Kind == kindNamespace {
			if err := x.waitEmpty(ctx, c); err != nil {
				return err
			}
		}
		return x.remove(ctx, w)
	default:
		return x.apply(ctx, w)
	}
}

func doing(c Change) string {
	return map[Action]string{Created: "creating ", Configured: "changing ", Deleted: "deleting "}[c.Action] + c.Ref.String()
}

// finishing is a context for one write that was begun: if the command is told to stop, the write gets a little time to come to its
// end, so that its result is known. The caller cancels it.
func (x *execution) finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		select {
		case <-own.Done():
		case <-time.After(x.plan.times.grace):
			cancel(context.Cause(ctx))
		}
	})
	return own, func() {
		forget()
		cancel(nil)
	}
}

func (x *execution) apply(ctx context.Context, w *written) error {
	p, c := x.plan, w.change
	ctx, cancel := x.finishing(ctx)
	defer cancel()
	result, err := p.client.Apply(ctx, p.api.resource(c.Ref.Kind), c.want, kube.ApplyOptions{Force: p.force})
	if err != nil {
		w.refused = final(err)
		return fmt.Errorf("%s: %w", doing(c), err)
	}
	w.result, w.done = result, true
	if others := fieldManagers(result); c.Action == Created && len(others) > 0 {
		return &RefusedError{
			Reason: Meanwhile, Refs: []Ref{c.Ref},
			Msg: fmt.Sprintf("%s was made by %s while this command ran; look at it and try again", c.Ref, quoteAll(others)),
		}
	}
	return nil
}

func (x *execution) remove(ctx context.Context, w *written) error {
	p, c := x.plan, w.change
	ctx, cancel := x.finishing(ctx)
	defer cancel()
	w.refused = false
	err := p.client.Delete(ctx, p.api.resource(c.Ref.Kind), c.Ref.Namespace, c.Ref.Name, kube.DeleteOptions{UID: c.Before.GetUID()})
	switch {
	case errors.Is(err, kube.ErrAbsent), errors.Is(err, kube.ErrConflict) && x.replaced(ctx, c):
		w.done = true
		return nil // gone already, or another object has the name now, which is not ours to delete
	case err != nil:
		w.refused = final(err)
		return fmt.Errorf("%s: %w", doing(c), err)
	}
	w.done, w.leaving = true, true
	return nil
}

// replaced says whether the object of a change is gone, whatever has its name now.
func (x *execution) replaced(ctx context.Context, c Change) bool {
	now, err := x.plan.api.get(ctx, x.plan.client, c.Ref)
	return errors.Is(err, kube.ErrAbsent) || err == nil && now.GetUID() != c.Before.GetUID()
}

// finish waits until what was deleted is gone and then says the last word on the parent.
func (x *execution) finish(ctx context.Context) error {
	if err := x.waitGone(ctx); err != nil {
		return err
	}
	p := x.plan
	if p.last == nil {
		return nil
	}
	c := *p.parentChange()
	ctx, cancel := x.finishing(ctx)
	defer cancel()
	if _, err := p.client.Apply(ctx, p.api.resource(c.Ref.Kind), p.last, kube.ApplyOptions{Force: p.force}); err != nil {
		return fmt.Errorf("%s: %w", doing(c), err)
	}
	return nil
}

func (x *execution) outcome(s State) Outcome {
	o := Outcome{State: s}
	for _, w := range x.journal {
		o.Written = append(o.Written, w.change)
	}
	return o
}
