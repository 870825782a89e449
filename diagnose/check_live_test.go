package diagnose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// closed is a cluster that answers every question in the same way.
type closed struct{ err error }

func (c closed) Get(context.Context, kube.Resource, string, string, any) error { return c.err }

func (c closed) List(context.Context, kube.Resource, string, kube.ListOptions, func(json.RawMessage) error) error {
	return c.err
}

func (c closed) ServedVersions(context.Context, string) ([]string, error) { return nil, c.err }

func (c closed) PodGet(context.Context, string, string, int, string) ([]byte, error) {
	return nil, c.err
}

func (c closed) EnvoyGet(context.Context, string, string, string) (io.ReadCloser, error) {
	return nil, c.err
}

func (c closed) Exec(context.Context, kube.Pod, []string, io.Writer, io.Writer) error { return c.err }

// TestCheckForbidden: who may read nothing gets a report that says so, and never a clean one.
func TestCheckForbidden(t *testing.T) {
	t.Parallel()
	for _, reason := range []error{kube.ErrForbidden, kube.ErrTimeout, errors.New("odd")} {
		r, _, err := Check(t.Context(), closed{fmt.Errorf("the server says: %w", reason)}, Options{ToolVersion: "v1"})
		if err != nil {
			t.Fatal(err)
		}
		if r.ExitCode != report.Unjudged || r.Summary.Pass > 0 || len(r.Paths) > 0 || r.ToolVersion != "v1" {
			t.Errorf("%v: exit code %d, %+v", reason, r.ExitCode, r.Summary)
		}
		if !slices.ContainsFunc(r.Findings, func(f report.Finding) bool {
			return f.Code == "EGR058" && f.State == check.Unknown && strings.Contains(f.Message, "the server says")
		}) {
			t.Errorf("%v: nothing says why: %+v", reason, r.Findings)
		}
		if r.Took <= 0 {
			t.Error("nobody knows how long it took")
		}
	}
}

// TestCheckWithoutCluster: without an API server, or without a name for oneself there, there is no report.
func TestCheckWithoutCluster(t *testing.T) {
	t.Parallel()
	for _, reason := range []error{kube.ErrUnreachable, kube.ErrUnauthorized} {
		if r, _, err := Check(t.Context(), closed{reason}, Options{}); !errors.Is(err, reason) || r.ExitCode != 0 || len(r.Findings) > 0 {
			t.Errorf("%v: %v, %+v", reason, err, r)
		}
	}
}

// TestCheckOfNothing: a cluster without Istio has no egress path, and asking for one says so.
func TestCheckOfNothing(t *testing.T) {
	t.Parallel()
	absent := closed{kube.ErrAbsent}
	if r, _, err := Check(t.Context(), absent, Options{}); err != nil || len(r.Paths) > 0 || r.ExitCode != report.Fine {
		t.Errorf("%v, %+v", err, r)
	}
	var input *egress.InputError
	if _, _, err := Check(t.Context(), absent, Options{Targets: []string{"edition.cnn.com"}}); !errors.As(err, &input) {
		t.Errorf("%v", err)
	}
}

// TestCheckProbes: what requests have shown is part of the report and of its exit code, and an error of theirs leaves none.
func TestCheckProbes(t *testing.T) {
	t.Parallel()
	var saw []trace.Path
	found := check.Probed(&trace.Path{Path: egress.Path{Host: "edition.cnn.com", Port: 443}}, check.Finding{Message: "went round the gateway"})
	o := Options{Probe: func(_ context.Context, s *snapshot.Snapshot, paths []trace.Path) ([]check.Finding, error) {
		if s == nil {
			t.Error("probed without a snapshot")
		}
		saw = paths
		return []check.Finding{found}, nil
	}}
	r, _, err := Check(t.Context(), closed{kube.ErrAbsent}, o)
	if err != nil || r.ExitCode != report.Failed || saw == nil {
		t.Errorf("%v, exit code %d, paths %v", err, r.ExitCode, saw)
	}
	if last := r.Findings[len(r.Findings)-1]; last.Code != found.Code || last.Message != found.Message {
		t.Errorf("last finding: %+v", last)
	}
	stopped := errors.New("interrupt")
	o.Probe = func(context.Context, *snapshot.Snapshot, []trace.Path) ([]check.Finding, error) { return nil, stopped }
	if r, _, err := Check(t.Context(), closed{kube.ErrAbsent}, o); !errors.Is(err, stopped) || len(r.Findings) > 0 {
		t.Errorf("%v, %+v", err, r)
	}
	// A target that names nothing is told before anything is sent.
	o = Options{Targets: []string{"edition.cnn.com"}, Probe: func(context.Context, *snapshot.Snapshot, []trace.Path) ([]check.Finding, error) {
		t.Error("a request was sent")
		return nil, nil
	}}
	if _, _, err := Check(t.Context(), closed{kube.ErrAbsent}, o); err == nil {
		t.Error("a target that names nothing")
	}
}

// TestHoldOnCluster goes through the whole way to the cluster, as far as it leads.
func TestHoldOnCluster(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(context.Context, gather.Client, egress.Set) error{"Hold": Hold, "HoldNot": HoldNot} {
		if err := wait(soon(t), closed{kube.ErrUnreachable}, demo(t)); !errors.Is(err, kube.ErrUnreachable) || !strings.Contains(err.Error(), "set default/demo") {
			t.Errorf("%s: %v", name, err)
		}
		var unseen *UnseenError
		forbidden := &kube.Error{Kind: kube.ErrForbidden, Verb: "list", Resource: "pods", Namespace: "shop"}
		if err := wait(soon(t), closed{forbidden}, demo(t)); !errors.As(err, &unseen) || !strings.Contains(err.Error(), "list pods in namespace shop") {
			t.Errorf("%s: %v", name, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), holdTick*3/2)
		var late *NotHeldError
		if err := wait(ctx, closed{fmt.Errorf("slow: %w", kube.ErrTimeout)}, demo(t)); !errors.As(err, &late) || !strings.Contains(err.Error(), "the pods could not be read: slow") {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		// no pod has a sidecar: there is nothing to wait for
		if err := wait(soon(t), closed{kube.ErrAbsent}, demo(t)); err != nil {
			t.Errorf("%s where there are no pods: %v", name, err)
		}
	}
}
