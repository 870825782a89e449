package diagnose

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// demo is the set of the captures.
func demo(t *testing.T) egress.Set {
	t.Helper()
	return captured.Load(t, "set-auto-mtls").Sets[0].Set
}

// shows gives one snapshot after the other, the last for ever.
func shows(snapshots ...*snapshot.Snapshot) (look, *int) {
	looks := 0
	return func(ctx context.Context) (*snapshot.Snapshot, error) {
		s := snapshots[min(looks, len(snapshots)-1)]
		looks++
		return s, ctx.Err()
	}, &looks
}

func TestHold(t *testing.T) {
	t.Parallel()
	at, looks := shows(captured.Load(t, "none"), captured.Load(t, "set-route-deleted"), captured.Load(t, "set-auto-mtls"))
	if err := poll(soon(t), at, demo(t), leads); err != nil || *looks != 3 {
		t.Errorf("%v after %d looks, want none after 3", err, *looks)
	}
}

func TestHoldNot(t *testing.T) {
	t.Parallel()
	at, looks := shows(captured.Load(t, "set-auto-mtls"), captured.Load(t, "set-route-deleted"), captured.Load(t, "none"))
	if err := poll(soon(t), at, demo(t), rid); err != nil || *looks != 3 {
		t.Errorf("%v after %d looks, want none after 3", err, *looks)
	}
}

// TestHoldNotForgetsDraining: Envoy keeps the routes of a listener that only drains; they hold nobody up.
func TestHoldNotForgetsDraining(t *testing.T) {
	t.Parallel()
	s, before := captured.Load(t, "none"), captured.Load(t, "set-auto-mtls")
	for i := range s.Proxies {
		if s.Proxies[i].Role == snapshot.AtGateway {
			for j := range before.Proxies {
				if before.Proxies[j].Role == snapshot.AtGateway {
					s.Proxies[i].Config.Routes = before.Proxies[j].Config.Routes
				}
			}
			if len(s.Proxies[i].Config.Routes) == 0 {
				t.Fatal("the capture has no routes")
			}
		}
	}
	if says := rid(s, demo(t)); says != "" {
		t.Error(says)
	}
}

// lateClock is a context whose time is over when it is asked, and which has not noticed it yet.
type lateClock struct {
	context.Context
	ended time.Time
}

func (l *lateClock) Deadline() (time.Time, bool) { return l.ended, true }

// TestNotHeldByALateClock: what a request says that had no time left is not told in place of what is missing.
func TestNotHeldByALateClock(t *testing.T) {
	t.Parallel()
	ctx := &lateClock{t.Context(), time.Now().Add(time.Hour)}
	looks := 0
	err := poll(ctx, func(context.Context) (*snapshot.Snapshot, error) {
		if looks++; looks == 1 {
			return captured.Load(t, "set-route-deleted"), nil
		}
		ctx.ended = time.Now()
		s := captured.Load(t, "set-auto-mtls")
		s.States[snapshot.Pods] = snapshot.State{Kind: snapshot.Failed, Detail: "no time is left"}
		return s, nil
	}, demo(t), leads)
	if !errors.Is(err, context.DeadlineExceeded) || looks != 2 || !strings.Contains(err.Error(), "sends edition.cnn.com:80 to outbound|80||edition.cnn.com") {
		t.Errorf("%v after %d looks", err, looks)
	}
}

// TestNotHeld: when the time is over, it says what is missing, and that it was the time.
func TestNotHeld(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		capture string
		missing func(*snapshot.Snapshot, egress.Set) string
		want    string
	}{
		"not there yet": {"set-route-deleted", leads, "sends edition.cnn.com:80 to outbound|80||edition.cnn.com"},
		"still there":   {"set-auto-mtls", rid, "gateway pod"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), holdTick/2)
		at, _ := shows(captured.Load(t, tt.capture))
		err := poll(ctx, at, demo(t), tt.missing)
		cancel()
		var late *NotHeldError
		if !errors.As(err, &late) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	at, _ := shows(captured.Load(t, "none"))
	if err := poll(ctx, at, demo(t), leads); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "know of set default/demo was not seen in time") {
		t.Errorf("stopped before the first look: %v", err)
	}
}

// TestHoldCannotSee: what no waiting will show holds nobody up; what can be seen is waited for.
func TestHoldCannotSee(t *testing.T) {
	t.Parallel()
	forbidden := snapshot.State{Kind: snapshot.Forbidden, Detail: "cannot create pods/portforward", Right: "create pods/portforward in namespace istio-system"}
	set := demo(t)
	gateway := func(s *snapshot.Snapshot) { s.Proxies[0].State = forbidden }
	hidden := func(s *snapshot.Snapshot) {
		s.Facts.Gateways, s.Proxies = nil, s.Proxies[1:]
		s.States[snapshot.Facts] = snapshot.State{Kind: snapshot.Forbidden, Detail: "cannot get services"}
	}
	sidecar := func(s *snapshot.Snapshot) { s.Proxies[1].State = snapshot.State{Kind: snapshot.Forbidden} }
	pods := func(s *snapshot.Snapshot) {
		s.Proxies = s.Proxies[:1]
		s.States[snapshot.Pods] = snapshot.State{Kind: snapshot.Forbidden, Right: "list pods in namespace default"}
	}
	for name, tt := range map[string]struct {
		before, after string
		blind         func(*snapshot.Snapshot)
		missing       func(*snapshot.Snapshot, egress.Set) string
		looks         int
		want          UnseenError
	}{
		"the gateway's pods": {
			"none", "set-auto-mtls", gateway, leads, 2,
			UnseenError{What: []string{"gateway istio-system/istio-egressgateway"}, Right: []string{"create pods/portforward in namespace istio-system"}},
		},
		"the gateway itself": {
			"none", "set-auto-mtls", hidden, leads, 2,
			UnseenError{What: []string{"gateway istio-system/istio-egressgateway"}, Right: []string{"get services and list pods in namespace istio-system"}},
		},
		"the gateway, when it goes": {
			"set-auto-mtls", "none", gateway, rid, 2,
			UnseenError{What: []string{"gateway istio-system/istio-egressgateway"}, Right: []string{"create pods/portforward in namespace istio-system"}},
		},
		"the sidecars": {
			"none", "set-auto-mtls", sidecar, leads, 1,
			UnseenError{What: []string{"workloads of namespace default"}, Right: []string{"create pods/portforward in namespace default"}},
		},
		"the pods": {
			"none", "set-auto-mtls", pods, leads, 1,
			UnseenError{What: []string{"workloads of namespace default"}, Right: []string{"list pods in namespace default"}},
		},
	} {
		before, after := captured.Load(t, tt.before), captured.Load(t, tt.after)
		tt.blind(before)
		tt.blind(after)
		at, looks := shows(before, after)
		var unseen *UnseenError
		if err := poll(soon(t), at, set, tt.missing); !errors.As(err, &unseen) || *looks != tt.looks {
			t.Errorf("%s: %v after %d looks", name, err, *looks)
			continue
		}
		if diff := cmp.Diff(tt.want, *unseen); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		if !strings.Contains(unseen.Error(), "it takes the right to "+tt.want.Right[0]) {
			t.Errorf("%s: %s", name, unseen)
		}
	}
	failing := func(context.Context) (*snapshot.Snapshot, error) { return nil, kube.ErrUnreachable }
	if err := poll(soon(t), failing, set, leads); !errors.Is(err, kube.ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

// soon bounds a wait, so that a test that would wait for ever fails.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestHoldWaitsForUnread: a proxy that does not answer just now is asked again, and counts for nothing until it does.
func TestHoldWaitsForUnread(t *testing.T) {
	t.Parallel()
	slow, blind := captured.Load(t, "set-auto-mtls"), captured.Load(t, "none")
	slow.Proxies[0].State = snapshot.State{Kind: snapshot.TimedOut, Detail: "no answer"}
	blind.States[snapshot.Pods] = snapshot.State{Kind: snapshot.Failed, Detail: "odd"}
	at, looks := shows(slow, blind, captured.Load(t, "set-auto-mtls"))
	if err := poll(soon(t), at, demo(t), leads); err != nil || *looks != 3 {
		t.Errorf("%v after %d looks", err, *looks)
	}
	at, looks = shows(slow, blind, captured.Load(t, "none"))
	if err := poll(soon(t), at, demo(t), rid); err != nil || *looks != 3 {
		t.Errorf("%v after %d looks", err, *looks)
	}
}

// TestHoldWithoutWorkloads: where no workload has a sidecar there is nothing to wait for.
func TestHoldWithoutWorkloads(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "none")
	s.Proxies = nil
	at, looks := shows(s)
	if err := poll(soon(t), at, demo(t), leads); err != nil || *looks != 1 {
		t.Errorf("%v after %d looks", err, *looks)
	}
}
