package apply

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestNoRollback lets each request of each plan fail in each way, and takes nothing back. What the outcome says is what is there.
func TestNoRollback(t *testing.T) {
	t.Parallel()
	for name, prepare := range scenarios {
		for _, f := range []fault{broken, denied, cutBefore, cutAfter} {
			t.Run(name+" "+string(f), func(t *testing.T) {
				t.Parallel()
				total, wanted := healthy(t, prepare)
				for n := 1; n <= total; n++ {
					w := newWorld(t)
					p := prepare(t, w)
					p.keep = true
					before := w.snapshot()
					w.arm(func(i int, _ *http.Request) fault {
						if i == n {
							return f
						}
						return none
					})
					outcome, err := p.Execute(t.Context(), func(Change) {})
					after := w.snapshot()
					switch outcome.State {
					case AsWanted:
						if diff := cmp.Diff(wanted, after); diff != "" || err != nil {
							t.Errorf("request %d: not as wanted: %v, %s", n, err, diff)
						}
					case AsBefore:
						if diff := cmp.Diff(before, after); diff != "" || err == nil || len(outcome.Written) > 0 {
							t.Errorf("request %d: not as before: %v, %s", n, err, diff)
						}
					default:
						w.tellsWhatStands(n, p, outcome, before)
					}
					w.arm(nil)
					w.recovers(prepare, wanted, "without roll back")
				}
			})
		}
	}
}

// tellsWhatStands compares the outcome with the cluster, object by object.
func (w *world) tellsWhatStands(n int, p *Plan, o Outcome, before map[Ref]map[string]any) {
	w.t.Helper()
	if len(o.Stuck)+len(o.Undone) > 0 || len(o.Written) == 0 {
		w.t.Errorf("request %d: %+v", n, o)
	}
	stands := map[Ref]bool{}
	for _, c := range o.Written {
		stands[c.Ref] = true
	}
	after := w.snapshot()
	for _, c := range p.Changes {
		if changed := !cmp.Equal(before[c.Ref], after[c.Ref]); changed != stands[c.Ref] {
			w.t.Errorf("request %d: %s %s changed: %v, and the outcome says %v", n, c.Action, c.Ref, changed, stands[c.Ref])
		}
	}
}

// TestNoRollbackInTheDark: if it cannot be found out how a write ended, that is what the outcome says.
func TestNoRollbackInTheDark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := scenarios["create"](t, w)
	p.keep, p.times.rollBack = true, 100*time.Millisecond
	w.arm(func(n int, _ *http.Request) fault {
		if n > 2 {
			return cutAfter
		}
		return none
	})
	outcome, err := p.Execute(t.Context(), func(Change) {})
	if err == nil || outcome.State != Mixed || len(outcome.Written) != 2 || len(outcome.Stuck) != 1 || outcome.Stuck[0].Change.Ref.Kind != "Gateway" {
		t.Errorf("%+v, %v", outcome, err)
	}
}
