//go:build linux

// Lab is a real Kubernetes with Istio and Envoy on one Linux machine, without docker and without prebuilt images.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/cli"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		first := <-signals
		cancel(cli.Stopped{Signal: first.(syscall.Signal)})
		second := <-signals
		os.Exit(128 + int(second.(syscall.Signal)))
	}()
	code := cli.Run(ctx, os.Args[1:], cli.Streams{Out: os.Stdout, Err: os.Stderr})
	cancel(errors.New("done"))
	os.Exit(code)
}
