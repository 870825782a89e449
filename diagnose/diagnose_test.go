package diagnose

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

func load(t testing.TB, name string) *snapshot.Snapshot {
	t.Helper()
	f, err := os.Open(filepath.Join("../testdata/captures", name, "snapshot.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := snapshot.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		capture string
		options Options
		paths   string
		code    int
	}{
		"everything":             {"set-broken-by-hand", Options{}, "edition.cnn.com:80 edition.cnn.com:443 en.wikipedia.org:80 en.wikipedia.org:443", report.Failed},
		"a set":                  {"set-broken-by-hand", Options{Targets: []string{"demo"}}, "edition.cnn.com:80 edition.cnn.com:443 en.wikipedia.org:80 en.wikipedia.org:443", report.Failed},
		"a set with namespace":   {"set-auto-mtls", Options{Targets: []string{"default/demo"}}, "edition.cnn.com:80 edition.cnn.com:443 en.wikipedia.org:80 en.wikipedia.org:443", report.Fine},
		"a host that works":      {"set-broken-by-hand", Options{Targets: []string{"en.wikipedia.org"}}, "en.wikipedia.org:80 en.wikipedia.org:443", report.Fine},
		"a host as people write": {"set-broken-by-hand", Options{Targets: []string{"EN.wikipedia.org."}}, "en.wikipedia.org:80 en.wikipedia.org:443", report.Fine},
		"two hosts, once each":   {"set-auto-mtls", Options{Targets: []string{"en.wikipedia.org", "en.wikipedia.org", "edition.cnn.com"}}, "edition.cnn.com:80 edition.cnn.com:443 en.wikipedia.org:80 en.wikipedia.org:443", report.Fine},
		"a host of a wildcard":   {"sni-dynamic", Options{Targets: []string{"de.wikipedia.org"}}, "*.wikipedia.org:443", report.Fine},
		"the wildcard":           {"sni-dynamic", Options{Targets: []string{"*.wikipedia.org"}}, "*.wikipedia.org:443", report.Fine},
		"the set's namespace":    {"set-auto-mtls", Options{Namespace: "default"}, "edition.cnn.com:80 edition.cnn.com:443 en.wikipedia.org:80 en.wikipedia.org:443", report.Fine},
		"another namespace":      {"set-auto-mtls", Options{Namespace: "shop"}, "", report.Fine},
		"of a VirtualService":    {"sni-dynamic", Options{Namespace: "istio-system"}, "*.wikipedia.org:443", report.Fine},
		"of none":                {"sni-dynamic", Options{Namespace: "default"}, "", report.Fine},
		"nobody asks for more":   {"posture-open", Options{FailOnWarning: true}, "de.wikipedia.org:443 edition.cnn.com:443", report.Fine},
		"security, open":         {"posture-open", Options{Security: true}, "de.wikipedia.org:443 edition.cnn.com:443", report.Failed},
		"security, of one host":  {"posture-open", Options{Security: true, Targets: []string{"edition.cnn.com"}}, "edition.cnn.com:443", report.Failed},
		"security, too tight":    {"posture-tight", Options{Security: true}, "edition.cnn.com:443", report.Fine},
		"security, warnings too": {"posture-tight", Options{Security: true, FailOnWarning: true}, "edition.cnn.com:443", report.Warned},
		"security, held":         {"posture-held", Options{Security: true, FailOnWarning: true}, "edition.cnn.com:443", report.Fine},
		"security, of nobody":    {"posture-open", Options{Security: true, Namespace: "shop"}, "", report.Fine},
		"security, not gathered": {"set-auto-mtls", Options{Security: true, Targets: []string{"en.wikipedia.org"}}, "en.wikipedia.org:80 en.wikipedia.org:443", report.Unjudged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Judge(load(t, tt.capture), tt.options)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range r.Paths {
				got = append(got, egress.Path{Host: egress.Host(p.Host), Port: p.Port}.String())
			}
			if diff := cmp.Diff(tt.paths, strings.Join(got, " ")); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if r.ExitCode != tt.code {
				t.Errorf("exit code %d, want %d", r.ExitCode, tt.code)
			}
		})
	}
}

func TestJudgeNamesNothing(t *testing.T) {
	t.Parallel()
	var input *egress.InputError
	for name, tt := range map[string]struct {
		capture, target, want string
	}{
		"a host that nobody routes": {"set-auto-mtls", "de.wikipedia.org", "paths are edition.cnn.com:80, edition.cnn.com:443"},
		"a set that is not there":   {"set-auto-mtls", "dem", "no set and no host"},
		"no path at all":            {"none", "edition.cnn.com", "there is no egress path at all"},
		"what is neither":           {"set-auto-mtls", "10.0.0.1", `"10.0.0.1" is no set and no host`},
	} {
		if _, err := Judge(load(t, tt.capture), Options{Targets: []string{tt.target}}); !errors.As(err, &input) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := load(t, "set-auto-mtls")
	s.States[snapshot.VirtualServices] = snapshot.State{Kind: snapshot.Forbidden, Detail: "cannot list them"}
	if _, err := Judge(s, Options{Targets: []string{"de.wikipedia.org"}}); err == nil || errors.As(err, &input) || !strings.Contains(err.Error(), "cannot list them") {
		t.Errorf("what could not be read may hold it: %v", err)
	}
	s = manyPaths(t, 30)
	if _, err := Judge(s, Options{Targets: []string{"x.example.com"}}); err == nil || !strings.Contains(err.Error(), "and 20 more") {
		t.Errorf("%v", err)
	}
}

// TestOtherPeoples: with one workload named, what is not exported to its namespace is left out and said; who names it sees why.
func TestOtherPeoples(t *testing.T) {
	t.Parallel()
	others := func() *snapshot.Snapshot {
		s := load(t, "EGR002") // from default/sleep, which sends the host past the gateway
		s.Objects = load(t, "working-passthrough").Objects
		s.Objects.VirtualServices[0].Spec.ExportTo = []string{"istio-system"}
		s.Objects.ServiceEntries[0].Spec.ExportTo = []string{"istio-system"}
		return s
	}
	r, err := Judge(others(), Options{})
	if err != nil || len(r.Paths) != 0 || r.ExitCode != report.Fine {
		t.Errorf("%v: %+v", err, r)
	}
	if want := "not exported to namespace default, and left out: edition.cnn.com:443"; !strings.Contains(strings.Join(r.Notes, "; "), want) {
		t.Errorf("notes %q", r.Notes)
	}
	if r, err = Judge(others(), Options{Targets: []string{"edition.cnn.com"}}); err != nil || len(r.Paths) != 1 || r.ExitCode != report.Failed {
		t.Errorf("%v: %+v", err, r)
	}
	s := others() // the routes are seen, and the entry is not: that is a fault of this workload's
	s.Objects.VirtualServices[0].Spec.ExportTo = nil
	if r, err = Judge(s, Options{}); err != nil || len(r.Paths) != 1 || r.ExitCode != report.Failed {
		t.Errorf("%v: %+v", err, r)
	}
}

// TestSince: how far back log lines count is reckoned from when the capture was made, not from today.
func TestSince(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		capture string
		since   time.Duration
		found   bool
		note    string
	}{
		"all that was captured":   {"EGR006", 0, true, ""},
		"ten minutes before it":   {"EGR006", 10 * time.Minute, true, ""},
		"the second before it":    {"EGR006", time.Second, false, ""},
		"more than was captured":  {"EGR006", 24 * time.Hour, true, "of 2 of 2 proxies the access log was not gathered as far back as 24h0m0s"},
		"nothing was captured":    {"working-passthrough", time.Hour, false, "no access log was gathered: --since has nothing to choose from"},
		"of a certificate wanted": {"EGR029", time.Millisecond, false, ""},
	} {
		r, err := Judge(load(t, tt.capture), Options{Since: tt.since})
		if err != nil {
			t.Fatal(err)
		}
		if (r.Summary.Warn == 1) != tt.found || r.ExitCode != report.Fine {
			t.Errorf("%s: %+v", name, r.Summary)
		}
		if got := strings.Join(r.Notes, "; "); got != tt.note {
			t.Errorf("%s: notes %q, want %q", name, got, tt.note)
		}
	}
}

// demo is the set of the captures.
func demo(t *testing.T) egress.Set {
	t.Helper()
	return load(t, "set-auto-mtls").Sets[0].Set
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
	at, looks := shows(load(t, "none"), load(t, "set-route-deleted"), load(t, "set-auto-mtls"))
	if err := poll(soon(t), at, demo(t), leads); err != nil || *looks != 3 {
		t.Errorf("%v after %d looks, want none after 3", err, *looks)
	}
}

func TestHoldNot(t *testing.T) {
	t.Parallel()
	at, looks := shows(load(t, "set-auto-mtls"), load(t, "set-route-deleted"), load(t, "none"))
	if err := poll(soon(t), at, demo(t), rid); err != nil || *looks != 3 {
		t.Errorf("%v after %d looks, want none after 3", err, *looks)
	}
}

// TestHoldNotForgetsDraining: Envoy keeps the routes of a listener that only drains; they hold nobody up.
func TestHoldNotForgetsDraining(t *testing.T) {
	t.Parallel()
	s, before := load(t, "none"), load(t, "set-auto-mtls")
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
		at, _ := shows(load(t, tt.capture))
		err := poll(ctx, at, demo(t), tt.missing)
		cancel()
		var late *NotHeldError
		if !errors.As(err, &late) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	at, _ := shows(load(t, "none"))
	if err := poll(ctx, at, demo(t), leads); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "not seen with set default/demo in time") {
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
		before, after := load(t, tt.before), load(t, tt.after)
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
	slow, blind := load(t, "set-auto-mtls"), load(t, "none")
	slow.Proxies[0].State = snapshot.State{Kind: snapshot.TimedOut, Detail: "no answer"}
	blind.States[snapshot.Pods] = snapshot.State{Kind: snapshot.Failed, Detail: "odd"}
	at, looks := shows(slow, blind, load(t, "set-auto-mtls"))
	if err := poll(soon(t), at, demo(t), leads); err != nil || *looks != 3 {
		t.Errorf("%v after %d looks", err, *looks)
	}
	at, looks = shows(slow, blind, load(t, "none"))
	if err := poll(soon(t), at, demo(t), rid); err != nil || *looks != 3 {
		t.Errorf("%v after %d looks", err, *looks)
	}
}

// TestHoldWithoutWorkloads: where no workload has a sidecar there is nothing to wait for.
func TestHoldWithoutWorkloads(t *testing.T) {
	t.Parallel()
	s := load(t, "none")
	s.Proxies = nil
	at, looks := shows(s)
	if err := poll(soon(t), at, demo(t), leads); err != nil || *looks != 1 {
		t.Errorf("%v after %d looks", err, *looks)
	}
}
