package counter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// byDefault is what Istio's proxies keep unless told otherwise.
var byDefault = &admin.StatsMatcher{Inclusion: true, Patterns: []admin.Pattern{
	{Prefix: "reporter="}, {Prefix: "cluster_manager"}, {Prefix: "cluster.xds-grpc"}, {Prefix: "istio"}, {Suffix: "rbac.allowed"}, {Regex: `vhost\..*\.route\..*`},
}}

// recording is the same with Patterns.
func recording() *admin.StatsMatcher {
	m := &admin.StatsMatcher{Inclusion: true, Patterns: byDefault.Patterns}
	for _, p := range Patterns() {
		m.Patterns = append(slices.Clip(m.Patterns), admin.Pattern{Regex: p})
	}
	return m
}

const (
	news = "outbound|443||edition.cnn.com"
	dfp  = "dynamic_forward_proxy_cluster"
)

func hosts() []admin.HostCounters {
	return []admin.HostCounters{
		{Cluster: news, Hosts: []admin.HostStatus{
			{Address: "10.96.0.83", Port: 443, Opened: 2, Active: 1, Failed: 1, Requests: 2},
			{Address: "10.96.0.84", Port: 443, Opened: 5, Requests: 5},
		}},
		{Cluster: dfp, Hosts: []admin.HostStatus{
			{Hostname: "en.wikipedia.org:443", Opened: 4, Failed: 2},
			{Hostname: "De.wikipedia.org:443", Opened: 1},
			{Hostname: "elsewhere.com:443", Opened: 9},
		}},
	}
}

func metrics(t *testing.T, text string) *Metrics {
	t.Helper()
	m, err := ReadMetrics(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCount(t *testing.T) {
	t.Parallel()
	fromHosts := func(n uint64) Count { return Count{Value: n, Source: FromHosts} }
	fromStats := func(n uint64) Count { return Count{Value: n, Source: FromStats} }
	fromIstio := func(n uint64) Count { return Count{Value: n, Source: FromMetrics} }
	silent, dark, apart := Count{Why: NotRecorded}, Count{Why: Unknown}, Count{Why: NotApart}
	const istio = `istio_tcp_connections_opened_total{destination_service="edition.cnn.com"} 6
istio_tcp_connections_closed_total{destination_service="edition.cnn.com"} 4
istio_tcp_sent_bytes_total{destination_service="edition.cnn.com"} 300
istio_tcp_received_bytes_total{destination_service="edition.cnn.com"} 100
istio_requests_total{destination_service="edition.cnn.com"} 8
`
	for name, test := range map[string]struct {
		proxy Proxy
		dest  Destination
		want  Counts
	}{
		"as Istio comes": {
			Proxy{Stats: read(t, ""), Hosts: hosts(), Matcher: byDefault, Metrics: metrics(t, "")},
			Destination{Cluster: news, Service: "edition.cnn.com", TLS: true, HTTP: true},
			Counts{Opened: fromHosts(7), Active: fromHosts(1), Failed: fromHosts(1), Requests: fromHosts(7), TLSFailed: silent, Sent: silent, Received: silent},
		},
		"recorded": {
			Proxy{Stats: read(t, reply), Hosts: hosts(), Matcher: recording()},
			Destination{Cluster: news, TLS: true},
			Counts{Opened: fromStats(2), Active: fromStats(1), Failed: fromStats(0), TLSFailed: fromStats(0), Sent: fromStats(1498), Received: fromStats(3118)},
		},
		"recorded, without the semicolon": {
			Proxy{Stats: read(t, reply), Matcher: recording()},
			Destination{Cluster: "outbound|443||www.wikipedia.org"},
			Counts{Opened: fromStats(7), Active: fromHosts(0), Failed: fromHosts(0), Sent: fromStats(0), Received: fromStats(0)},
		},
		"recorded, and nothing came yet: the statistics are not there (since 1.24)": {
			Proxy{Stats: read(t, ""), Matcher: recording()},
			Destination{Cluster: "outbound|443||a.example.com", TLS: true, Lookup: true, Cache: "c"},
			Counts{Opened: fromHosts(0), Active: fromHosts(0), Failed: fromHosts(0), TLSFailed: fromStats(0), DNSFailed: fromStats(0), Sent: fromStats(0), Received: fromStats(0)},
		},
		"refused certificates": {
			Proxy{Stats: read(t, reply), Matcher: byDefault, NoHosts: true},
			Destination{Cluster: "outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local", TLS: true},
			Counts{Opened: silent, Active: silent, Failed: silent, TLSFailed: fromStats(5), Sent: silent, Received: silent},
		},
		"what is kept is not known": {
			Proxy{Stats: read(t, ""), Hosts: hosts()},
			Destination{Cluster: news, TLS: true, Lookup: true},
			Counts{Opened: fromHosts(7), Active: fromHosts(1), Failed: fromHosts(1), TLSFailed: dark, DNSFailed: dark, Sent: dark, Received: dark},
		},
		"statistics could not be read": {
			Proxy{Hosts: hosts(), Matcher: recording()},
			Destination{Cluster: news, TLS: true},
			Counts{Opened: fromHosts(7), Active: fromHosts(1), Failed: fromHosts(1), TLSFailed: dark, Sent: dark, Received: dark},
		},
		"one host of many": {
			Proxy{Stats: read(t, reply+"cluster.dynamic_forward_proxy_cluster.upstream_cx_total: 14\n"), Hosts: hosts(), Matcher: recording()},
			Destination{Cluster: dfp, Hostname: "de.wikipedia.org", Lookup: true, Cache: "dynamic_forward_proxy_cache_config"},
			Counts{Opened: fromHosts(1), Active: fromHosts(0), Failed: fromHosts(0), DNSFailed: fromStats(2), Sent: apart, Received: apart},
		},
		"one that was never asked for": {
			Proxy{Stats: read(t, ""), Hosts: hosts(), Matcher: byDefault},
			Destination{Cluster: dfp, Hostname: "fr.wikipedia.org", Lookup: true},
			Counts{Opened: fromHosts(0), Active: fromHosts(0), Failed: fromHosts(0), DNSFailed: silent, Sent: apart, Received: apart},
		},
		"the only cache, whatever its name": {
			Proxy{Stats: read(t, "dns_cache.mine.dns_query_failure: 3\ndns_cache.mine.dns_query_timeout: 1\n"), Hosts: hosts(), Matcher: byDefault},
			Destination{Cluster: dfp, Hostname: "en.wikipedia.org", Lookup: true},
			Counts{Opened: fromHosts(4), Active: fromHosts(0), Failed: fromHosts(2), DNSFailed: fromStats(4), Sent: apart, Received: apart},
		},
		"Istio's metrics fill in": {
			Proxy{Stats: read(t, ""), Hosts: hosts(), Matcher: byDefault, Metrics: metrics(t, istio)},
			Destination{Cluster: news, Service: "edition.cnn.com"},
			Counts{Opened: fromHosts(7), Active: fromHosts(1), Failed: fromHosts(1), Sent: fromIstio(100), Received: fromIstio(300)},
		},
		"Istio's metrics alone": {
			Proxy{NoHosts: true, Metrics: metrics(t, istio)},
			Destination{Cluster: news, Service: "edition.cnn.com", HTTP: true},
			Counts{Opened: fromIstio(6), Active: fromIstio(2), Failed: dark, Requests: fromIstio(8), Sent: fromIstio(100), Received: fromIstio(300)},
		},
		"more closed than opened, since the pod was looked at in between": {
			Proxy{NoHosts: true, Metrics: metrics(t, strings.Replace(istio, "} 4\n", "} 7\n", 1))},
			Destination{Cluster: news, Service: "edition.cnn.com"},
			Counts{Opened: fromIstio(6), Active: fromIstio(0), Failed: dark, Sent: fromIstio(100), Received: fromIstio(300)},
		},
	} {
		if diff := cmp.Diff(test.want, test.proxy.Count(test.dest)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestLooked(t *testing.T) {
	t.Parallel()
	p := Proxy{Hosts: hosts()}
	if diff := cmp.Diff([]string{"en.wikipedia.org", "de.wikipedia.org"}, p.Looked(dfp, "*.wikipedia.org")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := p.Looked(news, "*.wikipedia.org"); got != nil {
		t.Errorf("another cluster: %v", got)
	}
}

func TestRecording(t *testing.T) {
	t.Parallel()
	part := &admin.StatsMatcher{Inclusion: true, Patterns: []admin.Pattern{{Regex: Patterns()[0]}, {Regex: Patterns()[2]}}}
	for name, test := range map[string]struct {
		m    *admin.StatsMatcher
		want bool
	}{
		"Istio's default": {byDefault, false}, "with the annotation": {recording(), true}, "everything": {&admin.StatsMatcher{All: true}, true},
		"all but TLS": {part, false}, "nothing": {&admin.StatsMatcher{None: true}, false},
		"all but what is excluded": {&admin.StatsMatcher{Patterns: []admin.Pattern{{Contains: "fail_verify"}}}, false},
	} {
		if got := Recording(test.m); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

// TestPatternsTakeBothForms: each statistic that is read would be recorded under either form of its name, and little else is.
func TestPatternsTakeBothForms(t *testing.T) {
	t.Parallel()
	m := recording()
	for s := range DNSFailure {
		for _, cluster := range []string{news, news + ";", dfp, "PassthroughCluster;"} {
			if name := "cluster." + cluster + "." + s.String(); !m.Records(name) {
				t.Errorf("%s is not recorded", name)
			}
		}
	}
	for _, name := range []string{"cluster." + news + ";.upstream_cx_length_ms", "cluster." + news + ";.membership_total", "listener.0.0.0.0_8443.downstream_cx_total"} {
		if m.Records(name) {
			t.Errorf("%s is recorded for nobody", name)
		}
	}
}

// someReport is a report with a count of every kind.
func someReport() Report {
	return Report{
		Taken: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC),
		Rows: []Row{
			{
				Host: "edition.cnn.com", Port: 443, Path: "edition.cnn.com:443", Set: "default/news", Hop: egress.AtGateway, Namespace: "istio-system", Pod: "gw-1", Cluster: news,
				Counts: Counts{Opened: Count{Value: 7, Source: FromHosts}, Active: Count{Source: FromHosts}, Sent: Count{Why: NotRecorded}, TLSFailed: Count{Value: 5, Source: FromStats}},
			},
			{
				Host: `odd"\`, Port: 80, Hop: egress.AtSidecar, Namespace: "default", Pod: "sleep",
				Counts: Counts{Opened: Count{Value: 1, Source: FromMetrics}, Requests: Count{Value: 3, Source: FromHosts}},
			},
		},
	}
}

func TestWriteMetrics(t *testing.T) {
	t.Parallel()
	const want = `# HELP egress_connections_opened_total Connections opened.
# TYPE egress_connections_opened_total counter
egress_connections_opened_total{host="edition.cnn.com",port="443",set="default/news",hop="gateway",namespace="istio-system",pod="gw-1",cluster="outbound|443||edition.cnn.com",source="/clusters"} 7
egress_connections_opened_total{host="odd\"\\",port="80",set="",hop="sidecar",namespace="default",pod="sleep",cluster="",source="istio_*"} 1
# HELP egress_connections_active Connections open now.
# TYPE egress_connections_active gauge
egress_connections_active{host="edition.cnn.com",port="443",set="default/news",hop="gateway",namespace="istio-system",pod="gw-1",cluster="outbound|443||edition.cnn.com",source="/clusters"} 0
# HELP egress_requests_total Requests, where the proxy can see them.
# TYPE egress_requests_total counter
egress_requests_total{host="odd\"\\",port="80",set="",hop="sidecar",namespace="default",pod="sleep",cluster="",source="/clusters"} 3
# HELP egress_tls_verification_failures_total Connections whose peer's certificate was refused.
# TYPE egress_tls_verification_failures_total counter
egress_tls_verification_failures_total{host="edition.cnn.com",port="443",set="default/news",hop="gateway",namespace="istio-system",pod="gw-1",cluster="outbound|443||edition.cnn.com",source="/stats"} 5
`
	var b bytes.Buffer
	if err := WriteMetrics(&b, someReport()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := WriteMetrics(failing{}, someReport()); err == nil {
		t.Error("a disk that is full is not told")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, bytes.ErrTooLarge }

func TestRowJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(someReport().Rows[0])
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"host":"edition.cnn.com","port":443,"path":"edition.cnn.com:443","set":"default/news","hop":"gateway","namespace":"istio-system","pod":"gw-1",` +
		`"cluster":"outbound|443||edition.cnn.com","counts":{"active":0,"opened":7,"tlsFailed":5},"sources":{"active":"/clusters","opened":"/clusters","tlsFailed":"/stats"},` +
		`"missing":{"bytesSent":"not recorded"}}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// BenchmarkCount counts a thousand destinations at a proxy that records little: what stats --watch does at each tick.
func BenchmarkCount(b *testing.B) {
	stats, err := Read(strings.NewReader(reply))
	if err != nil {
		b.Fatal(err)
	}
	var d []Destination
	for i := range 1000 {
		d = append(d, Destination{Cluster: fmt.Sprintf("outbound|443||host-%d.example.com", i), TLS: true})
	}
	for b.Loop() {
		p := Proxy{Stats: stats, Hosts: hosts(), Matcher: recording()}
		for _, one := range d {
			if c := p.Count(one); !c.TLSFailed.Known() {
				b.Fatal(c)
			}
		}
	}
}
