package wait

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestFor(t *testing.T) {
	t.Parallel()
	looks := 0
	err := For(t.Context(), time.Millisecond, "a thing", func(context.Context) error {
		if looks++; looks < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || looks != 3 {
		t.Fatalf("For = %v after %d looks", err, looks)
	}
}

// The first look comes at once: what is there already costs no time.
func TestForAtOnce(t *testing.T) {
	t.Parallel()
	start := time.Now()
	if err := For(t.Context(), time.Hour, "a thing", func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if time.Since(start) > time.Second {
		t.Fatalf("it took %s", time.Since(start))
	}
}

func TestForStops(t *testing.T) {
	t.Parallel()
	broken := errors.New("it ended")
	looks := 0
	err := For(t.Context(), time.Millisecond, "a thing", func(context.Context) error {
		looks++
		return Stop(broken)
	})
	if !errors.Is(err, broken) || looks != 1 {
		t.Fatalf("For = %v after %d looks", err, looks)
	}
	if err.Error() != "wait for a thing: it ended" {
		t.Errorf("error reads %q", err)
	}
}

func TestForTimeout(t *testing.T) {
	t.Parallel()
	late, notYet := errors.New("time is up"), errors.New("0 of 1 pods")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, late)
	defer cancel()
	err := For(ctx, time.Millisecond, "a pod", func(context.Context) error { return notYet })
	if !errors.Is(err, late) || !errors.Is(err, notYet) {
		t.Fatalf("For = %v; it must tell why it gave up and what it saw last", err)
	}
	if !strings.Contains(err.Error(), "wait for a pod") {
		t.Errorf("error %q does not name what it waited for", err)
	}
}
