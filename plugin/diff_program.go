package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// externalDiff is the variable that names the program which compares, as for kubectl.
const externalDiff = "KUBECTL_EXTERNAL_DIFF"

// plainDiff is the program that compares where the user names no other.
const plainDiff = "diff"

// patience is how long a program that compares may take to end when it is told to.
const patience = 2 * time.Second

// differ is what compares two folders.
type differ struct {
	name    string
	args    []string
	dropped []string // parameters that are not passed on
}

// newDiffer reads the variable as kubectl does: words apart by spaces, and of the parameters only those of letters, digits, - and =
// are passed on. Empty means diff -u -N.
func newDiffer(variable string) differ {
	words := strings.Fields(variable)
	if len(words) == 0 {
		return differ{name: plainDiff, args: []string{"-u", "-N"}}
	}
	p := differ{name: words[0]}
	for _, w := range words[1:] {
		if strings.ContainsFunc(w, func(r rune) bool { return !passedOn(r) }) {
			p.dropped = append(p.dropped, w)
			continue
		}
		p.args = append(p.args, w)
	}
	return p
}

func passedOn(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '='
}

// find refuses a program that is not there, before a cluster is asked.
func (p differ) find() error {
	_, err := exec.LookPath(p.name)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return egress.Inputf("the program %q, which compares, is not installed; install it, or name another one that takes two folders: "+
			"%s=\"git diff --no-index\"", p.name, externalDiff)
	}
	return egress.Inputf("the program %q, which compares (%s), cannot be run: %v", p.name, externalDiff, err)
}

// run compares two folders. The error is a verdict if the program found differences.
func (p differ) run(ctx context.Context, streams genericiooptions.IOStreams, live, merged string) error {
	for _, w := range p.dropped {
		fmt.Fprintf(streams.ErrOut, "%s: parameter %q is left out, since only letters, digits, - and = are passed on\n", externalDiff, w)
	}
	if p.name != plainDiff { // chosen by the user, whose terminal it then is: vimdiff needs it whole
		streams.Out, streams.ErrOut = unguarded(streams.Out), unguarded(streams.ErrOut)
	}
	args := append(append([]string{}, p.args...), live, merged)
	cmd := exec.CommandContext(ctx, p.name, args...) //nolint:gosec // which program it is, is the user's to say
	cmd.Stdin, cmd.Stdout, cmd.Stderr = streams.In, streams.Out, streams.ErrOut
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	err := cmd.Run()
	ended, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("compare by %s: %w", p.name, context.Cause(ctx))
	case ok && ended.ExitCode() == exitDiffers:
		return verdict(exitDiffers)
	case ok && ended.ExitCode() > exitDiffers:
		return &diffFailed{err: fmt.Errorf("%s could not compare: exit code %d", p.name, ended.ExitCode()), code: ended.ExitCode()}
	}
	return fmt.Errorf("compare by %s: %w", p.name, err)
}
