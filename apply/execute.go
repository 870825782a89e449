package apply

import (
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
// lists, each in the order of writing.
type Outcome struct {
	State   State
	Written []Change // done, and standing
	Undone  []Change // done, or perhaps done, and taken back
	Stuck   []Stuck  // done, or perhaps done, and not taken back
}

// Stuck is a change that could not be taken back, and why.
type Stuck struct {
	Change Change
	Err    error
}

// Execute does what the plan says and calls done after each change, those without a write included. If a write fails, or ctx
// ends, it takes back what it wrote, on a clock of its own, and returns the error with what is on the cluster now.
//
// Deletions end with waiting until the objects are gone. If finalizers hold them, the error is a *HeldError and nothing is
// taken back: a deletion cannot be called off.
func (p *Plan) Execute(ctx context.Context, done func(Change)) (Outcome, error) {
	x := &execution{plan: p}
	for _, c := range p.Changes {
		if err := x.step(ctx, c); err != nil {
			return x.failed(ctx, err), err
		}
		done(c)
	}
	if err := x.finish(ctx); err != nil {
		return x.failed(ctx, err), err
	}
	return x.outcome(AsWanted), nil
}

// failed takes back what was written, unless nothing can be taken back or should be.
func (x *execution) failed(ctx context.Context, err error) Outcome {
	if _, held := errors.AsType[*HeldError](err); held || errors.Is(err, errStays) {
		return x.outcome(Mixed)
	}
	return x.rollBack(ctx)
}

// execution is one run of a plan.
type execution struct {
	plan    *Plan
	journal []written // writes that were begun, in order
	pending []*unstructured.Unstructured
}

// written is a write that was begun: if the API server's answer got lost, it may or may not have happened.
type written struct {
	change Change
	result *unstructured.Unstructured // what the API server answered; nil if it did not, or to a deletion
}

func (x *execution) step(ctx context.Context, c Change) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("before %s: %w", doing(c), err)
	}
	switch c.Action {
	case Unchanged:
		return nil
	case Deleted:
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
		return x.remove(ctx, c)
	default:
		return x.apply(ctx, c)
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

func (x *execution) apply(ctx context.Context, c Change) error {
	p := x.plan
	ctx, cancel := x.finishing(ctx)
	defer cancel()
	x.journal = append(x.journal, written{change: c})
	result, err := p.client.Apply(ctx, p.api.resource(c.Ref.Kind), c.want, kube.ApplyOptions{Force: p.force})
	if err != nil {
		if final(err) {
			x.journal = x.journal[:len(x.journal)-1] // the API server said no, so nothing was written
		}
		return fmt.Errorf("%s: %w", doing(c), err)
	}
	x.journal[len(x.journal)-1].result = result
	if others := fieldManagers(result); c.Action == Created && len(others) > 0 {
		return &RefusedError{
			Reason: Meanwhile, Refs: []Ref{c.Ref},
			Msg: fmt.Sprintf("%s was made by %s while this command ran; look at it and try again", c.Ref, quoteAll(others)),
		}
	}
	return nil
}

func (x *execution) remove(ctx context.Context, c Change) error {
	p := x.plan
	ctx, cancel := x.finishing(ctx)
	defer cancel()
	x.journal = append(x.journal, written{change: c})
	err := p.client.Delete(ctx, p.api.resource(c.Ref.Kind), c.Ref.Namespace, c.Ref.Name, kube.DeleteOptions{UID: c.Before.GetUID()})
	switch {
	case errors.Is(err, kube.ErrAbsent), errors.Is(err, kube.ErrConflict) && x.replaced(ctx, c):
		return nil // gone already, or another object has the name now, which is not ours to delete
	case err != nil:
		if final(err) {
			x.journal = x.journal[:len(x.journal)-1]
		}
		return fmt.Errorf("%s: %w", doing(c), err)
	}
	x.pending = append(x.pending, c.Before)
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
