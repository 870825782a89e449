package plugin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/diagnose"
)

func change(kind, namespace, name string, action apply.Action) apply.Change {
	return apply.Change{Ref: apply.Ref{Kind: kind, Namespace: namespace, Name: name}, Action: action}
}

func TestChangeLinesAreAligned(t *testing.T) {
	t.Parallel()
	plan := &apply.Plan{Set: aSet(t, "news", "auto", "edition.cnn.com"), Changes: []apply.Change{
		change("ConfigMap", "default", "egress-news", apply.Unchanged),
		change("ServiceEntry", "default", "egress-news", apply.Created),
		change("DestinationRule", "istio-system", "egress-news", apply.Configured),
		change("VirtualService", "default", "egress-\x1b[31mnews", apply.Deleted),
	}}
	for suffix, want := range map[string]string{
		"": strings.Join([]string{
			"  configmap/egress-news                  unchanged",
			"  serviceentry/egress-news               created",
			"  destinationrule/egress-news            configured   (istio-system)",
			`  virtualservice/egress-\u001b[31mnews   deleted`,
			"",
		}, "\n"),
		" (server dry run)": strings.Join([]string{
			"  configmap/egress-news                  unchanged (server dry run)",
			"  serviceentry/egress-news               created (server dry run)",
			"  destinationrule/egress-news            configured (server dry run)   (istio-system)",
			`  virtualservice/egress-\u001b[31mnews   deleted (server dry run)`,
			"",
		}, "\n"),
	} {
		var out bytes.Buffer
		x := &tool{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: io.Discard}}
		x.lines(plan, suffix).printAll(plan)
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%q: %s", suffix, diff)
		}
	}
}

func TestUnfinishedTellsWhatIsThere(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	x := &tool{IOStreams: genericiooptions.IOStreams{ErrOut: &errs}}
	cause := errors.New("creating Gateway default/egress-news: internal error")

	err := x.unfinished(apply.Outcome{State: apply.AsBefore, Undone: []apply.Change{change("ServiceEntry", "default", "egress-news", apply.Created)}}, cause)
	if !errors.Is(err, cause) || !strings.HasSuffix(err.Error(), "; the cluster is as it was before") {
		t.Errorf("error %v", err)
	}
	if got, want := errs.String(), "  serviceentry/egress-news   taken back (had been created)\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}

	errs.Reset()
	err = x.unfinished(apply.Outcome{
		State:   apply.Mixed,
		Written: []apply.Change{change("ConfigMap", "default", "egress-news", apply.Created)},
		Stuck:   []apply.Stuck{{Change: change("ServiceEntry", "default", "egress-news", apply.Created), Err: errors.New("connection\nrefused")}},
	}, cause)
	if !errors.Is(err, cause) || strings.Contains(err.Error(), "as it was before") {
		t.Errorf("error %v", err)
	}
	want := "  configmap/egress-news   created, and stays so\n" +
		"  serviceentry/egress-news   created, perhaps, and could not be taken back: connection; refused\n"
	if diff := cmp.Diff(want, errs.String()); diff != "" {
		t.Error(diff)
	}
}

func TestLate(t *testing.T) {
	t.Parallel()
	x := &tool{}
	last := errors.New("gateway pod istio-system/gw-1 has no listener on 8443")

	over, stop := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer stop()
	err := x.late(over, "set news is on the cluster", last)
	if exitCode(t.Context(), err) != exitTimeout || !errors.Is(err, last) {
		t.Errorf("a wait that the clock ended: %v, exit code %d", err, exitCode(t.Context(), err))
	}
	if want := "timed out: set news is on the cluster, but gateway pod istio-system/gw-1 has no listener on 8443"; err.Error() != want {
		t.Errorf("says %q, want %q", err, want)
	}

	held := &diagnose.NotHeldError{Says: last.Error(), Err: context.DeadlineExceeded}
	if err := x.late(t.Context(), "set news is on the cluster", held); exitCode(t.Context(), err) != exitTimeout || !strings.HasPrefix(err.Error(), "timed out: ") {
		t.Errorf("a wait that ended before its clock was heard: %v, exit code %d", err, exitCode(t.Context(), err))
	}

	stopped, cancel := context.WithCancelCause(t.Context())
	cancel(Interrupted{syscall.SIGINT})
	err = x.late(stopped, "set news is on the cluster", last)
	if exitCode(stopped, err) != 130 || !strings.HasPrefix(err.Error(), "interrupted while waiting: set news is on the cluster") {
		t.Errorf("a wait that a signal ended: %v, exit code %d", err, exitCode(stopped, err))
	}

	err = x.late(t.Context(), "set news is on the cluster", last)
	if exitCode(t.Context(), err) != exitFailed || !errors.Is(err, last) {
		t.Errorf("a wait that failed: %v, exit code %d", err, exitCode(t.Context(), err))
	}
}
