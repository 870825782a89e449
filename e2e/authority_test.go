package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAuthority has a server outside verified by a CA of one's own: by the wrong one it is refused, by its own it is reached; as a file
// of which a Secret is made, and as a Secret that is there.
func TestAuthority(t *testing.T) {
	c := newCluster(t)
	t.Cleanup(func() { c.forget("authority") })
	dir := t.TempDir()
	wrong, right := filepath.Join(dir, "trial", "example.com.crt"), filepath.Join(dir, "right.crt")
	c.plugin(0, "credential", "create", "e2e-unused", "--gateway="+c.gateway, "--self-signed", "--out="+filepath.Dir(wrong))
	c.plugin(0, "credential", "delete", "e2e-unused", "--gateway="+c.gateway, "--yes")
	if err := writeFile(right, c.outsideCA()); err != nil {
		t.Fatal(err)
	}
	enable := []string{"enable", "--name=authority", "--domains=" + *host, "--mode=tls-origination", "--gateway=" + c.gateway, "--timeout=60s"}
	status := func(want int) {
		t.Helper()
		c.eventually("the gateway goes by the CA", 20*time.Second, func() (bool, string) {
			got, _ := c.request(*clientRef, "http://"+*host)
			return got == want, fmt.Sprintf("status %d", got)
		})
	}
	c.plugin(0, append(enable, "--ca-file="+wrong)...)
	status(503)
	c.plugin(0, append(enable, "--ca-file="+right)...)
	status(200)
	namespace, _ := split(c.gateway)
	if r := c.plugin(2, append(enable, "--ca-secret=e2e-outside-ca")...); !strings.Contains(r.stderr, "there is no Secret e2e-outside-ca in namespace "+namespace) || !strings.Contains(r.stderr, "kubectl -n "+namespace+" create secret generic e2e-outside-ca") {
		t.Errorf("a Secret that is not there: %s", r)
	}
	c.kube("-n", namespace, "create", "secret", "generic", "e2e-outside-ca", "--from-file=ca.crt="+right)
	t.Cleanup(func() { c.kube("-n", namespace, "delete", "secret", "e2e-outside-ca") })
	c.plugin(0, append(enable, "--ca-secret=e2e-outside-ca")...)
	status(200)
	if left := c.kube("-n", namespace, "get", "secrets", "-l", ours, "-o", "name"); strings.TrimSpace(left) != "" {
		t.Errorf("the Secret of the CA file is left: %s", left)
	}
	c.plugin(0, "cleanup", "authority", "--yes")
	c.gone()
}
