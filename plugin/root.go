// Package plugin is the command line: one file per command, each of which turns flags into a request, has one of the lower rooms
// carry it out, and prints what comes back. It decides nothing about clusters.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// The groups of commands in the root's help, in this order.
const (
	groupWrite = "write"
	groupRead  = "read"
	groupOther = "other"
)

// tool is what all commands share.
type tool struct {
	genericiooptions.IOStreams
	argv0 string      // the name of the running program
	line  *statusLine // nil where nothing can be written over
	name  string      // by which people call it: "kubectl egress"
	term  terminal

	config  *genericclioptions.ConfigFlags
	qps     float32        // requests per second to the API server
	burst   int            // requests that may come at once
	verbose int            // as kubectl's -v: 0 says nothing, 6 each request
	clients []*kube.Client // that were opened
}

// New builds the command line. argv0 is the name that the program was called by; help and hints follow it.
func New(streams genericiooptions.IOStreams, argv0 string) *cobra.Command {
	streams = guarded(streams)
	t := &tool{
		IOStreams: streams,
		argv0:     argv0,
		name:      calledAs(argv0),
		term:      lookAt(streams, os.Getenv),
		config:    genericclioptions.NewConfigFlags(true),
	}
	if t.term.redraws {
		t.line = &statusLine{w: streams.ErrOut}
		t.ErrOut = t.line // so that warnings and notes come above the line
	}
	root := &cobra.Command{
		Use:   program(argv0),
		Short: "Send a mesh's traffic out through its Istio egress gateway, and prove that it goes there",
		Example: t.examples(
			"let workloads reach a host through the egress gateway only", "enable --domains=edition.cnn.com",
			"does traffic take that way, and if not, why?", "check",
			"take it all away again", "cleanup edition-cnn-com"),
		Annotations:                map[string]string{cobra.CommandDisplayNameAnnotation: t.name},
		Args:                       t.knownCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:              true,
		SilenceUsage:               true,
		DisableAutoGenTag:          true,
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddGroup(
		&cobra.Group{ID: groupWrite, Title: "Declare"},
		&cobra.Group{ID: groupRead, Title: "Look"},
		&cobra.Group{ID: groupOther, Title: "Other"})
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(t.help)
	root.SetUsageFunc(func(*cobra.Command) error { return nil })
	root.SetHelpCommand(newHelp(t))
	t.clusterFlags(root.PersistentFlags())
	root.AddCommand(
		newEnable(t), newCleanup(t), newRender(t), newDiff(t),
		newGateway(t), newSample(t), newCredential(t),
		newCheck(t), newStats(t), newCerts(t), newList(t), newGet(t), newExplain(t), newCapture(t),
		newLogs(t), newProbe(t),
		newCompletion(t), newOptions(t), newRBAC(t), newVersion(t))
	t.offers(root)
	t.tellRefused(root)
	return root
}

// Run carries out one command line, argv[0] included, and gives the exit code. When ctx is cancelled with an Interrupted as its
// cause, the running command stops before its next write and the exit code is the signal's.
func Run(ctx context.Context, argv []string, streams genericiooptions.IOStreams) int {
	streams = guarded(streams)
	root := New(streams, argv[0])
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		verbose, err := cmd.Flags().GetInt("v")
		if err != nil {
			return err
		}
		return narrate(streams.ErrOut, verbose)
	}
	return execute(ctx, root, argv, streams)
}

// execute is Run without what is set for the whole process.
func execute(ctx context.Context, root *cobra.Command, argv []string, streams genericiooptions.IOStreams) int {
	args := argv[1:]
	if asksCompletion(argv[0]) {
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	complain(ctx, streams.ErrOut, err)
	return exitCode(ctx, err)
}

// clusterFlags registers kubectl's own flags and those about talking to the API server.
func (t *tool) clusterFlags(flags *pflag.FlagSet) {
	t.config.AddFlags(flags)
	flags.Lookup("cache-dir").DefValue = "" // help shall not tell of one machine
	flags.Float32Var(&t.qps, "qps", kube.DefaultQPS, "Requests per second to the API server, on average")
	flags.IntVar(&t.burst, "burst", kube.DefaultBurst, "Requests to the API server that may be sent at once")
	flags.IntVarP(&t.verbose, "v", "v", 0, "How much is told on stderr: 0 nothing, 6 every request, 8 their headers")
}

// knownCommand refuses words after the root that are no command, with the nearest one that is.
func (t *tool) knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	err := fmt.Errorf("there is no command %q", args[0])
	if near := egress.Nearest(args[0], names); near != "" {
		err = fmt.Errorf("there is no command %q; did you mean %q?", args[0], near)
	}
	return &usageError{err: err, help: cmd.CommandPath()}
}

// flagError makes what pflag says about a command line a usage error, with the nearest flag for one that does not exist.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		err = fmt.Errorf("there is no flag --%s", unknown.GetSpecifiedName())
		if near := egress.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			err = fmt.Errorf("%w; did you mean --%s?", err, near)
		} else if sub, _, e := cmd.Root().Find([]string{unknown.GetSpecifiedName()}); e == nil && sub.HasParent() {
			err = fmt.Errorf("%w; did you mean '%s'?", err, sub.CommandPath())
		}
	}
	if invalid, is := errors.AsType[*pflag.InvalidValueError](err); is {
		name, value, why := invalid.GetFlag().Name, invalid.GetValue(), invalid.Unwrap()
		if err = fmt.Errorf("--%s=%s: %w", name, value, why); invalid.GetFlag().Value.Type() == "duration" {
			err = fmt.Errorf("--%s=%s is no length of time; give one with its unit: 90s, 10m, 2h", name, value)
		}
	}
	return &usageError{err: err, help: cmd.CommandPath()}
}

// usagef makes a usage error of a command.
func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), help: cmd.CommandPath()}
}
