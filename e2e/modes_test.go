package e2e

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"
)

// trip is one way out that a mode opens.
type trip struct {
	url     string
	outside string // Deployment of the witness
	own     string // witness without the mode, where that is another
	status  int
	direct  bool   // goes straight out
	cluster string // of the gateway, whose counter grows
	stat    string // cx_total counts connections; rq_total requests, where connections are kept and shared
	line    string // of the gateway's access log holds this beside the cluster, for one connection or request
}

// modeCase is a mode with hosts of its own, so that all of them fit the cluster at once. SET stands for the set's name.
type modeCase struct {
	mode, mtls string
	hosts      []string
	flags      []string
	trips      []trip
}

// set names the set of a case.
func (m modeCase) set() string { return "e2e-" + m.mode }

func (m modeCase) enable(more ...string) []string {
	args := append([]string{"enable", "--name=" + m.set(), "--domains=" + strings.Join(m.hosts, ","), "--mode=" + m.mode, "--mtls=" + m.mtls, "--timeout=60s"}, m.flags...)
	if m.mode != "direct" {
		args = append(args, "--gateway="+*gatewayRef) // others may be there
	}
	return append(args, more...)
}

// out is the name of Istio's cluster for a host outside.
func out(port int, host string) string { return fmt.Sprintf("outbound|%d||%s", port, host) }

// tlsTrip and httpTrip are those of the documents: the page by TLS, and the redirection by HTTP.
func tlsTrip(host, outside, cluster string) trip {
	return trip{url: "https://" + host, outside: outside, status: 200, cluster: cluster, stat: "cx_total", line: host}
}

// insteadOf names the witness of the host's own server.
func (tr trip) insteadOf(own string) trip {
	tr.own = own
	return tr
}

// seenAs names what the gateway logs as SNI with Istio mTLS on, whose own TLS hides the application's.
func (tr trip) seenAs(mtls, outer string) trip {
	if mtls == "on" {
		tr.line = outer
	}
	return tr
}

func httpTrip(host, outside string) trip {
	return trip{url: "http://" + host, outside: outside, status: 301, cluster: out(80, host), stat: "rq_total", line: `"GET /`}
}

// modeCases are all modes that need nothing but the mesh's own gateway.
func modeCases(mtls string) []modeCase {
	cnn, both := *host, []string{"en.wikipedia.org", "de.wikipedia.org"}
	const en, de, www, many = "mesh-external/en", "mesh-external/de", "mesh-external/www", "mesh-external/many"
	dynamic := map[string]string{"on": "dynamic_forward_proxy_cluster_default_e2e-sni-dynamic", "off": out(443, "*.wikipedia.org"), "auto": ""}[mtls]
	return []modeCase{
		{mode: "passthrough", mtls: mtls, hosts: append(both, cnn), trips: []trip{
			tlsTrip(cnn, *outsideRef, out(443, cnn)), tlsTrip("en.wikipedia.org", en, out(443, "en.wikipedia.org")), tlsTrip("de.wikipedia.org", de, out(443, "de.wikipedia.org")),
		}},
		{mode: "http", mtls: mtls, hosts: append(both, cnn), trips: []trip{
			httpTrip(cnn, *outsideRef), httpTrip("en.wikipedia.org", en), httpTrip("de.wikipedia.org", de),
		}},
		{mode: "auto", mtls: mtls, hosts: []string{cnn, "*.example.com"}, trips: []trip{
			tlsTrip(cnn, *outsideRef, out(443, cnn)), httpTrip(cnn, *outsideRef),
			tlsTrip("a.example.com", many, strings.NewReplacer("e2e-sni-dynamic", "e2e-auto", "*.wikipedia.org", "*.example.com").Replace(dynamic)),
		}},
		{mode: "tls-origination", mtls: mtls, hosts: []string{cnn}, trips: []trip{
			{url: "http://" + cnn, outside: *outsideRef, status: 200, cluster: out(443, cnn), stat: "rq_total", line: `"GET /`},
			{url: "https://" + cnn, outside: *outsideRef, status: 200, direct: true}, // TLS of the application's own is left alone (rule R33)
		}},
		{mode: "common-host", mtls: mtls, hosts: []string{"*.wikipedia.org"}, flags: []string{"--common-host=www.wikipedia.org"}, trips: []trip{
			tlsTrip("en.wikipedia.org", www, out(443, "www.wikipedia.org")).insteadOf(en).seenAs(mtls, "www.wikipedia.org"), tlsTrip("www.wikipedia.org", www, out(443, "www.wikipedia.org")),
		}},
		{mode: "sni-dynamic", mtls: mtls, hosts: []string{"*.wikipedia.org", "*.example.net"}, trips: []trip{
			tlsTrip("en.wikipedia.org", en, dynamic), tlsTrip("de.wikipedia.org", de, dynamic),
			tlsTrip("b.example.net", many, strings.Replace(dynamic, "*.wikipedia.org", "*.example.net", 1)),
		}},
	}
}

// TestModes proves each mode from declaration to removal: the page arrives, the outside server saw the gateway, the gateway's
// counter grew by just the requests sent and its log tells of them, check is content, and cleanup leaves the cluster as it was.
func TestModes(t *testing.T) {
	cases := append(modeCases("on"), modeCases("off")...)
	cases = append(cases, modeCase{mode: "direct", mtls: "auto", hosts: []string{"*.wikipedia.org", "edition.cnn.com"}, trips: []trip{
		{url: "https://en.wikipedia.org", outside: "mesh-external/en", status: 200, direct: true},
		{url: "https://edition.cnn.com", outside: "mesh-external/cnn", status: 200, direct: true},
	}})
	var lines []line
	for _, m := range cases {
		t.Run(m.mode+"-mtls-"+m.mtls, func(t *testing.T) {
			c := newCluster(t)
			from := time.Now()
			c.life(m)
			for _, tr := range m.trips {
				if !tr.direct {
					lines = append(lines, line{trip: tr, from: from, to: time.Now(), of: t.Name()})
				}
			}
		})
	}
	c := newCluster(t)
	for _, l := range lines {
		c.logged(l)
	}
}

// line is one of a gateway's access log that has to be there: of a trip, at some time.
type line struct {
	trip     trip
	from, to time.Time
	of       string // whose trip it was
}

// life leads one mode from declaration to removal.
func (c *cluster) life(m modeCase) {
	c.t.Helper()
	before := c.foreign()
	for _, trip := range m.trips {
		if c.takes(*clientRef, trip.url, cmp.Or(trip.own, trip.outside), 0) {
			c.t.Fatalf("%s already takes the gateway before enable", trip.url)
		}
	}
	c.t.Cleanup(func() { c.forget(m.set()) })
	c.plugin(0, m.enable()...)
	c.unchanged(m.enable())
	c.travel(m)
	c.content(m.set())
	c.plugin(0, "cleanup", m.set(), "--yes")
	c.gone()
	c.untouched(before)
	for _, trip := range m.trips {
		if c.takes(*clientRef, trip.url, cmp.Or(trip.own, trip.outside), 0) {
			c.t.Errorf("%s still takes the gateway after cleanup", trip.url)
		}
	}
}

// travel makes all trips of a mode, from two clients, and looks at every witness.
func (c *cluster) travel(m modeCase) {
	c.t.Helper()
	for _, trip := range m.trips {
		c.grows(trip)
		if via := c.takes(*secondRef, trip.url, trip.outside, trip.status); via == trip.direct {
			c.t.Errorf("%s from the client in another namespace went through the gateway: %t", trip.url, via)
		}
	}
}

// content holds check to silence about a set's paths.
func (c *cluster) content(set string) {
	c.t.Helper()
	rep := c.check(set)
	if rep.ExitCode != 0 || len(rep.codes("fail", "warn", "unknown")) > 0 || len(rep.Paths) == 0 {
		c.t.Errorf("check of %s is not content: exit %d, %d paths, %v", set, rep.ExitCode, len(rep.Paths), rep.codes("fail", "warn", "unknown"))
	}
}

// grows sends three requests and compares with the gateway's own counter.
func (c *cluster) grows(tr trip) {
	c.t.Helper()
	before := 0
	if !tr.direct {
		before = c.counter(tr.cluster, tr.stat)
	}
	const sent = 3
	for range sent {
		if via := c.takes(*clientRef, tr.url, tr.outside, tr.status); via == tr.direct {
			c.t.Fatalf("%s went through the gateway: %t", tr.url, via)
		}
	}
	if tr.direct {
		return
	}
	if after := c.counter(tr.cluster, tr.stat); after-before != sent {
		c.t.Errorf("%s of %s grew by %d for %d requests", tr.stat, tr.cluster, after-before, sent)
	}
}

// logged waits for the gateway's line of a trip. Envoy writes lines of TCP connections up to ten seconds late.
func (c *cluster) logged(l line) {
	c.t.Helper()
	namespace, name := split(c.gateway)
	c.eventually("the gateway logs "+l.trip.url+" of "+l.of, 20*time.Second, func() (bool, string) {
		log := c.kube("-n", namespace, "logs", "deploy/"+name, "-c", "istio-proxy", "--since-time="+l.from.UTC().Format(time.RFC3339))
		for text := range strings.Lines(log) {
			stamp, _, _ := strings.Cut(strings.TrimPrefix(text, "["), "]")
			at, err := time.Parse(time.RFC3339, stamp)
			if err != nil || at.Before(l.from) || at.After(l.to) {
				continue
			}
			if strings.Contains(text, " "+l.trip.cluster+" ") && strings.Contains(text, l.trip.line) {
				return true, ""
			}
		}
		return false, fmt.Sprintf("no line with %s and %s", l.trip.cluster, l.trip.line)
	})
}
