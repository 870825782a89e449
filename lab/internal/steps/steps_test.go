package steps

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recorder is a Watcher that keeps what it is told.
type recorder struct {
	mu      sync.Mutex
	planned []string
	events  []string
}

func (r *recorder) note(e string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}
func (r *recorder) Plan(names []string)   { r.planned = names }
func (r *recorder) Begin(name string)     { r.note("begin " + name) }
func (r *recorder) Say(name, what string) { r.note(name + " says " + what) }
func (r *recorder) End(name string, _ time.Duration, err error) {
	if err != nil {
		r.note("fail " + name)
		return
	}
	r.note("end " + name)
}

func nothing(context.Context, func(string)) error { return nil }

func TestOrder(t *testing.T) {
	t.Parallel()
	var r recorder
	err := Run(t.Context(), []Step{
		{Name: "roof", Needs: []string{"walls"}, Do: nothing},
		{Name: "walls", Needs: []string{"ground"}, Do: func(_ context.Context, say func(string)) error { say("up"); return nil }},
		{Name: "ground", Do: nothing},
	}, &r)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"begin ground", "end ground", "begin walls", "walls says up", "end walls", "begin roof", "end roof"}
	if d := cmp.Diff(want, r.events); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"roof", "walls", "ground"}, r.planned); d != "" {
		t.Errorf("plan (-want +got):\n%s", d)
	}
}

// Steps that do not need each other run side by side: each of these waits for the other.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	a, b := make(chan struct{}), make(chan struct{})
	meet := func(mine, other chan struct{}) func(context.Context, func(string)) error {
		return func(ctx context.Context, _ func(string)) error {
			close(mine)
			select {
			case <-other:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := Run(ctx, []Step{{Name: "a", Do: meet(a, b)}, {Name: "b", Do: meet(b, a)}}, &recorder{}); err != nil {
		t.Fatal(err)
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	broken := errors.New("no space left")
	var r recorder
	started := make(chan struct{})
	err := Run(t.Context(), []Step{
		{Name: "breaks", Do: func(ctx context.Context, _ func(string)) error { <-started; return broken }},
		{Name: "runs beside", Do: func(ctx context.Context, _ func(string)) error {
			close(started)
			<-ctx.Done() // cancelled by the failure of the other
			return context.Cause(ctx)
		}},
		{Name: "comes after", Needs: []string{"breaks"}, Do: nothing},
		{Name: "comes after both", Needs: []string{"comes after", "runs beside"}, Do: nothing},
	}, &r)
	if !errors.Is(err, broken) || err.Error() != "breaks: no space left" {
		t.Fatalf("Run = %v; want the first error, with its step", err)
	}
	slices.Sort(r.events)
	if d := cmp.Diff([]string{"begin breaks", "begin runs beside", "fail breaks", "fail runs beside"}, r.events); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	why := errors.New("stopped by interrupt")
	ctx, cancel := context.WithCancelCause(t.Context())
	var r recorder
	err := Run(ctx, []Step{
		{Name: "first", Do: func(context.Context, func(string)) error { cancel(why); return nil }},
		{Name: "second", Needs: []string{"first"}, Do: nothing},
	}, &r)
	if !errors.Is(err, why) {
		t.Errorf("Run = %v", err)
	}
	if slices.Contains(r.events, "begin second") {
		t.Error("a step began after the end was asked for")
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		steps []Step
		want  string
	}{
		{"unknown need", []Step{{Name: "a", Needs: []string{"b"}, Do: nothing}}, `"a" needs "b", which is no step`},
		{"two of a name", []Step{{Name: "a", Do: nothing}, {Name: "a", Do: nothing}}, `two steps are called "a"`},
		{"a circle", []Step{{Name: "a", Needs: []string{"b"}, Do: nothing}, {Name: "b", Needs: []string{"a"}, Do: nothing}}, "circle"},
		{"itself", []Step{{Name: "a", Needs: []string{"a"}, Do: nothing}}, "circle"},
		{"no name", []Step{{Do: nothing}}, "without name or work"},
		{"no work", []Step{{Name: "a"}}, "without name or work"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var r recorder
			err := Run(t.Context(), tt.steps, &r)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Run = %v, want %q", err, tt.want)
			}
			if len(r.events) > 0 {
				t.Errorf("something was begun: %v", r.events)
			}
		})
	}
}

func TestNothing(t *testing.T) {
	t.Parallel()
	if err := Run(t.Context(), nil, &recorder{}); err != nil {
		t.Fatal(err)
	}
}
