package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// diagnosis finds the paths of a snapshot, follows them and judges them.
func diagnosis(s *snapshot.Snapshot) ([]trace.Path, []Finding) {
	var paths []trace.Path
	w := trace.New(s)
	for _, p := range Paths(s) {
		paths = append(paths, w.Walk(p))
	}
	return paths, Run(s, paths)
}

// said are the findings that are no passes, as "STATE CODE PATH".
func said(findings []Finding) []string {
	var out []string
	for _, f := range findings {
		if f.State != Pass {
			out = append(out, strings.TrimSpace(string(f.State)+" "+string(f.Code)+" "+f.Path))
		}
	}
	slices.Sort(out)
	return out
}

// TestCaptures: each fault is found under its own code and no other, and what works yields no fail, no warn and no unknown.
func TestCaptures(t *testing.T) {
	t.Parallel()
	for _, name := range captured.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, ok := expected[name]
			if !ok {
				t.Fatal("nobody says what must be found in this capture")
			}
			paths, findings := diagnosis(captured.Load(t, name))
			var names []string
			for _, p := range paths {
				name := p.String() + " " + string(p.Mode)
				if p.Set != byHd {
					name += " set " + p.Set
				}
				names = append(names, name)
			}
			slices.Sort(names)
			slices.Sort(want.said)
			if diff := cmp.Diff(want.paths, names); diff != "" {
				t.Errorf("paths: -want +got\n%s", diff)
			}
			if diff := cmp.Diff(want.said, said(findings)); diff != "" {
				t.Errorf("findings: -want +got\n%s", diff)
			}
		})
	}
}

// TestEveryCaptureIsThere: a row of the table whose capture is gone proves nothing.
func TestEveryCaptureIsThere(t *testing.T) {
	t.Parallel()
	for name := range expected {
		if _, err := os.Stat(filepath.Join(captured.Dir(t), name, "snapshot.json")); err != nil {
			t.Error(err)
		}
	}
}

// TestEveryRuleHasACapture: a rule that no real cluster has shown is not believed.
func TestEveryRuleHasACapture(t *testing.T) {
	t.Parallel()
	shown := map[Code]bool{
		gatewayCertificateInvalid.Code: true,                         // a lab is not a day old: see TestCertificateInvalid
		setUnreadable.Code:             true, pathsHidden.Code: true, // these are about the snapshot itself: see TestUnread and TestBrokenSet
		requestElsewhere.Code: true, // a capture sends nothing: see TestWithProbes, and what package probe makes of requests
	}
	for _, e := range expected {
		for _, line := range e.said {
			shown[Code(strings.Fields(line)[1])] = true
		}
	}
	for _, lines := range security {
		for _, line := range lines {
			shown[Code(strings.Fields(line)[1])] = true
		}
	}
	for _, c := range Table() {
		if !shown[c.Code] {
			t.Errorf("no capture shows %s", c.Code)
		}
	}
}

// TestFindingsOfFaults holds every finding to what people need: the object, what was seen, and a command that mends it.
func TestFindingsOfFaults(t *testing.T) {
	t.Parallel()
	for name := range expected {
		_, findings := diagnosis(captured.Load(t, name))
		for _, f := range findings {
			if f.State == Pass {
				continue
			}
			at := name + ": " + string(f.Code)
			if f.Message == "" || strings.Contains(f.Message, "%!") {
				t.Errorf("%s: message %q", at, f.Message)
			}
			if len(f.Evidence) == 0 {
				t.Errorf("%s tells no evidence", at)
			}
			if !strings.HasPrefix(f.Fix, "kubectl ") || strings.Contains(f.Fix, "%!") {
				t.Errorf("%s: the fix is no command: %q", at, f.Fix)
			}
			if f.State == Fail && f.Object == nil && !slices.Contains([]Code{"EGR002", "EGR023", "EGR026", "EGR056", "EGR001"}, f.Code) {
				t.Errorf("%s blames no object", at)
			}
			if f.Hop == "" || f.Title == "" || f.Path == "" {
				t.Errorf("%s: hop %q, title %q, path %q", at, f.Hop, f.Title, f.Path)
			}
		}
	}
}

// TestCausesAlone: the same capture with the gateway's or the sidecars' part of the configuration missing must not become a pass.
func TestCausesAlone(t *testing.T) {
	t.Parallel()
	for name := range expected {
		s := captured.Load(t, name)
		if len(Paths(s)) == 0 || name == "EGR070" { // for whom routes are is told by labels, whatever proxies have
			continue
		}
		for i := range s.Proxies {
			s.Proxies[i].State = snapshot.State{Kind: snapshot.TimedOut, Detail: "no answer within 10 s"}
		}
		paths, findings := diagnosis(s)
		for _, p := range paths {
			if len(p.Failed()) > 0 {
				t.Errorf("%s: %s fails although no proxy was read", name, p)
			}
			unknown := func(f Finding) bool { return f.Path == p.String() && f.State == Unknown && f.Code == "EGR056" }
			if !slices.ContainsFunc(findings, unknown) {
				t.Errorf("%s: nothing says that %s could not be judged", name, p)
			}
		}
	}
}

// TestNoSecretInCaptures: what is saved must never hold what a thief could use.
func TestNoSecretInCaptures(t *testing.T) {
	t.Parallel()
	for name := range expected {
		raw, err := os.ReadFile(filepath.Join(captured.Dir(t), name, "snapshot.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"PRIVATE KEY", "BEGIN CERTIFICATE", "LS0tLS1CRUdJTi", "eyJhbGciOi", "inline_bytes", "private_key", "Bearer "} {
			if strings.Contains(string(raw), word) {
				t.Errorf("%s holds %q", name, word)
			}
		}
	}
}

// TestPathsNameTheGateway: what is made by hand is followed to the gateway that it means.
func TestPathsNameTheGateway(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"working-passthrough": "istio-system/istio-egressgateway", "EGR026": "istio-system/egress-two", "EGR011": "istio-system/istio-egressgateway",
		"EGR001-nomatch": "istio-system/istio-egressgateway",
	} {
		for _, p := range Paths(captured.Load(t, name)) {
			if p.Gateway.String() != want {
				t.Errorf("%s: gateway %s, want %s", name, p.Gateway, want)
			}
			if want := map[int]egress.Protocol{80: egress.ProtocolHTTP, 443: egress.ProtocolTLS}[p.Port]; p.Protocol != want {
				t.Errorf("%s: protocol %s on port %d", name, p.Protocol, p.Port)
			}
		}
	}
}
