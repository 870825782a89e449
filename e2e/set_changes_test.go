package e2e

import (
	"strings"
	"testing"
)

// TestSetChanges adds hosts to a living set, takes hosts away, and changes its mode: each time the traffic follows, and nothing is
// left of what went before.
func TestSetChanges(t *testing.T) {
	c := newCluster(t)
	const en, de = "mesh-external/en", "mesh-external/de"
	t.Cleanup(func() { c.forget("changing") })
	change := func(domains string, more ...string) {
		t.Helper()
		c.plugin(0, append([]string{"enable", "--name=changing", "--domains=" + domains, "--gateway=" + c.gateway, "--timeout=60s"}, more...)...)
	}
	expect := func(url, outside string, want bool) {
		t.Helper()
		if got := c.takes(*clientRef, url, outside, 0); got != want {
			t.Errorf("%s takes the gateway: %t, want %t", url, got, want)
		}
	}
	change("en.wikipedia.org", "--mode=passthrough")
	expect("https://en.wikipedia.org", en, true)
	expect("https://de.wikipedia.org", de, false)
	change("en.wikipedia.org,de.wikipedia.org", "--mode=passthrough")
	expect("https://en.wikipedia.org", en, true)
	expect("https://de.wikipedia.org", de, true)
	if r := c.plugin(1, "diff", "--name=changing", "--gateway="+c.gateway, "--domains=de.wikipedia.org", "--mode=passthrough"); !strings.Contains(r.stdout, "-  - en.wikipedia.org") {
		t.Errorf("diff does not say which host would go:\n%s", r)
	}
	change("de.wikipedia.org", "--mode=passthrough")
	expect("https://en.wikipedia.org", en, false)
	expect("https://de.wikipedia.org", de, true)
	change("*.wikipedia.org,de.wikipedia.org", "--mode=sni-dynamic", "--mtls=on")
	expect("https://en.wikipedia.org", en, true)
	expect("https://de.wikipedia.org", de, true)
	c.content("changing")
	change("de.wikipedia.org", "--mode=http")
	expect("http://de.wikipedia.org", de, true)
	expect("https://de.wikipedia.org", de, false)
	if left := c.kube("get", "envoyfilters.networking.istio.io", "-A", "-o", "name"); strings.TrimSpace(left) != "" {
		t.Errorf("left of the mode before: %s", left)
	}
	c.plugin(0, "diff", "--name=changing", "--gateway="+c.gateway, "--domains=de.wikipedia.org", "--mode=http")
	c.plugin(0, "cleanup", "changing", "--yes")
	c.gone()
}
