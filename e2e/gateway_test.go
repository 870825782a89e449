package e2e

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// ourGateway is what these tests install. Its namespace is made by it, and goes with it.
const ourGateway = "egress-e2e/egress"

// leaveNothing takes a gateway away when the test ends, whatever became of it, and fails if its namespace stays.
func (c *cluster) leaveNothing(ref string) {
	c.t.Helper()
	c.t.Cleanup(func() {
		if r := c.run("", c.egress, "gateway", "uninstall", ref, "--yes", "--force"); r.code != 0 && !strings.Contains(r.stderr, "there is no gateway") {
			c.t.Errorf("taking the gateway away: %s", r)
		}
	})
}

// namespaceIs says whether a namespace is there.
func (c *cluster) namespaceIs(name string) bool {
	c.t.Helper()
	return c.kube("get", "namespace", name, "--ignore-not-found", "-o", "name") != ""
}

// listed finds a gateway in gateway list -o json.
func (c *cluster) listed(ref string) (found listedGateway, ok bool) {
	c.t.Helper()
	var list struct{ Items []listedGateway }
	r := c.plugin(0, "gateway", "list", "-o", "json")
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil {
		c.t.Fatalf("gateway list -o json: %v\n%s", err, r)
	}
	for _, g := range list.Items {
		if g.Namespace+"/"+g.Service == ref {
			return g, true
		}
	}
	return listedGateway{}, false
}

type listedGateway struct {
	Namespace, Service string
	Managed            bool
	Sets               []string
	Pods               []struct{ Ready bool }
	SNIProxy           *struct{ Port int }
	Ports              []struct{ Number, Target int }
}

// onlyUnchanged fails unless a command left every object as it was.
func (c *cluster) onlyUnchanged(args ...string) {
	c.t.Helper()
	r := c.plugin(0, args...)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	for _, line := range lines {
		if !strings.HasSuffix(line, "unchanged") {
			c.t.Errorf("run twice, and it writes: %s", r)
			return
		}
	}
	if len(lines) < 3 {
		c.t.Errorf("hardly an object: %s", r)
	}
}

// sniLine is the SNI proxy's log line of one connection, in the format of the documents.
func sniLine(host, status string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^127\.0\.0\.1 \[[^\]]+\] TCP \[` + regexp.QuoteMeta(host) + `\]` + status + ` \d+ \d+ \d+\.\d{3}$`)
}

// throughSNIProxy sends a request and fails unless it got the page, from the host's own server, by way of the gateway's pods and its SNI proxy.
func (c *cluster) throughSNIProxy(gateway, host, outside string) {
	c.t.Helper()
	namespace, name := split(gateway)
	since := time.Now()
	status, nonce := c.request(*clientRef, "https://"+host)
	if status != 200 {
		c.t.Fatalf("https://%s: status %d", host, status)
	}
	if seen := c.witness(outside, nonce); !slices.Contains(c.podIPs(gateway), seen.remote) || seen.sni != host {
		c.t.Errorf("%s: the outside server saw %s ask for %s, and the gateway is %v", host, seen.remote, seen.sni, c.podIPs(gateway))
	}
	c.eventually("the SNI proxy logs "+host, 15*time.Second, func() (bool, string) {
		log := c.kube("-n", namespace, "logs", "deploy/"+name, "-c", "sni-proxy", "--since-time="+since.Add(-2*time.Second).UTC().Format(time.RFC3339))
		return sniLine(host, "200").MatchString(log), log
	})
}

// TestGateway: a gateway of one's own with an SNI proxy, from installing to nothing left, with sets on it.
func TestGateway(t *testing.T) {
	c := newCluster(t)
	namespace, name := split(ourGateway)
	if c.namespaceIs(namespace) {
		t.Fatalf("namespace %s is there already", namespace)
	}
	before := c.foreign()
	c.leaveNothing(ourGateway)
	t.Cleanup(func() { c.forget("gateway-e2e") })
	install := []string{"gateway", "install", ourGateway, "--sni-proxy", "--sni-proxy-image=" + *image}
	c.plugin(0, install...)
	c.onlyUnchanged(install...)

	got, ok := c.listed(ourGateway)
	if !ok || !got.Managed || len(got.Pods) != 1 || !got.Pods[0].Ready || got.SNIProxy == nil || got.SNIProxy.Port != 18443 || len(got.Sets) != 0 || len(got.Ports) != 2 {
		t.Fatalf("listed %t as %+v", ok, got)
	}
	if theirs, ok := c.listed(*gatewayRef); !ok || theirs.Managed {
		t.Errorf("the mesh's own gateway is listed %t as %+v", ok, theirs)
	}
	for _, mtls := range []string{"off", "on"} {
		c.plugin(0, "enable", "--name=gateway-e2e", "--domains=*.wikipedia.org", "--mode=sni-proxy", "--gateway="+ourGateway, "--mtls="+mtls, "--timeout=60s")
		c.throughSNIProxy(ourGateway, "en.wikipedia.org", "mesh-external/en")
		c.throughSNIProxy(ourGateway, "de.wikipedia.org", "mesh-external/de")
		if rep := c.check("gateway-e2e"); rep.ExitCode != 0 || len(rep.codes("fail", "warn", "unknown")) > 0 {
			t.Errorf("mTLS %s: check is not content: exit %d, %v", mtls, rep.ExitCode, rep.codes("fail", "warn", "unknown"))
		}
	}
	if got, _ := c.listed(ourGateway); !slices.Equal(got.Sets, []string{"default/gateway-e2e"}) {
		t.Errorf("used by %v", got.Sets)
	}
	c.nothing(2, []string{ourGateway, "default/gateway-e2e", "--force"}, "gateway", "uninstall", ourGateway, "--yes")
	c.nothing(2, []string{"SNI proxy", "default/gateway-e2e"}, "gateway", "install", ourGateway)
	if got, ok := c.listed(ourGateway); !ok || got.SNIProxy == nil {
		t.Errorf("after refusals it is listed %t as %+v", ok, got)
	}
	c.plugin(0, "cleanup", "gateway-e2e", "--yes")
	c.plugin(0, "gateway", "install", ourGateway) // the proxy goes, the gateway stays
	if got, ok := c.listed(ourGateway); !ok || got.SNIProxy != nil {
		t.Errorf("without a proxy it is listed %t as %+v", ok, got)
	}
	c.plugin(0, "gateway", "uninstall", ourGateway, "--yes")
	if c.namespaceIs(namespace) {
		t.Errorf("namespace %s of gateway %s is left", namespace, name)
	}
	c.gone()
	c.untouched(before)
}

// TestGatewayDomains: with Istio mTLS the gateway does not see which host the application names, but its SNI proxy does.
func TestGatewayDomains(t *testing.T) {
	c := newCluster(t)
	namespace, name := split(ourGateway)
	c.leaveNothing(ourGateway)
	t.Cleanup(func() { c.forget("gateway-e2e") })
	c.plugin(0, "gateway", "install", ourGateway, "--sni-proxy", "--sni-proxy-image="+*image, "--sni-proxy-domains=en.wikipedia.org")
	c.plugin(0, "enable", "--name=gateway-e2e", "--domains=*.wikipedia.org", "--mode=sni-proxy", "--gateway="+ourGateway, "--mtls=on", "--timeout=60s")
	c.throughSNIProxy(ourGateway, "en.wikipedia.org", "mesh-external/en")
	if status, _ := c.request(*clientRef, "https://de.wikipedia.org"); status != 0 {
		t.Errorf("de.wikipedia.org, which the SNI proxy must not forward to, answered %d", status)
	}
	c.eventually("the SNI proxy logs the refusal", 15*time.Second, func() (bool, string) {
		log := c.kube("-n", namespace, "logs", "deploy/"+name, "-c", "sni-proxy")
		return sniLine("de.wikipedia.org", "500").MatchString(log), log
	})
}

// TestGatewayWhyNot: a gateway that does not become ready says why.
func TestGatewayWhyNot(t *testing.T) {
	c := newCluster(t)
	const disabled = "egress-e2e-disabled"
	c.apply("{apiVersion: v1, kind: Namespace, metadata: {name: " + disabled + ", labels: {istio-injection: disabled}}}")
	for name, tt := range map[string]struct {
		code  int
		words []string
		args  []string
	}{
		"image": {124, []string{"container sni-proxy waits", "nowhere.invalid/nginx:none"}, []string{
			ourGateway, "--sni-proxy", "--sni-proxy-image=nowhere.invalid/nginx:none", "--timeout=15s",
		}},
		"node":         {124, []string{"no node takes it"}, []string{ourGateway, "--node-selector=egress-e2e=nowhere", "--timeout=8s"}},
		"no injection": {1, []string{"was not injected", disabled}, []string{disabled + "/egress", "--timeout=60s"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.leaveNothing(tt.args[0])
			r := c.plugin(tt.code, append([]string{"gateway", "install"}, tt.args...)...)
			for _, w := range tt.words {
				if !strings.Contains(r.stderr, w) {
					t.Errorf("no word of %q:\n%s", w, r)
				}
			}
			if !strings.Contains(r.stderr, "is on the cluster") {
				t.Errorf("it does not say what is on the cluster:\n%s", r)
			}
			c.plugin(0, "gateway", "uninstall", tt.args[0], "--yes")
			namespace, _ := split(tt.args[0])
			if there := c.namespaceIs(namespace); there != (namespace == disabled) {
				t.Errorf("namespace %s there: %t", namespace, there)
			}
		})
	}
}

// TestGatewayOfOthers: what this tool did not install it does not take away, nor overwrite.
func TestGatewayOfOthers(t *testing.T) {
	c := newCluster(t)
	c.nothing(2, []string{*gatewayRef, "not installed by this tool"}, "gateway", "uninstall", *gatewayRef, "--yes")
	c.nothing(1, []string{"--adopt"}, "gateway", "install", *gatewayRef)
	c.nothing(1, []string{"there is no gateway"}, "gateway", "uninstall", "default/nothing", "--yes")
}

func TestSNILine(t *testing.T) {
	t.Parallel()
	const log = "127.0.0.1 [21/Nov/2026:01:50:28 +0000] TCP [www.wikipedia.org]200 1576 234 0.005\n"
	for host, want := range map[string]bool{"www.wikipedia.org": true, "en.wikipedia.org": false} {
		if got := sniLine(host, "200").MatchString("first\n" + log); got != want {
			t.Errorf("%s: %t", host, got)
		}
	}
	if sniLine("www.wikipedia.org", "500").MatchString(log) {
		t.Error("200 was taken for 500")
	}
}
