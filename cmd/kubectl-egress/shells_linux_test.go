package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/hack/terminal"
)

// shellTime is ample: a shell that starts and completes takes a second on a machine that has nothing else to do.
const shellTime = 3 * time.Minute

// TestCompletionInShells types into real shells what a user types, and presses the tab key. A machine that lacks a shell leaves it
// out, but not where changes are judged (CI=true).
func TestCompletionInShells(t *testing.T) {
	t.Parallel()
	for _, shell := range []struct {
		name  string
		start []string
		setUp string // with the completion script in the file "script"
	}{
		{"bash", []string{"--norc", "--noprofile", "-i"}, "source /usr/share/bash-completion/bash_completion; source ./script"},
		{"zsh", []string{"-f", "-i"}, "autoload -U compinit; compinit -u -D; source ./script"},
	} {
		t.Run(shell.name, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(shell.name)
			if err == nil && shell.name == "bash" {
				_, err = os.Stat("/usr/share/bash-completion/bash_completion")
			}
			if err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatal(err)
				}
				t.Skipf("not tried: %v", err)
			}
			completes(t, shell.name, shell.setUp, exec.CommandContext(t.Context(), path, shell.start...))
		})
	}
}

func completes(t *testing.T, name, setUp string, shell *exec.Cmd) {
	t.Helper()
	shell.Dir = t.TempDir()
	shell.Env = append(os.Environ(), "HOME="+shell.Dir, "TERM=xterm", "KUBECONFIG="+filepath.Join(shell.Dir, "none"))
	script, err := exec.CommandContext(t.Context(), "kubectl-egress", "completion", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shell.Dir, "script"), script, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), shellTime)
	defer stop()
	s, err := terminal.Start(shell, 120)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ types, shows string }{
		{setUp + "; PS1='rea''dy>'\r", "ready>"},
		{"kubectl-egress ena\t", "kubectl-egress enable"},
		{"--mode=passt\t", "--mode=passthrough"},
		{"\x15" + "kubectl-egress explain EGR01\t\t", "EGR012"},
		{"\x15" + "exit\r", "exit"},
	} {
		if err := s.Type(step.types); err != nil {
			t.Fatal(err)
		}
		if _, err := s.See(ctx, step.shows); err != nil {
			t.Fatalf("typing %q: %v", step.types, err)
		}
	}
	if shown, code, err := s.Wait(); err != nil || code != 0 {
		t.Errorf("exit code %d, %v: %q", code, err, shown)
	}
}
