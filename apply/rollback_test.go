package apply

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// stopAfter gives Execute's arguments so that it is told to stop after n changes.
func stopAfter(t *testing.T, n int) (context.Context, func(Change)) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	if n == 0 {
		stop()
	}
	return ctx, func(Change) {
		n--
		if n == 0 {
			stop()
		}
	}
}

// meddle stops a plan after n changes and lets somebody else do something in the moment before it is taken back.
func (w *world) meddle(p *Plan, n int, by func()) (Outcome, error) {
	w.t.Helper()
	ctx, done := stopAfter(w.t, n)
	left := n
	return p.Execute(ctx, func(c Change) {
		left--
		if left == 0 {
			by()
		}
		done(c)
	})
}

func (w *world) vanish(kind, namespace, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.objects, Ref{kind, namespace, name})
}

// TestMeddling: others do things while we take ours back. What is not as we left it is not touched, and is told.
func TestMeddling(t *testing.T) {
	t.Parallel()
	const otherGateway = "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: egress-news, namespace: default}, spec: {servers: []}}"
	for _, tt := range []struct {
		name, scenario string
		after          int
		by             func(w *world)
		state          State
		stuck          []string // "OBJECT: part of the reason"
	}{
		{
			"what we created is deleted already", "create", 3,
			func(w *world) { w.vanish("Gateway", "default", "egress-news") }, AsBefore, nil,
		},
		{
			"what we created is replaced", "create", 3,
			func(w *world) {
				w.vanish("Gateway", "default", "egress-news")
				w.put("somebody", parse(w.t, otherGateway))
			}, AsBefore, nil,
		},
		{
			"what we created is held", "create", 3,
			func(w *world) { w.hold("Gateway", "default", "egress-news", "example.com/hold") }, Mixed,
			[]string{"ConfigMap default/egress-news: because Gateway", "ServiceEntry default/egress-news: because Gateway", `Gateway default/egress-news: held by "example.com/hold"`},
		},
		{
			"a controller writes to what we created", "create", 3,
			func(w *world) {
				gateway := w.object("Gateway", "default", "egress-news")
				gateway.SetAnnotations(map[string]string{"controller": "was here"})
				w.put("controller", gateway)
			}, AsBefore, nil,
		},
		{
			"what we changed is deleted", "change", 3,
			func(w *world) { w.vanish("Gateway", "default", "egress-news") }, Mixed,
			[]string{"ConfigMap default/egress-news: because Gateway", "ServiceEntry default/egress-news: because Gateway", "Gateway default/egress-news: somebody else deleted"},
		},
		{
			"what we changed is changed again", "change", 3,
			func(w *world) {
				gateway := w.object("Gateway", "default", "egress-news")
				gateway.SetAnnotations(map[string]string{"theirs": "yes"})
				w.put("somebody", gateway)
			}, Mixed,
			[]string{"ConfigMap default/egress-news: because Gateway", "ServiceEntry default/egress-news: because Gateway", "Gateway default/egress-news: somebody else changed"},
		},
		{
			"what we deleted is made by somebody else", "remove", 4,
			func(w *world) { w.put("somebody", parse(w.t, otherGateway)) }, Mixed,
			[]string{
				"VirtualService default/egress-news.edition.cnn.com: because Gateway", "VirtualService default/egress-news.en.wikipedia.org: because Gateway",
				"DestinationRule istio-system/egress-news.default: because Gateway", "Gateway default/egress-news: somebody else made another",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := scenarios[tt.scenario](t, w)
			outcome, err := w.meddle(p, tt.after, func() { tt.by(w) })
			if !errors.Is(err, context.Canceled) || outcome.State != tt.state || len(outcome.Stuck) != len(tt.stuck) {
				t.Fatalf("%+v, %v", outcome, err)
			}
			for i, want := range tt.stuck {
				object, reason, _ := strings.Cut(want, ": ")
				if got := outcome.Stuck[i]; got.Change.Ref.String() != object || !strings.Contains(got.Err.Error(), reason) {
					t.Errorf("stuck: %s: %v; want %s", got.Change.Ref, got.Err, want)
				}
			}
			if tt.state == AsBefore && tt.scenario == "create" && tt.name != "what we created is replaced" && len(w.snapshot()) > 0 {
				t.Errorf("not as before: %v", w.snapshot())
			}
			if len(outcome.Undone)+len(outcome.Stuck) != tt.after {
				t.Errorf("of %d changes %d are undone and %d stuck", tt.after, len(outcome.Undone), len(outcome.Stuck))
			}
		})
	}
}

// TestLostAnswer: if it is not known whether we made an object, and somebody writes to it, it is not ours to delete.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := scenarios["create"](t, w)
	ref := Ref{"Gateway", "default", "egress-news"}
	w.arm(func(n int, _ *http.Request) fault {
		switch n {
		case 3:
			return cutAfter
		case 4: // the first look of the roll back
			gateway := w.objects[ref].DeepCopy()
			gateway.SetAnnotations(map[string]string{"controller": "was here"})
			w.mu.Unlock()
			w.put("controller", gateway)
			w.mu.Lock()
		}
		return none
	})
	outcome, err := p.Execute(t.Context(), func(Change) {})
	if err == nil || outcome.State != Mixed || len(outcome.Stuck) != 3 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	const want = `left as it is: the answer to creating Gateway default/egress-news was lost, and "controller" writes to it`
	if got := outcome.Stuck[2].Err.Error(); got != want || w.object(ref.Kind, ref.Namespace, ref.Name) == nil {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestHeldCannotComeBack: a deletion that finalizers hold cannot be called off, and is not mistaken for an object that stands.
func TestHeldCannotComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := scenarios["change"](t, w)
	w.hold("VirtualService", "default", "egress-news.en.wikipedia.org", "example.com/hold")
	outcome, err := w.meddle(p, 6, func() {})
	if err == nil || outcome.State != Mixed || len(outcome.Stuck) == 0 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	last := outcome.Stuck[len(outcome.Stuck)-1]
	if want := `VirtualService default/egress-news.en.wikipedia.org is being deleted, held by "example.com/hold"`; !strings.Contains(last.Err.Error(), want) {
		t.Errorf("%v", last.Err)
	}
}

// TestGrace: told to stop while a write is on its way, it learns how the write ended, and then takes it back.
func TestGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := scenarios["create"](t, w)
	p.times.grace = time.Minute
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w.arm(func(n int, _ *http.Request) fault {
		if n == 2 {
			stop() // the request is in the API server's hands
		}
		return none
	})
	var told []Change
	outcome, err := p.Execute(ctx, func(c Change) { told = append(told, c) })
	if !errors.Is(err, context.Canceled) || outcome.State != AsBefore || len(w.snapshot()) > 0 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	want := []string{"created ConfigMap default/egress-news", "created ServiceEntry default/egress-news"}
	if diff := cmp.Diff(want, brief(told)); diff != "" {
		t.Errorf("told: %s", diff)
	}
	if diff := cmp.Diff(want, brief(outcome.Undone)); diff != "" {
		t.Errorf("undone: %s", diff)
	}
}

// TestStoppedBeforeAnything writes nothing and has nothing to take back.
func TestStoppedBeforeAnything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := scenarios["create"](t, w)
	outcome, err := p.Execute(stopAfter(t, 0))
	if !errors.Is(err, context.Canceled) || err.Error() != "before creating ConfigMap default/egress-news: context canceled" {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff(Outcome{State: AsBefore}, outcome); diff != "" || len(w.writes()) > 0 {
		t.Error(diff)
	}
}

// TestForcedFieldsGoBack: fields that were taken over by force have their old values again, so that no other manager's
// configuration is lost with ours.
func TestForcedFieldsGoBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}})
	w.enable(set)
	entry := w.object("ServiceEntry", "default", "egress-news")
	entry.Object["spec"].(map[string]any)["resolution"] = "STATIC"
	entry.SetAnnotations(map[string]string{"theirs": "yes"})
	w.put("somebody", entry)
	before := w.snapshot()
	p := w.plan(set, Options{Force: true})
	outcome, err := p.Execute(stopAfter(t, 2))
	if err == nil || outcome.State != AsBefore || len(outcome.Undone) != 1 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	if diff := cmp.Diff(before, w.snapshot()); diff != "" {
		t.Error(diff)
	}
}

// TestErrorsInOneLine: several refusals are told together, each missing right once.
func TestErrorsInOneLine(t *testing.T) {
	t.Parallel()
	right := func(name string) error {
		return &kube.Error{Kind: kube.ErrForbidden, Doing: "apply " + name, Verb: "patch", Resource: "gateways", Namespace: "default", Name: name, Words: "no"}
	}
	invalid := &kube.Error{Kind: kube.ErrInvalid, Doing: "apply c", Words: "bad"}
	err := collect([]error{right("a"), right("b"), invalid})
	if got := err.Error(); strings.Count(got, ";") != 1 || !strings.Contains(got, "apply a") || strings.Contains(got, "apply b") || !strings.Contains(got, "bad") {
		t.Errorf("%s", got)
	}
	if !errors.Is(err, kube.ErrForbidden) || !errors.Is(err, kube.ErrInvalid) {
		t.Errorf("%v hides what happened", err)
	}
	if one := collect([]error{invalid}); !errors.Is(one, kube.ErrInvalid) || one.Error() != invalid.Error() {
		t.Errorf("%v", one)
	}
	refs := make([]Ref, 7)
	for i := range refs {
		refs[i] = Ref{"Gateway", "default", string(rune('a' + i))}
	}
	if got := names(refs); got != "Gateway default/a, Gateway default/b, Gateway default/c, Gateway default/d, Gateway default/e and 2 more" {
		t.Error(got)
	}
	if got := names(refs[:2]); got != "Gateway default/a, Gateway default/b" {
		t.Error(got)
	}
}

// TestRestoredAlthoughTheAnswerWasLost: what is made anew, without an answer, is found by the next look and known for our own.
func TestRestoredAlthoughTheAnswerWasLost(t *testing.T) {
	t.Parallel()
	for _, lost := range []fault{cutAfter, cutBefore} {
		w := newWorld(t)
		p := scenarios["remove"](t, w)
		before := w.snapshot()
		var deletes, applies atomic.Int32
		w.arm(func(_ int, r *http.Request) fault {
			switch {
			case r.Method == http.MethodDelete && deletes.Add(1) == 4:
				return denied
			case r.Method == http.MethodPatch && applies.Add(1)%2 == 1:
				return lost
			}
			return none
		})
		outcome, err := p.Execute(t.Context(), func(Change) {})
		if outcome.State != AsBefore || !errors.Is(err, kube.ErrForbidden) {
			t.Fatalf("%s: %+v, %v", lost, outcome, err)
		}
		if diff := cmp.Diff(before, w.snapshot()); diff != "" || applies.Load() < 3 {
			t.Errorf("%s, %d writes to take it back: %s", lost, applies.Load(), diff)
		}
	}
}
