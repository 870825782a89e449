package report

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// drawn draws one path.
func drawn(p Path, o Options) []string {
	text := human(Report{Paths: []Path{p}, Took: 1234 * time.Millisecond}, o)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return lines[1 : len(lines)-2]
}

func hops(states ...check.State) []Hop {
	names := []egress.Hop{egress.AtSidecar, egress.AtGateway, egress.AtOutside}
	var out []Hop
	for i, s := range states {
		out = append(out, Hop{Name: names[i], State: s, Detail: map[egress.Hop]string{egress.AtGateway: "1 connection", egress.AtOutside: "10.0.0.1"}[names[i]]})
	}
	return out
}

func TestDrawing(t *testing.T) {
	t.Parallel()
	proxied := Path{Host: "*.a.org", Port: 443, Gateway: "ns/gw", leaves: "SNI", Hops: []Hop{
		{Name: egress.AtSidecar, State: check.Pass},
		{Name: egress.AtGateway, State: check.Pass, Detail: "2 connections"},
		{Name: egress.AtSNIProxy, State: check.Skip},
		{Name: egress.AtOutside, State: check.Pass, Detail: "10.0.0.1"},
	}}
	for name, tt := range map[string]struct {
		path    Path
		options Options
		want    []string
	}{
		"all is well": {
			Path{Gateway: "ns/gw", mtls: true, leaves: "TLS", Hops: hops(check.Pass, check.Pass, check.Pass)},
			Options{Unicode: true},
			[]string{
				"  workload ─▶ sidecar ─mTLS▶ gw ─TLS───────▶ outside",
				"              ✔              ✔ 1 connection  ✔ 10.0.0.1",
			},
		},
		"in ASCII": {
			Path{Gateway: "ns/a-gateway-with-a-name", leaves: "HTTP", Hops: hops(check.Pass, check.Pass, check.Pass)},
			Options{},
			[]string{
				"  workload -> sidecar -> a-gateway-with-a-name -HTTP> outside",
				"              ok         ok 1 connection              ok 10.0.0.1",
			},
		},
		"a short name and much to tell": {
			Path{Gateway: "ns/g", leaves: "SNI", Hops: []Hop{
				{Name: egress.AtSidecar, State: check.Pass},
				{Name: egress.AtGateway, State: check.Pass, Detail: "2 connections, 1 failed"},
				{Name: egress.AtOutside, State: check.Pass, Detail: "a, b, c and 12 more"},
			}},
			Options{Unicode: true, Width: 80},
			[]string{
				"  workload ─▶ sidecar ─▶ g ─SNI───────────────────▶ outside",
				"              ✔          ✔ 2 connections, 1 failed  ✔ a, b, c and 12 more",
			},
		},
		"just as wide as the terminal": {
			Path{Gateway: "ns/gw", mtls: true, leaves: "TLS", Hops: hops(check.Pass, check.Pass, check.Pass)},
			Options{Unicode: true, Width: 55},
			[]string{
				"  workload ─▶ sidecar ─mTLS▶ gw ─TLS───────▶ outside",
				"              ✔              ✔ 1 connection  ✔ 10.0.0.1",
			},
		},
		"a narrow terminal": {
			Path{Gateway: "ns/gw", mtls: true, leaves: "TLS", Hops: hops(check.Pass, check.Pass, check.Pass)},
			Options{Unicode: true, Width: 54},
			[]string{
				"  workload",
				"    ─────▶ sidecar  ✔",
				"    ─mTLS▶ gw       ✔ 1 connection",
				"    ─TLS─▶ outside  ✔ 10.0.0.1",
			},
		},
		"a narrow terminal, and it stops": {
			Path{Gateway: "ns/gateway-with-a-name", leaves: "SNI", Hops: hops(check.Pass, check.Fail, check.Skip)},
			Options{Width: 40},
			[]string{
				"  workload",
				"    ----> sidecar              ok",
				"    ----> gateway-with-a-name  FAIL",
				"    -SNI> outside",
			},
		},
		"it stops at the sidecar": {
			Path{Gateway: "ns/gw", leaves: "SNI", Hops: hops(check.Fail, check.Skip, check.Skip)},
			Options{Unicode: true},
			[]string{"  workload ─▶ sidecar ─ ✘ ─▶ gw ─SNI▶ outside"},
		},
		"it stops at the gateway": {
			Path{Gateway: "ns/gw", leaves: "SNI", Hops: hops(check.Pass, check.Fail, check.Skip)},
			Options{Unicode: true},
			[]string{"  workload ─▶ sidecar ─▶ gw ─ ✘ ─▶ outside", "              ✔"},
		},
		"it stops outside": {
			Path{Gateway: "ns/gw", leaves: "SNI", Hops: hops(check.Pass, check.Pass, check.Fail)},
			Options{},
			[]string{"  workload -> sidecar -> gw -FAIL-> outside", "              ok         ok 1 connection"},
		},
		"nothing is known": {
			Path{Gateway: "ns/gw", leaves: "SNI", Hops: hops(check.Unknown, check.Unknown, check.Unknown)},
			Options{Unicode: true},
			[]string{"  workload ─▶ sidecar ─▶ gw ─SNI▶ outside", "              ?          ?        ?"},
		},
		"by way of a proxy beside the gateway": {
			proxied,
			Options{Unicode: true},
			[]string{"  workload ─▶ sidecar ─▶ gw ─SNI▶ sni-proxy ─SNI▶ outside", "              ✔          ✔ 2 connections          ✔ 10.0.0.1"},
		},
		"hops that nobody reported": {
			Path{Gateway: "ns/gw", leaves: "SNI"}, Options{Unicode: true}, []string{"  workload ─▶ sidecar ─▶ gw ─SNI▶ outside"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, drawn(tt.path, tt.options)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			// colours change how it looks and not where it stands
			coloured := tt.options
			coloured.Color = true
			var plain []string
			for _, line := range drawn(tt.path, coloured) {
				plain = append(plain, plainText(line))
			}
			if diff := cmp.Diff(tt.want, plain); diff != "" {
				t.Errorf("with colours: -want +got\n%s", diff)
			}
		})
	}
}

func TestFindingsInWords(t *testing.T) {
	t.Parallel()
	r := Report{
		Paths: []Path{{Host: "a.com", Port: 443, Gateway: "ns/gw"}, {Host: "b.com", Port: 443, Gateway: "ns/gw"}},
		Findings: []Finding{
			{Code: "EGR057", State: check.Fail, Message: "a set is broken", Fix: "kubectl edit"},
			{Code: "EGR001", State: check.Pass, Path: "a.com:443", Message: "never told"},
			{Code: "EGR023", State: check.Fail, Path: "a.com:443", Message: "no subset", Evidence: []string{"no subset", "seen there"}, Fix: "kubectl apply -f - <<'EOF'\n{}\nEOF"},
			{Code: "EGR033", State: check.Warn, Path: "a.com:443", Title: "double TLS"},
			{Code: "EGR052", State: check.Skip, Path: "a.com:443", Title: "counter not recorded", Message: "never told here"},
			{Code: "EGR023", State: check.Fail, Path: "b.com:443", Message: "no subset", Fix: "kubectl apply -f - <<'EOF'\n{}\nEOF"},
			{Code: "EGR051", State: check.Skip, Path: "b.com:443", Title: "no access log"},
			{Code: "EGR052", State: check.Skip, Path: "b.com:443", Title: "counter not recorded"},
		},
	}
	for _, f := range r.Findings {
		r.Summary.count(f.State)
	}
	want := `  FAIL EGR057  a set is broken
               mend: kubectl edit
               why:  tool explain EGR057

a.com:443      made by hand
  workload -> sidecar -> gw -> outside
  FAIL EGR023  no subset
               seen there
               mend:
kubectl apply -f - <<'EOF'
{}
EOF
               why:  tool explain EGR023
  warn EGR033  double TLS
               why:  tool explain EGR033

b.com:443      made by hand
  workload -> sidecar -> gw -> outside
  FAIL EGR023  as for a.com:443

2 paths | 8 checks: 1 pass, 3 fail, 1 warn, 3 skipped (counter not recorded, no access log) | 0.00 s
`
	if diff := cmp.Diff(want, human(r, Options{Program: "tool"})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestSums(t *testing.T) {
	t.Parallel()
	failing := Path{Hops: hops(check.Fail)}
	for want, r := range map[string]Report{
		"0 paths · 0 checks:  · 0.00 s":                       {},
		"1 path, 1 fails · 1 check: 1 fail · 1.50 s":          {Paths: []Path{failing}, Summary: Summary{Fail: 1}, Took: 1500 * time.Millisecond},
		"2 paths, 2 fail · 3 checks: 1 pass, 2 fail · 0.01 s": {Paths: []Path{failing, failing}, Summary: Summary{Pass: 1, Fail: 2}, Took: 9 * time.Millisecond},
		"1 path · 2 checks: 1 warn, 1 unknown · 0.00 s":       {Paths: []Path{{}}, Summary: Summary{Warn: 1, Unknown: 1}},
	} {
		d := drawing{Options: Options{Unicode: true}, r: &r}
		if got := d.sums(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestPathState(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		states []check.State
		want   check.State
	}{
		{nil, check.Pass},
		{[]check.State{check.Pass, check.Pass, check.Skip}, check.Pass},
		{[]check.State{check.Pass, check.Warn, check.Pass}, check.Warn},
		{[]check.State{check.Unknown, check.Warn, check.Pass}, check.Unknown},
		{[]check.State{check.Warn, check.Unknown, check.Pass}, check.Unknown},
		{[]check.State{check.Unknown, check.Pass, check.Fail}, check.Fail},
	} {
		if got := (&Path{Hops: hops(tt.states...)}).State(); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.states, got, tt.want)
		}
	}
}
