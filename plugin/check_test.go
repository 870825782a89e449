package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// waiter is a check that prints JSON into a buffer and waits for limit.
func waiter(limit time.Duration) (*checkCommand, *bytes.Buffer) {
	var out bytes.Buffer
	x := &tool{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &bytes.Buffer{}}}
	return &checkCommand{tool: x, output: &choice{value: "json"}, colour: &choice{value: "never"}, timeout: limit}, &out
}

// exits gives looks that end with these exit codes, the last one again and again, and counts them.
func exits(codes ...int) (look func(context.Context) (report.Report, error), looks *int) {
	looks = new(int)
	return func(context.Context) (report.Report, error) {
		code := codes[min(*looks, len(codes)-1)]
		*looks++
		return report.Report{Kind: "Report", ExitCode: code}, nil
	}, looks
}

func printedCode(t *testing.T, out *bytes.Buffer) int {
	t.Helper()
	var r report.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("not one report: %v\n%s", err, out)
	}
	return r.ExitCode
}

func TestWaitStopsWhenFine(t *testing.T) {
	t.Parallel()
	c, out := waiter(time.Minute)
	look, looks := exits(report.Failed, report.Fine)
	if err := c.until(t.Context(), look); err != nil {
		t.Fatal(err)
	}
	if *looks != 2 || printedCode(t, out) != 0 {
		t.Errorf("%d looks, printed exit code %d", *looks, printedCode(t, out))
	}
}

func TestWaitLooksOnceAtLeast(t *testing.T) {
	t.Parallel()
	c, out := waiter(0)
	look, looks := exits(report.Failed)
	err := c.until(t.Context(), look)
	if got := exitCode(t.Context(), err); got != exitTimeout || printedCode(t, out) != exitTimeout || *looks != 1 {
		t.Errorf("exit code %d, printed %d, %d looks; want 124, 124, 1", got, printedCode(t, out), *looks)
	}
	if errs := c.tool.ErrOut.(*bytes.Buffer).String(); !strings.Contains(errs, "timed out") {
		t.Errorf("told %q", errs)
	}
}

func TestWaitPrintsTheLastLookWhenTheNextIsCutOff(t *testing.T) {
	t.Parallel()
	c, out := waiter(checkEvery + checkEvery/2)
	looks := 0
	err := c.until(t.Context(), func(ctx context.Context) (report.Report, error) {
		looks++
		if looks == 1 {
			return report.Report{ExitCode: report.Failed}, nil
		}
		<-ctx.Done()
		return report.Report{}, ctx.Err()
	})
	if exitCode(t.Context(), err) != exitTimeout || printedCode(t, out) != exitTimeout {
		t.Errorf("%v, printed %d", err, printedCode(t, out))
	}
}

func TestWaitEndsWithErrorsAndSignals(t *testing.T) {
	t.Parallel()
	c, out := waiter(time.Minute)
	if err := c.until(t.Context(), func(context.Context) (report.Report, error) { return report.Report{}, kube.ErrUnreachable }); !errors.Is(err, kube.ErrUnreachable) || out.Len() > 0 {
		t.Errorf("%v, printed %q", err, out)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	err := c.until(ctx, func(context.Context) (report.Report, error) {
		cancel(Interrupted{syscall.SIGINT})
		return report.Report{ExitCode: report.Failed}, nil
	})
	if got := exitCode(ctx, err); got != 130 || out.Len() > 0 {
		t.Errorf("exit code %d, printed %q; want 130 and nothing", got, out)
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
