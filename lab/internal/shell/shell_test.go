package shell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sh(script string) []string { return []string{"sh", "-c", script} }

func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tt := range []struct {
		name string
		c    Command
		want string
	}{
		{"output", Command{Args: sh("echo hello; echo aside >&2")}, "hello\n"},
		{"folder", Command{Args: sh("pwd"), Dir: dir}, dir + "\n"},
		{"environment is added to", Command{Args: sh("echo $ONE; test -n \"$PATH\""), Env: []string{"ONE=1"}}, "1\n"},
		{"input", Command{Args: sh("cat"), Stdin: strings.NewReader("in")}, "in"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, err := Run(t.Context(), tt.c)
			if err != nil || string(out) != tt.want {
				t.Fatalf("Run = %q, %v; want %q", out, err, tt.want)
			}
		})
	}
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, script string
		want         []string // what the error must hold
		never        string
		code         int
	}{
		{"tells what was said", "echo working; echo no space left >&2; exit 3", []string{"run sh -c: exit status 3", "no space left"}, "working", 3},
		{"only the last words", "i=0; while [ $i -lt 40 ]; do echo line$i >&2; i=$((i+1)); done; exit 1", []string{"line39", "line28"}, "line27", 1},
		{"output, when nothing else was said", "echo on stdout; exit 4", []string{"on stdout"}, "stderr", 4},
		{"nothing said at all", "exit 5", []string{"run sh -c: exit status 5"}, "\n", 5},
		{"a last line without end", "printf unfinished >&2; exit 1", []string{"unfinished"}, "\x00", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Run(t.Context(), Command{Args: sh(tt.script)})
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			if strings.Contains(err.Error(), tt.never) {
				t.Errorf("error %q must not hold %q", err, tt.never)
			}
			if Exit(err) != tt.code {
				t.Errorf("Exit = %d, want %d", Exit(err), tt.code)
			}
		})
	}
}

func TestRunNotThere(t *testing.T) {
	t.Parallel()
	_, err := Run(t.Context(), Command{Args: []string{"no-such-program-of-the-lab"}})
	if err == nil || Exit(err) != -1 || !strings.Contains(err.Error(), "no-such-program-of-the-lab") {
		t.Fatalf("Run = %v, code %d", err, Exit(err))
	}
}

// A cancelled run ends at once, says why it was cancelled, and gives the program the chance to clean up.
func TestRunCancelled(t *testing.T) {
	t.Parallel()
	why := errors.New("the user wants it")
	ctx, cancel := context.WithCancelCause(t.Context())
	mark := filepath.Join(t.TempDir(), "cleaned")
	start := time.Now()
	_, err := Run(ctx, Command{
		Args:  sh(fmt.Sprintf("trap 'echo > %s; exit 1' TERM; echo ready >&2; while :; do sleep 0.05; done", mark)),
		Lines: func(string) { cancel(why) },
	})
	if !errors.Is(err, why) {
		t.Errorf("error %v does not tell the cause", err)
	}
	if time.Since(start) > 2*time.Second {
		t.Errorf("it took %s", time.Since(start))
	}
	if _, err := os.Stat(mark); err != nil {
		t.Errorf("the program was killed before it could clean up: %v", err)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	var got []string
	if _, err := Run(t.Context(), Command{Args: sh("printf 'one\\n\\ntwo\\r\\nthr' >&2; printf 'ee' >&2"), Lines: func(l string) { got = append(got, l) }}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"one", "two", "three"}, got); d != "" {
		t.Fatalf("lines (-want +got):\n%s", d)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		n    int
		want []string
	}{
		{"", 3, nil},
		{"\n \n", 3, nil},
		{"a\nb", 3, []string{"a", "b"}},
		{"a\n\nb  \nc\n", 2, []string{"b", "c"}},
		{"a\nb\n", 0, nil},
	} {
		if got := Tail(tt.text, tt.n); len(got) != len(tt.want) || cmp.Diff(append([]string{}, tt.want...), append([]string{}, got...)) != "" {
			t.Errorf("Tail(%q, %d) = %q, want %q", tt.text, tt.n, got, tt.want)
		}
	}
}

func TestFileTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if _, err := FileTail(path, 2); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing log gives %v", err)
	}
	long := strings.Repeat("an early line\n", 20_000) + "next to last\nlast\n"
	if err := os.WriteFile(path, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := FileTail(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"next to last", "last"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
