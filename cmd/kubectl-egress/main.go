// Command kubectl-egress is the kubectl plugin. All of its logic is in package plugin.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubeconfigs that log in by OIDC or a cloud's own way

	"github.com/kubectl-egress/kubectl-egress/plugin"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go obey(signals, cancel, os.Exit)
	os.Exit(plugin.Run(ctx, os.Args, genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}))
}

// obey cancels at the first signal, so that the running command stops before its next write and says what it did. The second
// signal exits at once.
func obey(signals <-chan os.Signal, cancel context.CancelCauseFunc, exit func(int)) {
	first := true
	for s := range signals {
		stopped := plugin.Interrupted{Signal: syscall.SIGINT}
		if number, ok := s.(syscall.Signal); ok {
			stopped.Signal = number
		}
		if !first {
			exit(stopped.ExitCode())
			return
		}
		first = false
		cancel(stopped)
	}
}
