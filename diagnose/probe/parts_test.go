package probe

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	cases := []struct {
		in   string
		port int
		path string
		want string // full URL, or part of an error
		bad  bool
	}{
		{in: "edition.cnn.com", want: "https://edition.cnn.com/"},
		{in: "edition.cnn.com", port: 80, want: "http://edition.cnn.com/"},
		{in: "edition.cnn.com", port: 8443, path: "/a?b=c", want: "https://edition.cnn.com:8443/a?b=c"},
		{in: "http://edition.cnn.com/politics/", want: "http://edition.cnn.com/politics/"},
		{in: "https://edition.cnn.com:444", want: "https://edition.cnn.com:444/"},
		{in: "*.cnn.com", want: "is many hosts", bad: true},
		{in: "ftp://edition.cnn.com", want: "is no host and no URL", bad: true},
		{in: "https://me@edition.cnn.com", want: "is no host and no URL", bad: true},
		{in: "10.0.0.1", want: "IP address", bad: true},
		{in: "edition.cnn.com", path: "politics", want: "begins with /", bad: true},
		{in: "edition.cnn.com", path: "/a b", want: "printable", bad: true},
		{in: "edition.cnn.com", port: 70000, want: "1 to 65535", bad: true},
	}
	for _, tt := range cases {
		got, err := ParseTarget(tt.in, tt.port, tt.path)
		switch {
		case tt.bad && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want %q in it", tt.in, err, tt.want)
		case !tt.bad && (err != nil || got.full() != tt.want):
			t.Errorf("%s: %q, %v; want %s", tt.in, got.full(), err, tt.want)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	f.Add("https://edition.cnn.com:444/a?b", 0, "")
	f.Add("edition.cnn.com", 80, "/x")
	f.Fuzz(func(t *testing.T, s string, port int, path string) {
		got, err := ParseTarget(s, port, path)
		if err != nil {
			return
		}
		again, err := ParseTarget(got.full(), 0, "")
		if err != nil || again.Host != got.Host || again.Port != got.Port || again.Scheme != got.Scheme {
			t.Errorf("%q is %+v, whose URL %s is %+v, %v", s, got, got.full(), again, err)
		}
	})
}

func TestPrograms(t *testing.T) {
	t.Parallel()
	target, err := ParseTarget("https://edition.cnn.com/a;b'$(c)", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs() {
		argv := p.argv(order{Target: target, agent: "agent", limit: 5 * time.Second})
		if !slices.ContainsFunc(argv, func(a string) bool { return strings.HasSuffix(a, target.Path) }) {
			t.Errorf("%s does not ask for the path: %q", p.name, argv)
		}
		if i := slices.Index(argv, "-c"); i >= 0 && strings.Contains(argv[i+1], "$(c)") {
			t.Errorf("%s has the user's words in its script: %q", p.name, argv)
		}
	}
	if argv := openssl(order{Target: Target{Scheme: "http"}}); argv != nil {
		t.Errorf("openssl for HTTP: %q", argv)
	}
	if argv := curl(order{Target: target, agent: "agent"}); !slices.Contains(argv, "1") || argv[slices.Index(argv, agentFlag)+1] != "agent" {
		t.Errorf("no least limit, or no agent: %q", argv)
	}
}

// TestPorts: what can be told from where to send does not take a port that a kernel gives out by itself.
func TestPorts(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 200 {
		first := anyPort()
		if seen[first] = true; first < firstPort || first+somePorts > 32768 {
			t.Fatalf("ports from %d on", first)
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d ranges in 200", len(seen))
	}
	target, err := ParseTarget("https://edition.cnn.com", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	o := order{Target: target, port: 20032}
	if argv := curl(o); !slices.Contains(argv, "20032-20095") {
		t.Errorf("curl: %q", argv)
	}
	if argv := python(o); argv[len(argv)-1] != "20032" || !strings.Contains(argv[2], fmt.Sprintf("int(f)+%d)", somePorts)) {
		t.Errorf("python3: %q", argv)
	}
}

func TestReadAnswers(t *testing.T) {
	t.Parallel()
	cases := []struct {
		read           func(*answer, string, string)
		stdout, stderr string
		want           answer
	}{
		{readCurl, "200 10.244.0.10 50954 0.031\n", "", answer{status: 200, local: "10.244.0.10:50954", seconds: 0.031}},
		{readCurl, "200 fd00::1 50954 0.5\n", "", answer{status: 200, local: "[fd00::1]:50954", seconds: 0.5}},
		{readCurl, "200 fd00::1 50954 0 0 0.5\n", "", answer{status: 200, seconds: 0.5}},
		{readCurl, "000  0 0.002\n", "", answer{seconds: 0.002}},
		{readCurl, "", "", answer{}},
		{readStatusLine, "", "  HTTP/1.1 301 Moved\n  Location: x\n  HTTP/1.1 200 OK\n", answer{status: 301}},
		{readStatusLine, "HTTP/1.0 503 no\r\n\r\n", "depth=1 CN = x\n", answer{status: 503}},
		{readStatusLine, "<p>HTTP/1.1 200", "", answer{}},
	}
	for _, tt := range cases {
		var got answer
		tt.read(&got, tt.stdout, tt.stderr)
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("%q %q (-want +got)\n%s", tt.stdout, tt.stderr, diff)
		}
	}
}

func FuzzReadAnswers(f *testing.F) {
	f.Add("200 10.244.0.10 50954 0.031\n", "HTTP/1.1 301 Moved\n")
	f.Fuzz(func(t *testing.T, stdout, stderr string) {
		for _, read := range []func(*answer, string, string){readCurl, readStatusLine} {
			var a answer
			read(&a, stdout, stderr)
			if a.local != "" && !strings.Contains(a.local, ":") {
				t.Errorf("%q is no address", a.local)
			}
		}
	})
}

// TestCounted: what is ambiguous tells nothing.
func TestCounted(t *testing.T) {
	t.Parallel()
	const ref, other = "istio-system/istio-egressgateway", "team/egress"
	to := func(gateway string) Grown { return Grown{Hop: "sidecar", Cluster: toGateway, gateway: gateway} }
	out := func(hop, cluster, gateway string) Grown { return Grown{Hop: hop, Cluster: cluster, gateway: gateway} }
	cases := []struct {
		name    string
		grown   []Grown
		verdict Verdict
		gateway string
	}{
		{"nothing", nil, Unknown, ""},
		{"through", []Grown{to(ref), out("gateway", "outbound|443||edition.cnn.com", ref)}, Through, ref},
		{"through a wildcard", []Grown{to(ref), out("gateway", "outbound|443||*.cnn.com", ref)}, Through, ref},
		{"dynamic", []Grown{to(ref), out("gateway", "dynamic_forward_proxy_cluster_default_x", ref)}, Through, ref},
		{"another host left", []Grown{to(ref), out("gateway", "outbound|443||bbc.com", ref)}, Unknown, ""},
		{"another gateway", []Grown{to(ref), out("gateway", "outbound|443||edition.cnn.com", other)}, Unknown, ""},
		{"two gateways", []Grown{to(ref), to(other), out("gateway", "outbound|443||edition.cnn.com", ref)}, Unknown, ""},
		{"round", []Grown{out("sidecar", "PassthroughCluster", "")}, Round, ""},
		{"round by its entry", []Grown{out("sidecar", "outbound|443||edition.cnn.com", "")}, Round, ""},
		{"both ways", []Grown{to(ref), out("sidecar", "PassthroughCluster", ""), out("gateway", "outbound|443||edition.cnn.com", ref)}, Unknown, ""},
		{"round, while others use the gateway", []Grown{out("sidecar", "PassthroughCluster", ""), out("gateway", "outbound|443||edition.cnn.com", ref)}, Unknown, ""},
		{"to a stranger", []Grown{out("sidecar", "outbound|443||x.shop.svc.cluster.local", ""), out("sidecar", "PassthroughCluster", "")}, Unknown, ""},
		{"another host straight", []Grown{out("sidecar", "outbound|443||bbc.com", "")}, Unknown, ""},
	}
	for _, tt := range cases {
		verdict, gateway := counted(tt.grown, "edition.cnn.com")
		if verdict != tt.verdict || gateway != tt.gateway {
			t.Errorf("%s: %s %q, want %s %q", tt.name, verdict, gateway, tt.verdict, tt.gateway)
		}
	}
}

// TestGrown: a proxy that did not answer before, and counters that began anew, say nothing.
func TestGrown(t *testing.T) {
	t.Parallel()
	at := func(pod, cluster string) place { return place{hop: "gateway", pod: pod, cluster: cluster} }
	before := map[place]uint64{{pod: "n/a"}: 0, at("n/a", "one"): 5, at("n/a", "anew"): 9}
	after := map[place]uint64{{pod: "n/a"}: 0, {pod: "n/b"}: 0, at("n/a", "one"): 7, at("n/a", "anew"): 1, at("n/a", "new"): 1, at("n/b", "one"): 100}
	want := []Grown{{Hop: "gateway", Pod: "n/a", Cluster: "new", By: 1}, {Hop: "gateway", Pod: "n/a", Cluster: "one", By: 2}}
	if diff := cmp.Diff(want, grown(before, after), cmp.AllowUnexported(Grown{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]bool{126: true, 127: true, 1: false, 35: false} {
		if got := missing(&kube.ExitError{Code: code}); got != want {
			t.Errorf("exit code %d: missing %t", code, got)
		}
	}
	if missing(nil) {
		t.Error("success is not missing")
	}
}
