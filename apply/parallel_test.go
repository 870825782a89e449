package apply

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

func TestInParallel(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, width, 100} {
		var running, most, did atomic.Int32
		var begun []int
		ended, second := 0, make(chan struct{})
		inParallel(n, func(i int) bool { begun = append(begun, i); return true }, func(i int) {
			most.Store(max(most.Load(), running.Add(1)))
			switch {
			case i == 0 && n > 1:
				<-second // whoever waits for the first before beginning the second waits forever
			case i == 1:
				close(second)
			}
			running.Add(-1)
			did.Add(1)
		}, func(int) { ended++ })
		if int(did.Load()) != n || ended != n || !slices.IsSorted(begun) || len(begun) != n || most.Load() > width {
			t.Errorf("%d: did %d, ended %d, begun %v, %d at once", n, did.Load(), ended, begun, most.Load())
		}
	}
	stop := false
	var did atomic.Int32
	inParallel(100, func(int) bool { return !stop }, func(int) { did.Add(1) }, func(int) { stop = true })
	if did.Load() > width {
		t.Errorf("%d begun after the first ended", did.Load())
	}
}

func many(t *testing.T, n int) egress.Set {
	t.Helper()
	d := egress.Declaration{Name: "news"}
	for i := range n {
		d.Domains = append(d.Domains, fmt.Sprintf("h%03d.example.com", i))
	}
	return declare(t, d)
}

// order of kinds in what the server stored: each kind is complete before the next begins.
func kindsOf(log []string) []string {
	var kinds []string
	for _, line := range log {
		kinds = append(kinds, strings.Fields(line)[1])
	}
	return slices.Compact(kinds)
}

// TestManyAtOnce: whatever overtakes what on the way, kinds wait for kinds, and what is told has the plan's order.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow := func(n int, _ *http.Request) fault { // every third request takes longer than its followers
		if n%3 == 0 {
			w.mu.Unlock()
			<-time.After(3 * time.Millisecond)
			w.mu.Lock()
		}
		return none
	}
	w.arm(slow)
	p := w.plan(many(t, 60), Options{})
	var told []Change
	if _, err := p.Execute(t.Context(), func(c Change) { told = append(told, c) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(brief(p.Changes), brief(told)); diff != "" {
		t.Errorf("told in another order: %s", diff)
	}
	want := []string{"ConfigMap", "ServiceEntry", "Gateway", "DestinationRule", "VirtualService"}
	if diff := cmp.Diff(want, kindsOf(w.writes())); diff != "" {
		t.Errorf("kinds did not wait: %s", diff)
	}
	p = w.removal("default", "news")
	w.execute(p)
	slices.Reverse(want)
	if diff := cmp.Diff(want, kindsOf(w.writes())); diff != "" {
		t.Errorf("deleting, kinds did not wait: %s", diff)
	}
}

// afterRefusals lets VirtualServices after the first few through only when as many were refused as were announced.
type afterRefusals struct {
	Client
	early    int
	refusals sync.WaitGroup
}

func (a *afterRefusals) Apply(ctx context.Context, r kube.Resource, obj *unstructured.Unstructured, o kube.ApplyOptions) (*unstructured.Unstructured, error) {
	if r.Resource != "virtualservices" {
		return a.Client.Apply(ctx, r, obj, o)
	}
	var host int
	if _, err := fmt.Sscanf(obj.GetName(), "egress-news.h%d.example.com", &host); err != nil {
		return nil, fmt.Errorf("a VirtualService of another set: %w", err)
	}
	if host >= a.early {
		a.refusals.Wait()
	}
	got, err := a.Client.Apply(ctx, r, obj, o)
	if errors.Is(err, kube.ErrForbidden) {
		a.refusals.Done()
	}
	return got, err
}

// TestFirstErrorStops: of many writes one is refused. No more than were on their way are done, all are taken back, in the order of
// the plan for people, and the error is that of the first in the plan that failed.
func TestFirstErrorStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.plan(many(t, 60), Options{})
	var mu sync.Mutex
	tried := 0
	w.arm(func(_ int, r *http.Request) fault {
		mu.Lock()
		defer mu.Unlock()
		if r.Method != http.MethodPatch || !strings.Contains(r.URL.Path, "/virtualservices/") {
			return none
		}
		tried++
		if strings.HasSuffix(r.URL.Path, "h005.example.com") || strings.HasSuffix(r.URL.Path, "h007.example.com") {
			return denied
		}
		return none
	})
	// What comes after the refused ones is slower than the refusals: how many are on their way when they are known is then certain.
	late := &afterRefusals{Client: p.client, early: 8}
	late.refusals.Add(2)
	p.client = late
	var told []Change
	outcome, err := p.Execute(t.Context(), func(c Change) { told = append(told, c) })
	if err == nil || !strings.HasPrefix(err.Error(), "creating VirtualService default/egress-news.h005.example.com: ") {
		t.Errorf("%v", err)
	}
	if outcome.State != AsBefore || len(w.snapshot()) > 0 {
		t.Errorf("%+v, left %v", outcome.State, w.snapshot())
	}
	if tried > 8+width || len(told) != 4+5 {
		t.Errorf("%d VirtualServices were tried, %d changes told", tried, len(told))
	}
	at := -1
	for _, u := range outcome.Undone {
		i := slices.IndexFunc(p.Changes, func(c Change) bool { return c.Ref == u.Ref })
		if i <= at {
			t.Errorf("not in the order of the plan: %v", brief(outcome.Undone))
			break
		}
		at = i
	}
}

// TestManyGoesAway: what cannot be taken back of many is all told, and what it stands on stays.
func TestManyGoesAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.plan(many(t, 40), Options{})
	w.arm(func(_ int, r *http.Request) fault {
		if strings.HasSuffix(r.URL.Path, "h030.example.com") && r.Method == http.MethodPatch {
			return denied
		}
		if strings.HasSuffix(r.URL.Path, "h010.example.com") && r.Method == http.MethodDelete {
			return denied
		}
		return none
	})
	outcome, err := p.Execute(t.Context(), func(Change) {})
	if err == nil || outcome.State != Mixed || len(outcome.Stuck) != 5 || len(w.snapshot()) != 5 {
		t.Fatalf("%v, %v, left %d", err, outcome.Stuck, len(w.snapshot()))
	}
	if got := outcome.Stuck[4]; got.Change.Ref.Name != "egress-news.h010.example.com" {
		t.Errorf("%+v", got)
	}
	for _, s := range outcome.Stuck[:4] {
		if s.Err.Error() != "left as it is, because VirtualService default/egress-news.h010.example.com could not be taken back" {
			t.Errorf("%s: %v", s.Change.Ref, s.Err)
		}
	}
}
