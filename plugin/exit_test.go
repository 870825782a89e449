package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

func TestExitCodesAndComplaints(t *testing.T) {
	t.Parallel()
	usage := &usageError{err: errors.New("there is no flag --x"), help: "kubectl egress enable"}
	for name, tt := range map[string]struct {
		err   error
		cause error // of the context, if it was cancelled
		code  int
		says  string
	}{
		"fine":            {nil, nil, 0, ""},
		"cluster":         {fmt.Errorf("list pods: %w", kube.ErrForbidden), nil, 1, "error: list pods: forbidden\n"},
		"flag":            {usage, nil, 2, "error: there is no flag --x\nsee 'kubectl egress enable --help'\n"},
		"input":           {fmt.Errorf("a: %w", egress.Inputf("10.0.0.1 is an IP address")), nil, 2, "error: a: 10.0.0.1 is an IP address\n"},
		"overlap":         {&egress.OverlapError{Host: "a.example.com", Other: "a.example.com", Set: egress.Set{Name: "x", Namespace: "y"}}, nil, 2, "error: a.example.com is already in set y/x; change that set with --name x -n y, or remove it first\n"},
		"clash":           {&apply.RefusedError{Reason: apply.Clash, Msg: "Gateway default/theirs has it"}, nil, 2, "error: Gateway default/theirs has it\n"},
		"foreign":         {&apply.RefusedError{Reason: apply.Foreign, Msg: "not ours; --adopt"}, nil, 1, "error: not ours; --adopt\n"},
		"conflict":        {&apply.RefusedError{Reason: apply.Conflict, Msg: "theirs", Err: kube.ErrConflict}, nil, 1, "error: theirs\n"},
		"finding":         {verdict(3), nil, 3, ""},
		"warning":         {verdict(4), nil, 4, ""},
		"deadline":        {fmt.Errorf("wait: %w", context.DeadlineExceeded), nil, 124, "error: wait: context deadline exceeded\n"},
		"server is slow":  {fmt.Errorf("list pods: %w", kube.ErrTimeout), nil, 124, "error: list pods: timed out\n"},
		"interrupt":       {context.Canceled, Interrupted{syscall.SIGINT}, 130, "error: context canceled (stopped by signal: interrupt)\n"},
		"term":            {Interrupted{syscall.SIGTERM}, Interrupted{syscall.SIGTERM}, 143, "error: stopped by signal: terminated\n"},
		"done in spite":   {nil, Interrupted{syscall.SIGINT}, 0, ""},
		"other's cancel":  {context.Canceled, errors.New("something"), 1, "error: context canceled\n"},
		"several lines":   {errors.New("a:\n  b\n\n  c\x1b[2J"), nil, 1, "error: a:; b; c\\u001b[2J\n"},
		"signal and flag": {usage, Interrupted{syscall.SIGINT}, 130, "error: there is no flag --x (stopped by signal: interrupt)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if tt.cause != nil {
				cancel(tt.cause)
			}
			if got := exitCode(ctx, tt.err); got != tt.code {
				t.Errorf("exit code %d, want %d", got, tt.code)
			}
			var b strings.Builder
			complain(ctx, &b, tt.err)
			if diff := cmp.Diff(tt.says, b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
