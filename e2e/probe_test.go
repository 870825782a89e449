package e2e

import (
	"encoding/json"
	"net"
	"slices"
	"strings"
	"testing"
)

// proven is what `probe -o json` prints.
type proven struct {
	Verdict  string `json:"verdict"`
	Proof    string `json:"proof"`
	Gateway  string `json:"gateway"`
	Set      string `json:"set"`
	Status   int    `json:"status"`
	Reason   string `json:"reason"`
	Image    string `json:"image"`
	Tool     string `json:"tool"`
	Leaves   string `json:"leaves"`
	ExitCode int    `json:"exitCode"`
	Hops     []struct {
		Hop    string `json:"hop"`
		Local  string `json:"local"`
		Remote string `json:"remote"`
	} `json:"hops"`
}

// probed probes from the client and holds the process to the exit code that it reports.
func (c *cluster) probed(args ...string) proven {
	c.t.Helper()
	namespace, name := split(*clientRef)
	r := c.run("", c.egress, append([]string{"probe", "-o", "json", "-n", namespace, "--from=deploy/" + name}, args...)...)
	var p proven
	if err := json.Unmarshal([]byte(r.stdout), &p); err != nil {
		c.t.Fatalf("probe -o json printed no JSON: %v\n%s", err, r)
	}
	if p.ExitCode != r.code {
		c.t.Errorf("exitCode %d in the result, %d from the process\n%s", p.ExitCode, r.code, r)
	}
	return p
}

// hops lists those that were seen.
func (p proven) hops() string {
	var words []string
	for _, h := range p.Hops {
		words = append(words, h.Hop)
	}
	return strings.Join(words, " ")
}

// TestProbe proves by the logs of both sides which way a request went, in each mode that needs nothing but the mesh's gateway, and
// that a host without a set goes round it.
func TestProbe(t *testing.T) {
	const host = "b.example.org"
	cases := []struct {
		name, url, hops, verdict string
		declare                  []string // flags of enable; none: there is no set
		code                     int
	}{
		{"none", "https://" + host, "sidecar", "round", nil, 3},
		{"none-http", "http://" + host, "sidecar", "round", nil, 3},
		{"passthrough", "https://" + host, "sidecar gateway", "through", []string{"--domains=" + host, "--mode=passthrough"}, 0},
		{"http", "http://" + host, "sidecar gateway", "through", []string{"--domains=" + host, "--mode=http"}, 0},
		{"tls-origination", "http://" + host, "sidecar gateway", "through", []string{"--domains=" + host, "--mode=tls-origination"}, 0},
		{"sni-dynamic", "https://" + host, "sidecar gateway inner", "through", []string{"--domains=*.example.org", "--mode=sni-dynamic"}, 0},
		{"direct", "https://" + host, "sidecar", "direct", []string{"--domains=" + host, "--mode=direct"}, 0},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t)
			set := "e2e-probe-" + tt.name
			if tt.declare != nil {
				t.Cleanup(func() { c.forget(set) })
				args := append([]string{"enable", "--name=" + set, "--timeout=60s"}, tt.declare...)
				if tt.name != "direct" {
					args = append(args, "--gateway="+*gatewayRef)
				}
				c.plugin(0, args...)
			}
			p := c.probed("--url=" + tt.url + "/politics")
			if p.Verdict != tt.verdict || p.Proof != "connection" || p.ExitCode != tt.code || p.hops() != tt.hops {
				t.Fatalf("%s: %+v; want verdict %s by connection, hops %s, exit code %d", tt.url, p, tt.verdict, tt.hops, tt.code)
			}
			c.leftFrom(p, tt.verdict == "through")
		})
	}
}

// leftFrom holds what a probe says of the hops to the pods' own addresses.
func (c *cluster) leftFrom(p proven, through bool) {
	c.t.Helper()
	from := *clientRef
	if through {
		from = *gatewayRef
		if p.Gateway != *gatewayRef {
			c.t.Errorf("went through %q, want %s", p.Gateway, *gatewayRef)
		}
		to, _, err := net.SplitHostPort(p.Hops[0].Remote)
		if err != nil || !slices.Contains(c.podIPs(*gatewayRef), to) {
			c.t.Errorf("the sidecar connected to %q, which is no pod of the gateway", p.Hops[0].Remote)
		}
	}
	ip, _, err := net.SplitHostPort(p.Leaves)
	if err != nil || !slices.Contains(c.podIPs(from), ip) {
		c.t.Errorf("leaves from %q, which is no address of %s", p.Leaves, from)
	}
}
