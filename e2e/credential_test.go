package e2e

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

const (
	credentialName = "e2e-credential"
	credentialSet  = "e2e-credential"
	serverSpace    = "e2e-mtls" // of the sample server
)

// TestCredential goes through the life of a client certificate: refused while it is faulty, put where the gateway finds it, in use by
// mutual TLS origination, changed while in use, kept while in use, and gone.
func TestCredential(t *testing.T) {
	c := newCluster(t)
	dir := filepath.Join(t.TempDir(), "client")
	server := c.mtlsServer(dir)
	gatewayNamespace, _ := split(c.gateway)
	secret := func() string {
		return strings.TrimSpace(c.kube("-n", gatewayNamespace, "get", "secret", credentialName, "--ignore-not-found", "-o", "jsonpath={.type} {.metadata.resourceVersion}"))
	}
	create := []string{
		"credential", "create", credentialName, "--gateway=" + c.gateway, "--cert=" + filepath.Join(dir, "client.example.com.crt"),
		"--key=" + filepath.Join(dir, "client.example.com.key"), "--ca=" + filepath.Join(dir, "example.com.crt"),
	}
	t.Cleanup(func() {
		c.forget(credentialSet)
		if secret() != "" {
			c.plugin(0, "credential", "delete", credentialName, "--gateway="+c.gateway, "--yes", "--force")
		}
	})

	// faulty ones never reach the cluster
	other := filepath.Join(t.TempDir(), "other")
	c.plugin(0, "credential", "create", credentialName, "--gateway="+c.gateway, "--self-signed", "--out="+other)
	c.plugin(0, "credential", "delete", credentialName, "--gateway="+c.gateway, "--yes")
	wrong := slices.Clone(create)
	wrong[5] = "--key=" + filepath.Join(other, "client.example.com.key")
	if r := c.plugin(2, wrong...); !strings.Contains(r.stderr, "do not belong together") || secret() != "" {
		t.Fatalf("a key of another certificate: Secret %q\n%s", secret(), r)
	}

	// put there, and no write the second time
	r := c.plugin(0, create...)
	if !strings.Contains(r.stderr, "No rule refers to it yet") || !strings.Contains(r.stderr, "--mode=mtls-origination --credential="+credentialName) {
		t.Errorf("what to do next is not told\n%s", r)
	}
	was := secret()
	if !strings.HasPrefix(was, "Opaque ") {
		t.Fatalf("the Secret in %s is %q", gatewayNamespace, was)
	}
	c.plugin(0, create...)
	if is := secret(); is != was {
		t.Errorf("a second create wrote: %q, then %q", was, is)
	}

	// in use
	c.plugin(0, "enable", "--name="+credentialSet, "--domains="+server, "--mode=mtls-origination", "--credential="+credentialName, "--gateway="+c.gateway)
	r = c.plugin(0, create...)
	if !strings.Contains(r.stderr, "active in gateway "+c.gateway) {
		t.Errorf("the gateway has it, and that is not told\n%s", r)
	}
	if got := c.heldSerials(gatewayNamespace); got[0] != announced(r) || got[1] == "" {
		t.Errorf("the gateway holds serial %q and CA %q, %q was announced", got[0], got[1], announced(r))
	}
	c.eventually("the server sees the client's certificate", 20*time.Second, func() (bool, string) {
		says := c.fetch(server)
		return strings.Contains(says, "CN=client.example.com") && strings.Contains(says, " 200 "), says
	})

	c.rotates(create, other, gatewayNamespace)
	c.staysInUse(server, gatewayNamespace, secret)

	c.plugin(0, "credential", "delete", credentialName, "--gateway="+c.gateway, "--yes")
	if left := secret(); left != "" {
		t.Errorf("left after delete: %s", left)
	}
	c.plugin(1, "credential", "delete", credentialName, "--gateway="+c.gateway, "--yes")
}

// rotates changes the credential twice while it is in use; each time the gateway itself says that it has the new one.
func (c *cluster) rotates(create []string, other, namespace string) {
	c.t.Helper()
	before := c.heldSerials(namespace)
	r := c.plugin(0, "credential", "create", credentialName, "--gateway="+c.gateway, "--cert="+filepath.Join(other, "client.example.com.crt"),
		"--key="+filepath.Join(other, "client.example.com.key"), "--ca="+filepath.Join(other, "example.com.crt"))
	after := c.heldSerials(namespace)
	if after[0] != announced(r) || after[0] == before[0] || after[1] == before[1] {
		c.t.Errorf("the gateway holds %q after the change, %q before, %q was announced", after, before, announced(r))
	}
	c.plugin(0, create...)
	if again := c.heldSerials(namespace); again != before {
		c.t.Errorf("the gateway holds %q after the change was taken back, %q at first", again, before)
	}
}

// staysInUse tries to take the credential away while a set uses it, and while a rule made by hand does.
func (c *cluster) staysInUse(server, namespace string, secret func() string) {
	c.t.Helper()
	remove := []string{"credential", "delete", credentialName, "--gateway=" + c.gateway, "--yes"}
	if r := c.plugin(2, remove...); !strings.Contains(r.stderr, "/"+credentialSet+";") || secret() == "" {
		c.t.Errorf("a set uses it: Secret %q\n%s", secret(), r)
	}
	c.plugin(0, "cleanup", credentialSet, "--yes")
	rule := fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: e2e-by-hand, namespace: %s}
spec:
  host: %s
  exportTo: ["."]
  trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: MUTUAL, credentialName: %s}}]}
`, namespace, server, credentialName)
	c.kubeIn(rule, "apply", "-f", "-")
	if r := c.plugin(2, remove...); !strings.Contains(r.stderr, "DestinationRule "+namespace+"/e2e-by-hand") || secret() == "" {
		c.t.Errorf("a rule made by hand uses it: Secret %q\n%s", secret(), r)
	}
	c.kubeIn(rule, "delete", "-f", "-")
}

// mtlsServer installs the sample server with the image of the outside server, which is there already, and gives its host.
func (c *cluster) mtlsServer(dir string) string {
	c.t.Helper()
	namespace, name := split(*outsideRef)
	image := strings.TrimSpace(c.kube("-n", namespace, "get", "deploy", name, "-o", "jsonpath={.spec.template.spec.containers[0].image}"))
	c.t.Cleanup(func() { c.plugin(0, "sample", "delete", "mtls-server", "-n", serverSpace, "--yes") })
	c.plugin(0, "sample", "install", "mtls-server", "-n", serverSpace, "--image="+image, "--client-dir="+dir)
	return "my-nginx." + serverSpace + ".svc.cluster.local"
}

// fetch gives the answer of the server with its headers.
func (c *cluster) fetch(server string) string {
	c.t.Helper()
	namespace, name := split(*clientRef)
	return c.run("", c.kubectl, "-n", namespace, "exec", "deploy/"+name, "-c", name, "--", "curl", "-s", "-i", "--max-time", "10", "http://"+server+"/").stdout
}

var serialWord = regexp.MustCompile(`serial ([0-9a-f]+),`)

// announced is the serial number that credential create told.
func announced(r result) string {
	if m := serialWord.FindStringSubmatch(r.stderr); len(m) > 0 {
		return m[1]
	}
	return "none"
}

// heldSerials asks the gateway's Envoy itself for the serial numbers of the credential's certificate and CA.
func (c *cluster) heldSerials(namespace string) [2]string {
	c.t.Helper()
	_, name := split(c.gateway)
	out := c.kube("-n", namespace, "exec", "deploy/"+name, "-c", "istio-proxy", "--", "pilot-agent", "request", "GET", "config_dump?resource="+admin.DynamicSecrets)
	if strings.Contains(out, base64.StdEncoding.EncodeToString([]byte("-----BEGIN PRIVATE"))) {
		c.t.Error("Envoy shows a private key")
	}
	held, err := admin.ReadSecrets(strings.NewReader(out), admin.DynamicSecrets)
	if err != nil {
		c.t.Fatal(err)
	}
	var serials [2]string
	for _, h := range held {
		for i, name := range []string{admin.CredentialSecret(credentialName), admin.CASecret(credentialName)} {
			if h.Name == name && len(h.Certificates) > 0 {
				serials[i] = h.Certificates[0].Serial
			}
		}
	}
	return serials
}
