package plugin

import (
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
)

// TestNotesAreToldOnce: what a format says itself is not said on stderr again.
func TestNotesAreToldOnce(t *testing.T) {
	t.Parallel()
	sample := snapshot.Sample{Looked: 2, Total: 14}
	for format, want := range map[string]string{"human": "another\n", "json": sample.String() + "\nanother\n"} {
		c, out := waiter(0)
		c.output.value = format
		if err := c.print(report.Report{Samples: []snapshot.Sample{sample}, Notes: []string{sample.String(), "another"}}); err != nil {
			t.Fatal(err)
		}
		if errs := c.told(); errs != want || strings.Contains(out.String(), sample.String()) != (format == "human") {
			t.Errorf("%s: stderr %q, stdout %q", format, errs, out)
		}
	}
}

func TestCheckAndCaptureFlags(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"check --from=x --wait":           "--wait asks a cluster",
		"check --from=x --from-pod=sleep": "--from-pod asks a cluster",
		"check --from=x --probe":          "--probe asks a cluster",
		"check --probe --wait":            "choose one: --probe sends requests",
		"check --max-pods=0":              "at least one is needed",
		"check -A -n default":             "choose one: -n or -A",
		"check -o xml":                    "human, short, wide, json, yaml, name",
		"check --fail-on=never":           "failure, warning",
		"capture":                         "say where to with --output=FILE",
		"capture -o x more":               "capture takes flags only",
		"capture -o x --max-pods=-1":      "at least one is needed",
	} {
		code, out, errs := command(t, strings.Fields(line)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, want) || !strings.Contains(errs, "see 'kubectl egress ") {
			t.Errorf("%s: exit code %d\n%s%s", line, code, out, errs)
		}
	}
}

func TestCaptureFromNowhere(t *testing.T) {
	t.Parallel()
	code, _, errs := command(t, "check", "--from", t.TempDir()+"/absent.json")
	if code != exitUsage || !strings.Contains(errs, "absent.json") || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit code %d\n%s", code, errs)
	}
}
