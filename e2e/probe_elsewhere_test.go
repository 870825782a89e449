package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// probeNamespace holds a gateway, with an SNI proxy, and clients of its own, so that what is tried there is nobody else's.
const (
	probeNamespace = "egress-e2e-probe"
	probeGateway   = probeNamespace + "/door"
	probeHost      = "b.example.com"
	madeForProbe   = "kubectl-egress-probe-"
)

// probeClients are a client in the mesh whose programs cannot be run, and two in no mesh: one to which DNS, or here the pod's own list,
// gives the gateway's address for the host, and one that a firewall holds. The firewall is the pod's own, for the lab's network plug-in
// enforces no NetworkPolicy; the image has iptables for it.
const probeClients = `
{apiVersion: v1, kind: ConfigMap, metadata: {name: none, namespace: NAMESPACE}, data: {empty: ""}}
---
apiVersion: v1
kind: Pod
metadata: {name: toolless, namespace: NAMESPACE}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: none, configMap: {name: none}}]
  containers:
  - name: app
    image: "IMAGE"
    imagePullPolicy: IfNotPresent
    command: [sleep, infinity]
    volumeMounts:
    - {name: none, subPath: empty, mountPath: /usr/bin/curl}
    - {name: none, subPath: empty, mountPath: /usr/bin/openssl}
    - {name: none, subPath: empty, mountPath: /usr/bin/python3}
    - {name: none, subPath: empty, mountPath: /usr/local/bin/wget}
---
apiVersion: v1
kind: Pod
metadata: {name: by-dns, namespace: NAMESPACE, labels: {sidecar.istio.io/inject: "false"}}
spec:
  terminationGracePeriodSeconds: 0
  hostAliases: [{ip: GATEWAY, hostnames: [HOST]}]
  containers: [{name: app, image: "IMAGE", imagePullPolicy: IfNotPresent, command: [sleep, infinity]}]
---
apiVersion: v1
kind: Pod
metadata: {name: held, namespace: NAMESPACE, labels: {sidecar.istio.io/inject: "false"}}
spec:
  terminationGracePeriodSeconds: 0
  initContainers:
  - name: firewall
    image: "IMAGE"
    imagePullPolicy: IfNotPresent
    command: [iptables, -A, OUTPUT, -p, tcp, -m, multiport, --dports, "80,443", -j, REJECT]
    securityContext: {capabilities: {add: [NET_ADMIN]}}
  containers: [{name: app, image: "IMAGE", imagePullPolicy: IfNotPresent, command: [sleep, infinity]}]
`

// probedThere probes in the namespace and holds the process to the exit code that it reports.
func (c *cluster) probedThere(args ...string) (proven, result) {
	c.t.Helper()
	r := c.run("", c.egress, append([]string{"probe", "-o", "json", "-n", probeNamespace}, args...)...)
	var p proven
	if err := json.Unmarshal([]byte(r.stdout), &p); err != nil {
		c.t.Fatalf("probe -o json printed no JSON: %v\n%s", err, r)
	}
	if p.ExitCode != r.code {
		c.t.Errorf("exitCode %d in the result, %d from the process\n%s", p.ExitCode, r.code, r)
	}
	return p, r
}

// made lists the pods of probes that are still there.
func (c *cluster) made() []string {
	c.t.Helper()
	names := strings.Fields(c.kube("-n", probeNamespace, "get", "pods", "-o", "jsonpath={.items[*].metadata.name}"))
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, madeForProbe) })
}

// TestProbeElsewhere probes by the gateway with the SNI proxy, with a credential, from a workload without tools and from pods in no
// mesh.
func TestProbeElsewhere(t *testing.T) {
	c := newCluster(t)
	c.apply("{apiVersion: v1, kind: Namespace, metadata: {name: " + probeNamespace + ", labels: {istio-injection: enabled}}}")
	t.Cleanup(func() { c.run("", c.egress, "cleanup", "-n", probeNamespace, "--all", "--yes") })
	c.plugin(0, "gateway", "install", probeGateway, "--sni-proxy", "--sni-proxy-image="+*image)
	c.gateway = probeGateway
	c.apply(strings.NewReplacer("NAMESPACE", probeNamespace, "IMAGE", *image, "HOST", probeHost, "GATEWAY",
		c.kube("-n", probeNamespace, "get", "service", "door", "-o", "jsonpath={.spec.clusterIP}")).Replace(probeClients))
	c.plugin(0, "sample", "install", "sleep", "-n", probeNamespace, "--image="+*image)
	c.kube("-n", probeNamespace, "wait", "--for=condition=Ready", "--timeout=90s", "pod/toolless", "pod/by-dns", "pod/held")

	step := func(name string, do func(*cluster)) {
		t.Run(name, func(t *testing.T) {
			one := *c
			one.t = t
			do(&one)
		})
	}
	step("modes", (*cluster).probesByMode)
	step("clients beside the gateway", (*cluster).originatesBeside)
	c.plugin(0, "enable", "-n", probeNamespace, "--name=probe", "--domains="+probeHost, "--mode=passthrough", "--mtls=off", "--gateway="+probeGateway,
		"--export-to=.", "--timeout=60s")
	step("ephemeral container", (*cluster).borrows)
	step("bypass", (*cluster).bypasses)
	step("check", (*cluster).foldsIn)
}

// probesByMode: the modes that need more than the mesh's own gateway.
func (c *cluster) probesByMode() {
	c.t.Helper()
	dir := c.t.TempDir()
	c.plugin(0, "credential", "create", "probe", "-n", probeNamespace, "--gateway="+probeGateway, "--self-signed", "--out="+dir)
	c.trustOutside(dir)
	for _, tt := range []struct {
		mode, domains, url, hops string
		flags                    []string
	}{
		{"mtls-origination", "mtls.example.com", "http://mtls.example.com", "sidecar gateway", []string{"--credential=probe"}},
		{"common-host", "*.example.org", "https://b.example.org", "sidecar gateway", []string{"--common-host=a.example.org"}},
		{"sni-proxy", "*.example.org", "https://b.example.org", "sidecar gateway sni-proxy", nil},
	} {
		set := "probe-" + tt.mode
		args := []string{
			"enable", "-n", probeNamespace, "--name=" + set, "--domains=" + tt.domains, "--mode=" + tt.mode, "--gateway=" + probeGateway,
			"--export-to=.", "--timeout=60s",
		}
		c.plugin(0, append(args, tt.flags...)...)
		p, r := c.probedThere("--url="+tt.url, "--from=deploy/sleep")
		if p.Verdict != "through" || p.Proof != "connection" || p.Gateway != probeGateway || p.hops() != tt.hops || p.ExitCode != 0 {
			c.t.Errorf("%s: %+v\n%s", tt.mode, p, r)
		}
		c.plugin(0, "cleanup", set, "-n", probeNamespace, "--yes")
	}
}

// originatesBeside: a gateway that begins TLS does not have the sidecars of its own namespace do so too, around the clients' own TLS.
func (c *cluster) originatesBeside() {
	c.t.Helper()
	const set = "probe-beside"
	c.plugin(0, "enable", "-n", probeNamespace, "--name="+set, "--domains="+probeHost, "--mode=tls-origination", "--gateway="+probeGateway, "--timeout=60s")
	if !c.takes(probeNamespace+"/sleep", "http://"+probeHost, "mesh-external/many", 200) {
		c.t.Error("HTTP goes round the gateway")
	}
	if c.takes(probeNamespace+"/sleep", "https://"+probeHost, "mesh-external/many", 200) {
		c.t.Error("the application's own TLS takes a gateway that would begin it again")
	}
	if said := c.check(set, "-n", probeNamespace, "--from-pod="+probeNamespace+"/sleep").codes("fail", "warn", "unknown"); len(said) > 0 {
		c.t.Errorf("check says %q", said)
	}
	c.plugin(0, "cleanup", set, "-n", probeNamespace, "--yes")
}

// trustOutside gives the credential the certificate by which the servers outside are known.
func (c *cluster) trustOutside(dir string) {
	c.t.Helper()
	ca := filepath.Join(dir, "outside.crt")
	if err := writeFile(ca, c.outsideCA()); err != nil {
		c.t.Fatal(err)
	}
	c.plugin(0, "credential", "create", "probe", "-n", probeNamespace, "--gateway="+probeGateway, "--ca="+ca,
		"--cert="+filepath.Join(dir, "client.example.com.crt"), "--key="+filepath.Join(dir, "client.example.com.key"))
}

// borrows: a workload without tools says so, and an ephemeral container asks in its place, through its sidecar.
func (c *cluster) borrows() {
	c.t.Helper()
	ask := []string{"probe", probeHost, "-n", probeNamespace, "--from=toolless"}
	if r := c.plugin(1, ask...); !strings.Contains(r.stderr, "has no curl, wget, openssl or python3 that can be used") {
		c.t.Errorf("it does not say that there is no tool\n%s", r)
	}
	containers := func() string {
		return c.kube("-n", probeNamespace, "get", "pod", "toolless", "-o", "jsonpath={.spec.ephemeralContainers[*].name}")
	}
	if r := c.run("", c.egress, append(ask, "--image="+*image, "--as=system:serviceaccount:default:nobody")...); r.code != 1 || containers() != "" {
		c.t.Errorf("without rights: containers %q\n%s", containers(), r)
	}
	p, r := c.probedThere(probeHost, "--from=toolless", "--image="+*image)
	if p.Verdict != "through" || p.Proof != "connection" || p.Gateway != probeGateway || p.Image != *image || p.ExitCode != 0 {
		c.t.Errorf("%+v\n%s", p, r)
	}
	if name := containers(); !strings.HasPrefix(name, madeForProbe) || !strings.Contains(r.stderr, name) || !strings.Contains(r.stderr, "stays in the pod's spec until the pod is gone") {
		c.t.Errorf("ephemeral containers %q\n%s", name, r)
	}
}

// bypasses: who is in no mesh can go round the gateway, unless the network holds it or the name leads to the gateway.
func (c *cluster) bypasses() {
	c.t.Helper()
	for _, tt := range []struct {
		name, verdict string
		code          int
		args          []string
	}{
		{"a pod that is made", "bypassed", 3, []string{"--image=" + *image}},
		{"the gateway by DNS", "held", 0, []string{"--from-pod=by-dns"}},
		{"behind a firewall", "held", 0, []string{"--from=held"}},
		{"nobody listens", "unknown", 1, []string{"--from=by-dns", "--port=4444"}},
	} {
		p, r := c.probedThere(append([]string{probeHost, "--bypass"}, tt.args...)...)
		if p.Verdict != tt.verdict || p.ExitCode != tt.code {
			c.t.Errorf("%s: %+v, want %s and exit code %d\n%s", tt.name, p, tt.verdict, tt.code, r)
		}
	}
	if r := c.plugin(2, "probe", probeHost, "-n", probeNamespace, "--bypass", "--from=deploy/sleep"); !strings.Contains(r.stderr, "in the mesh's hands") {
		c.t.Errorf("a pod in the mesh\n%s", r)
	}
	code, said := c.stopped("making pod ", "probe", probeHost, "-n", probeNamespace, "--bypass", "--image="+*image)
	if code != 128+int(syscall.SIGINT) || !strings.Contains(said, "interrupt") {
		c.t.Errorf("Ctrl-C gave exit code %d, want 130:\n%s", code, said)
	}
	c.eventually("the pods of probes are gone", 30*time.Second, func() (bool, string) {
		left := c.made()
		return len(left) == 0, strings.Join(left, " ")
	})
}

// stopped runs the plugin and sends SIGINT as soon as it has said the words on stderr.
func (c *cluster) stopped(words string, args ...string) (code int, said string) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), c.egress, args...)
	cmd.Env = c.env
	stderr, err := cmd.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	sent := false
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said += lines.Text() + "\n"
		if !sent && strings.Contains(lines.Text(), words) {
			sent = true
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		c.t.Errorf("an interrupted probe ended with 0:\n%s", said)
	}
	return cmd.ProcessState.ExitCode(), said
}

// foldsIn: check --probe tells of a request along the path, as a pass of its own, or as evidence where the path is known to fail.
func (c *cluster) foldsIn() {
	c.t.Helper()
	requests := func(rep report) (states []string, evidence string) {
		for _, f := range rep.Findings {
			if f.Code == "EGR069" {
				states = append(states, f.State)
			}
			if f.State == "fail" {
				evidence += fmt.Sprintln(f.Code, strings.Join(f.Evidence, "; "))
			}
		}
		return states, evidence
	}
	rep := c.check("-n", probeNamespace, "--probe", "--from-pod="+probeNamespace+"/sleep")
	if states, _ := requests(rep); !slices.Equal(states, []string{"pass"}) {
		c.t.Errorf("a path that works: %q, %+v", states, rep.Findings)
	}
	service := c.kube("-n", probeNamespace, "get", "virtualservices", "-o", "name")
	c.kube("-n", probeNamespace, "patch", strings.TrimSpace(service), "--type=merge", "-p", `{"spec":{"gateways":["egress-probe"]}}`)
	c.eventually("the request is evidence of EGR001", 60*time.Second, func() (bool, string) {
		states, evidence := requests(c.check("-n", probeNamespace, "--probe", "--from-pod="+probeNamespace+"/sleep"))
		return len(states) == 0 && strings.Contains(evidence, "EGR001") && strings.Contains(evidence, "a request: ") && strings.Contains(evidence, "went round the gateway"), evidence
	})
}
