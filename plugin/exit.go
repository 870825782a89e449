package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// The exit codes, the same for every command and every output format. Signals add 128+n.
const (
	exitOK      = 0
	exitFailed  = 1   // the cluster or the tool failed
	exitUsage   = 2   // bad flag or input
	exitFinding = 3   // a check failed
	exitWarning = 4   // only warnings, with --fail-on=warning
	exitTimeout = 124 // timed out
)

// Interrupted is the cause with which main cancels the context when a signal asks the program to stop.
type Interrupted struct{ Signal syscall.Signal }

// Error names the signal.
func (i Interrupted) Error() string { return "stopped by signal: " + i.Signal.String() }

// ExitCode is 128+n, as shells count.
func (i Interrupted) ExitCode() int { return 128 + int(i.Signal) }

// usageError is a command line that cannot be understood. It tells where help is.
type usageError struct {
	err  error
	help string // the command that prints the help
}

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

// verdict ends a command that has said all there is to say on stdout with an exit code and no further word.
type verdict int

func (v verdict) Error() string { return fmt.Sprintf("exit code %d", int(v)) }

// exitCode maps what a command returned to the exit code.
func exitCode(ctx context.Context, err error) int {
	var (
		code    verdict
		usage   *usageError
		input   *egress.InputError
		refused *apply.RefusedError
		stopped Interrupted
		failed  *diffFailed
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &stopped), errors.As(context.Cause(ctx), &stopped):
		return stopped.ExitCode()
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &failed):
		return failed.code
	case errors.As(err, &usage), errors.As(err, &input), errors.As(err, &refused) && asksForAnother(refused.Reason):
		return exitUsage
	case timedOut(err):
		return exitTimeout
	default:
		return exitFailed
	}
}

// asksForAnother says whether a refusal is about what was asked for, which another host, name or gateway mends, rather than about
// the state of the cluster.
func asksForAnother(r apply.Reason) bool { return r == apply.Clash || r == apply.OtherHosts }

// complain tells the user what went wrong: one line, and for a command line that was not understood where help is.
func complain(ctx context.Context, w io.Writer, err error) {
	var (
		code    verdict
		usage   *usageError
		stopped Interrupted
	)
	switch {
	case err == nil, errors.As(err, &code):
	case errors.As(context.Cause(ctx), &stopped) && !errors.As(err, &stopped):
		fmt.Fprintf(w, "error: %s (%s)\n", oneLine(err), stopped)
	case errors.As(err, &usage):
		fmt.Fprintf(w, "error: %s\nsee '%s --help'\n", oneLine(err), usage.help)
	default:
		fmt.Fprintf(w, "error: %s\n", oneLine(err))
	}
}

// oneLine joins the lines of an error and takes its control characters away: parts of it are other people's words.
func oneLine(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return plain(strings.Join(lines, "; "))
}

// timedOut says whether an error is about time that ran out: ours, the request's or the server's own.
func timedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, kube.ErrTimeout)
}
