//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/cli"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/cluster"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/daemon"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/machine"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/shell"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
)

// lab runs one command of the lab, and the test ends if it fails.
func lab(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, said bytes.Buffer
	start := time.Now()
	code := cli.Run(t.Context(), args, cli.Streams{Out: &out, Err: &said})
	t.Logf("lab %s: %d after %.1f s", strings.Join(args, " "), code, time.Since(start).Seconds())
	if code != cli.ExitFine {
		t.Fatalf("lab %v ended with %d:\n%s%s", args, code, out.String(), said.String())
	}
	return out.String(), said.String()
}

// kill ends all processes of the lab at once, as a machine does that loses a container or a session.
func kill(t *testing.T, s site.Site) int {
	t.Helper()
	var pids []int
	names, err := daemon.Names(s.Run("pids"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		p, err := daemon.Find(s.Run("pids"), n)
		if err != nil {
			t.Fatal(err)
		}
		if p.Alive() {
			pids = append(pids, p.PID)
		}
	}
	shims, err := machine.Shims("/proc", s.ContainerdSocket())
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := machine.Mounts()
	if err != nil {
		t.Fatal(err)
	}
	pods, err := machine.CgroupProcesses(machine.CgroupDirs(mounts, "kubepods"))
	if err != nil {
		t.Fatal(err)
	}
	pids = slices.Concat(pids, shims, pods)
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
	return len(pids)
}

// TestLife is the lab's promise: up is idempotent, recovers from a lab that was killed, and down leaves nothing. It
// takes a minute or two on a machine where the lab is built, and needs root and LAB_E2E=1: it must not surprise anybody
// who types go test.
func TestLife(t *testing.T) {
	if os.Getenv("LAB_E2E") == "" {
		t.Skip("starts and kills a cluster on this machine: set LAB_E2E=1 (and be root) to run it")
	}
	s, err := site.New(os.Getenv("LAB_DIR"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Run()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a lab is here already (%v): take it down first", err)
	}
	lab(t, "build")
	before := look(t, s)
	if len(before.Ports) > 0 || len(before.Processes) > 0 {
		t.Fatalf("something else runs here: %v %v", before.Ports, before.Processes)
	}
	t.Cleanup(func() {
		if code := cli.Run(context.WithoutCancel(t.Context()), []string{"down"}, cli.Streams{Out: os.Stderr, Err: os.Stderr}); code != cli.ExitFine {
			t.Errorf("taking the lab down in the end: %d", code)
		}
	})

	t.Run("up and load", func(t *testing.T) {
		start := time.Now()
		lab(t, "up")
		lab(t, "load")
		if took := time.Since(start); took > 90*time.Second {
			t.Errorf("up and load took %s, more than a minute and a half", took)
		}
		serves(t)
	})
	t.Run("up again does nothing", func(t *testing.T) {
		pids := processes(t, s)
		if _, said := lab(t, "up"); strings.Count(said, "\n") != 1 || !strings.Contains(said, "nothing to do") {
			t.Errorf("it says\n%s", said)
		}
		if d := cmp.Diff(pids, processes(t, s)); d != "" {
			t.Errorf("processes before and after:\n%s", d)
		}
		lab(t, "load")
		lab(t, "status")
	})
	t.Run("up resumes", func(t *testing.T) { resumes(t, s) })
	t.Run("up after a killed lab", func(t *testing.T) {
		if n := kill(t, s); n < 20 {
			t.Fatalf("only %d processes were there to kill", n)
		}
		if _, said := lab(t, "up"); !strings.Contains(said, "taken away first") {
			t.Errorf("it does not tell what it found:\n%s", said)
		}
	})
	t.Run("down leaves nothing", func(t *testing.T) {
		lab(t, "down")
		if d := cmp.Diff(before, look(t, s)); d != "" {
			t.Errorf("the machine before and after (-before +after):\n%s", d)
		}
		for _, path := range []string{s.Run(), s.Kubeconfig()} {
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", path, err)
			}
		}
		if _, said := lab(t, "down"); !strings.Contains(said, "nothing to do") {
			t.Errorf("a second down says\n%s", said)
		}
	})
	t.Run("down after a killed lab", func(t *testing.T) {
		lab(t, "up")
		kill(t, s)
		lab(t, "down")
		if d := cmp.Diff(before, look(t, s)); d != "" {
			t.Errorf("the machine before and after (-before +after):\n%s", d)
		}
	})
}

// kubectl runs the built kubectl on the lab.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	env, _ := lab(t, "env")
	script := env + `exec kubectl "$@"`
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := shell.Run(ctx, shell.Command{Args: append([]string{"sh", "-c", script, "kubectl"}, args...)})
	if err != nil {
		t.Errorf("kubectl %v: %v", args, err)
	}
	return string(out)
}

// serves looks whether each client reaches each server by name with a certificate it believes, and nothing else.
func serves(t *testing.T) {
	t.Helper()
	clients := map[string][]string{"default": {"deploy/sleep"}, "other": {"deploy/sleep"}, "nomesh": {"deploy/plain"}}
	for ns, who := range clients {
		for host, want := range map[string]string{
			"www.wikipedia.org": "www www.wikipedia.org", "en.wikipedia.org": "en en.wikipedia.org",
			"de.wikipedia.org": "de de.wikipedia.org", "edition.cnn.com": "cnn edition.cnn.com",
		} {
			page := kubectl(t, "-n", ns, "exec", who[0], "--", "curl", "-sS", "--max-time", "10", "https://"+host)
			if page != "<title>"+want+"</title>\n" {
				t.Errorf("%s/%s gets %q from %s", ns, who[0], page, host)
			}
		}
		code := kubectl(t, "-n", ns, "exec", who[0], "--", "sh", "-c", "curl -s -o /dev/null -w '%{http_code} %{redirect_url}' http://edition.cnn.com/politics")
		if code != "301 https://edition.cnn.com/politics" {
			t.Errorf("%s/%s gets %q on port 80", ns, who[0], code)
		}
		// Names outside the lab's world do not exist: told at once, not after a timeout.
		out := kubectl(t, "-n", ns, "exec", who[0], "--", "sh", "-c", "curl -s --max-time 5 https://example.org; echo $?")
		if got := strings.TrimSpace(out); got != "6" {
			t.Errorf("%s/%s beyond the lab's world: curl ends with %s, want 6 (no such name)", ns, who[0], got)
		}
	}
	log := kubectl(t, "-n", "mesh-external", "logs", "deploy/cnn")
	if !strings.Contains(log, ` 443 sni=edition.cnn.com host=edition.cnn.com "GET / HTTP/1.1" 200 client=-`) {
		t.Errorf("the witness saw\n%s", log)
	}
	code := kubectl(t, "-n", "nomesh", "exec", "deploy/plain", "--", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "https://edition.cnn.com:444")
	if code != "400" {
		t.Errorf("port 444 takes a client without certificate: %s", code)
	}
}

// resumes deletes the gateway; up brings it back and leaves what runs alone.
func resumes(t *testing.T, s site.Site) {
	t.Helper()
	kubectl(t, "-n", "istio-system", "delete", "deployment", "istio-egressgateway", "--wait=true")
	daemons := func() []int {
		var pids []int
		for _, name := range []string{"etcd", "kube-apiserver", "containerd", "kubelet"} {
			p, err := daemon.Find(s.Run("pids"), name)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, p.PID)
		}
		return pids
	}
	was := daemons()
	lab(t, "up")
	if d := cmp.Diff(was, daemons()); d != "" {
		t.Errorf("programs were started anew:\n%s", d)
	}
	api, err := cluster.Connect(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := api.RolledOut(t.Context(), cluster.Deployment{Namespace: "istio-system", Name: "istio-egressgateway"}); err != nil {
		t.Errorf("the gateway did not come back: %v", err)
	}
}
