package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// afterwards is a clock of its own for what must be done although the command failed or was told to stop.
func (x *execution) afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	times := x.plan.times
	return context.WithTimeout(context.WithoutCancel(ctx), times.rollBack+time.Duration(len(x.journal))*times.each)
}

// standing says what is on the cluster where nothing is taken back. It looks at what was written without an answer.
func (x *execution) standing(ctx context.Context) Outcome {
	ctx, cancel := x.afterwards(ctx)
	defer cancel()
	happened, errs := make([]bool, len(x.journal)), make([]error, len(x.journal))
	inParallel(len(x.journal), func(int) bool { return true }, func(i int) {
		if happened[i] = x.journal[i].done; !happened[i] {
			happened[i], errs[i] = x.happened(ctx, x.journal[i].change)
		}
	}, func(int) {})
	o := Outcome{Kept: true}
	for i, w := range x.journal {
		switch {
		case errs[i] != nil:
			o.Stuck = append(o.Stuck, Stuck{Change: w.change, Err: fmt.Errorf("whether it was done could not be found out: %w", errs[i])})
		case happened[i]:
			o.Written = append(o.Written, w.change)
		}
	}
	o.State = Mixed
	if len(o.Written)+len(o.Stuck) == 0 {
		o.State = AsBefore
	}
	return o
}

// happened looks whether a write took place whose answer was lost.
func (x *execution) happened(ctx context.Context, c Change) (yes bool, err error) {
	err = x.retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, x.plan.times.attempt)
		defer cancel()
		now, err := x.plan.api.get(ctx, x.plan.client, c.Ref)
		if err != nil && !errors.Is(err, kube.ErrAbsent) {
			return err
		}
		switch c.Action {
		case Created:
			yes = now != nil && x.plan.owner(now) == x.plan.id
		case Configured:
			yes = now == nil || !same(now, c.Before)
		default:
			yes = now == nil || now.GetUID() != c.Before.GetUID() || now.GetDeletionTimestamp() != nil
		}
		return nil
	})
	return yes, err
}
