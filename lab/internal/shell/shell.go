// Package shell runs other programs and tells, when one fails, what it said last.
package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// tailLines is how much of a program's last words an error repeats.
const tailLines = 12

// Command is one run of a program to its end.
type Command struct {
	// Args are the program and its arguments.
	Args []string
	// Dir is the working folder, the caller's own if empty.
	Dir string
	// Env is added to the caller's environment.
	Env []string
	// Stdin is what the program reads; nothing if nil.
	Stdin io.Reader
	// Lines is called with each line on the program's standard error as it comes; may be nil.
	Lines func(string)
}

// Run waits for the program and returns its standard output. When it fails, the error holds the last lines of its
// standard error (of its output, if that is empty). When ctx ends, the program gets SIGTERM and three seconds later SIGKILL.
func Run(ctx context.Context, c Command) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...) //nolint:gosec // the programs are the lab's own
	cmd.Dir = c.Dir
	cmd.Stdin = c.Stdin
	if len(c.Env) > 0 {
		cmd.Env = append(os.Environ(), c.Env...)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	var out bytes.Buffer
	said := &lineWriter{each: c.Lines}
	cmd.Stdout, cmd.Stderr = &out, said
	err := cmd.Run()
	said.flush()
	if err == nil {
		return out.Bytes(), nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	last := said.last
	if len(last) == 0 {
		last = Tail(out.String(), tailLines)
	}
	what := filepath.Base(c.Args[0])
	if len(c.Args) > 1 {
		what += " " + c.Args[1]
	}
	if len(last) == 0 {
		return out.Bytes(), fmt.Errorf("run %s: %w", what, err)
	}
	return out.Bytes(), fmt.Errorf("run %s: %w\n    %s", what, err, strings.Join(last, "\n    "))
}

// Exit is the code a failed run ended with, or -1 if it never ran or was killed.
func Exit(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}

// Tail is the last n lines of text that are not empty.
func Tail(text string, n int) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, " \t\r\n"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-n):]
}

// FileTail is the last n lines of a file that are not empty; it reads at most the last 64 kB.
func FileTail(path string, n int) ([]string, error) {
	f, err := os.Open(path) //nolint:gosec // a path that the lab made
	if err != nil {
		return nil, fmt.Errorf("read the end of a log: %w", err)
	}
	defer f.Close() //nolint:errcheck // it is only read
	const most = 64 << 10
	if info, err := f.Stat(); err == nil && info.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return nil, fmt.Errorf("read the end of %s: %w", path, err)
		}
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read the end of %s: %w", path, err)
	}
	return Tail(string(text), n), nil
}

// lineWriter cuts what is written into lines, hands each on, and keeps the last few.
type lineWriter struct {
	each func(string)
	rest []byte
	last []string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, after, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.take(string(line))
		w.rest = after
	}
}

func (w *lineWriter) flush() {
	w.take(string(w.rest))
	w.rest = nil
}

func (w *lineWriter) take(line string) {
	line = strings.TrimRight(line, " \t\r")
	if line == "" {
		return
	}
	w.last = append(w.last, line)
	w.last = w.last[max(0, len(w.last)-tailLines):]
	if w.each != nil {
		w.each(line)
	}
}
