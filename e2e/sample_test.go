package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSampleSleep: a client in a namespace without any label of Istio's is in the mesh, asks the outside, and leaves nothing.
func TestSampleSleep(t *testing.T) {
	c := newCluster(t)
	const namespace = "egress-e2e-sleep"
	c.apply("{apiVersion: v1, kind: Namespace, metadata: {name: " + namespace + "}}")
	install := []string{"sample", "install", "sleep", "-n", namespace, "--image=" + *image}
	c.plugin(0, install...)
	c.onlyUnchanged(install...)
	containers := c.kube("-n", namespace, "get", "pods", "-l", "app=sleep", "-o", "jsonpath={.items[*].spec['containers','initContainers'][*].name}")
	if !slices.Contains(strings.Fields(containers), "istio-proxy") {
		t.Errorf("the client has no sidecar: %s", containers)
	}
	status, nonce := c.request(namespace+"/sleep", "http://"+*host)
	if status != 301 {
		t.Errorf("http://%s: status %d", *host, status)
	}
	if seen := c.witness(*outsideRef, nonce); !slices.Contains(c.podIPs(namespace+"/sleep"), seen.remote) {
		t.Errorf("the outside server saw %s", seen.remote)
	}
	c.plugin(0, "sample", "delete", "sleep", "-n", namespace, "--yes")
	c.emptied(namespace, "app=sleep")
	c.nothing(1, []string{"there is no sample sleep"}, "sample", "delete", "sleep", "-n", namespace, "--yes")
}

// emptied fails if a namespace holds anything of ours, or pods with the label.
func (c *cluster) emptied(namespace, label string) {
	c.t.Helper()
	const kinds = "deployments,services,serviceaccounts,secrets,configmaps"
	if left := c.kube("-n", namespace, "get", kinds, "-l", ours, "-o", "name") + c.kube("-n", namespace, "get", "pods", "-l", label, "-o", "name"); left != "" {
		c.t.Errorf("left in %s:\n%s", namespace, left)
	}
}

// TestSampleOfOthers: a client that others put there stays as it is.
func TestSampleOfOthers(t *testing.T) {
	c := newCluster(t)
	namespace, name := split(*clientRef)
	if name != "sleep" {
		t.Fatalf("-client %s is not called sleep, so nothing is in the way of the sample", *clientRef)
	}
	c.nothing(1, []string{"--adopt", namespace + "/sleep"}, "sample", "install", "sleep", "-n", namespace)
	c.nothing(1, []string{"there is no sample sleep"}, "sample", "delete", "sleep", "-n", namespace, "--yes")
}

// TestSampleServer: three commands from nothing to a page by mutual TLS (task "Egress Gateways with TLS Origination"), and three back.
func TestSampleServer(t *testing.T) {
	c := newCluster(t)
	const namespace, set, credential = "egress-e2e-outside", "server-e2e", "client-credential-e2e"
	const server = "my-nginx." + namespace + ".svc.cluster.local"
	if c.namespaceIs(namespace) {
		t.Fatalf("namespace %s is there already", namespace)
	}
	files := filepath.Join(t.TempDir(), "certs")
	remove := [][]string{
		{"cleanup", set, "--yes"},
		{"credential", "delete", credential, "--gateway=" + *gatewayRef, "--yes"},
		{"sample", "delete", "mtls-server", "-n", namespace, "--yes"},
	}
	t.Cleanup(func() {
		for _, args := range remove {
			if r := c.run("", c.egress, args...); r.code != 0 && !strings.Contains(r.stderr, "there is no ") {
				t.Errorf("taking away: %s", r)
			}
		}
	})
	install := []string{"sample", "install", "mtls-server", "-n", namespace, "--image=" + *image, "--client-dir=" + files}
	r := c.plugin(0, install...)
	at := func(name string) string { return filepath.Join(files, name) }
	create := []string{
		"credential", "create", credential, "--gateway=" + *gatewayRef,
		"--cert=" + at("client.example.com.crt"), "--key=" + at("client.example.com.key"), "--ca=" + at("example.com.crt"),
	}
	for _, word := range append(create[4:], "credential create ", "--domains="+server, "--mode=mtls-origination") {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("the next commands do not have %q:\n%s", word, r)
		}
	}
	c.onlyUnchanged(install...)
	if status, _ := c.request(*clientRef, "https://"+server); status != 0 && status != 400 {
		t.Errorf("without a certificate the server answered %d", status)
	}
	c.plugin(0, create...)
	c.plugin(0, "enable", "--name="+set, "--domains="+server, "--mode=mtls-origination", "--credential="+credential, "--gateway="+*gatewayRef, "--timeout=60s")

	clientNamespace, client := split(*clientRef)
	page := c.kube("-n", clientNamespace, "exec", "deploy/"+client, "-c", client, "--", "curl", "-sSi", "--max-time", "15", "http://"+server)
	for _, want := range []string{" 200 OK", "<title>Welcome to nginx!</title>", "client-subject: CN=client.example.com"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page:\n%s", want, page)
		}
	}
	c.eventually("the server logs the client's certificate and the gateway's address", 15*time.Second, func() (bool, string) {
		log := c.kube("-n", namespace, "logs", "deploy/my-nginx")
		return slices.ContainsFunc(strings.Split(log, "\n"), func(line string) bool {
			return strings.Contains(line, `"CN=client.example.com,O=client organization"`) && slices.Contains(c.podIPs(*gatewayRef), strings.Fields(line)[0])
		}), log
	})
	for _, args := range remove {
		c.plugin(0, args...)
	}
	if c.namespaceIs(namespace) {
		t.Errorf("namespace %s is left", namespace)
	}
	c.gone()
}
