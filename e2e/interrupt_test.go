package e2e

import (
	"bufio"
	"bytes"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// withoutGateway scales the gateway to nothing for one test: what is applied can then never be held by it.
func (c *cluster) withoutGateway() {
	c.t.Helper()
	namespace, name := split(*gatewayRef)
	c.t.Cleanup(func() {
		c.kube("-n", namespace, "scale", "deploy/"+name, "--replicas=1")
		c.kube("-n", namespace, "rollout", "status", "deploy/"+name, "--timeout=90s")
	})
	c.kube("-n", namespace, "scale", "deploy/"+name, "--replicas=0")
	c.eventually("the gateway's pods go", time.Minute, func() (bool, string) {
		left := c.podIPs(*gatewayRef)
		return len(left) == 0, strings.Join(left, " ")
	})
}

// TestWaitingEnds waits for what can never be: by time-out (124) and by Ctrl-C (130). Both say what is on the cluster and leave it
// there: the objects are right, only nobody holds them yet.
func TestWaitingEnds(t *testing.T) {
	c := newCluster(t)
	c.withoutGateway()
	t.Cleanup(func() { c.forget("refusals") })

	r := c.plugin(124, enableArgs("--timeout=3s")...)
	if !strings.Contains(r.stderr, "gateway") {
		t.Errorf("the time-out does not say who does not hold the route:\n%s", r)
	}
	if !strings.Contains(c.owned(), "VirtualService default/") {
		t.Errorf("a time-out while waiting must leave what was applied; there is\n%s", c.owned())
	}
	c.plugin(0, "cleanup", "refusals", "--yes", "--timeout=20s")

	code, stderr := c.interrupted(enableArgs("--timeout=60s"))
	if code != 128+int(syscall.SIGINT) {
		t.Errorf("Ctrl-C gave exit code %d, want 130:\n%s", code, stderr)
	}
	if !strings.Contains(stderr, "interrupt") {
		t.Errorf("Ctrl-C does not say what happened:\n%s", stderr)
	}
}

// interrupted starts the plugin, sends SIGINT as soon as it has written its last object, and waits for its end.
func (c *cluster) interrupted(args []string) (code int, stderr string) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), c.egress, args...)
	cmd.Env = c.env
	var errs bytes.Buffer
	cmd.Stderr = &errs
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "virtualservice/") {
			break
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, stdout); err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		c.t.Fatal("an interrupted enable ended with 0")
	}
	return cmd.ProcessState.ExitCode(), errs.String()
}
