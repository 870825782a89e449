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

	code, stderr := c.interrupted("virtualservice/", enableArgs("--timeout=60s")...)
	if code != 128+int(syscall.SIGINT) {
		t.Errorf("Ctrl-C gave exit code %d, want 130:\n%s", code, stderr)
	}
	if !strings.Contains(stderr, "interrupt") {
		t.Errorf("Ctrl-C does not say what happened:\n%s", stderr)
	}
}

// TestStoppedSample stops what waits for pods, to come and to go: it ends with 130 and says what is on the cluster.
func TestStoppedSample(t *testing.T) {
	c := newCluster(t)
	const namespace, keep = "egress-e2e-stopped", "egress.test/keep"
	c.apply("{apiVersion: v1, kind: Namespace, metadata: {name: " + namespace + "}}")
	sample := func(words ...string) []string { return append(append([]string{"sample"}, words...), "-n", namespace) }
	stopped := func(until, want string, args ...string) {
		t.Helper()
		if code, stderr := c.interrupted(until, args...); code != 128+int(syscall.SIGINT) || !strings.Contains(stderr, "error: interrupted while waiting: "+want) {
			t.Errorf("%s: exit code %d, want 130 and %q:\n%s", strings.Join(args, " "), code, want, stderr)
		}
	}
	stopped("deployment/sleep", "sample sleep is on the cluster, but deployment "+namespace+"/sleep is not ready: ",
		sample("install", "sleep", "--image=egress.test/none:none")...)

	pods := func(patch string) {
		t.Helper()
		for name := range strings.FieldsSeq(c.kube("-n", namespace, "get", "pods", "-l", "app=sleep", "-o", "name")) {
			if r := c.run("", c.kubectl, "-n", namespace, "patch", name, "--type=merge", "-p", patch); r.code != 0 && !strings.Contains(r.stderr, "NotFound") {
				t.Errorf("patch %s: %s", name, r) // one that went meanwhile needs nothing
			}
		}
	}
	free := func() { pods(`{"metadata":{"finalizers":null}}`) }
	t.Cleanup(free)
	c.eventually("the pod is made", time.Minute, func() (bool, string) {
		names := c.kube("-n", namespace, "get", "pods", "-l", "app=sleep", "-o", "name")
		return names != "", names
	})
	pods(`{"metadata":{"finalizers":["` + keep + `"]}}`)
	stopped("configmap/egress.sample.sleep", "sample sleep is gone from the cluster, but ", sample("delete", "sleep", "--yes")...)
	free()
	c.emptied(namespace, "app=nothing")
	c.nothing(1, []string{"there is no sample sleep"}, sample("delete", "sleep", "--yes")...)
}

// interrupted starts the plugin, sends SIGINT as soon as it has said on stdout what was done to an object, and waits for its end.
func (c *cluster) interrupted(object string, args ...string) (code int, stderr string) {
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
		if strings.Contains(lines.Text(), object) {
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
		c.t.Errorf("%s ended with 0 although it was interrupted", strings.Join(args, " "))
	}
	return cmd.ProcessState.ExitCode(), errs.String()
}
