// Package wait watches for a condition. Nothing in the lab sleeps for a time that was guessed.
package wait

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrStop marks an error after which looking again is useless; wrap it with Stop.
var errStop = errors.New("")

// Stop makes err final: For returns it at once instead of looking again.
func Stop(err error) error { return fmt.Errorf("%w%w", err, errStop) }

// For calls look every interval until it returns nil, an error made by Stop, or ctx ends. What look said last is part
// of the error then: "not yet" alone helps nobody.
func For(ctx context.Context, every time.Duration, what string, look func(context.Context) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := look(ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, errStop) {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; it said last: %w", what, context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
