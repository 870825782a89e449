package report

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
)

// secured is the report of somebody who asked for security.
func secured(s *snapshot.Snapshot) Report {
	var paths []trace.Path
	w := trace.New(s)
	for _, p := range check.Paths(s) {
		paths = append(paths, w.Walk(p))
	}
	return Build(Input{
		ToolVersion: "v0", IstioVersion: s.Facts.Version.String(), Paths: paths,
		Findings: append(check.Run(s, paths), check.Security(s, paths, "")...),
	})
}

// TestSecuritySection: what is about no path stands below the paths, under a heading of its own, and only where somebody asked.
func TestSecuritySection(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"posture-open", "posture-tight", "posture-held"} {
		s := captured.Load(t, name)
		text := written(t, secured(s), Human, Options{Unicode: true})
		_, section, _ := strings.Cut(text, "\nsecurity\n")
		golden(t, filepath.Join("testdata", "security-"+name+".txt"), section[:strings.LastIndex(section, "\n\n")+1]) // without the sums of all checks
		if strings.Index(text, "\nsecurity\n") < strings.LastIndex(text, "workload ─") {
			t.Errorf("%s: the section is not below the paths:\n%s", name, text)
		}
		if plain := written(t, of(s), Human, Options{Unicode: true}); strings.Contains(plain, "security") {
			t.Errorf("%s: nobody asked for security:\n%s", name, plain)
		}
	}
}

// TestSecurityInFormats: the findings are in every format that has findings, with an empty path, and make the exit code.
func TestSecurityInFormats(t *testing.T) {
	t.Parallel()
	r := secured(captured.Load(t, "posture-open"))
	if r.ExitCode != Failed || of(captured.Load(t, "posture-open")).ExitCode != Fine {
		t.Errorf("exit code %d", r.ExitCode)
	}
	var read struct {
		Findings []map[string]any
		ExitCode int
	}
	if err := json.Unmarshal([]byte(written(t, r, JSON, Options{})), &read); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range read.Findings {
		if f["code"] == "EGR059" {
			seen++
			if path, ok := f["path"]; !ok || path != "" || f["state"] != "fail" || f["hop"] != "workload" {
				t.Errorf("%v", f)
			}
		}
	}
	if seen != 1 || read.ExitCode != Failed {
		t.Errorf("%d findings of EGR059, exit code %d", seen, read.ExitCode)
	}
	if text := written(t, secured(captured.Load(t, "posture-held")), Human, Options{}); !strings.Contains(text, "nothing found that lets workloads go round the gateway") {
		t.Error(text)
	}
}

// TestSecurityInTables: the tables have a line for it, so that nobody wonders at the exit code, and only where somebody asked.
func TestSecurityInTables(t *testing.T) {
	t.Parallel()
	last := func(r Report, f Format) string {
		lines := strings.Split(strings.TrimSpace(written(t, r, f, Options{})), "\n")
		return strings.Join(strings.Fields(lines[len(lines)-1]), " ")
	}
	for name, want := range map[string]string{
		"posture-open":  "fail EGR050,EGR059,EGR061,EGR062,EGR063,EGR064,EGR066,EGR065",
		"posture-tight": "warn EGR060,EGR067,EGR065",
		"posture-held":  "pass EGR065",
	} {
		s := captured.Load(t, name)
		if got := last(secured(s), Short); got != "security <none> "+want {
			t.Errorf("%s: %s", name, got)
		}
		if got := last(secured(s), Wide); got != "security <none> <none> <none> <none> <none> <none> "+want {
			t.Errorf("%s: %s", name, got)
		}
		if got := last(of(s), Short); strings.Contains(got, "security") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestSecurityUnknown: what could not be read is told in the section, and is no success.
func TestSecurityUnknown(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "posture-held")
	s.States[snapshot.NetworkPolicies] = snapshot.State{Kind: snapshot.Forbidden, Detail: "cannot list networkpolicies"}
	r := secured(s)
	text := written(t, r, Human, Options{})
	if r.ExitCode != Unjudged || !strings.Contains(text, "cannot list networkpolicies") || strings.Contains(text, "nothing found") {
		t.Errorf("exit code %d\n%s", r.ExitCode, text)
	}
	if n := strings.Count(text, "cannot list networkpolicies"); n != 1 {
		t.Errorf("told %d times:\n%s", n, text)
	}
}
