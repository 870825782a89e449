package e2e

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// printed is one configuration of the documents, put together from the blocks that they print (testdata/documents) and applied with
// kubectl, as somebody would who follows the document today.
type printed struct {
	name    string
	folder  string // of testdata/documents
	blocks  string // their numbers
	edits   []edit // what has changed since
	path    string // as check calls it: HOST:PORT MODE
	drawn   string // by check, where the path works
	url     string // empty: nothing is asked
	status  int
	outside string            // the witness; empty: the server keeps no log that the suite reads
	cluster string            // of the gateway, whose counter stats tells; empty: there is no gateway, or no request arrives
	wrong   map[string]string // codes that check has to say, and why it is right; no request arrives if one of them is a fail
	gateway string            // Service; empty: the mesh's own
	probed  bool
}

// edit replaces a text of the blocks.
type edit struct{ old, by string }

const (
	task   = "configure-an-egress-gateway"
	wild   = "configure-egress-gateway-for-https-traffic-to-wildcarded-domains"
	direct = "egress-using-wildcard-hosts"
	origin = "egress-gateways-with-tls-origination"

	proxied = "istio-system/istio-egressgateway-with-sni-proxy" // the documents' gateway with an SNI proxy

	// Why check has something to say of a document.
	otherRule   = "the DestinationRule is in the clients' namespace, and the routes are for those of all"
	otherTLS    = "sidecars of other namespaces have no DestinationRule that begins Istio's TLS"
	allSidecars = "the rule for TLS origination reaches the sidecars too"
	noFiles     = "since Istio 1.5 proxies have no files in /etc/certs"
)

var (
	// inCerts are the files that Istio up to 1.4 mounted; proxies have had their certificates from istiod since.
	inCerts = regexp.MustCompile(`mode: MUTUAL\n(?: *(?:serverCertificate|clientCertificate|privateKey|caCertificates): /etc/certs/\S+\n)+`)
	// alpha is the API version of the documents' days.
	alpha = regexp.MustCompile(`networking\.istio\.io/v1alpha3(\s+kind: (?:Gateway|VirtualService|DestinationRule|ServiceEntry)\b)`)

	istioMutual = edit{old: "/etc/certs"} // by ISTIO_MUTUAL, as the documents have it since
	itsLabel    = edit{"istio: egressgateway-with-sni-proxy", "istio: istio-egressgateway-with-sni-proxy.istio-system"}
	itsPort     = edit{"number: 8443", "number: 18443"} // Envoy itself listens on 8443
)

// documents are the configurations of four documents; the fifth, Istio's blog, changes every gateway of the mesh, and is judged from a
// capture (blog).
func documents() []printed {
	const en, www = "mesh-external/en", "mesh-external/www"
	cnn80, cnn443, wiki := *host+":80 ", *host+":443 ", "*.wikipedia.org:443 "
	page, secure, english := "http://"+*host, "https://"+*host, "https://en.wikipedia.org"
	return []printed{
		{
			name: "http", folder: task, blocks: "01 03 04", path: cnn80 + "http", url: page, status: 301, outside: *outsideRef, cluster: out(80, *host),
			drawn: "workload ─▶ sidecar ─▶ istio-egressgateway ─HTTP▶ outside", probed: true,
		},
		{
			name: "http-mtls", folder: task, blocks: "01 02 04", edits: []edit{istioMutual}, path: cnn80 + "http", url: page, status: 301, outside: *outsideRef,
			cluster: out(80, *host), drawn: "workload ─▶ sidecar ─mTLS▶ istio-egressgateway ─HTTP▶ outside", wrong: map[string]string{"EGR024": otherTLS},
		},
		{name: "http-files", folder: task, blocks: "01 02 04", path: cnn80 + "http", url: page, status: 301, wrong: map[string]string{"EGR068": noFiles}},
		{
			name: "origination", folder: task, blocks: "05 07 08", path: cnn80 + "tls-origination", url: page, status: 200, outside: *outsideRef, cluster: out(443, *host),
			drawn: "workload ─▶ sidecar ─▶ istio-egressgateway ─TLS▶ outside", wrong: map[string]string{"EGR033": allSidecars},
		},
		{
			name: "origination-mtls", folder: task, blocks: "05 06 08", edits: []edit{istioMutual}, path: cnn80 + "tls-origination", url: page, status: 200, outside: *outsideRef,
			cluster: out(443, *host), drawn: "workload ─▶ sidecar ─mTLS▶ istio-egressgateway ─TLS▶ outside", wrong: map[string]string{"EGR024": otherTLS, "EGR033": allSidecars},
		},
		{name: "origination-files", folder: task, blocks: "05 06 08", path: cnn80 + "tls-origination", url: page, status: 200, wrong: map[string]string{"EGR068": noFiles}},
		{
			name: "https", folder: task, blocks: "09 11 12", path: cnn443 + "passthrough", url: secure, status: 200, outside: *outsideRef, cluster: out(443, *host),
			drawn: "workload ─▶ sidecar ─▶ istio-egressgateway ─SNI▶ outside", probed: true,
		},
		{
			name: "https-mtls", folder: task, blocks: "09 10 12", edits: []edit{istioMutual}, path: cnn443 + "passthrough", url: secure, status: 200,
			wrong: map[string]string{"EGR012": "a tls route on a server that ends TLS"},
		},
		{
			name: "wildcard-mtls", folder: wild, blocks: "01 02 03", edits: []edit{istioMutual}, path: wiki + "common-host", url: english, status: 200, outside: www,
			cluster: out(443, "www.wikipedia.org"), drawn: "workload ─▶ sidecar ─mTLS▶ istio-egressgateway ─SNI▶ outside", wrong: map[string]string{"EGR023": otherRule},
		},
		{
			name: "wildcard-files", folder: wild, blocks: "01 02 03", path: wiki + "common-host", url: english, status: 200,
			wrong: map[string]string{"EGR023": otherRule, "EGR068": noFiles},
		},
		{
			name: "sni-proxy-mtls", folder: wild, blocks: "06 07 08 09", edits: []edit{istioMutual, itsLabel, itsPort}, path: wiki + "sni-proxy", url: english, status: 200,
			outside: en, gateway: proxied, cluster: out(18443, "sni-proxy.local"), wrong: map[string]string{"EGR023": otherRule},
			drawn: "workload ─▶ sidecar ─mTLS▶ istio-egressgateway-with-sni-proxy ─SNI▶ sni-proxy ─SNI▶ outside",
		},
		{
			name: "sni-proxy-8443", folder: wild, blocks: "06 07 08 09", edits: []edit{istioMutual, itsLabel}, path: wiki + "sni-proxy", gateway: proxied,
			wrong: map[string]string{"EGR023": otherRule, "EGR047": "on the SNI proxy's port Envoy itself listens, and would send to itself without end"},
		},
		{name: "direct", folder: direct, blocks: "01", path: wiki + "direct", url: english, status: 200, outside: en, drawn: "workload ─▶ sidecar ─SNI▶ outside"},
		{
			name: "common-host", folder: direct, blocks: "02 03", path: wiki + "common-host", url: english, status: 200, outside: www, cluster: out(443, "www.wikipedia.org"),
			drawn: "workload ─▶ sidecar ─▶ istio-egressgateway ─SNI▶ outside", wrong: map[string]string{"EGR023": otherRule},
		},
		{
			name: "sni-proxy", folder: direct, blocks: "06 07 08", edits: []edit{itsLabel, itsPort}, path: wiki + "sni-proxy", url: english, status: 200, outside: en,
			gateway: proxied, cluster: out(18443, "sni-proxy.local"), wrong: map[string]string{"EGR023": otherRule},
			drawn: "workload ─▶ sidecar ─▶ istio-egressgateway-with-sni-proxy ─SNI▶ sni-proxy ─SNI▶ outside",
		},
		{
			name: "simple", folder: origin, blocks: "01 02 03", path: cnn80 + "tls-origination", url: page, status: 200, outside: *outsideRef, cluster: out(443, *host),
			drawn: "workload ─▶ sidecar ─mTLS▶ istio-egressgateway ─TLS▶ outside", wrong: map[string]string{"EGR023": otherRule, "EGR033": allSidecars},
		},
		{
			name: "mutual", folder: origin, blocks: "07 08 09", edits: []edit{{"name: originate-mtls-for-nginx", "name: originate-mtls-for-nginx\n  namespace: istio-system"}},
			path: nginxHost + ":80 mtls-origination", url: "http://" + nginxHost, status: 404, cluster: out(443, nginxHost),
			drawn: "workload ─▶ sidecar ─mTLS▶ istio-egressgateway ─TLS▶ outside",
			wrong: map[string]string{"EGR023": otherRule, "EGR034": "subjectAltNames stand in a comment only"},
		},
	}
}

// objects are the blocks in one text, with today's API version and field names.
func (p printed) objects(t *testing.T) string {
	t.Helper()
	var all []string
	for n := range strings.FieldsSeq(p.blocks) {
		found, err := filepath.Glob(filepath.Join("..", "testdata", "documents", p.folder, n+"-*.yaml"))
		if err != nil || len(found) != 1 {
			t.Fatalf("block %s of %s: %v, %v", n, p.folder, found, err)
		}
		all = append(all, readFile(t, found[0]))
	}
	text := strings.Join(all, "\n---\n")
	text = strings.ReplaceAll(alpha.ReplaceAllString(text, "networking.istio.io/v1$1"), "sni_hosts:", "sniHosts:")
	for _, e := range p.edits {
		before := text
		if e == istioMutual {
			text = inCerts.ReplaceAllString(text, "mode: ISTIO_MUTUAL\n")
		} else {
			text = strings.ReplaceAll(text, e.old, e.by)
		}
		if text == before {
			t.Fatalf("%s: there is no %q to change", p.name, e.old)
		}
	}
	return text
}

// TestPrinted: the blocks are whole, whatever is changed of them; it needs no cluster.
func TestPrinted(t *testing.T) {
	t.Parallel()
	for _, p := range documents() {
		text := p.objects(t)
		if strings.Contains(text, "v1alpha3") || strings.Contains(text, "sni_hosts") || slices.Contains(p.edits, istioMutual) && strings.Contains(text, "/etc/certs") {
			t.Errorf("%s is not of today:\n%s", p.name, text)
		}
		if _, files := p.wrong["EGR068"]; files != strings.Contains(text, "/etc/certs") {
			t.Errorf("%s: EGR068 is about files in /etc/certs", p.name)
		}
	}
}

// TestDocumentsAsPrinted applies what each document prints, one after the other, and takes it away again. Where it works requests take
// the gateway; check finds the path, draws it, and says what is wrong with it and nothing else.
func TestDocumentsAsPrinted(t *testing.T) {
	c := newCluster(t)
	before := c.foreign()
	t.Cleanup(func() { c.run("", c.egress, "gateway", "uninstall", proxied, "--yes", "--force") })
	c.plugin(0, "gateway", "install", proxied, "--sni-proxy", "--sni-proxy-image="+*image)
	t.Cleanup(func() { c.run("", c.egress, "sample", "delete", "mtls-server", "--yes") })
	dir := t.TempDir()
	c.plugin(0, "sample", "install", "mtls-server", "--image="+*image, "--client-dir="+dir)
	t.Cleanup(func() {
		c.run("", c.egress, "credential", "delete", "client-credential", "--gateway="+*gatewayRef, "--yes", "--force")
	})
	in := func(file string) string { return filepath.Join(dir, file) }
	c.plugin(0, "credential", "create", "client-credential", "--gateway="+*gatewayRef,
		"--cert="+in("client.example.com.crt"), "--key="+in("client.example.com.key"), "--ca="+in("example.com.crt"))
	for _, p := range documents() {
		t.Run(p.name, func(t *testing.T) { newCluster(t).asPrinted(p) })
	}
	c.plugin(0, "credential", "delete", "client-credential", "--gateway="+*gatewayRef, "--yes", "--force")
	c.plugin(0, "sample", "delete", "mtls-server", "--yes")
	c.plugin(0, "gateway", "uninstall", proxied, "--yes")
	c.untouched(before)
}

// asPrinted leads one configuration from kubectl apply to kubectl delete.
func (c *cluster) asPrinted(p printed) {
	c.t.Helper()
	if p.gateway != "" {
		c.gateway = p.gateway
	}
	c.apply(p.objects(c.t))
	asked, _, _ := strings.Cut(p.path, ":")
	want := slices.Sorted(maps.Keys(p.wrong))
	for _, args := range [][]string{{asked}, {}} { // asked for, and found by itself
		var rep report
		c.eventually("check finds "+p.path+" and says "+strings.Join(want, " "), 60*time.Second, func() (bool, string) {
			rep = c.check(args...)
			got := rep.codes("fail", "warn", "unknown")
			return slices.Equal(got, want) && slices.Contains(rep.names(), p.path), strings.Join(append(rep.names(), got...), ", ")
		})
	}
	switch {
	case p.url == "":
		return
	case p.drawn == "":
		if status, _ := c.request(*clientRef, p.url); status == p.status {
			c.t.Errorf("%s answers %d: it is not as broken as check says", p.url, status)
		}
		return
	case p.outside == "":
		if status, _ := c.request(*clientRef, p.url); status != p.status {
			c.t.Errorf("%s answers %d", p.url, status)
		}
	case c.takes(*clientRef, p.url, p.outside, p.status) != (p.cluster != ""):
		c.t.Errorf("%s goes through the gateway: %t", p.url, p.cluster == "")
	}
	c.toldOf(p, asked)
}

// toldOf looks at what the other commands make of a path that nobody has declared.
func (c *cluster) toldOf(p printed, asked string) {
	c.t.Helper()
	if lines := strings.Split(c.plugin(0, "check", asked).stdout, "\n"); len(lines) < 2 || strings.TrimSpace(lines[1]) != p.drawn {
		c.t.Errorf("drawn otherwise than %s:\n%s", p.drawn, strings.Join(lines, "\n"))
	}
	if r := c.plugin(0, "list", "-A", "-o", "json"); strings.Contains(r.stdout, `"`+asked+`"`) {
		c.t.Errorf("what nobody has declared is no set\n%s", r)
	}
	if p.cluster == "" {
		return
	}
	opened := 0
	for _, row := range c.stats(asked).Items {
		if row.Hop == "gateway" && row.Cluster == p.cluster {
			opened += row.Counts["opened"]
		}
	}
	if opened == 0 {
		c.t.Errorf("stats tells of no connection by %s", p.cluster)
	}
	if r := c.plugin(0, "certs", c.gateway, "-o", "name"); r.stdout == "" {
		c.t.Errorf("the gateway holds no certificate\n%s", r)
	}
	if !p.probed {
		return
	}
	if v := c.probed("--url=" + p.url + "/politics"); v.Verdict != "through" || v.Gateway != *gatewayRef || v.Set != "" {
		c.t.Errorf("probe: %+v", v)
	}
}

// names are the paths of a report as HOST:PORT MODE, with the set where there is one.
func (r report) names() []string {
	var out []string
	for _, p := range r.Paths {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s:%d %s %s", p.Host, p.Port, p.Mode, p.Set)))
	}
	return out
}
