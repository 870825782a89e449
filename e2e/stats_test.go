package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// statsRow is one row of `stats -o json` (the contract's field names).
type statsRow struct {
	Host      string            `json:"host"`
	Port      int               `json:"port"`
	Hop       string            `json:"hop"`
	Namespace string            `json:"namespace"`
	Pod       string            `json:"pod"`
	Cluster   string            `json:"cluster"`
	Counts    map[string]int    `json:"counts"`
	Sources   map[string]string `json:"sources"`
	Missing   map[string]string `json:"missing"`
}

// statsReport is what `stats -o json` prints.
type statsReport struct {
	Kind    string            `json:"kind"`
	Items   []statsRow        `json:"items"`
	Notes   []string          `json:"notes"`
	Records map[string]string `json:"records"`
	Proxies []struct {
		Via string `json:"via"`
	} `json:"proxies"`
}

func (c *cluster) stats(args ...string) statsReport {
	c.t.Helper()
	r := c.plugin(0, append([]string{"stats", "-o", "json"}, args...)...)
	var rep statsReport
	if err := json.Unmarshal([]byte(r.stdout), &rep); err != nil || rep.Kind != "Stats" {
		c.t.Fatalf("stats -o json is no report: %v\n%s", err, r)
	}
	return rep
}

// sum adds a count up over the rows of a host, a cluster and a hop.
func (r statsReport) sum(host, cluster, hop, count string) (n int, source string) {
	for _, row := range r.Items {
		if row.Host == host && row.Cluster == cluster && row.Hop == hop {
			n += row.Counts[count]
			source = row.Sources[count]
		}
	}
	return n, source
}

// documentsLine runs what the documents print to see the counter, with the command that today's images have.
func (c *cluster) documentsLine(pattern string) string {
	c.t.Helper()
	namespace, name := split(c.gateway)
	out := c.kube("-n", namespace, "exec", "deploy/"+name, "-c", "istio-proxy", "--", "pilot-agent", "request", "GET", "stats")
	var lines []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, pattern) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

// TestStatsAnswersTheDocuments takes the step of each document that looks at the gateway's counter: the document's own line finds
// nothing on today's Istio, and stats finds just the requests that were sent, in agreement with the proxy's own count.
func TestStatsAnswersTheDocuments(t *testing.T) {
	patterns := map[string]string{ // as the documents grep
		"passthrough": *host + ".upstream_cx_total", "http": *host + ".upstream_cx_total",
		"common-host": "www.wikipedia.org.upstream_cx_total", "sni-dynamic": "wikipedia.org.upstream_cx_total",
	}
	for _, m := range modeCases("on") {
		pattern := patterns[m.mode]
		if pattern == "" {
			continue
		}
		t.Run(m.mode, func(t *testing.T) {
			c := newCluster(t)
			t.Cleanup(func() { c.forget(m.set()) })
			c.plugin(0, m.enable()...)
			trip := m.trips[0]
			_, rest, _ := strings.Cut(trip.url, "://")
			asked, host := rest, rest
			if m.mode == "common-host" {
				host = m.hosts[0] // all of them are one host to the gateway
			}
			count := map[string]string{"cx_total": "opened", "rq_total": "requests"}[trip.stat]
			before, _ := c.stats(m.set()).sum(host, trip.cluster, "gateway", count)
			const sent = 3
			for range sent {
				if !c.takes(*clientRef, trip.url, trip.outside, trip.status) {
					t.Fatalf("%s did not take the gateway", asked)
				}
			}
			rep := c.stats(m.set())
			after, source := rep.sum(host, trip.cluster, "gateway", count)
			if after-before != sent || source != "/clusters" {
				t.Errorf("%s of %s grew by %d by %s, %d were sent", count, host, after-before, source, sent)
			}
			if own := c.counter(trip.cluster, trip.stat); m.mode != "sni-dynamic" && own != after {
				t.Errorf("Envoy says %d, stats says %d", own, after)
			}
			for _, row := range rep.Items {
				if _, zero := row.Counts["bytesSent"]; zero || row.Missing["bytesSent"] == "" {
					t.Errorf("what is not recorded is told as a number: %+v", row)
				}
			}
			for _, p := range []string{pattern, strings.Replace(pattern, ".upstream", ";.upstream", 1)} { // since Istio 1.23
				if line := c.documentsLine(p); line != "" {
					t.Errorf("the document's line found %q: the gateway records more than Istio's default, so this test shows nothing", line)
				}
			}
			c.clientsCount(m.set(), trip, host)
		})
	}
}

// clientsCount: the sidecars tell of the same connections on their way to the gateway.
func (c *cluster) clientsCount(set string, trip trip, host string) {
	c.t.Helper()
	rep := c.stats(set, "--sidecars")
	namespace, name := split(*clientRef)
	opened := 0
	for _, row := range rep.Items {
		if row.Hop == "sidecar" && row.Namespace == namespace && strings.HasPrefix(row.Pod, name+"-") && strings.Contains(row.Cluster, "istio-egressgateway") {
			opened += row.Counts["opened"]
		}
	}
	if opened == 0 {
		c.t.Errorf("the client %s opened no connection to the gateway for %s (%s): %+v", *clientRef, host, trip.url, rep.Items)
	}
}

// TestStatsRecord has a gateway record what Istio leaves out, and no longer; the document's own line is the witness. Others' annotations
// are taken over only when that is asked for, and come back to the letter.
func TestStatsRecord(t *testing.T) {
	c := newCluster(t)
	c.gateway = "e2e-stats/egress"
	const host, set, outside = "a.example.net", "e2e-stats", "mesh-external/many"
	c.leaveNothing(c.gateway)
	c.plugin(0, "gateway", "install", c.gateway, "--timeout=110s")
	t.Cleanup(func() { c.forget(set) })
	c.plugin(0, "enable", "--name="+set, "--domains="+host, "--mode=passthrough", "--gateway="+c.gateway, "--timeout=100s")
	template := func() string {
		return c.kube("-n", "e2e-stats", "get", "deploy", "egress", "-o", `jsonpath={.spec.template.metadata.annotations}{"\n"}{.metadata.annotations.kubectl-egress/proxy-config-before}`)
	}
	was := template()
	record := func(code int, args ...string) result {
		return c.plugin(code, append(append([]string{"stats", "record"}, args...), "--gateway="+c.gateway, "--timeout=110s")...)
	}
	if r := record(2, "on"); !strings.Contains(r.stderr, "say --yes") || template() != was {
		t.Fatalf("nobody said yes\n%s", r)
	}
	c.rights(set)

	record(0, "on", "--yes")
	if r := record(0, "on", "--yes"); !strings.Contains(r.stdout, "unchanged") {
		t.Errorf("twice on writes twice\n%s", r)
	}
	const sent = 4
	for range sent {
		c.takes(*clientRef, "https://"+host, outside, 200)
	}
	rep := c.stats(set)
	opened, source := rep.sum(host, out(443, host), "gateway", "opened")
	bytes, _ := rep.sum(host, out(443, host), "gateway", "bytesReceived")
	if opened != sent || source != "/stats" || bytes == 0 || len(rep.Records) != 0 {
		t.Errorf("%d connections by %q and %d bytes for %d requests: %+v", opened, source, bytes, sent, rep)
	}
	if line := c.documentsLine(host + ";.upstream_cx_total"); !strings.HasSuffix(line, ".upstream_cx_total: 4") {
		t.Errorf("the document's line says %q", line)
	}

	record(0, "off", "--yes")
	if is := template(); is != was {
		t.Errorf("after off:\n%s\nbefore on:\n%s", is, was)
	}
	if r := record(0, "off", "--yes"); !strings.Contains(r.stdout, "unchanged") {
		t.Errorf("twice off writes twice\n%s", r)
	}

	c.kube("-n", "e2e-stats", "patch", "deploy", "egress", "--type=merge", "-p",
		`{"spec":{"template":{"metadata":{"annotations":{"proxy.istio.io/config":"# theirs\nconcurrency:   1\n"}}}}}`)
	theirs := template()
	if r := record(1, "on", "--yes"); !strings.Contains(r.stderr, "--force-conflicts") || template() != theirs {
		t.Errorf("another manager's annotation\n%s", r)
	}
	record(0, "on", "--yes", "--force-conflicts", "--wait=false")
	if is := template(); !strings.Contains(is, "concurrency: 1") || !strings.Contains(is, "inclusionRegexps") {
		t.Errorf("merged: %s", is)
	}
	record(0, "off", "--yes", "--wait=false")
	if is := template(); is != theirs {
		t.Errorf("after off:\n%s\nbefore on:\n%s", is, theirs)
	}
}

// rights asks as users who have one of the two ways to Envoy, and as one who has none.
func (c *cluster) rights(set string) {
	c.t.Helper()
	const read = `{apiGroups: ["*"], resources: ["*"], verbs: [get, list]}`
	c.apply(role("forwards", `[`+read+`, {apiGroups: [""], resources: [pods/portforward], verbs: [create]}]`))
	c.apply(role("executes", `[`+read+`, {apiGroups: [""], resources: [pods/exec], verbs: [create]}]`))
	c.apply(role("looks", `[`+read+`]`))
	for user, want := range map[string]string{"forwards": "port-forward", "executes": "pilot-agent"} {
		rep := c.stats(set, "--as="+user)
		if len(rep.Proxies) == 0 || rep.Proxies[0].Via != want || (len(rep.Notes) > 0) != (user == "executes") {
			c.t.Errorf("%s asked by %+v and was told %q", user, rep.Proxies, rep.Notes)
		}
		if r := c.run("", c.egress, "certs", c.gateway, "-o", "json", "--as="+user); r.code != 0 || !strings.Contains(r.stdout, `"via": "`+want+`"`) {
			c.t.Errorf("certs as %s\n%s", user, r)
		}
	}
	for _, via := range []string{"auto", "exec", "port-forward"} {
		if r := c.run("", c.egress, "stats", set, "--as=looks", "--via="+via); r.code != 1 || !strings.Contains(r.stderr, "forbidden") {
			c.t.Errorf("no way to Envoy by %s\n%s", via, r)
		}
	}
}

// TestStatsWatch goes on until a signal, tells each moment as lines where there is no terminal, and counts while it does.
func TestStatsWatch(t *testing.T) {
	c := newCluster(t)
	const set = "e2e-watch"
	t.Cleanup(func() { c.forget(set) })
	c.plugin(0, "enable", "--name="+set, "--domains="+*host, "--mode=passthrough", "--gateway="+c.gateway, "--timeout=60s")
	began := time.Now()
	r := c.run("", "timeout", "-s", "INT", "--preserve-status", "8", c.egress, "stats", set, "--watch", "--interval=1s")
	if r.code != 130 || time.Since(began) < 7*time.Second {
		t.Errorf("a signal ends it with 130\n%s", r)
	}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if len(lines) < 3 || !strings.Contains(lines[len(lines)-1], *host+":443 gateway ") || !strings.Contains(lines[len(lines)-1], "rate=0.0/s opened=") || strings.Contains(r.stdout, "\x1b") {
		t.Errorf("lines for a pipe\n%s", r)
	}
}

// TestStatsSNIProxy takes the documents' step about the counter for traffic to the SNI proxy.
func TestStatsSNIProxy(t *testing.T) {
	c := newCluster(t)
	c.gateway = "e2e-stats-sni/egress"
	const set, cluster = "e2e-stats-sni", "sni-proxy.local"
	c.leaveNothing(c.gateway)
	c.plugin(0, "gateway", "install", c.gateway, "--sni-proxy", "--sni-proxy-image="+*image, "--timeout=110s")
	t.Cleanup(func() { c.forget(set) })
	c.plugin(0, "enable", "--name="+set, "--domains=*.example.org", "--mode=sni-proxy", "--gateway="+c.gateway, "--timeout=100s")
	sum := func() (n int) {
		for _, row := range c.stats(set).Items {
			if row.Host == "*.example.org" && row.Hop == "gateway" && strings.Contains(row.Cluster, cluster) {
				n += row.Counts["opened"]
			}
		}
		return n
	}
	before := sum()
	for _, url := range []string{"https://a.example.org", "https://b.example.org", "https://a.example.org"} {
		if !c.takes(*clientRef, url, "mesh-external/many", 200) {
			t.Fatalf("%s did not take the gateway", url)
		}
	}
	if after := sum(); after-before != 3 {
		t.Errorf("connections to the SNI proxy grew by %d, 3 were sent", after-before)
	}
	if line := c.documentsLine(cluster); strings.Contains(line, "upstream_cx_total") {
		t.Errorf("the document's line found %q", line)
	}
}
