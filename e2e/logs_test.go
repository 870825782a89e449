package e2e

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// logsGateway is the gateway whose logs are read. It has an SNI proxy, and no traffic but that of this test.
const logsGateway = "egress-logs/egress"

// logLine is what `logs -o json` prints (the contract's field names), as far as it is looked at here.
type logLine struct {
	Time                                time.Time
	Source, Pod, Format, Method, Path   string
	Code                                int
	Authority, SNI                      string
	UpstreamHost, UpstreamCluster       string
	UpstreamLocal, DownstreamRemote     string
	Verdict                             string // of a row of --join
	Sidecar, Gateway, Inner, SNIProxy   *logLine
	BytesReceived, BytesSent, Durations int64
}

// step is one step of a document by which people see in a log that traffic takes the gateway.
type step struct {
	name   string
	mode   []string // flags of enable
	host   string
	scheme string
	want   int // status; 0: any
	// The document's own way: kubectl logs of this container, looked through for this word.
	container, word string
	cluster         string // of the gateway's line; the last hop's for rows
	inner, nginx    bool
}

// TestLogSteps: each step of the documents that looks into a log, by one command, beside what the document's own kubectl line prints:
// it is the same line.
func TestLogSteps(t *testing.T) {
	c := newCluster(t)
	c.gateway = logsGateway
	c.installForLogs()
	for _, s := range []step{
		{"HTTP traffic", []string{"--domains=a.example.com", "--mode=http"}, "a.example.com", "http", 0, "istio-proxy", "a.example.com", out(80, "a.example.com"), false, false},
		{"TLS origination", []string{"--domains=b.example.com", "--mode=tls-origination", "--mtls=on"}, "b.example.com", "http", 0, "istio-proxy", "b.example.com", out(443, "b.example.com"), false, false},
		{"mutual TLS origination", []string{"--domains=" + nginxHost, "--mode=mtls-origination", "--credential=client-credential"}, nginxHost, "http", 404, "istio-proxy", nginxHost, out(443, nginxHost), false, false},
		{"HTTPS traffic", []string{"--domains=a.example.org", "--mode=passthrough", "--mtls=off"}, "a.example.org", "https", 0, "istio-proxy", "a.example.org", out(443, "a.example.org"), false, false},
		{"SNI proxy", []string{"--domains=*.example.net", "--mode=sni-proxy", "--mtls=on"}, "a.example.net", "https", 0, "sni-proxy", "[a.example.net]", "", false, true},
		{"SNI dynamic forward proxy", []string{"--domains=*.example.net", "--mode=sni-dynamic", "--mtls=on"}, "b.example.net", "https", 0, "istio-proxy", "b.example.net", "dynamic_forward_proxy_cluster", true, false},
	} {
		c.logStep(s)
	}
	c.logFormats()
}

// installForLogs makes the gateway, and the documents' server that demands a client certificate.
func (c *cluster) installForLogs() {
	c.t.Helper()
	c.t.Cleanup(func() { c.run("", c.egress, "gateway", "uninstall", logsGateway, "--yes", "--force") })
	c.plugin(0, "gateway", "install", logsGateway, "--sni-proxy", "--sni-proxy-image="+*image)
	c.t.Cleanup(func() { c.run("", c.egress, "sample", "delete", "mtls-server", "--yes") })
	dir := c.t.TempDir()
	c.plugin(0, "sample", "install", "mtls-server", "--image="+*image, "--client-dir="+dir)
	one := func(pattern string) string {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) != 1 {
			c.t.Fatalf("%s in the client's directory: %v, %v", pattern, found, err)
		}
		return found[0]
	}
	c.t.Cleanup(func() {
		c.run("", c.egress, "credential", "delete", "client-credential", "--gateway="+logsGateway, "--yes", "--force")
	})
	c.plugin(0, "credential", "create", "client-credential", "--gateway="+logsGateway, "--cert="+one("*client*.crt"), "--key="+one("*client*.key"), "--ca="+one("example.com.crt"))
}

// logStep takes one step.
func (c *cluster) logStep(s step) {
	c.t.Helper()
	const set = "e2e-logs"
	c.t.Cleanup(func() { c.run("", c.egress, "cleanup", set, "--yes") })
	c.plugin(0, append([]string{"enable", "--name=" + set, "--gateway=" + logsGateway, "--timeout=60s"}, s.mode...)...)
	begin := time.Now()
	status, _ := c.request(*clientRef, s.scheme+"://"+s.host)
	if status == 0 || s.want != 0 && status != s.want {
		c.t.Fatalf("%s: status %d", s.name, status)
	}
	// Lines of connections come up to 10 s late.
	var rows []logLine
	c.eventually(s.name+": all hops in one row", 20*time.Second, func() (bool, string) {
		r := c.plugin(0, "logs", set, "--join", "--from-pod="+*clientRef, "--gateway="+logsGateway, "--since=30s", "-o", "json")
		rows = slices.DeleteFunc(decodeLines(c.t, r.stdout), func(row logLine) bool { return row.Sidecar == nil || row.Sidecar.Time.Before(begin) })
		if len(rows) == 0 {
			return false, r.String()
		}
		row := rows[len(rows)-1]
		return row.Verdict == "through-gateway" && (row.Inner != nil) == s.inner && (row.SNIProxy != nil) == s.nginx, r.String()
	})
	row := rows[len(rows)-1]
	if row.Sidecar.UpstreamLocal != row.Gateway.DownstreamRemote {
		c.t.Errorf("%s: not the hops of one connection: %+v", s.name, row)
	}
	last := row.Gateway
	if s.inner {
		last = row.Inner
	}
	if !strings.HasPrefix(last.UpstreamCluster, s.cluster) {
		c.t.Errorf("%s: the gateway sent it to %s, want %s", s.name, last.UpstreamCluster, s.cluster)
	}
	c.sideBySide(s, set)
	c.plugin(0, "cleanup", set, "--yes")
}

// sideBySide holds `logs SET -o raw` to what the document's kubectl line prints of the same container.
func (c *cluster) sideBySide(s step, set string) {
	c.t.Helper()
	namespace, name := split(logsGateway)
	theirs := strings.Split(c.kube("-n", namespace, "logs", "deploy/"+name, "-c", s.container, "--since=30s"), "\n")
	theirs = slices.DeleteFunc(theirs, func(line string) bool { return !strings.Contains(line, s.word) })
	ours := strings.Split(c.plugin(0, "logs", set, "--gateway="+logsGateway, "--since=30s", "-o", "raw").stdout, "\n")
	if len(theirs) == 0 {
		c.t.Fatalf("%s: kubectl logs prints no line with %s", s.name, s.word)
	}
	if !slices.Contains(ours, theirs[len(theirs)-1]) {
		c.t.Errorf("%s: kubectl logs prints\n%s\nand this tool\n%s", s.name, strings.Join(theirs, "\n"), strings.Join(ours, "\n"))
	}
	c.t.Logf("%s\n  kubectl: %s\n  logs:    %s", s.name, theirs[len(theirs)-1],
		strings.TrimSpace(c.plugin(0, "logs", set, "--gateway="+logsGateway, "--since=30s", "--tail=4").stdout))
}

func decodeLines(t *testing.T, text string) []logLine {
	t.Helper()
	var all []logLine
	for line := range strings.Lines(text) {
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, l)
	}
	return all
}
