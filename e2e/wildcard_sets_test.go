package e2e

import "testing"

// TestTwoWildcardSets has two sets of wildcards by Envoy's forward proxy on one gateway. Each refuses what is not its own, and taking
// one away leaves the other as it was.
func TestTwoWildcardSets(t *testing.T) {
	for _, mtls := range []string{"on", "off"} {
		t.Run("mtls-"+mtls, func(t *testing.T) {
			c := newCluster(t)
			const en, many = "mesh-external/en", "mesh-external/many"
			t.Cleanup(func() { c.run("", c.egress, "cleanup", "--all", "--yes") })
			c.plugin(0, "enable", "--name=one", "--domains=*.wikipedia.org,*.example.com", "--mtls="+mtls, "--gateway="+c.gateway, "--timeout=60s")
			c.plugin(0, "enable", "--name=other", "--domains=*.example.net", "--mtls="+mtls, "--gateway="+c.gateway, "--timeout=60s")
			for url, outside := range map[string]string{"https://en.wikipedia.org": en, "https://a.example.com": many, "https://b.example.net": many} {
				if !c.takes(*clientRef, url, outside, 200) {
					t.Errorf("%s went round the gateway", url)
				}
			}
			c.content("one")
			c.content("other")
			c.plugin(0, "cleanup", "one", "--yes")
			if c.takes(*clientRef, "https://en.wikipedia.org", en, 200) {
				t.Error("hosts of the set that is gone still take the gateway")
			}
			if !c.takes(*clientRef, "https://a.example.net", many, 200) {
				t.Error("the other set no longer takes the gateway")
			}
			c.content("other")
		})
	}
}
