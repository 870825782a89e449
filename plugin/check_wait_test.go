package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// waiter is a check that prints JSON into a buffer and waits for limit.
func waiter(limit time.Duration) (*checkCommand, *bytes.Buffer) {
	var out bytes.Buffer
	x := &tool{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &bytes.Buffer{}}}
	return &checkCommand{tool: x, output: &choice{value: "json"}, colour: &choice{value: "never"}, timeout: limit}, &out
}

func (c *checkCommand) told() string { return c.tool.ErrOut.(*bytes.Buffer).String() }

func printedCode(t *testing.T, out *bytes.Buffer) int {
	t.Helper()
	var r report.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("not one report: %v\n%s", err, out)
	}
	return r.ExitCode
}

// What the cluster of TestWait has at some second.
var (
	fine    = report.Report{}
	unbound = report.Finding{Code: "EGR001", Path: "edition.cnn.com:443", Message: "VirtualService default/cnn is not bound to mesh", Stays: true}
	endsTLS = report.Finding{Code: "EGR012", Path: "edition.cnn.com:443", Message: "server 443 ends TLS", Stays: true}
	noPod   = report.Finding{Code: "EGR026", Path: "edition.cnn.com:443", Message: "the gateway has no endpoint"}
	noRight = report.Finding{Code: "EGR058", Message: "gateways could not be read (forbidden): cannot list", Stays: true}
	tooLate = report.Finding{Code: "EGR058", Message: "gateways could not be read (timeout): too late"}
)

func failing(findings ...report.Finding) report.Report {
	return report.Report{Findings: findings, ExitCode: report.Failed}
}

func unjudged(findings ...report.Finding) report.Report {
	return report.Report{Findings: findings, ExitCode: report.Unjudged}
}

// TestWait: what the cluster looks like, second by second, and when and how check --wait=1m ends.
func TestWait(t *testing.T) {
	t.Parallel()
	names := func(names ...string) (o snapshot.Objects) {
		for _, n := range names {
			o.VirtualServices = append(o.VirtualServices, snapshot.VirtualService{Meta: snapshot.Meta{Namespace: "default", Name: n}})
		}
		return o
	}
	for name, tt := range map[string]struct {
		at    func(second int) (report.Report, snapshot.Snapshot)
		code  int
		after time.Duration
		note  string
	}{
		"fine at once": {
			func(int) (report.Report, snapshot.Snapshot) { return fine, snapshot.Snapshot{} }, report.Fine, 0, "",
		},
		"the gateway's pod comes up late": {
			func(second int) (report.Report, snapshot.Snapshot) {
				if second < 40 {
					return failing(noPod), snapshot.Snapshot{}
				}
				return fine, snapshot.Snapshot{}
			}, report.Fine, 40 * time.Second, "",
		},
		"it never comes up": {
			func(int) (report.Report, snapshot.Snapshot) { return failing(noPod), snapshot.Snapshot{} },
			exitTimeout, time.Minute, "timed out: not all is well after 1m0s",
		},
		"objects are wrong": {
			func(int) (report.Report, snapshot.Snapshot) {
				return failing(noPod, endsTLS), snapshot.Snapshot{Objects: names("cnn")}
			},
			report.Failed, still, "waiting cannot mend this: EGR012 edition.cnn.com:443: server 443 ends TLS\n",
		},
		"more than one thing is wrong": {
			func(int) (report.Report, snapshot.Snapshot) { return failing(unbound, endsTLS), snapshot.Snapshot{} },
			report.Failed, still, "waiting cannot mend this: EGR001 edition.cnn.com:443: VirtualService default/cnn is not bound to mesh (and 1 more)\n",
		},
		"somebody is still putting objects on the cluster": {
			func(second int) (report.Report, snapshot.Snapshot) {
				objects := names("a", "b", "c", "d", "e")
				objects.VirtualServices = objects.VirtualServices[:min(second/10, 5)]
				if second < 50 {
					return failing(unbound), snapshot.Snapshot{Objects: objects}
				}
				return fine, snapshot.Snapshot{Objects: objects}
			}, report.Fine, 50 * time.Second, "",
		},
		"a set is declared anew meanwhile": {
			func(second int) (report.Report, snapshot.Snapshot) {
				return failing(unbound), snapshot.Snapshot{Sets: []snapshot.Set{{Set: egress.Set{Name: map[bool]string{true: "a", false: "b"}[second < 10]}}}}
			}, report.Failed, 10*time.Second + still, "waiting cannot mend this",
		},
		"one cause gives way to another": {
			func(second int) (report.Report, snapshot.Snapshot) {
				if second < 10 {
					return failing(unbound), snapshot.Snapshot{}
				}
				return failing(endsTLS), snapshot.Snapshot{}
			}, report.Failed, 10*time.Second + still, "waiting cannot mend this: EGR012",
		},
		"it comes and goes": {
			func(second int) (report.Report, snapshot.Snapshot) {
				if second%10 < 7 {
					return failing(unbound), snapshot.Snapshot{}
				}
				return failing(noPod), snapshot.Snapshot{}
			}, exitTimeout, time.Minute, "timed out",
		},
		"one of two stays": {
			func(second int) (report.Report, snapshot.Snapshot) {
				if second < 10 {
					return failing(unbound, endsTLS), snapshot.Snapshot{}
				}
				return failing(endsTLS), snapshot.Snapshot{}
			}, report.Failed, still, "waiting cannot mend this: EGR012 edition.cnn.com:443: server 443 ends TLS\n",
		},
		"a right is missing": {
			func(int) (report.Report, snapshot.Snapshot) { return unjudged(noRight), snapshot.Snapshot{} },
			report.Unjudged, still, "waiting cannot mend this: EGR058: gateways could not be read (forbidden): cannot list\n",
		},
		"the API server is slow": {
			func(int) (report.Report, snapshot.Snapshot) { return unjudged(tooLate), snapshot.Snapshot{} },
			exitTimeout, time.Minute, "timed out",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, out := waiter(time.Minute)
				start := time.Now()
				err := c.until(t.Context(), func(context.Context) (report.Report, *snapshot.Snapshot, error) {
					r, s := tt.at(int(time.Since(start) / time.Second))
					return r, &s, nil
				})
				took := time.Since(start)
				if got := exitCode(t.Context(), err); got != tt.code || printedCode(t, out) != tt.code || took != tt.after {
					t.Errorf("exit code %d, printed %d, after %s; want %d after %s", got, printedCode(t, out), took, tt.code, tt.after)
				}
				if told := c.told(); !strings.Contains(told, tt.note) || (tt.note == "") != (told == "") {
					t.Errorf("told %q, want %q", told, tt.note)
				}
			})
		})
	}
}

func TestWaitLooksOnceAtLeast(t *testing.T) {
	t.Parallel()
	c, out := waiter(0)
	looks := 0
	err := c.until(t.Context(), func(context.Context) (report.Report, *snapshot.Snapshot, error) {
		looks++
		return failing(noPod), &snapshot.Snapshot{}, nil
	})
	if got := exitCode(t.Context(), err); got != exitTimeout || printedCode(t, out) != exitTimeout || looks != 1 {
		t.Errorf("exit code %d, printed %d, %d looks; want 124, 124, 1", got, printedCode(t, out), looks)
	}
}

func TestWaitPrintsTheLastLookWhenTheNextIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, out := waiter(time.Minute)
		looks := 0
		err := c.until(t.Context(), func(ctx context.Context) (report.Report, *snapshot.Snapshot, error) {
			looks++
			if looks == 1 {
				return failing(noPod), &snapshot.Snapshot{}, nil
			}
			<-ctx.Done()
			return report.Report{}, nil, ctx.Err()
		})
		if exitCode(t.Context(), err) != exitTimeout || printedCode(t, out) != exitTimeout || looks != 2 {
			t.Errorf("%v, printed %d, %d looks", err, printedCode(t, out), looks)
		}
	})
}

func TestWaitEndsWithErrorsAndSignals(t *testing.T) {
	t.Parallel()
	c, out := waiter(time.Minute)
	err := c.until(t.Context(), func(context.Context) (report.Report, *snapshot.Snapshot, error) {
		return report.Report{}, nil, kube.ErrUnreachable
	})
	if !errors.Is(err, kube.ErrUnreachable) || out.Len() > 0 {
		t.Errorf("%v, printed %q", err, out)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	err = c.until(ctx, func(context.Context) (report.Report, *snapshot.Snapshot, error) {
		cancel(Interrupted{syscall.SIGINT})
		return failing(noPod), &snapshot.Snapshot{}, nil
	})
	if got := exitCode(ctx, err); got != 130 || out.Len() > 0 {
		t.Errorf("exit code %d, printed %q; want 130 and nothing", got, out)
	}
}
