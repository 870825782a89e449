package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// scenario is a cluster and a plan for it. Each has all kinds of writes in it.
var scenarios = map[string]func(t *testing.T, w *world) *Plan{
	"create": func(t *testing.T, w *world) *Plan {
		return w.plan(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com", "en.wikipedia.org"}}), Options{})
	},
	"change": func(t *testing.T, w *world) *Plan {
		w.enable(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com", "en.wikipedia.org"}}))
		return w.plan(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com", "de.wikipedia.org"}, MTLS: "off"}), Options{})
	},
	"adopt by force": func(t *testing.T, w *world) *Plan {
		w.put("kubectl-client-side-apply", parse(t, foreignEntry))
		return w.plan(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}}), Options{Adopt: true, Force: true})
	},
	"remove": func(t *testing.T, w *world) *Plan {
		w.enable(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com", "en.wikipedia.org"}}))
		return w.removal("default", "news")
	},
}

// TestFaults lets the n-th request of each plan fail in each way, for every n. Afterwards the cluster is as before or as
// wanted, the outcome says which, and somebody else's objects are untouched.
func TestFaults(t *testing.T) {
	t.Parallel()
	all := maps.Clone(scenarios)
	maps.Copy(all, bundleScenarios)
	for name, prepare := range all {
		for _, f := range []fault{conflict, busy, broken, denied, cutBefore, cutAfter, hang} {
			t.Run(name+" "+string(f), func(t *testing.T) {
				t.Parallel()
				total := 1
				for n := 1; n <= total; n++ {
					total = oneFault(t, prepare, n, f)
				}
				if total < 4 {
					t.Errorf("only %d requests were tried", total)
				}
			})
		}
	}
}

// bundleScenarios are lives of a gateway in a namespace of its own.
var bundleScenarios = map[string]func(t *testing.T, w *world) *Plan{
	"install": func(t *testing.T, w *world) *Plan {
		return w.bundle(NewBundle("gateway", "edge", "egress", nil, members(t, "edge")), Options{})
	},
	"shrink": func(t *testing.T, w *world) *Plan {
		all := members(t, "edge")
		w.execute(w.bundle(NewBundle("gateway", "edge", "egress", nil, all), Options{}))
		return w.bundle(NewBundle("gateway", "edge", "egress", nil, append(all[3:7], all[9])), Options{})
	},
	"uninstall": func(t *testing.T, w *world) *Plan {
		w.execute(w.bundle(NewBundle("gateway", "edge", "egress", nil, members(t, "edge")), Options{}))
		return w.bundleRemoval("gateway", "edge", "egress")
	},
}

// oneFault runs a scenario in which the n-th request fails, and gives how many requests the plan takes if none fails.
func oneFault(t *testing.T, prepare func(*testing.T, *world) *Plan, n int, f fault) int {
	t.Helper()
	total, wanted := healthy(t, prepare)
	w := newWorld(t)
	p := prepare(t, w)
	before := w.snapshot()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w.arm(func(i int, r *http.Request) fault {
		if i != n {
			return none
		}
		if f == hang && r.Method != http.MethodGet {
			stop() // who waits for a write that hangs loses patience
		}
		return f
	})
	outcome, err := p.Execute(ctx, func(Change) {})
	where := fmt.Sprintf("request %d of %d: %s, %v", n, total, outcome.State, err)
	after := w.snapshot()
	switch outcome.State {
	case AsWanted:
		if diff := cmp.Diff(wanted, after); diff != "" || err != nil {
			t.Errorf("%s: not as wanted: %s", where, diff)
		}
	case AsBefore:
		if diff := cmp.Diff(before, after); diff != "" || err == nil {
			t.Errorf("%s: not as before: %s", where, diff)
		}
		if len(outcome.Written) > 0 || len(outcome.Stuck) > 0 {
			t.Errorf("%s: the outcome tells of writes that stand: %+v", where, outcome)
		}
	default:
		t.Errorf("%s: %+v", where, outcome)
	}
	w.arm(nil)
	w.recovers(prepare, wanted, where)
	return total
}

// healthy runs a scenario without faults.
func healthy(t *testing.T, prepare func(*testing.T, *world) *Plan) (requests int, wanted map[Ref]map[string]any) {
	t.Helper()
	w := newWorld(t)
	p := prepare(t, w)
	w.arm(nil)
	w.execute(p)
	return w.requests(), w.snapshot()
}

// recovers runs the same command again, which must now do what it should.
func (w *world) recovers(prepare func(*testing.T, *world) *Plan, wanted map[Ref]map[string]any, where string) {
	w.t.Helper()
	if len(wanted) == 0 {
		p, err := w.removeAny(prepare)
		var refused *RefusedError
		if errors.As(err, &refused) && refused.Reason == NoSet {
			return
		}
		if err != nil {
			w.t.Errorf("%s: cannot be removed afterwards: %v", where, err)
			return
		}
		w.execute(p)
	} else {
		w.execute(w.again(prepare))
	}
	if diff := cmp.Diff(wanted, w.snapshot()); diff != "" {
		w.t.Errorf("%s: the same command does not mend it: %s", where, diff)
	}
}

// again plans what the scenario planned, on the cluster as it is now.
func (w *world) again(prepare func(*testing.T, *world) *Plan) *Plan {
	w.t.Helper()
	other := newWorld(w.t)
	p := prepare(w.t, other)
	if p.noun() == kindSet {
		return w.plan(p.Set, Options{Adopt: true, Force: true})
	}
	b := Bundle{What: p.What}
	for _, c := range p.Changes {
		switch {
		case c.Ref == p.ref:
			b.Parent = c.want
		case c.want != nil:
			b.Members = append(b.Members, c.want)
		}
	}
	if p.last != nil {
		b.Parent = p.last
	}
	return w.bundle(b, Options{})
}

// removeAny plans the removal that the scenario planned, on the cluster as it is now.
func (w *world) removeAny(prepare func(*testing.T, *world) *Plan) (*Plan, error) {
	w.t.Helper()
	if prepare(w.t, newWorld(w.t)).noun() == kindSet {
		return PlanRemoval(w.t.Context(), w.client, "default", "news")
	}
	return PlanBundleRemoval(w.t.Context(), w.client, "gateway", "edge", "egress")
}

// TestAPIServerGoesAway: when nothing can be taken back, the outcome says so for each object instead of guessing.
func TestAPIServerGoesAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := scenarios["create"](t, w)
	p.times.rollBack = 300 * time.Millisecond
	w.arm(func(n int, _ *http.Request) fault {
		if n > 3 {
			return cutBefore
		}
		return none
	})
	outcome, err := p.Execute(t.Context(), func(Change) {})
	if err == nil || outcome.State != Mixed || len(outcome.Undone) > 0 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	var stuck []string
	for _, s := range outcome.Stuck {
		if s.Err == nil {
			t.Errorf("no reason for %s", s.Change.Ref)
		}
		stuck = append(stuck, s.Change.Ref.String())
	}
	want := []string{"ConfigMap default/egress-news", "ServiceEntry default/egress-news", "Gateway default/egress-news", "DestinationRule istio-system/egress-news.default"}
	if diff := cmp.Diff(want, stuck); diff != "" {
		t.Error(diff)
	}
}

// TestStuckKeepsItsGround: if a VirtualService cannot be taken back, the Gateway that it sends traffic to stays.
func TestStuckKeepsItsGround(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := scenarios["create"](t, w)
	w.arm(func(_ int, r *http.Request) fault {
		last := r.URL.Path == "/apis/networking.istio.io/v1/namespaces/default/virtualservices/egress-news.en.wikipedia.org"
		if last && r.Method == http.MethodPatch || r.Method == http.MethodDelete {
			return denied
		}
		return none
	})
	outcome, err := p.Execute(t.Context(), func(Change) {})
	if err == nil || outcome.State != Mixed || len(outcome.Stuck) != 5 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	if got := outcome.Stuck[1].Err.Error(); got != "left as it is, because VirtualService default/egress-news.edition.cnn.com could not be taken back" {
		t.Error(got)
	}
	if w.object("Gateway", "default", "egress-news") == nil || w.object("VirtualService", "default", "egress-news.edition.cnn.com") == nil {
		t.Error("traffic goes to a gateway that is gone")
	}
}

// TestStopped: told to stop in the middle, it ends the write that was begun and takes all of it back.
func TestStopped(t *testing.T) {
	t.Parallel()
	for name, prepare := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := prepare(t, w)
			before := w.snapshot()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			count := 0
			outcome, err := p.Execute(ctx, func(Change) {
				count++
				if count == 2 {
					stop()
				}
			})
			if !errors.Is(err, context.Canceled) || outcome.State != AsBefore || len(outcome.Undone) != 2 {
				t.Fatalf("%+v, %v", outcome, err)
			}
			if diff := cmp.Diff(before, w.snapshot()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMadeMeanwhile: somebody makes an object of the same name between plan and write. Theirs stays, without our fields.
func TestMadeMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := scenarios["create"](t, w)
	gateway := parse(t, "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: egress-news, namespace: default}, spec: {extra: theirs}}")
	w.put("somebody", gateway)
	before := w.snapshot()
	outcome, err := p.Execute(t.Context(), func(Change) {})
	wantRefused(t, err, Meanwhile, `Gateway default/egress-news was made by "somebody" while this command ran; look at it and try again`)
	if outcome.State != AsBefore {
		t.Errorf("%+v", outcome)
	}
	if diff := cmp.Diff(before, w.snapshot()); diff != "" {
		t.Error(diff)
	}
}

// TestChangedMeanwhile: an object that was replaced since the plan is not ours to write to.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := scenarios["change"](t, w)
	gateway := w.object("Gateway", "default", "egress-news")
	w.mu.Lock()
	delete(w.objects, refOf(gateway))
	w.mu.Unlock()
	w.put("somebody", parse(t, "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: egress-news, namespace: default}, spec: {servers: []}}"))
	before := w.snapshot()
	outcome, err := p.Execute(t.Context(), func(Change) {})
	if err == nil || outcome.State != AsBefore || len(outcome.Undone) != 2 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	if diff := cmp.Diff(before, w.snapshot()); diff != "" {
		t.Error(diff)
	}
}
