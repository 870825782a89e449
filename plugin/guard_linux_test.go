package plugin

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// newTerminal opens a terminal of the kernel's own, without anybody before it. What is written to the second file comes out of the first.
func newTerminal(t *testing.T) (reads, writes *os.File) {
	t.Helper()
	reads, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reads.Close() })
	var number, unlocked uint32
	for _, call := range []struct {
		request uintptr
		value   *uint32
	}{{syscall.TIOCSPTLCK, &unlocked}, {syscall.TIOCGPTN, &number}} {
		if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, reads.Fd(), call.request, uintptr(unsafe.Pointer(call.value))); failed != 0 {
			t.Fatalf("ioctl %x: %v", call.request, failed)
		}
	}
	writes, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { writes.Close() })
	return reads, writes
}

// onTerminal gives what a program's writing looks like on a terminal.
func onTerminal(t *testing.T, write func(w *os.File)) string {
	t.Helper()
	reads, writes := newTerminal(t)
	all := make(chan string, 1)
	go func() {
		var b bytes.Buffer
		if _, err := io.Copy(&b, reads); err != nil && !strings.Contains(err.Error(), "input/output error") { // so a terminal ends
			t.Errorf("reading the terminal: %v", err)
		}
		all <- b.String()
	}()
	write(writes)
	if err := writes.Close(); err != nil {
		t.Fatal(err)
	}
	return <-all
}

// TestDataOnATerminal: formats that are right to write any letter do not reach a terminal as they are, and reach a file so.
func TestDataOnATerminal(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "kubeconfig")
	line := `[2026-11-21T01:45:28.223Z] "- - -" 0 - - - "-" 749 1559 4 - "-" "-" "` + "\u009b31m\u202e" + `" "-" "10.96.0.83:443" outbound|443||edition.cnn.com 10.244.0.4:34014 10.244.0.4:8443 10.244.0.10:49240 edition.cnn.com` + "\u009b2J\u202e -\n"
	for _, format := range []string{"json", "raw", "wide", "text"} {
		args := []string{"kubectl-egress", "logs", "--from=-", "-o", format, "--kubeconfig=" + config}
		shown := onTerminal(t, func(w *os.File) {
			streams := genericiooptions.IOStreams{In: strings.NewReader(line), Out: w, ErrOut: w}
			if code := execute(t.Context(), New(streams, args[0]), args, guarded(streams)); code != exitOK {
				t.Errorf("%s: exit code %d", format, code)
			}
		})
		if strings.ContainsAny(shown, "\u009b\u202e\x1b") || !strings.Contains(shown, `\u009b2J\u202e`) {
			t.Errorf("%s on a terminal: %q", format, shown)
		}
		var out, errs bytes.Buffer
		streams := genericiooptions.IOStreams{In: strings.NewReader(line), Out: &out, ErrOut: &errs}
		if code := execute(t.Context(), New(streams, args[0]), args, streams); code != exitOK || strings.Contains(out.String(), "\u202e") != (format == "raw") {
			t.Errorf("%s to a file: exit code %d, %q, %q", format, code, &out, &errs)
		}
	}
}

// TestATerminalIsKnownThroughItsGuard: what the program shows itself there is not taken for an attack.
func TestATerminalIsKnownThroughItsGuard(t *testing.T) {
	t.Parallel()
	shown := onTerminal(t, func(w *os.File) {
		streams := guarded(genericiooptions.IOStreams{In: w, Out: w, ErrOut: w})
		x := &tool{IOStreams: streams, line: &statusLine{w: streams.ErrOut}, term: lookAt(streams, func(name string) string { return map[string]string{"LANG": "C.UTF-8"}[name] })}
		if !x.term.asks || !x.term.colour || !x.term.redraws || !x.term.unicode {
			t.Errorf("%+v", x.term)
		}
		x.status("waiting")()
		if unguarded(streams.Out) != io.Writer(w) || unguarded(io.Discard) != io.Discard {
			t.Error("the terminal is not found behind its guard")
		}
	})
	if shown != "waiting ...\r\x1b[K" {
		t.Errorf("%q", shown)
	}
}
