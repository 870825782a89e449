package apply

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// history is a random life of one set: it is declared anew again and again, some of it interrupted.
type history struct {
	*world
	random *rand.Rand
}

func (h *history) declaration() egress.Declaration {
	hosts := []string{"a.com", "b.com", "a-b.com", "a.b.com", "edition.cnn.com"}
	h.random.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	return egress.Declaration{
		Name: "life", Namespace: []string{"default", "team"}[h.random.IntN(2)], Domains: hosts[:1+h.random.IntN(len(hosts))],
		Mode: []string{"auto", "http", "passthrough"}[h.random.IntN(3)], MTLS: []string{"on", "off"}[h.random.IntN(2)],
		Gateway: []string{"istio-system/istio-egressgateway", "team/egress"}[h.random.IntN(2)],
	}
}

// TestConvergence: whatever a set was before, after enable the cluster holds what a fresh enable gives, and nothing else; a second
// enable writes nothing; and removing it leaves nothing.
func TestConvergence(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			h := &history{newWorld(t), rand.New(rand.NewPCG(seed, 1))}
			namespace := h.declaration().Namespace
			for range 6 {
				d := h.declaration()
				d.Namespace = namespace
				set := declare(t, d)
				if h.random.IntN(3) == 0 {
					h.interrupt(set)
				}
				h.enable(set)
				h.holds(set)
				if p := h.plan(set, Options{}); p.Writes() {
					t.Fatalf("not settled: %v", brief(p.Changes))
				}
			}
			h.execute(h.removal(namespace, "life"))
			if left := h.snapshot(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// interrupt begins to enable and stops somewhere, which must leave everything as it was.
func (h *history) interrupt(set egress.Set) {
	h.t.Helper()
	before := h.snapshot()
	p := h.plan(set, Options{})
	at := h.random.IntN(len(p.Changes))
	outcome, err := p.Execute(stopAfter(h.t, at))
	if outcome.State == AsBefore {
		if diff := cmp.Diff(before, h.snapshot()); diff != "" || err == nil && p.Writes() {
			h.t.Fatalf("interrupted after %d of %v, %v: %s", at, brief(p.Changes), err, diff)
		}
	}
}

// holds compares the cluster with the recipe, without what only the API server knows.
func (h *history) holds(set egress.Set) {
	h.t.Helper()
	want, err := recipe.Render(set, h.facts)
	if err != nil {
		h.t.Fatal(err)
	}
	got := h.snapshot()
	for _, u := range want {
		if diff := cmp.Diff(visible(u), got[refOf(u)]); diff != "" {
			h.t.Fatalf("%s: %s", refOf(u), diff)
		}
		delete(got, refOf(u))
	}
	if len(got) > 0 {
		h.t.Fatalf("more than was declared: %v", got)
	}
	sets, err := Sets(h.t.Context(), h.client, "")
	if err != nil || len(sets) != 1 || len(sets[0].Members) != len(want)-1 {
		h.t.Fatalf("%v, %v", sets, err)
	}
	if diff := cmp.Diff(set, sets[0].Set); diff != "" {
		h.t.Fatalf("the set that is listed: %s", diff)
	}
}

// TestOrder: of any plan, what others stand on is written before them, and deleted after them.
func TestOrder(t *testing.T) {
	t.Parallel()
	for name, prepare := range scenarios {
		w := newWorld(t)
		p := prepare(t, w)
		var writes, deletes []int
		for _, c := range p.Changes {
			if c.Action == Deleted {
				deletes = append(deletes, -rank(c.Ref.Kind))
				continue
			}
			if len(deletes) > 0 {
				t.Errorf("%s: %s is written after something was deleted", name, c.Ref)
			}
			writes = append(writes, rank(c.Ref.Kind))
		}
		if !slices.IsSorted(writes) || !slices.IsSorted(deletes) {
			t.Errorf("%s: %v", name, brief(p.Changes))
		}
	}
}

// TestPlanIsOnlyLooking: making a plan changes neither the objects that it read nor what it is asked for.
func TestPlanIsOnlyLooking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}})
	w.enable(set)
	p := w.plan(declare(t, egress.Declaration{Name: "news", Domains: []string{"en.wikipedia.org"}}), Options{})
	var before []*unstructured.Unstructured
	for _, c := range p.Changes {
		if c.Before != nil {
			before = append(before, c.Before.DeepCopy())
		}
	}
	w.execute(p)
	i := 0
	for _, c := range p.Changes {
		if c.Before == nil {
			continue
		}
		if diff := cmp.Diff(before[i].Object, c.Before.Object); diff != "" {
			t.Errorf("%s: %s", c.Ref, diff)
		}
		i++
	}
}
