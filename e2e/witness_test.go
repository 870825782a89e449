package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var nonces atomic.Int64

// request sends one request from a client and gives the status that curl saw. The path holds a nonce, so that the witness can be
// asked about just this request; the connection is not reused.
func (c *cluster) request(client, url string) (status int, nonce string) {
	c.t.Helper()
	namespace, name := split(client)
	nonce = fmt.Sprintf("n%d-%d", time.Now().UnixNano(), nonces.Add(1))
	r := c.run("", c.kubectl, "-n", namespace, "exec", "deploy/"+name, "-c", name, "--",
		"curl", "-s", "-o", "/dev/null", "--max-time", "15", "-w", "%{http_code}", url+"/politics?"+nonce)
	status, err := strconv.Atoi(strings.TrimSpace(r.stdout))
	if err != nil {
		c.t.Fatalf("curl said nothing that is a status\n%s", r)
	}
	return status, nonce
}

var witnessLine = regexp.MustCompile(`^\S+ (\S+) (\d+) sni=(\S*) host=(\S*) "([^"]*)" (\d+) client=(.*)$`)

// sighting is one line of the outside server's own access log.
type sighting struct {
	remote string // address that the outside server saw
	port   int
	sni    string
	host   string
}

// witness waits for the outside server's log line of one request.
func (c *cluster) witness(outside, nonce string) sighting {
	c.t.Helper()
	namespace, name := split(outside)
	var got sighting
	c.eventually("the outside server "+outside+" logs "+nonce, 15*time.Second, func() (bool, string) {
		out := c.kube("-n", namespace, "logs", "deploy/"+name, "--tail=50")
		for line := range strings.Lines(out) {
			m := witnessLine.FindStringSubmatch(strings.TrimSpace(line))
			if len(m) == 0 || !strings.Contains(m[5], nonce) {
				continue
			}
			port, err := strconv.Atoi(m[2])
			if err != nil {
				c.t.Fatalf("port in %q: %v", line, err)
			}
			got = sighting{remote: m[1], port: port, sni: m[3], host: m[4]}
			return true, ""
		}
		return false, out
	})
	return got
}

// passes sends a request to one of the documents' hosts and says whether the outside server saw a gateway pod's address. It fails
// when the request does not get the page: status 301 on port 80 (as the documents show), 200 on 443.
func (c *cluster) passes(client, url, outside string) bool {
	c.t.Helper()
	want := 200
	if strings.HasPrefix(url, "http://") {
		want = 301
	}
	return c.takes(client, url, outside, want)
}

// takes sends a request and says whether the outside server saw a gateway pod's address. It fails when the answer is not the wanted
// one, 0 for any, or the server saw neither the gateway nor the client.
func (c *cluster) takes(client, url, outside string, want int) bool {
	c.t.Helper()
	status, nonce := c.request(client, url)
	if want != 0 && status != want || status == 0 {
		c.t.Fatalf("%s from %s: status %d, want %d", url, client, status, want)
	}
	seen := c.witness(outside, nonce)
	viaGateway := slices.Contains(c.podIPs(c.gateway), seen.remote)
	if !viaGateway && !slices.Contains(c.podIPs(client), seen.remote) {
		c.t.Fatalf("%s from %s: the outside server saw %s, which is neither the gateway nor the client", url, client, seen.remote)
	}
	return viaGateway
}

// counter sums a host counter of /clusters (cx_total, rq_total) over the gateway's pods.
func (c *cluster) counter(clusterName, stat string) int {
	c.t.Helper()
	namespace, name := split(c.gateway)
	out := c.kube("-n", namespace, "exec", "deploy/"+name, "-c", "istio-proxy", "--", "pilot-agent", "request", "GET", "clusters?format=json")
	var reply struct {
		Statuses []struct {
			Name  string `json:"name"`
			Hosts []struct {
				Stats []struct {
					Name  string `json:"name"`
					Value string `json:"value"`
				} `json:"stats"`
			} `json:"host_statuses"`
		} `json:"cluster_statuses"`
	}
	if err := json.Unmarshal([]byte(out), &reply); err != nil {
		c.t.Fatalf("clusters of the gateway: %v", err)
	}
	sum := 0
	for _, s := range reply.Statuses {
		if s.Name != clusterName {
			continue
		}
		for _, h := range s.Hosts {
			for _, st := range h.Stats {
				if n, err := strconv.Atoi(st.Value); err == nil && st.Name == stat {
					sum += n
				}
			}
		}
	}
	return sum
}

// report is what `check -o json` prints (the contract's field names).
type report struct {
	Paths []struct {
		Host string `json:"host"`
		Port int    `json:"port"`
		Set  string `json:"set"`
		Mode string `json:"mode"`
		Hops []struct {
			Name   string `json:"name"`
			State  string `json:"state"`
			Detail string `json:"detail"`
		} `json:"hops"`
	} `json:"paths"`
	Findings []struct {
		Code    string `json:"code"`
		State   string `json:"state"`
		Path    string `json:"path"`
		Message string `json:"message"`
		Fix     string `json:"fix"`

		Evidence []string `json:"evidence"`
	} `json:"findings"`
	ExitCode int `json:"exitCode"`
}

// check runs `check -o json`, whatever its verdict, and holds it to its own exit code.
func (c *cluster) check(args ...string) report {
	c.t.Helper()
	r := c.run("", c.egress, append([]string{"check", "-o", "json"}, args...)...)
	var rep report
	if err := json.Unmarshal([]byte(r.stdout), &rep); err != nil {
		c.t.Fatalf("check -o json is no report: %v\n%s", err, r)
	}
	if rep.ExitCode != r.code {
		c.t.Fatalf("exitCode %d in the report, %d from the process\n%s", rep.ExitCode, r.code, r)
	}
	return rep
}

// codes lists the codes of findings in one of the states, sorted, once each.
func (r report) codes(states ...string) []string {
	var out []string
	for _, f := range r.Findings {
		if slices.Contains(states, f.State) {
			out = append(out, f.Code)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestWitnessLine(t *testing.T) {
	t.Parallel()
	line := `2026-11-21T01:45:28+00:00 10.244.0.4 443 sni=edition.cnn.com host=edition.cnn.com "GET /politics?n1-1 HTTP/1.1" 200 client=-`
	m := witnessLine.FindStringSubmatch(line)
	if len(m) == 0 || m[1] != "10.244.0.4" || m[2] != "443" || m[3] != "edition.cnn.com" {
		t.Fatalf("parsed as %q", m)
	}
}
