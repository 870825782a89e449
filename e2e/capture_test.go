package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCapture saves the mesh while a path works and while one is broken: what is diagnosed from the file is what was diagnosed live,
// in every format, and no Secret of the cluster is in it. The same is asked of what other programs save.
func TestCapture(t *testing.T) {
	for name, code := range map[string]int{"working-passthrough": 0, "EGR001": 3} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.apply(fault(t, name))
			from := "--from-pod=" + *clientRef
			c.eventually("check sees it", 30*time.Second, func() (bool, string) {
				r := c.run("", c.egress, "check", *host, from)
				return r.code == code, r.String()
			})
			file := filepath.Join(t.TempDir(), "egress.tar.gz")
			// counters grow with anybody's traffic: the report has to be the same before and after
			c.eventually("nothing changes meanwhile", 30*time.Second, func() (bool, string) {
				before := c.plugin(code, "check", *host, from, "-o", "json").stdout
				c.plugin(0, "capture", "--output="+file, "--overwrite", from)
				after := c.plugin(code, "check", *host, from, "-o", "json").stdout
				return before == after && c.plugin(code, "check", *host, "--from="+file, "-o", "json").stdout == before, after
			})
			for _, format := range []string{"human", "short", "wide", "yaml", "name", "junit", "sarif", "html"} {
				c.plugin(code, "check", *host, "--from="+file, "-o", format)
			}
			c.plugin(2, "capture", "--output="+file)
			c.holdsNoSecret(file)
			c.dumpsTell(code)
			c.objectsTell(fault(t, name), code)
		})
	}
}

// holdsNoSecret searches a capture for everything that the cluster's Secrets hold, and for the client's token.
func (c *cluster) holdsNoSecret(file string) {
	c.t.Helper()
	packed, err := os.ReadFile(file)
	if err != nil {
		c.t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		c.t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		c.t.Fatal(err)
	}
	var secrets struct {
		Items []struct {
			Metadata struct{ Name string }
			Data     map[string]string
		}
	}
	if err := json.Unmarshal([]byte(c.kube("get", "secrets", "-A", "-o", "json")), &secrets); err != nil {
		c.t.Fatal(err)
	}
	namespace, name := split(*clientRef)
	searched := []string{strings.TrimSpace(c.kube("-n", namespace, "exec", "deploy/"+name, "-c", "istio-proxy", "--", "cat", "/var/run/secrets/tokens/istio-token"))}
	for _, s := range secrets.Items {
		for key, value := range s.Data {
			raw, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				c.t.Fatalf("secret %s, %s: %v", s.Metadata.Name, key, err)
			}
			searched = append(searched, value)
			searched = append(searched, strings.Split(string(raw), "\n")...)
		}
	}
	const short = 20 // of base64 or text; less is found by chance
	n := 0
	for _, secret := range searched {
		if len(secret) < short || strings.HasPrefix(secret, "-----") {
			continue
		}
		n++
		if bytes.Contains(text, []byte(secret)) {
			c.t.Errorf("the capture holds %s…", secret[:short/2])
		}
	}
	if n < 10 {
		c.t.Errorf("only %d secret texts were searched for", n)
	}
}

// dumpsTell diagnoses the plain configuration dumps of the client and of the gateway.
func (c *cluster) dumpsTell(code int) {
	c.t.Helper()
	dir := c.t.TempDir()
	args := []string{"check", *host}
	for i, ref := range []string{*clientRef, c.gateway} {
		namespace, name := split(ref)
		r := c.run("", c.kubectl, "-n", namespace, "exec", "deploy/"+name, "-c", "istio-proxy", "--", "pilot-agent", "request", "GET", "config_dump?include_eds")
		file := filepath.Join(dir, []string{"sidecar.json", "gateway.json"}[i])
		if err := os.WriteFile(file, []byte(r.stdout), 0o600); err != nil || r.code != 0 {
			c.t.Fatalf("%v\n%s", err, r.stderr)
		}
		args = append(args, "--from="+file)
	}
	c.plugin(code, args...)
	c.plugin(code, "check", *host, "--from="+dir, "-o", "junit")
}

// objectsTell diagnoses the objects as they stand in a file, before anybody applies them.
func (c *cluster) objectsTell(yaml string, code int) {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.plugin(code, "check", "--from="+file)
}
