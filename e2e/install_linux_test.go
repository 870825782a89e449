package e2e

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/hack/terminal"
)

// stranger is a number that no user of a machine has; it owns nothing but the home that the test gives it.
const stranger = 54321

// newcomer is a user who has just got an account, kubectl and a kubeconfig.
type newcomer struct {
	t    *testing.T
	home string
	env  []string
}

// newNewcomer makes one: as root another user, else at least another home and PATH.
func newNewcomer(t *testing.T, c *cluster) *newcomer {
	t.Helper()
	home, err := os.MkdirTemp("", "newcomer") //nolint:usetesting // into t.TempDir's folders another user may not look
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(home, 0o755); err != nil { //nolint:gosec // as homes are
		t.Fatal(err)
	}
	bin := filepath.Join(home, "bin")
	for _, dir := range []string{bin, filepath.Join(home, ".kube")} {
		if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // as homes are
			t.Fatal(err)
		}
	}
	lay(t, c.kubectl, filepath.Join(bin, "kubectl"), 0o755)
	lay(t, *kubeconfig, filepath.Join(home, ".kube", "config"), 0o600)
	return &newcomer{t: t, home: home, env: []string{"HOME=" + home, "PATH=" + bin + ":/usr/bin:/bin", "TERM=xterm", "LANG=C.UTF-8"}}
}

// lay copies a file, for a user who may not look where it lies.
func lay(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	in, err := os.Open(from) //nolint:gosec // of this test
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode) //nolint:gosec // of this test
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// settle gives the newcomer all that lies in the home.
func (n *newcomer) settle() {
	n.t.Helper()
	if os.Getuid() != 0 {
		return
	}
	err := filepath.WalkDir(n.home, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, stranger, stranger)
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// command is one that the newcomer gives.
func (n *newcomer) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(n.t.Context(), filepath.Join(n.home, "bin", name), args...) //nolint:gosec // of this test
	if strings.HasPrefix(name, "/") {
		cmd.Path, cmd.Args[0] = name, filepath.Base(name)
	}
	cmd.Dir, cmd.Env = n.home, n.env
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	}
	return cmd
}

// says runs kubectl and wants words in what is printed.
func (n *newcomer) says(want string, args ...string) {
	n.t.Helper()
	out, err := n.command("kubectl", args...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		n.t.Errorf("kubectl %s: %v, without %q:\n%s", strings.Join(args, " "), err, want, out)
	}
}

// TestInstallAsANewcomer: the archive as it is released is unpacked by a user who has nothing, and kubectl finds it; completion works
// in the shells that the machine has.
func TestInstallAsANewcomer(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	dist := t.TempDir()
	pack := exec.CommandContext(t.Context(), "go", "run", "./hack/release", "-version", "v0.0.0-e2e", "-platforms", "linux/"+runtime.GOARCH, "-out", dist) //nolint:gosec // of this test
	pack.Dir = ".."
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n := newNewcomer(t, c)
	archive := filepath.Join(dist, "kubectl-egress-linux-"+runtime.GOARCH+".tar.gz")
	if out, err := exec.CommandContext(t.Context(), "tar", "-xzf", archive, "-C", filepath.Join(n.home, "bin")).CombinedOutput(); err != nil { //nolint:gosec // of this test
		t.Fatalf("%v\n%s", err, out)
	}
	n.settle()

	n.says(filepath.Join(n.home, "bin", "kubectl-egress"), "plugin", "list")
	n.says("kubectl-egress v0.0.0-e2e", "egress", "version")
	n.says("Usage:\n  kubectl egress COMMAND", "egress", "--help")
	n.says(c.gateway, "egress", "gateway", "list", "-o", "name")
	n.says("kubectl_complete-egress -> kubectl-egress", "egress", "completion", "install")
	for _, shell := range []struct {
		path  string
		start []string
		setUp string
	}{
		{"/usr/bin/bash", []string{"--norc", "--noprofile", "-i"}, "source /usr/share/bash-completion/bash_completion; source <(kubectl completion bash)"},
		{"/usr/bin/zsh", []string{"-f", "-i"}, "autoload -U compinit; compinit -u -D; source <(kubectl completion zsh)"},
	} {
		if _, err := os.Stat(shell.path); err != nil {
			if os.Getenv("CI") == "true" {
				t.Error(err)
			}
			continue
		}
		n.presses(n.command(shell.path, shell.start...), shell.setUp)
	}
}

// presses types commands into a shell and presses the tab key.
func (n *newcomer) presses(shell *exec.Cmd, setUp string) {
	n.t.Helper()
	ctx, stop := context.WithTimeout(n.t.Context(), 3*time.Minute)
	defer stop()
	s, err := terminal.Start(shell, 120)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, step := range []struct{ types, shows string }{
		{setUp + "; PS1='rea''dy>'\r", "ready>"},
		{"kubectl egress ena\t", "kubectl egress enable"},
		{"\x15kubectl egress list -n kube-sys\t", "kube-system"},
		{"\x15kubectl egress explain EGR00\t\t", "EGR001"},
		{"\x15exit\r", "exit"},
	} {
		if err := s.Type(step.types); err != nil {
			n.t.Fatal(err)
		}
		if _, err := s.See(ctx, step.shows); err != nil {
			n.t.Fatalf("%s, typing %q: %v", shell.Path, step.types, err)
		}
	}
	if shown, code, err := s.Wait(); err != nil || code != 0 {
		n.t.Errorf("%s: exit code %d, %v: %q", shell.Path, code, err, shown)
	}
}
