package terminal

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestSession(t *testing.T) {
	t.Parallel()
	s, err := Start(exec.CommandContext(t.Context(), "sh", "-c", `stty size; read -r line; echo "got $line"; exit 3`), 77)
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := s.See(t.Context(), "77\r\n"); err != nil || !strings.HasPrefix(seen, "40 ") {
		t.Errorf("%q, %v", seen, err)
	}
	if err := s.Type("some words\r"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.See(t.Context(), "got some words"); err != nil {
		t.Error(err)
	}
	shown, code, err := s.Wait()
	if err != nil || code != 3 || !strings.HasSuffix(shown, "got some words\r\n") {
		t.Errorf("exit code %d, %q, %v", code, shown, err)
	}
	if _, err := s.See(t.Context(), "more"); err == nil || !strings.Contains(err.Error(), "ended without showing") {
		t.Errorf("%v", err)
	}
}

func TestResize(t *testing.T) {
	t.Parallel()
	s, err := Start(exec.CommandContext(t.Context(), "sh", "-c", `trap 'stty size; exit 4' WINCH; read -r line; stty -echo; echo ready; while :; do sleep 0.1; done`), 77)
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.Settings()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Type("\r"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.See(t.Context(), "ready"); err != nil {
		t.Fatal(err)
	}
	if after, err := s.Settings(); err != nil || before.Lflag&^after.Lflag != syscall.ECHO {
		t.Errorf("the echo was turned off: %x, then %x, %v", before.Lflag, after.Lflag, err)
	}
	if err := s.Resize(55); err != nil {
		t.Fatal(err)
	}
	if shown, code, err := s.Wait(); err != nil || code != 4 || !strings.HasSuffix(shown, "40 55\r\n") {
		t.Errorf("exit code %d, %q, %v", code, shown, err)
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	if _, err := Start(exec.CommandContext(t.Context(), "/no/such/program"), 80); err == nil {
		t.Error("a program that is not there was started")
	}
}
