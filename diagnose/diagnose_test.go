package diagnose

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

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
			r, err := Judge(captured.Load(t, tt.capture), tt.options)
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
		if _, err := Judge(captured.Load(t, tt.capture), Options{Targets: []string{tt.target}}); !errors.As(err, &input) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := captured.Load(t, "set-auto-mtls")
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
		s := captured.Load(t, "EGR002") // from default/sleep, which sends the host past the gateway
		s.Objects = captured.Load(t, "working-passthrough").Objects
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
		r, err := Judge(captured.Load(t, tt.capture), Options{Since: tt.since})
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
