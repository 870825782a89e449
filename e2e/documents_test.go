package e2e

import (
	"cmp"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// printed is one configuration of the five documents, put together from the blocks that they print (testdata/documents) and applied
// with kubectl, as somebody would who follows the document today.
type printed struct {
	name      string
	folder    string // of testdata/documents
	blocks    string // their numbers
	edits     []edit // what has changed since, or is the lab's own
	path      string // as check calls it: HOST:PORT MODE
	drawn     string // by check
	direct    bool   // leaves without a gateway
	broken    bool   // no request arrives where the document says
	url       string
	status    int
	outside   string            // the witness
	counts    string            // what stats tells of the gateway's cluster; empty: nothing
	wrong     map[string]string // codes in any state but pass and skip, and why check is right
	gateway   string            // Deployment; empty: the mesh's own
	namespace string            // applied with -n; empty: default
}

// edit replaces a text of the blocks.
type edit struct{ old, by string }

var (
	// inCerts are the files that Istio up to 1.4 mounted; proxies have had their certificates from istiod since.
	inCerts = regexp.MustCompile(`mode: MUTUAL\n(?: *(?:serverCertificate|clientCertificate|privateKey|caCertificates): /etc/certs/\S+\n)+`)
	// alpha are the API versions of the documents' days, but for EnvoyFilter, which has no other.
	alpha = regexp.MustCompile(`(networking|telemetry)\.istio\.io/v1alpha[13](\s+kind: (?:Gateway|VirtualService|DestinationRule|ServiceEntry|Telemetry)\b)`)
)

// istioMutual is what the documents say since Istio 1.5 where they had files in /etc/certs.
const istioMutual = "ISTIO_MUTUAL for /etc/certs"

// objects are the blocks in one text, with today's API versions and field names.
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
	text = strings.ReplaceAll(alpha.ReplaceAllString(text, "$1.istio.io/v1$2"), "sni_hosts:", "sniHosts:")
	for _, e := range p.edits {
		before := text
		if e.old == istioMutual {
			text = inCerts.ReplaceAllString(text, "mode: ISTIO_MUTUAL\n")
		} else {
			text = strings.ReplaceAll(text, e.old, e.by)
		}
		if text == before {
			t.Fatalf("%s: nothing to change from %q", p.name, e.old)
		}
	}
	return text
}

// Folders of the documents.
const (
	task     = "configure-an-egress-gateway"
	wild     = "configure-egress-gateway-for-https-traffic-to-wildcarded-domains"
	hosts    = "egress-using-wildcard-hosts"
	origin   = "egress-gateways-with-tls-origination"
	blogPost = "routing-https-tls-traffic-to-arbitrary-remote-destinations"
)

// TestDocumentsByHand applies what each document prints, one after the other, and takes it away again: where it works requests take
// the gateway and check has nothing to say; where it does not, check says what is wrong with it and nothing else.
func TestDocumentsByHand(t *testing.T) {
	c := newCluster(t)
	before := c.foreign()
	namespace, _ := split(*gatewayRef)
	c.restoreSecret(namespace, "outside-ca", c.outsideCA())
	for _, p := range documents() {
		t.Run(p.name, func(t *testing.T) { newCluster(t).byHand(p) })
	}
	if !t.Failed() {
		c.untouched(before)
	}
}

// byHand leads one configuration from kubectl apply to kubectl delete.
func (c *cluster) byHand(p printed) {
	c.t.Helper()
	if p.gateway != "" {
		c.gateway = p.gateway
	}
	c.apply(p.objects(c.t))
	asked, _, _ := strings.Cut(p.path, ":")
	want := slices.Sorted(maps.Keys(p.wrong))
	var rep report
	c.eventually("check of "+asked+" finds its path and "+strings.Join(want, " "), 45*time.Second, func() (bool, string) {
		if p.asks {
			c.request(*clientRef, p.url) // counters tell only of what was tried
		}
		rep = c.check(asked)
		got := rep.codes("fail", "warn", "unknown")
		return slices.Equal(got, want) && slices.Contains(rep.names(), p.path), strings.Join(append(rep.names(), got...), ", ")
	})
	if p.broken {
		if status, _ := c.request(*clientRef, p.url); status == p.status {
			c.t.Errorf("%s answers %d: it is not as wrong as check says", p.url, status)
		}
	} else if c.takes(*clientRef, p.url, p.outside, p.status) == p.direct {
		c.t.Errorf("%s goes through the gateway: %t", p.url, !p.direct)
	}
	c.told(p, asked)
}

// names are the paths of a report as PATH MODE, with the set if there is one.
func (r report) names() []string {
	var out []string
	for _, p := range r.Paths {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s:%d %s %s", p.Host, p.Port, p.Mode, p.Set)))
	}
	return out
}
