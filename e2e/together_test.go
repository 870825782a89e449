package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ownGateway is a gateway with an SNI proxy that a test installs for itself.
const ownGateway = "e2e-egress/all"

// nginxHost is the documents' server that demands client certificates, a Service of the cluster outside the mesh.
const nginxHost = "my-nginx.mesh-external.svc.cluster.local"

// TestTogether has every mode at once on one gateway of its own, with Istio mTLS on and off: each set's hosts take it, to their own
// servers, and none stands in another's way. Before that comes the documents' story of mutual TLS origination: server, credential.
func TestTogether(t *testing.T) {
	c := newCluster(t)
	c.gateway = ownGateway
	foreign := c.foreign()
	t.Cleanup(func() { c.run("", c.egress, "gateway", "uninstall", ownGateway, "--yes", "--force") })
	c.plugin(0, "gateway", "install", ownGateway, "--sni-proxy", "--sni-proxy-image="+*image)
	t.Cleanup(func() { c.run("", c.egress, "sample", "delete", "mtls-server", "--yes") })
	dir := t.TempDir()
	c.plugin(0, "sample", "install", "mtls-server", "--image="+*image, "--client-dir="+dir)
	file := func(pattern string) string {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s in the client's directory: %v, %v", pattern, found, err)
		}
		return found[0]
	}
	t.Cleanup(func() {
		c.run("", c.egress, "credential", "delete", "client-credential", "--gateway="+ownGateway, "--yes", "--force")
	})
	// One credential for two servers: its ca.crt holds the CA of both.
	authorities := filepath.Join(dir, "both.crt")
	if err := writeFile(authorities, c.outsideCA()+readFile(t, file("example.com.crt"))); err != nil {
		t.Fatal(err)
	}
	c.plugin(0, "credential", "create", "client-credential", "--gateway="+ownGateway, "--cert="+file("*client*.crt"), "--key="+file("*client*.key"), "--ca="+authorities)

	for _, mtls := range []string{"on", "off"} {
		sets := together(mtls)
		t.Cleanup(func() { c.run("", c.egress, "cleanup", "--all", "--yes") })
		for _, s := range sets {
			c.plugin(0, s.enable("--gateway="+ownGateway)...)
		}
		from := time.Now()
		for _, s := range sets {
			c.travel(s)
			if s.mode == "sni-proxy" {
				c.proxied(s)
			}
			if s.mode == "mtls-origination" {
				c.knownByCertificate()
			}
		}
		for _, s := range sets {
			for _, tr := range s.trips {
				c.logged(line{trip: tr, from: from, to: time.Now(), of: s.set()})
			}
		}
		rep := c.check()
		if rep.ExitCode != 0 || len(rep.codes("fail", "warn", "unknown")) > 0 {
			t.Errorf("mTLS %s: check is not content: exit %d, %v", mtls, rep.ExitCode, rep.codes("fail", "warn", "unknown"))
		}
		if r := c.plugin(2, "gateway", "uninstall", ownGateway, "--yes"); !strings.Contains(r.stderr, "is used by") {
			t.Errorf("a gateway in use: %s", r)
		}
		c.plugin(0, "cleanup", "--all", "--yes")
	}
	c.plugin(0, "credential", "delete", "client-credential", "--gateway="+ownGateway, "--yes")
	c.plugin(0, "gateway", "uninstall", ownGateway, "--yes")
	c.plugin(0, "sample", "delete", "mtls-server", "--yes")
	c.gone()
	c.untouched(foreign)
}

// outsideCA is the certificate by which the servers outside are known.
func (c *cluster) outsideCA() string {
	c.t.Helper()
	namespace, _ := split(*clientRef)
	return c.kube("-n", namespace, "get", "configmap", "outside-ca", "-o", `jsonpath={.data.ca\.crt}`)
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// together are sets of all modes whose hosts do not meet.
func together(mtls string) []modeCase {
	const many, www = "mesh-external/many", "mesh-external/www"
	dynamic := map[string]string{"on": "dynamic_forward_proxy_cluster_default_e2e-sni-dynamic", "off": out(443, "*.example.net")}[mtls]
	return []modeCase{
		{mode: "auto", mtls: mtls, hosts: []string{*host}, trips: []trip{tlsTrip(*host, *outsideRef, out(443, *host)), httpTrip(*host, *outsideRef)}},
		{mode: "common-host", mtls: mtls, hosts: []string{"*.wikipedia.org"}, flags: []string{"--common-host=www.wikipedia.org"}, trips: []trip{
			tlsTrip("de.wikipedia.org", www, out(443, "www.wikipedia.org")).seenAs(mtls, "www.wikipedia.org"),
		}},
		{mode: "sni-dynamic", mtls: mtls, hosts: []string{"*.example.net"}, trips: []trip{
			tlsTrip("a.example.net", many, dynamic), tlsTrip("b.example.net", many, dynamic),
		}},
		{mode: "sni-proxy", mtls: mtls, hosts: []string{"*.example.org"}, trips: []trip{
			tlsTrip("a.example.org", many, out(18443, "e2e-sni-proxy.default.sni-proxy.local")).seenAs(mtls, "placeholder.example.org"),
			tlsTrip("b.example.org", many, out(18443, "e2e-sni-proxy.default.sni-proxy.local")).seenAs(mtls, "placeholder.example.org"),
		}},
		{mode: "passthrough", mtls: mtls, hosts: []string{"a.example.com"}, trips: []trip{tlsTrip("a.example.com", many, out(443, "a.example.com"))}},
		{mode: "tls-origination", mtls: mtls, hosts: []string{"b.example.com"}, trips: []trip{
			{url: "http://b.example.com", outside: many, status: 200, cluster: out(443, "b.example.com"), stat: "rq_total", line: `"GET /`},
		}},
		{mode: "mtls-origination", mtls: mtls, hosts: []string{nginxHost, "mtls.example.com"}, flags: []string{"--credential=client-credential"}, trips: []trip{
			{url: "http://mtls.example.com", outside: many, status: 200, cluster: out(443, "mtls.example.com"), stat: "rq_total", line: `"GET /`},
		}},
	}
}

// proxied looks for the SNI proxy's own lines, as the documents print them.
func (c *cluster) proxied(m modeCase) {
	c.t.Helper()
	namespace, name := split(c.gateway)
	log := c.kube("-n", namespace, "logs", "deploy/"+name, "-c", "sni-proxy", "--tail=50")
	for _, tr := range m.trips {
		if want := "] TCP [" + strings.TrimPrefix(tr.url, "https://") + "]200 "; !strings.Contains(log, want) {
			c.t.Errorf("the SNI proxy logged nothing with %q:\n%s", want, log)
		}
	}
}

// knownByCertificate asks the server that demands a client certificate, over plain HTTP from the client's side: only with the gateway's
// credential is there a page.
func (c *cluster) knownByCertificate() {
	c.t.Helper()
	namespace, name := split(*clientRef)
	from := time.Now()
	page := c.kube("-n", namespace, "exec", "deploy/"+name, "-c", name, "--", "curl", "-sS", "--max-time", "15", "http://"+nginxHost)
	if !strings.Contains(page, "Welcome to nginx!") {
		c.t.Errorf("the server that demands certificates gave %q", page)
	}
	if n := c.counter(out(443, nginxHost), "rq_total"); n == 0 {
		c.t.Error("the gateway counted no request to it")
	}
	asked := trip{url: "http://" + nginxHost, cluster: out(443, nginxHost), line: `"GET / HTTP/`}
	c.logged(line{trip: asked, from: from, to: time.Now(), of: "the server that demands certificates"})
}

func writeFile(file, text string) error { return os.WriteFile(file, []byte(text), 0o600) }
