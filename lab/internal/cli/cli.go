//go:build linux

// Package cli is the lab's command line.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/machine"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/progress"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
)

// Exit codes. Stopped by a signal is 128 and its number.
const (
	ExitFine    = 0
	ExitFailed  = 1
	ExitUsage   = 2
	ExitCannot  = 3   // this machine cannot run a lab; nothing was touched
	ExitTimeout = 124 // --timeout ran out
)

// Streams are where the lab writes: Out gets data, Err progress and errors.
type Streams struct {
	Out, Err io.Writer
}

// Stopped is the cause of a context that a signal ended.
type Stopped struct {
	Signal syscall.Signal
}

func (s Stopped) Error() string { return "stopped by " + s.Signal.String() }

// usageError is a mistake of the user's in the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }

// errTimeout is the cause of a context whose --timeout ran out.
var errTimeout = errors.New("time is up (--timeout)")

// invocation is one run of one command.
type invocation struct {
	Streams
	site    site.Site
	parts   string
	output  string
	built   bool
	timeout time.Duration
}

type command struct {
	name, does string
	timeout    time.Duration
	run        func(context.Context, *invocation) error
}

func commands() []command {
	return []command{
		{"build", "compile and fetch all that the lab runs (cold: minutes; again: a second)", 40 * time.Minute, runBuild},
		{"up", "start the cluster and install Istio; builds first if needed; does nothing on a running lab", 45 * time.Minute, runUp},
		{"load", "bring the documents' world: clients in the mesh, servers outside of it", 5 * time.Minute, runLoad},
		{"status", "what runs and what does not; exit code 1 if not all does", 30 * time.Second, runStatus},
		{"env", "print the lines that a shell evaluates to use the lab: eval \"$(lab env)\"", 30 * time.Second, runEnv},
		{"down", "stop everything and leave the machine as it was; keeps what was built", 2 * time.Minute, runDown},
	}
}

// Run does what args say and returns the exit code.
func Run(ctx context.Context, args []string, s Streams) int {
	cmd, inv, err := parse(args, s)
	if errors.Is(err, flag.ErrHelp) {
		usage(s.Out)
		return ExitFine
	}
	if err == nil {
		ctx, cancel := context.WithTimeoutCause(ctx, inv.timeout, errTimeout)
		defer cancel()
		err = cmd.run(ctx, inv)
	}
	if err == nil {
		return ExitFine
	}
	if !errors.Is(err, errNotAll) { // status has said so already
		fmt.Fprintln(s.Err, "error: "+err.Error())
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var stopped Stopped
	var use usageError
	var cannot machine.CannotError
	switch {
	case errors.As(err, &stopped):
		return 128 + int(stopped.Signal)
	case errors.Is(err, errTimeout):
		return ExitTimeout
	case errors.As(err, &use):
		return ExitUsage
	case errors.As(err, &cannot):
		return ExitCannot
	}
	return ExitFailed
}

func parse(args []string, s Streams) (command, *invocation, error) {
	if len(args) == 0 {
		return command{}, nil, usageError{errors.New("which command? build, up, load, status, env or down (lab --help)")}
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		return command{}, nil, flag.ErrHelp
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		inv := &invocation{Streams: s}
		var dir string
		flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		flags.StringVar(&dir, "dir", os.Getenv("LAB_DIR"), "")
		flags.StringVar(&inv.parts, "parts", "", "")
		flags.DurationVar(&inv.timeout, "timeout", c.timeout, "")
		if c.name == "status" {
			flags.StringVar(&inv.output, "o", "", "")
			flags.BoolVar(&inv.built, "built", false, "")
		}
		if err := flags.Parse(args[1:]); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return command{}, nil, err
			}
			return command{}, nil, usageError{fmt.Errorf("lab %s: %w", c.name, err)}
		}
		if flags.NArg() > 0 {
			return command{}, nil, usageError{fmt.Errorf("lab %s takes no arguments, got %q", c.name, flags.Args())}
		}
		if inv.output != "" && inv.output != "json" {
			return command{}, nil, usageError{fmt.Errorf("-o %s: there is only json", inv.output)}
		}
		if inv.timeout <= 0 {
			return command{}, nil, usageError{errors.New("--timeout must be longer than nothing")}
		}
		var err error
		if inv.site, err = site.New(dir); err != nil {
			return command{}, nil, usageError{err}
		}
		return c, inv, nil
	}
	return command{}, nil, usageError{fmt.Errorf("no command %q (lab --help)", args[0])}
}

func usage(w io.Writer) {
	var b strings.Builder
	b.WriteString("Lab runs a real Kubernetes with Istio and Envoy on this machine, from source, without docker.\n\nUsage: lab COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-7s %s\n", c.name, c.does)
	}
	b.WriteString(`
Flags:
  --dir DIR        where everything is kept (default: $LAB_DIR, else kubectl-egress-lab in the user's cache folder)
  --parts DIR      the module whose programs are compiled (default: lab/parts here or above)
  --timeout TIME   give up after this long (default by command: build 40m, up 45m, load 5m, down 2m)
  -o json          status as JSON
  --built          status tells only whether something is built (exit code 0) or not (1)

Exit codes: 0 fine, 1 failed, 2 bad usage, 3 this machine cannot run a lab (nothing was touched), 124 timed out, 128+n signal n.
`)
	io.WriteString(w, b.String()) //nolint:errcheck // nothing can be done about a closed stdout
}

// watch makes the progress display that fits where it is shown.
func (i *invocation) watch() *progress.Progress {
	if f, ok := i.Err.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		return progress.Bar(f, func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 80
			}
			return width
		})
	}
	return progress.Plain(i.Err)
}
