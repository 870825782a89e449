package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/plugin"
)

func TestFirstSignalCancelsSecondExits(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	signals := make(chan os.Signal)
	exited := make(chan int)
	go obey(signals, cancel, func(code int) { exited <- code })

	signals <- syscall.SIGTERM
	<-ctx.Done()
	var stopped plugin.Interrupted
	if !errors.As(context.Cause(ctx), &stopped) || stopped.ExitCode() != 143 {
		t.Fatalf("the first signal leaves cause %v, want one with exit code 143", context.Cause(ctx))
	}
	select {
	case code := <-exited:
		t.Fatalf("the first signal exits with %d", code)
	default:
	}

	signals <- os.Interrupt
	if code := <-exited; code != 130 {
		t.Errorf("the second signal exits with %d, want 130", code)
	}
}
