package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	kubeconfig = flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "cluster to run against")
	binary     = flag.String("binary", "../bin/kubectl-egress", "the plugin under test")
	clientRef  = flag.String("client", "default/sleep", "Deployment of a meshed client with curl, container of the same name")
	secondRef  = flag.String("second-client", "other/sleep", "a meshed client in another namespace")
	gatewayRef = flag.String("gateway", "istio-system/istio-egressgateway", "Service of the egress gateway; its Deployment has the same name")
	outsideRef = flag.String("outside", "mesh-external/cnn", "Deployment of the outside server that answers for -host, the witness")
	image      = flag.String("image", "lab.local/base:lab", "image with nginx and its stream module, for the SNI proxy and the server that demands certificates")
	host       = flag.String("host", "edition.cnn.com", "a host outside the mesh, ports 80 and 443")
)

// cluster runs commands as a user of one cluster would.
type cluster struct {
	t       *testing.T
	kubectl string
	egress  string
	gateway string // Service of the gateway that traffic has to take; its Deployment has the same name
	env     []string
}

// result is what a command left behind.
type result struct {
	args           []string
	stdout, stderr string
	code           int
}

// newCluster skips unless the suite was asked for, and fails when it was asked for and cannot run.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	if os.Getenv("E2E") != "1" {
		t.Skip("needs a cluster: E2E=1 go test ./e2e -kubeconfig FILE (make e2e does it on the lab)")
	}
	if *kubeconfig == "" {
		t.Fatal("E2E=1 but no cluster: give -kubeconfig or KUBECONFIG")
	}
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Fatalf("kubectl is needed on PATH: %v", err)
	}
	bin, err := filepath.Abs(*binary)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("build the plugin first (make build): %v", err)
	}
	env := append(os.Environ(), "KUBECONFIG="+*kubeconfig, "PATH="+filepath.Dir(bin)+string(os.PathListSeparator)+os.Getenv("PATH"), "NO_COLOR=1")
	return &cluster{t: t, kubectl: kubectl, egress: bin, gateway: *gatewayRef, env: env}
}

// run executes a command with standard input and a bound of two minutes.
func (c *cluster) run(stdin, name string, args ...string) result {
	c.t.Helper()
	// cleanups run commands too, when the test's own context is done
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = c.env
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := result{args: append([]string{filepath.Base(name)}, args...), stdout: stdout.String(), stderr: stderr.String()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.code = exit.ExitCode()
	case err != nil:
		c.t.Fatalf("%s: %v", strings.Join(r.args, " "), err)
	}
	return r
}

func (r result) String() string {
	return fmt.Sprintf("$ %s\nexit %d\n%s%s", strings.Join(r.args, " "), r.code, r.stdout, r.stderr)
}

// plugin runs the plugin and expects the exit code.
func (c *cluster) plugin(code int, args ...string) result {
	c.t.Helper()
	r := c.run("", c.egress, args...)
	if r.code != code {
		c.t.Fatalf("want exit %d\n%s", code, r)
	}
	return r
}

// kube runs kubectl and expects success.
func (c *cluster) kube(args ...string) string {
	c.t.Helper()
	return c.kubeIn("", args...)
}

func (c *cluster) kubeIn(stdin string, args ...string) string {
	c.t.Helper()
	r := c.run(stdin, c.kubectl, args...)
	if r.code != 0 {
		c.t.Fatalf("kubectl failed\n%s", r)
	}
	return r.stdout
}

// apply puts objects on the cluster and takes them away when the test ends.
func (c *cluster) apply(yaml string) {
	c.t.Helper()
	c.t.Cleanup(func() {
		if r := c.run(yaml, c.kubectl, "delete", "--ignore-not-found", "-f", "-"); r.code != 0 {
			c.t.Errorf("taking objects away: %s", r)
		}
	})
	c.kubeIn(yaml, "apply", "-f", "-")
}

// restore takes away, when the test ends, every object that was not there when it began: fixes make objects of their own.
func (c *cluster) restore() {
	c.t.Helper()
	list := func() []string {
		out := c.kube("get", watchedKinds+",telemetries.telemetry.istio.io", "-A", "-o",
			`jsonpath={range .items[*]}{.kind} {.apiVersion} {.metadata.namespace} {.metadata.name}{"\n"}{end}`)
		return strings.Split(strings.TrimSpace(out), "\n")
	}
	before := list()
	c.t.Cleanup(func() {
		for _, o := range list() {
			f := strings.Fields(o)
			if len(f) != 4 || slices.Contains(before, o) {
				continue
			}
			group, _, named := strings.Cut(f[1], "/")
			kind := f[0]
			if named {
				kind += "." + group
			}
			c.kube("-n", f[2], "delete", kind, f[3])
		}
	})
}

// eventually polls until ok says true; the last word of ok is told when it never does.
func (c *cluster) eventually(what string, limit time.Duration, ok func() (bool, string)) {
	c.t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		done, last := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: not within %s; last: %s", what, limit, last)
		}
		select {
		case <-tick.C:
		case <-c.t.Context().Done():
			c.t.Fatal(c.t.Context().Err())
		}
	}
}

// split takes NAMESPACE/NAME apart.
func split(ref string) (namespace, name string) {
	namespace, name, _ = strings.Cut(ref, "/")
	return namespace, name
}

// podIPs lists the addresses of the running pods of a Deployment.
func (c *cluster) podIPs(ref string) []string {
	c.t.Helper()
	namespace, name := split(ref)
	raw := c.kube("-n", namespace, "get", "deploy", name, "-o", "jsonpath={.spec.selector.matchLabels}")
	var labels map[string]string
	if err := json.Unmarshal([]byte(raw), &labels); err != nil {
		c.t.Fatalf("selector of %s: %v", ref, err)
	}
	var selector []string
	for k, v := range labels {
		selector = append(selector, k+"="+v)
	}
	out := c.kube("-n", namespace, "get", "pods", "-l", strings.Join(selector, ","), "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].status.podIP}")
	return strings.Fields(out)
}
