package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var update = flag.Bool("update", false, "write the golden files anew")

// of makes the report of a snapshot, with a time that is always the same.
func of(s *snapshot.Snapshot) Report {
	var paths []trace.Path
	w := trace.New(s)
	for _, p := range check.Paths(s) {
		paths = append(paths, w.Walk(p))
	}
	return Build(Input{
		ToolVersion: "v0.0.0-test", IstioVersion: s.Facts.Version.String(), Paths: paths, Findings: check.Run(s, paths), Notes: s.Notes,
		Took: 110 * time.Millisecond,
	})
}

func written(t *testing.T, r Report, f Format, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r, f, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got\n%s", file, diff)
	}
}

// TestHumanOfEveryCapture keeps what people see, beside the capture that it is about.
func TestHumanOfEveryCapture(t *testing.T) {
	t.Parallel()
	for _, name := range captured.Names(t) {
		golden(t, filepath.Join(captured.Dir(t), name, "human.golden"), written(t, of(captured.Load(t, name)), Human, Options{Unicode: true}))
	}
}

// TestFormats keeps every format of one report in which something works and something does not.
func TestFormats(t *testing.T) {
	t.Parallel()
	r := of(captured.Load(t, "set-broken-by-hand"))
	for name, tt := range map[string]struct {
		format  Format
		options Options
	}{
		"human.txt":        {Human, Options{Unicode: true}},
		"human-ascii.txt":  {Human, Options{}},
		"human-colour.txt": {Human, Options{Color: true, Unicode: true, Program: "kubectl istio-egress"}},
		"short.txt":        {Short, Options{}},
		"wide.txt":         {Wide, Options{}},
		"name.txt":         {Name, Options{}},
		"report.json":      {JSON, Options{}},
		"report.yaml":      {YAML, Options{}},
		"junit.xml":        {JUnit, Options{}},
		"report.sarif":     {SARIF, Options{Home: home}},
		"report.html":      {HTML, Options{Home: home}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := written(t, r, tt.format, tt.options)
			golden(t, filepath.Join("testdata", name), text)
			if again := written(t, r, tt.format, tt.options); again != text {
				t.Error("the same report is written in two ways")
			}
			for i, line := range strings.Split(text, "\n") {
				if strings.TrimRight(line, " ") != line {
					t.Errorf("line %d ends in blanks: %q", i+1, line)
				}
			}
		})
	}
}

// TestJSONIsTheContract: every member of the contract is there, in JSON and YAML alike, whatever the finding.
func TestJSONIsTheContract(t *testing.T) {
	t.Parallel()
	r := of(captured.Load(t, "EGR002"))
	var fromJSON, fromYAML map[string]any
	if err := json.Unmarshal([]byte(written(t, r, JSON, Options{})), &fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(written(t, r, YAML, Options{})), &fromYAML); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
		t.Errorf("-json +yaml\n%s", diff)
	}
	keys := func(v any) []string {
		var out []string
		for k := range v.(map[string]any) {
			out = append(out, k)
		}
		slices.Sort(out)
		return out
	}
	first := func(name string) map[string]any { return fromJSON[name].([]any)[0].(map[string]any) }
	for _, tt := range []struct {
		what any
		want []string
	}{
		{fromJSON, []string{"apiVersion", "exitCode", "findings", "istioVersion", "kind", "paths", "summary", "toolVersion"}},
		{first("paths"), []string{"gateway", "hops", "host", "mode", "port", "protocol", "set"}},
		{first("paths")["hops"].([]any)[0], []string{"detail", "name", "state"}},
		{first("findings"), []string{"code", "evidence", "fix", "hop", "message", "object", "path", "state", "title"}},
		{first("findings")["object"], []string{"field", "kind", "name", "namespace"}},
		{fromJSON["summary"], []string{"fail", "pass", "skip", "unknown", "warn"}},
	} {
		if diff := cmp.Diff(tt.want, keys(tt.what)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	if fromJSON["apiVersion"] != "kubectl-egress/v1" || fromJSON["kind"] != "Report" || fromJSON["exitCode"] != float64(3) {
		t.Errorf("apiVersion %v, kind %v, exitCode %v", fromJSON["apiVersion"], fromJSON["kind"], fromJSON["exitCode"])
	}
	if hops := first("paths")["hops"].([]any); len(hops) != 3 {
		t.Errorf("%d hops", len(hops))
	}
	empty := written(t, Build(Input{}), JSON, Options{})
	if !strings.Contains(empty, `"paths": []`) || !strings.Contains(empty, `"findings": []`) {
		t.Errorf("nothing is not an empty list: %s", empty)
	}
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		states []check.State
		failOn bool
		want   int
	}{
		"nothing":                        {nil, true, Fine},
		"passes and skips":               {[]check.State{check.Pass, check.Skip}, true, Fine},
		"a warning":                      {[]check.State{check.Pass, check.Warn}, false, Fine},
		"a warning that is to fail":      {[]check.State{check.Pass, check.Warn}, true, Warned},
		"unknown":                        {[]check.State{check.Pass, check.Unknown}, false, Unjudged},
		"unknown and a warning":          {[]check.State{check.Warn, check.Unknown}, true, Unjudged},
		"a failure":                      {[]check.State{check.Pass, check.Fail}, false, Failed},
		"a failure among what else is":   {[]check.State{check.Unknown, check.Fail, check.Warn}, true, Failed},
		"the same exit code as the text": {[]check.State{check.Fail}, true, 3},
	} {
		var findings []check.Finding
		for _, s := range tt.states {
			findings = append(findings, check.Finding{Code: "EGR001", State: s})
		}
		r := Build(Input{Findings: findings, FailOnWarning: tt.failOn})
		if r.ExitCode != tt.want {
			t.Errorf("%s: %d, want %d", name, r.ExitCode, tt.want)
		}
		if total := r.Summary.Pass + r.Summary.Fail + r.Summary.Warn + r.Summary.Skip + r.Summary.Unknown; total != len(tt.states) {
			t.Errorf("%s: the sums count %d of %d", name, total, len(tt.states))
		}
	}
}

// TestUnknownIsNoPass: a path whose proxies were not read looks like one, in every format, and does not end well.
func TestUnknownIsNoPass(t *testing.T) {
	t.Parallel()
	for _, role := range []snapshot.Role{snapshot.AtSidecar, snapshot.AtGateway} {
		s := captured.Load(t, "working-passthrough")
		for i := range s.Proxies {
			if s.Proxies[i].Role == role {
				s.Proxies[i].State = snapshot.State{Kind: snapshot.Forbidden, Detail: `cannot create resource "pods/portforward"`}
			}
		}
		r := of(s)
		if r.ExitCode != Unjudged || r.Paths[0].State() != check.Unknown {
			t.Errorf("%s: exit code %d, state %s", role, r.ExitCode, r.Paths[0].State())
		}
		text := written(t, r, Human, Options{Unicode: true})
		if !strings.Contains(text, "pods/portforward") || strings.Contains(text, "✔ 3") || !strings.Contains(text, "? EGR056") {
			t.Errorf("%s:\n%s", role, text)
		}
		if short := written(t, r, Short, Options{}); !strings.Contains(short, "unknown") {
			t.Error(short)
		}
	}
}

// TestHops looks at details that the drawings leave out.
func TestHops(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]Hop{
		"working-passthrough": {
			{egress.AtSidecar, check.Pass, "outbound|443||istio-egressgateway.istio-system.svc.cluster.local"},
			{egress.AtGateway, check.Pass, "3 connections"},
			{egress.AtOutside, check.Pass, "10.96.0.83"},
		},
		"working-http": {
			{egress.AtSidecar, check.Pass, "outbound|80|cnn|istio-egressgateway.istio-system.svc.cluster.local"},
			{egress.AtGateway, check.Pass, "3 requests"},
			{egress.AtOutside, check.Pass, "10.96.0.83"},
		},
		"EGR035": {
			{egress.AtSidecar, check.Pass, "outbound|443||istio-egressgateway.istio-system.svc.cluster.local"},
			{egress.AtGateway, check.Pass, "0 connections"},
			{egress.AtOutside, check.Fail, "gateway pod GW has no address for edition.cnn.com: cluster outbound|443||edition.cnn.com (EDS) has no endpoint"},
		},
		"EGR001": {
			{egress.AtSidecar, check.Fail, "CLIENT sends edition.cnn.com:443 to outbound|443||edition.cnn.com"},
			{egress.AtGateway, check.Skip, "not reached"},
			{egress.AtOutside, check.Skip, "not reached"},
		},
		"EGR011": {
			{egress.AtSidecar, check.Pass, "outbound|443||istio-egressgateway.istio-system.svc.cluster.local"},
			{egress.AtGateway, check.Fail, "nothing listens on port 8443 of gateway pod istio-system/GW"},
			{egress.AtOutside, check.Skip, "not reached"},
		},
	} {
		s := captured.Load(t, name)
		got := of(s).Paths[0].Hops
		for i := range got {
			for _, p := range s.Proxies {
				stand := map[snapshot.Role]string{snapshot.AtGateway: "GW", snapshot.AtSidecar: "CLIENT"}[p.Role]
				got[i].Detail = strings.ReplaceAll(got[i].Detail, p.Pod, stand)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}
