package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// TestAlignment draws ways of all shapes: every mark stands below its hop's name, two spaces from the one before it, and nothing is
// wider than the terminal that could be narrower.
func TestAlignment(t *testing.T) {
	t.Parallel()
	for _, gateway := range []string{"g", "gw", "istio-egressgateway", strings.Repeat("long-", 12) + "gw"} {
		for _, carried := range []string{"", "0 connections", "123456 connections, 123 failed"} {
			for _, addresses := range []string{"10.0.0.1", "2001:db8::1, 2001:db8::2, 2001:db8::3 and 12 more"} {
				for _, o := range []Options{{}, {Unicode: true}, {Width: 80}, {Unicode: true, Width: 80}, {Unicode: true, Width: 30}} {
					p := Path{Gateway: "ns/" + gateway, leaves: "SNI", mtls: carried != "", Hops: []Hop{
						{Name: egress.AtSidecar, State: check.Pass},
						{Name: egress.AtGateway, State: check.Pass, Detail: carried},
						{Name: egress.AtSNIProxy, State: check.Unknown},
						{Name: egress.AtOutside, State: check.Pass, Detail: addresses},
					}}
					aligned(t, drawn(p, o), o, []string{"sidecar", gateway, "sni-proxy", "outside"})
				}
			}
		}
	}
}

// aligned holds a drawing to its columns.
func aligned(t *testing.T, lines []string, o Options, names []string) {
	t.Helper()
	marks := map[bool]string{true: "✔", false: "ok"}[o.Unicode]
	all := strings.Join(lines, "\n")
	if len(lines) == 2 {
		at := 0
		for _, name := range names {
			column := strings.Index(lines[0][at:], " "+name) + at + 1
			at = column
			before := columns(lines[0][:column])
			below := []rune(lines[1])[before:]
			if !strings.HasPrefix(string(below), marks) && !strings.HasPrefix(string(below), "?") || before > 0 && []rune(lines[1])[before-1] != ' ' {
				t.Errorf("%s has no mark below its name:\n%s", name, all)
			}
		}
		if o.Width > 0 && max(columns(lines[0]), columns(lines[1])) > o.Width {
			t.Errorf("wider than %d:\n%s", o.Width, all)
		}
		return
	}
	if o.Width == 0 || len(lines) != len(names)+1 {
		t.Errorf("it is drawn downwards:\n%s", all)
		return
	}
	name, mark := -1, -1
	for i, line := range lines[1:] {
		before, _, _ := strings.Cut(line, " "+names[i])
		n := columns(before)
		m := columns(line[:strings.LastIndex(line, "  ")])
		if at := strings.IndexAny(line, "✔?"); at >= 0 {
			m = columns(line[:at])
		} else if before, _, found := strings.Cut(line, "  ok"); found {
			m = columns(before) + 2
		}
		if i > 0 && (n != name || m != mark) {
			t.Errorf("columns differ:\n%s", all)
		}
		name, mark = n, m
	}
}

// TestWrapped: long sentences go on below where they began; commands are left as they are, to be copied.
func TestWrapped(t *testing.T) {
	t.Parallel()
	f := Finding{
		Code: "EGR001", State: check.Fail, Path: "a.com:443", Message: "VirtualService default/a is not bound to mesh",
		Evidence: []string{"sleep-1 sends a.com:443 to " + strings.Repeat("x", 50)}, Fix: "kubectl -n default patch virtualservice a --type=json -p '[]'",
	}
	r := Report{Paths: []Path{{Host: "a.com", Port: 443, Gateway: "ns/gw", Hops: hops(check.Fail)}}, Findings: []Finding{f}}
	lines := strings.Split(human(r, Options{Width: 40}), "\n")
	want := []string{
		"  FAIL EGR001  VirtualService default/a",
		"               is not bound to mesh",
		"               sleep-1 sends a.com:443",
		"               to",
		"               " + strings.Repeat("x", 50), // cannot be narrower
		"               mend: kubectl -n default patch virtualservice a --type=json -p '[]'",
	}
	if diff := cmp.Diff(want, lines[5:11]); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
