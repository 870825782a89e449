package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFaultsOfCredentials: what is wrong with Secrets is mended with the files that the fix asks for.
func TestFaultsOfCredentials(t *testing.T) {
	namespace, _ := split(*gatewayRef)
	c := newCluster(t)
	dir := t.TempDir()
	if err := writeFile(filepath.Join(dir, "ca.crt"), c.outsideCA()); err != nil {
		t.Fatal(err)
	}
	http := "http://" + *host
	t.Run("EGR031", func(t *testing.T) {
		c := newCluster(t)
		c.secretGoes(namespace, "not-there")
		c.ruled(ruleFault{file: "EGR031", dir: dir}, captured(t, "EGR031"))
	})
	t.Run("EGR028", func(t *testing.T) {
		c := newCluster(t)
		// its own CA is not that of the server
		other := c.kube("-n", "istio-system", "get", "configmap", "istio-ca-root-cert", "-o", `jsonpath={.data.root-cert\.pem}`)
		c.secretGoes(namespace, "wrong-ca")
		c.kubeIn(other, "-n", namespace, "create", "secret", "generic", "wrong-ca", "--from-file=ca.crt=/dev/stdin")
		c.ruled(ruleFault{file: "EGR028", state: "warn", ask: http, dir: dir}, captured(t, "EGR028"))
	})
	t.Run("EGR029", func(t *testing.T) {
		outside := os.Getenv("LAB_OUTSIDE")
		if outside == "" {
			t.Skip("needs the client's certificate for mtls.example.com: LAB_OUTSIDE")
		}
		c := newCluster(t)
		for from, to := range map[string]string{"client.crt": "tls.crt", "client.key": "tls.key"} {
			if err := writeFile(filepath.Join(dir, to), readFile(t, filepath.Join(outside, from))); err != nil {
				t.Fatal(err)
			}
		}
		c.restoreSecret(namespace, "outside-ca", c.outsideCA())
		c.secretGoes(namespace, "mtls-example-com-client")
		c.ruled(ruleFault{file: "EGR029", state: "warn", ask: "http://mtls.example.com", dir: dir}, fault(t, "EGR029"))
		if status, _ := c.request(*clientRef, "http://mtls.example.com"); status != 200 {
			t.Errorf("with a certificate the server answers %d", status)
		}
	})
}

// secretGoes takes a Secret away when the test ends, whoever made it.
func (c *cluster) secretGoes(namespace, name string) {
	c.t.Helper()
	remove := func() { c.kube("-n", namespace, "delete", "secret", name, "--ignore-not-found") }
	remove()
	c.t.Cleanup(remove)
}

// TestFaultsOfFilters: EnvoyFilters that are applied to nothing, to too much, or that Envoy refuses.
func TestFaultsOfFilters(t *testing.T) {
	good := readFile(t, filepath.Join("testdata", "documents", "sni-dynamic-mtls.yaml"))
	change := func(t *testing.T, from, to string) string {
		t.Helper()
		if !strings.Contains(good, from) {
			t.Fatalf("there is no %q to change", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	const url = "https://en.wikipedia.org"
	t.Run("EGR042", func(t *testing.T) {
		newCluster(t).ruled(ruleFault{file: "EGR042"}, change(t, "portNumber: 8443", "portNumber: 443"))
	})
	t.Run("EGR042-selector", func(t *testing.T) {
		newCluster(t).ruled(ruleFault{file: "EGR042-selector"}, change(t, "workloadSelector: {labels: {istio: egressgateway}}", "workloadSelector: {labels: {istio: other}}"))
	})
	t.Run("EGR043", func(t *testing.T) {
		c := newCluster(t)
		c.restore()
		c.apply(good)
		c.eventually("check is content", time.Minute, func() (bool, string) {
			rep := c.check("--from-pod=" + *clientRef)
			return rep.ExitCode == 0 && len(rep.Paths) > 0, strings.Join(rep.codes("fail", "warn", "unknown"), " ")
		})
		// the second of the two has other settings than the first: Envoy refuses it, and the old one stays in force
		last := strings.LastIndex(good, "V4_ONLY")
		c.kubeIn(good[:last]+"V6_ONLY"+good[last+len("V4_ONLY"):], "apply", "-f", "-")
		c.eventually("check names EGR043", time.Minute, func() (bool, string) {
			rep := c.check("--from-pod=" + *clientRef)
			said := strings.Join(rep.codes("fail", "warn", "unknown"), " ")
			return said == "EGR043", said
		})
		if !c.takes(*clientRef, url, "mesh-external/en", 200) {
			t.Error("what was in force is not in force any more")
		}
		if fix := c.fixOf("warn", "EGR043"); !strings.HasPrefix(fix, "kubectl -n istio-system edit envoyfilter ") {
			t.Errorf("fix %q", fix)
		}
		c.kubeIn(good, "apply", "-f", "-") // as an editor would
		c.eventually("check is content again", time.Minute, func() (bool, string) {
			said := strings.Join(c.check("--from-pod="+*clientRef).codes("fail", "warn", "unknown"), " ")
			return said == "", said
		})
	})
}
