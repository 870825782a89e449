package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// rollBack takes back what was written, last first, and what does not stand on each other at a time. It looks at each object before
// it touches it, because the answer to a write may have been lost on the way. What others stand on stays if one of these could
// not be taken back: traffic that still goes to the gateway must find it.
func (x *execution) rollBack(ctx context.Context) Outcome {
	ctx, cancel := x.afterwards(ctx)
	defer cancel()
	errs := make([]error, len(x.journal))
	var stuckOn *Change
	for end := len(x.journal); end > 0; {
		begin := end - 1
		for begin > 0 && x.plan.alike(x.journal[begin-1].change, x.journal[end-1].change) {
			begin--
		}
		group, failed := x.journal[begin:end], errs[begin:end]
		ground := stuckOn
		always := func(int) bool { return ground == nil || x.plan.rank(ground.Ref) == x.plan.rank(group[0].change.Ref) }
		inParallel(len(group), always, func(i int) { failed[i] = x.undo(ctx, group[i]) }, func(int) {})
		for i := len(group) - 1; i >= 0; i-- {
			if !always(i) {
				failed[i] = fmt.Errorf("left as it is, because %s could not be taken back", ground.Ref)
			}
			if failed[i] != nil && stuckOn == nil {
				stuckOn = &group[i].change
			}
		}
		end = begin
	}
	o := Outcome{State: AsBefore}
	for i, w := range x.journal {
		if errs[i] == nil {
			o.Undone = append(o.Undone, w.change)
			continue
		}
		o.State = Mixed
		o.Stuck = append(o.Stuck, Stuck{Change: w.change, Err: errs[i]})
	}
	return o
}

// retry does something until it works, cannot work, or the time is over.
func (x *execution) retry(ctx context.Context, do func() error) error {
	tick := time.NewTicker(x.plan.times.pause)
	defer tick.Stop()
	for {
		err := do()
		// A conflict means that the object changed since it was looked at: the next attempt looks again.
		if err == nil || errors.Is(err, errKeep) || final(err) && !errors.Is(err, kube.ErrConflict) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// errKeep marks what must not be touched again.
var errKeep = errors.New("left as it is")

// undo takes one write back.
func (x *execution) undo(ctx context.Context, w *written) error {
	if w.change.Ref.Kind == kindNamespace {
		// It goes only when its last pod has gone, which takes pods half a minute if they like.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), x.plan.times.gone)
		defer cancel()
	}
	return x.retry(ctx, func() error {
		ctx, cancel := x.attempt(ctx, w)
		defer cancel()
		now, err := x.plan.api.get(ctx, x.plan.client, w.change.Ref)
		if err != nil && !errors.Is(err, kube.ErrAbsent) {
			return err
		}
		switch w.change.Action {
		case Created:
			return x.undoCreate(ctx, w, now)
		case Configured:
			return x.undoConfigure(ctx, w, now)
		default:
			return x.undoDelete(ctx, w, now)
		}
	})
}

// attempt bounds one look and one write, so that one lost answer does not take all the time there is. Namespaces go slowly.
func (x *execution) attempt(ctx context.Context, w *written) (context.Context, context.CancelFunc) {
	if w.change.Ref.Kind == kindNamespace {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, x.plan.times.attempt)
}

func (x *execution) undoCreate(ctx context.Context, w *written, now *unstructured.Unstructured) error {
	if now == nil || x.plan.owner(now) != x.plan.id || w.result != nil && now.GetUID() != w.result.GetUID() {
		return nil
	}
	c := w.change
	if now.GetDeletionTimestamp() != nil {
		return x.goneOrHeld(ctx, now)
	}
	switch others := fieldManagers(now); {
	case w.result == nil && len(others) > 0:
		return fmt.Errorf("%w: the answer to creating %s was lost, and %s writes to it", errKeep, c.Ref, quoteAll(others))
	case w.result != nil && len(fieldManagers(w.result)) > 0:
		// Somebody made it in the moment between plan and write: only our fields are ours to take away.
		_, err := x.plan.client.Apply(ctx, x.plan.api.resource(c.Ref.Kind), bare(now), kube.ApplyOptions{Force: true})
		return err
	}
	if c.Ref.Kind == kindNamespace {
		if err := x.undoNamespace(ctx, c.Ref.Name); err != nil {
			return err
		}
	}
	err := x.plan.client.Delete(ctx, x.plan.api.resource(c.Ref.Kind), c.Ref.Namespace, c.Ref.Name, kube.DeleteOptions{UID: now.GetUID()})
	if err != nil && !errors.Is(err, kube.ErrAbsent) {
		return err
	}
	return x.goneOrHeld(ctx, now)
}

func (x *execution) undoConfigure(ctx context.Context, w *written, now *unstructured.Unstructured) error {
	c := w.change
	switch {
	case now == nil || now.GetUID() != c.Before.GetUID():
		return fmt.Errorf("%w: somebody else deleted %s meanwhile", errKeep, c.Ref)
	case same(now, c.Before):
		return nil
	}
	undo, err := undoing(c.Before, now)
	if err != nil {
		return err
	}
	after, err := x.plan.client.Apply(ctx, x.plan.api.resource(c.Ref.Kind), undo, kube.ApplyOptions{Force: true})
	if err != nil {
		return err
	}
	if !same(after, c.Before) {
		return fmt.Errorf("%w: somebody else changed %s meanwhile", errKeep, c.Ref)
	}
	return nil
}

func (x *execution) undoDelete(ctx context.Context, w *written, now *unstructured.Unstructured) error {
	c := w.change
	if now != nil {
		switch {
		case w.remade && now.GetUID() != c.Before.GetUID() && now.GetDeletionTimestamp() == nil && len(fieldManagers(now)) == 0:
			return nil // by us: the answer was lost on the way
		case now.GetUID() != c.Before.GetUID():
			return fmt.Errorf("%w: somebody else made another %s meanwhile", errKeep, c.Ref)
		case now.GetDeletionTimestamp() == nil:
			return nil
		}
		if err := x.goneOrHeld(ctx, now); err != nil {
			return err
		}
	}
	w.remade = true
	_, err := x.plan.client.Apply(ctx, x.plan.api.resource(c.Ref.Kind), anew(c.Before), kube.ApplyOptions{Force: true})
	return err
}

// goneOrHeld waits for an object that is being deleted, unless finalizers hold it.
func (x *execution) goneOrHeld(ctx context.Context, u *unstructured.Unstructured) error {
	ref := refOf(u)
	return x.retry(ctx, func() error {
		now, err := x.plan.api.get(ctx, x.plan.client, ref)
		switch {
		case errors.Is(err, kube.ErrAbsent):
			return nil
		case err != nil:
			return err
		case now.GetUID() != u.GetUID():
			return nil
		case len(now.GetFinalizers()) > 0:
			return fmt.Errorf("%w: %s is being deleted%s", errKeep, ref, heldBy(now))
		}
		return fmt.Errorf("%s is still being deleted", ref)
	})
}
