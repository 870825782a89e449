package plugin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func TestAsk(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"y\n": true, "Yes\r\n": true, "yes": true, "n\n": false, "\n": false, "": false, "yesterday\n": false} {
		var b bytes.Buffer
		x := &tool{IOStreams: genericiooptions.IOStreams{In: strings.NewReader(answer), ErrOut: &b}}
		got, err := x.ask(t.Context(), "Take it away?")
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", answer, got, err)
		}
		if b.String() != "Take it away? [y/N] " {
			t.Errorf("asked %q", b.String())
		}
	}
}

func TestAskEndsWithTheContext(t *testing.T) {
	t.Parallel()
	in, silent := io.Pipe()
	defer silent.Close()
	x := &tool{IOStreams: genericiooptions.IOStreams{In: in, ErrOut: io.Discard}}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(Interrupted{syscall.SIGINT})
	yes, err := x.ask(ctx, "Take it away?")
	var stopped Interrupted
	if yes || !errors.As(err, &stopped) {
		t.Errorf("%v, %v; want no and the signal", yes, err)
	}
}

func TestAskTellsOfABrokenTerminal(t *testing.T) {
	t.Parallel()
	x := &tool{IOStreams: genericiooptions.IOStreams{In: brokenReader{}, ErrOut: io.Discard}}
	if yes, err := x.ask(t.Context(), "?"); yes || err == nil || !strings.Contains(err.Error(), "read the answer") {
		t.Errorf("%v, %v", yes, err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("input/output error") }
