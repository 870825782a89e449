package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// buffer can be read while a command writes to it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// background runs a command until the test ends it or it ends of itself.
func (c *cluster) background(name string, args ...string) (cmd *exec.Cmd, stdout, stderr *buffer) {
	c.t.Helper()
	stdout, stderr = &buffer{}, &buffer{}
	cmd = exec.CommandContext(c.t.Context(), name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, stdout, stderr
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	return cmd, stdout, stderr
}

// stream sends requests from a client one after the other until told to stop, or the test ends, and gives the words by which each that
// the outside server answered can be known in a log. Others may have ended at a gateway that was going, or at none. What runs in a pod
// outlives the kubectl that started it: it is a file in the pod that ends it.
func (c *cluster) stream(client, url string) (stop func() []string) {
	c.t.Helper()
	namespace, name := split(client)
	in := []string{"-n", namespace, "exec", "-i", "deploy/" + name, "-c", name, "--", "sh", "-c"}
	word := fmt.Sprintf("n%d", time.Now().UnixNano())
	cmd, out, errs := c.background(c.kubectl, append(in, fmt.Sprintf(
		`i=0; while [ ! -e /tmp/%[1]s ]; do i=$((i+1)); curl -s -o /dev/null --max-time 5 -w "%%{http_code} %[1]s-$i-\n" "%[2]s/politics?%[1]s-$i-"; sleep 0.1; done; rm /tmp/%[1]s`, word, url))...)
	end := sync.OnceFunc(func() {
		if r := c.run("", c.kubectl, append(in, "touch /tmp/"+word)...); r.code != 0 {
			c.t.Errorf("the requests go on: %s", r)
		}
	})
	c.t.Cleanup(end)
	return func() []string {
		end()
		if err := cmd.Wait(); err != nil {
			c.t.Errorf("sending requests: %v\n%s", err, errs)
		}
		var answered []string
		for line := range strings.Lines(out.String()) {
			if nonce, ok := strings.CutPrefix(strings.TrimSpace(line), "301 "); ok && strings.HasSuffix(nonce, "-") {
				answered = append(answered, nonce)
			}
		}
		return answered
	}
}

// TestLogsFollowRollOut: `logs -f` while the gateway rolls over and requests go on. Every request that was answered shows up, no line
// shows up twice, and nobody is told that something may be missing. A sidecar may try a request again at the new gateway; these are
// two lines, which differ.
func TestLogsFollowRollOut(t *testing.T) {
	c := newCluster(t)
	c.gateway = logsGateway
	t.Cleanup(func() { c.run("", c.egress, "gateway", "uninstall", logsGateway, "--yes", "--force") })
	c.plugin(0, "gateway", "install", logsGateway, "--timeout=110s")
	const set = "e2e-logs"
	t.Cleanup(func() { c.run("", c.egress, "cleanup", set, "--yes") })
	c.plugin(0, "enable", "--name="+set, "--domains=a.example.com", "--mode=http", "--gateway="+logsGateway, "--timeout=110s")
	namespace, name := split(logsGateway)

	cmd, out, errs := c.background(c.egress, "logs", set, "-f", "--gateway="+logsGateway, "-o", "json")
	stop := c.stream(*clientRef, "http://a.example.com")
	seen := func(pods int) func() (bool, string) {
		return func() (bool, string) { return len(podsOf(t, out.String())) >= pods, out.String() + errs.String() }
	}
	c.eventually("lines of the first pod", 60*time.Second, seen(1))
	c.kube("-n", namespace, "rollout", "restart", "deploy", name)
	c.kube("-n", namespace, "rollout", "status", "deploy", name, "--timeout=110s")
	c.eventually("lines of the next pod", 60*time.Second, seen(2))
	sent := stop()
	if len(sent) < 10 {
		t.Fatalf("only %d requests were answered", len(sent))
	}
	c.eventually("every request is logged", 60*time.Second, func() (bool, string) {
		text := out.String()
		missing := slices.DeleteFunc(slices.Clone(sent), func(n string) bool { return strings.Contains(text, n) })
		return len(missing) == 0, fmt.Sprint(missing, " of ", len(sent), " are missing: ", errs.String())
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("stopped by a signal: %v, want exit code 130", err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		if lines[line] {
			t.Errorf("twice: %s", line)
		}
		lines[line] = true
	}
	if strings.Contains(errs.String(), "missing") {
		t.Errorf("nothing is missing, and yet: %s", errs)
	}
	t.Log(len(sent), "requests,", len(podsOf(t, out.String())), "pods")
}

// podsOf gives the pods whose lines were printed. A last line that has not come whole yet is not looked at.
func podsOf(t *testing.T, text string) map[string]bool {
	t.Helper()
	pods := map[string]bool{}
	for line := range strings.Lines(text) {
		var l logLine
		if !strings.HasSuffix(line, "\n") {
			break
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		pods[l.Pod] = true
	}
	return pods
}
