package plugin

import (
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
)

func TestFullCode(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]check.Code{
		"EGR012": "EGR012", "egr012": "EGR012", "R12": "EGR012", "12": "EGR012", "EGR12": "EGR012", " 2 ": "EGR002", "123": "EGR123",
		"": "", "EGR": "EGR", "1234": "1234", "EGR01x": "EGR01X", "nonsense": "NONSENSE",
	} {
		if got := fullCode(in); got != want {
			t.Errorf("fullCode(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestEveryCheckIsExplained: a code without a why or a fix would leave people alone with it.
func TestEveryCheckIsExplained(t *testing.T) {
	t.Parallel()
	seen := map[check.Code]bool{}
	for _, c := range check.Table() {
		if seen[c.Code] {
			t.Errorf("%s is in the table twice", c.Code)
		}
		seen[c.Code] = true
		if c.Title == "" || c.Why == "" || c.Fix == "" || c.Hop == "" {
			t.Errorf("%s: title %q, hop %q, why %q, fix %q", c.Code, c.Title, c.Hop, c.Why, c.Fix)
		}
		code, out, errs := command(t, "explain", string(c.Code))
		if code != 0 || !strings.HasPrefix(out, string(c.Code)+"  "+c.Title+"\n") || !strings.Contains(out, "\n\nFix\n") || errs != "" {
			t.Errorf("explain %s: exit code %d\n%s%s", c.Code, code, out, errs)
		}
		for line := range strings.Lines(out) {
			if len(line) > 101 {
				t.Errorf("explain %s: a line of %d bytes", c.Code, len(line))
			}
		}
	}
}
