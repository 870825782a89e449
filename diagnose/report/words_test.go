package report

import (
	"errors"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// TestTooldOnce: what could not be read is told once, however many checks need it.
func TestToldOnce(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "set-auto-mtls")
	s.States[snapshot.Gateways] = snapshot.State{Kind: snapshot.Forbidden, Detail: "no right to list gateways"}
	r := of(s)
	if n := strings.Count(written(t, r, Human, Options{}), "no right to list gateways"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if r.Summary.Unknown < 8 || r.ExitCode != Unjudged {
		t.Errorf("%+v, exit code %d", r.Summary, r.ExitCode)
	}
}

func TestNoPaths(t *testing.T) {
	t.Parallel()
	text := written(t, of(captured.Load(t, "none")), Human, Options{Unicode: true})
	if !strings.HasPrefix(text, "no egress path found: there is no set") {
		t.Error(text)
	}
	text = written(t, of(&snapshot.Snapshot{}), Human, Options{Unicode: true})
	if strings.Contains(text, "there is no set") || !strings.Contains(text, "? EGR057") {
		t.Error(text)
	}
}

// TestHostileWords: a lying cluster cannot act on the terminal, whatever the format.
func TestHostileWords(t *testing.T) {
	t.Parallel()
	evil := "a\x1b]0;owned\x07\x1b[2J\u009b31m\u202egnp.exe\r\nb\xff\u2028"
	r := Build(Input{
		IstioVersion: evil, Notes: []string{evil},
		Paths: []trace.Path{{Path: egress.Path{Host: egress.Host(evil), Set: evil + "/" + evil, Gateway: egress.GatewayRef{Namespace: evil, Service: evil}}, Legs: []trace.Leg{{
			Hop: egress.AtSidecar, Proxy: &snapshot.Proxy{}, Stop: &trace.Stop{Kind: trace.Bypass, Says: evil},
		}}}},
		Findings: []check.Finding{{
			Code: "EGR001", State: check.Fail, Path: evil, Message: evil, Evidence: []string{evil}, Fix: "one\ntwo " + evil,
			Object: &check.Object{Kind: evil, Namespace: evil, Name: evil, Field: evil},
		}},
	})
	for _, f := range Formats() {
		text := written(t, r, f, Options{Unicode: true})
		for _, bad := range []string{"\x1b", "\x07", "\u009b", "\u202e", "\r", "\u2028", "\xff"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s lets %q through:\n%q", f, bad, text)
			}
		}
	}
	for _, n := range r.Notes {
		if strings.ContainsAny(n, "\x1b\n") {
			t.Errorf("note %q", n)
		}
	}
	if !strings.HasPrefix(r.Findings[0].Fix, "one\ntwo ") {
		t.Errorf("a command of two lines became %q", r.Findings[0].Fix)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[0m", "b\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, s := range []string{clean(a), cleanCommand(b)} {
			for _, r := range s {
				if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 {
					t.Errorf("%q lets %q through", s, r)
				}
			}
		}
		if strings.Contains(clean(a), "\n") || clean(clean(a)) != clean(a) {
			t.Errorf("clean(%q) = %q", a, clean(a))
		}
	})
}

func TestParseFormat(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Format{"": Human, "human": Human, "json": JSON, "wide": Wide, "name": Name} {
		if got, err := ParseFormat(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	var input *egress.InputError
	if _, err := ParseFormat("xml"); !errors.As(err, &input) || !strings.Contains(err.Error(), "human, short, wide, json, yaml, name") {
		t.Errorf("%v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteFails(t *testing.T) {
	t.Parallel()
	r := of(captured.Load(t, "working-http"))
	for _, f := range Formats() {
		if err := Write(broken{}, r, f, Options{}); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// TestRequestsAreTold: a pass is left to the sums, but not one about a request that was sent.
func TestRequestsAreTold(t *testing.T) {
	t.Parallel()
	path := trace.Path{Path: egress.Path{Host: "edition.cnn.com", Port: 443}}
	r := Build(Input{Paths: []trace.Path{path}, Findings: []check.Finding{
		{Code: "EGR001", State: check.Pass, Path: path.String(), Message: "a pass"},
		{Code: "EGR052", State: check.Skip, Path: path.String(), Message: "limits sight"},
		check.Probed(&path, check.Finding{State: check.Pass, Message: "went through team/door", Evidence: []string{"leaves from 10.244.0.4:1"}, Fix: "nothing to mend"}),
	}})
	text := written(t, r, Human, Options{})
	if !strings.Contains(text, "ok EGR069  went through team/door\n             leaves from 10.244.0.4:1\n") {
		t.Errorf("the request is not told:\n%s", text)
	}
	for _, quiet := range []string{"EGR001", "a pass", "limits sight", "nothing to mend", "why:"} {
		if strings.Contains(text, quiet) {
			t.Errorf("%s is told:\n%s", quiet, text)
		}
	}
	if r.ExitCode != Fine {
		t.Errorf("exit code %d", r.ExitCode)
	}
}
