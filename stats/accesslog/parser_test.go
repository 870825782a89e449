package accesslog

import (
	"strings"
	"testing"
	"time"
)

const (
	connection = `[2026-11-21T01:45:28.223Z] "- - -" 0 - - - "-" 749 1559 4 - "-" "-" "-" "-" "10.96.0.83:443" outbound|443||edition.cnn.com 10.244.0.4:34014 10.244.0.4:8443 10.244.0.10:49240 edition.cnn.com -`
	request    = `[2026-11-21T01:51:36.970Z] "GET /politics HTTP/2" 503 URX,UF via_upstream - "reason" 0 169 1 0 "10.244.0.10" "curl/7.88.1" "823ac0f0" "Edition.CNN.com:80" "10.96.0.83:80" outbound|80||edition.cnn.com 10.244.0.4:43162 10.244.0.4:8080 10.244.0.10:49906 - -`
	nginxLine  = `127.0.0.1 [21/Nov/2026:01:50:28 +0100] TCP [www.wikipedia.org]200 1576 234 0.005`
)

func parse(t testing.TB, raw string) *Line {
	t.Helper()
	var p Parser
	l := &Line{}
	if !p.Parse([]byte(raw), l) {
		t.Fatalf("not read: %s", raw)
	}
	return l.Clone()
}

// TestNoAllocation: once warm, no line of any kind costs an allocation. It is not parallel: it counts them.
func TestNoAllocation(t *testing.T) {
	custom, err := ParseTemplate("%START_TIME% %REQUESTED_SERVER_NAME% %RESPONSE_CODE%")
	if err != nil {
		t.Fatal(err)
	}
	ownJSON := shown(parse(t, request))
	for name, raw := range map[string]string{
		"text": connection, "request": request, "nginx": nginxLine, "stamped": "2026-11-21T06:55:38.445953843Z " + connection,
		"json":       `{"start_time":"2024-09-01T10:00:00.001Z","user_agent":"a \"b\" \u00e4","response_code":0,"response_flags":"UF","upstream_cluster":"x","bytes_sent":1}`,
		"own JSON":   ownJSON,
		"custom":     "2026-11-21T01:45:28.223Z edition.cnn.com 200",
		"quoted":     strings.Replace(request, "curl", `a" "b`, 1),
		"no log":     "2026-11-21T01:45:28.221123Z\twarning\tenvoy config\tgRPC config rejected",
		"other JSON": `{"level":"info","time":"2026-11-21T01:45:28.221123Z","scope":"cache","msg":"a \"b\""}`,
	} {
		p := Parser{Templates: []*Template{custom}}
		var l Line
		f := Filter{Flags: []string{"UF"}, Codes: []Codes{{0, 999}}}
		out := make([]byte, 0, 4096)
		line := []byte(raw)
		got := testing.AllocsPerRun(100, func() {
			if p.Parse(line, &l) && f.Match(&l) {
				out = l.AppendJSON(out[:0])
			}
		})
		if got > 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

func TestBeforeTheLine(t *testing.T) {
	t.Parallel()
	l := parse(t, "2026-11-21T06:55:38.445953843+01:00 "+connection+"\r\n")
	if want := time.Date(2026, 11, 21, 5, 55, 38, 445953843, time.UTC); !l.Written.Equal(want) || !l.At().Equal(want) {
		t.Errorf("written %v, at %v, want %v", l.Written, l.At(), want)
	}
	if string(l.Raw) != connection {
		t.Errorf("raw is %q", l.Raw)
	}
	l = parse(t, "[pod/gw-1/istio-proxy] "+connection)
	if string(l.Pod) != "gw-1" || string(l.Container) != "istio-proxy" || string(l.Raw) != connection {
		t.Errorf("pod %q, container %q, raw %q", l.Pod, l.Container, l.Raw)
	}
	var p Parser
	other := &Line{}
	if p.Parse([]byte("[pod/gw-1/istio-proxy] 2026-11-21T06:55:38Z hello\n"), other) {
		t.Error("hello is no access log")
	}
	if string(other.Raw) != "hello" || string(other.Pod) != "gw-1" || other.Written.IsZero() {
		t.Errorf("what is no access log: raw %q, pod %q, written %v", other.Raw, other.Pod, other.Written)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	l := parse(t, nginxLine)
	if want := time.Date(2026, 11, 21, 0, 50, 28, 0, time.UTC); !l.Time.Equal(want) || !l.End().Equal(want) {
		t.Errorf("nginx tells the end: time %v, end %v, want %v", l.Time, l.End(), want)
	}
	l = parse(t, connection)
	if want := l.Time.Add(4 * time.Millisecond); !l.End().Equal(want) || !l.At().Equal(want) {
		t.Errorf("end %v, at %v, want %v", l.End(), l.At(), want)
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		connection: "edition.cnn.com",
		request:    "Edition.CNN.com",
		nginxLine:  "www.wikipedia.org",
		strings.Replace(request, "Edition.CNN.com:80", "[::1]:80", 1): "[::1]",
		strings.Replace(request, "Edition.CNN.com:80", "a:b:c", 1):    "a:b:c",
	} {
		if got := string(parse(t, raw).Host()); got != want {
			t.Errorf("%s\nhost %q, want %q", raw, got, want)
		}
	}
}

// TestCloneIsItsOwn: a clone stays what it is when the buffer that was parsed is used again.
func TestCloneIsItsOwn(t *testing.T) {
	t.Parallel()
	buffer := []byte("[pod/gw-1/istio-proxy] " + request)
	var p Parser
	var l Line
	if !p.Parse(buffer, &l) {
		t.Fatal("not read")
	}
	before, c := shown(&l), l.Clone()
	clear(buffer)
	if got := shown(c); got != before {
		t.Errorf("the clone is now %s", got)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for short, long := range FlagNames() {
		if FlagMeaning(short, false) == "" || FlagMeaning(short, true) == "" || string(shortFlags([]byte(long))) != short {
			t.Errorf("%s (%s): %q, %q, %q", short, long, FlagMeaning(short, false), FlagMeaning(short, true), shortFlags([]byte(long)))
		}
	}
	if got := FlagMeaning("XYZ", false); got != "" {
		t.Errorf("XYZ means %q", got)
	}
	l := parse(t, strings.Replace(request, "URX,UF", "NR,XYZ", 1))
	if got := l.Meanings(); len(got) != 2 || got[0] != "no route for this host and path" || got[1] != "XYZ" {
		t.Errorf("meanings %q", got)
	}
	tcp := parse(t, strings.Replace(connection, `0 - - -`, `0 NR - -`, 1))
	if got := tcp.Meanings(); got[0] != "no filter chain for this connection" {
		t.Errorf("of a connection: %q", got)
	}
	if got := Reason([]byte("delayed_connect_error:_Connection_refused")); got != "delayed connect error: Connection refused" {
		t.Errorf("reason %q", got)
	}
}

func TestWays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cluster, host string
		want          Way
		source        Source
	}{
		{"outbound|443||edition.cnn.com", "10.96.0.83:443", ToOutside, Gateway},
		{"outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local", "10.244.0.4:8443", ToService, Sidecar},
		{"outbound|8443||sni-proxy.local", "127.0.0.1:8443", ToSNIProxy, Gateway},
		{"sni_cluster_default_x", "envoy://sni_listener_x/", ToInner, Gateway},
		{"dynamic_forward_proxy_cluster", "10.96.0.83:443", ToDynamic, Gateway},
		{"PassthroughCluster", "10.96.0.83:443", Passthrough, Gateway},
		{"BlackHoleCluster", "-", BlackHole, Gateway},
		{"inbound|80||", "10.244.0.4:80", Inbound, Sidecar},
		{"somebody_elses", "10.96.0.83:443", OtherCluster, Gateway},
		{"-", "-", WayUnknown, Gateway},
	} {
		l := parse(t, strings.NewReplacer("outbound|443||edition.cnn.com", c.cluster, `"10.96.0.83:443"`, `"`+c.host+`"`).Replace(connection))
		if got := l.Way(); got != c.want {
			t.Errorf("%s: way %d, want %d", c.cluster, got, c.want)
		}
		if l.Source != c.source {
			t.Errorf("%s: source %q, want %q", c.cluster, l.Source, c.source)
		}
	}
	namespace, name := parse(t, strings.Replace(connection, "outbound|443||edition.cnn.com", "outbound|443|cnn|gw.infra.svc.cluster.local", 1)).Service()
	if string(namespace) != "infra" || string(name) != "gw" {
		t.Errorf("service %s/%s", namespace, name)
	}
	if _, name := parse(t, connection).Service(); name != nil {
		t.Errorf("edition.cnn.com is no service, but %q", name)
	}
}
