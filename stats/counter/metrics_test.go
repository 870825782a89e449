package counter

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestReadMetrics(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/gateway.prom")
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadMetrics(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	unexported := cmpopts.IgnoreUnexported(Metric{})
	for host, want := range map[string]*Metric{
		"edition.cnn.com":   {Opened: 3, Closed: 2, Sent: 2247, Received: 4677},
		"EDITION.CNN.COM":   {Opened: 3, Closed: 2, Sent: 2247, Received: 4677},
		"en.wikipedia.org":  {Requests: 15},
		`odd"\ na` + "\nme": {Opened: 1},
		"my.service":        nil, // told by the side that receives
		"unheard.of":        nil,
	} {
		if diff := cmp.Diff(want, m.Destination(host), unexported); diff != "" {
			t.Errorf("%s (-want +got)\n%s", host, diff)
		}
	}
	if !m.Any() {
		t.Error("metrics of Istio are there and Any is false")
	}
}

func TestReadMetricsNone(t *testing.T) {
	t.Parallel()
	m, err := ReadMetrics(strings.NewReader("# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\nno_labels 3\n"))
	if err != nil || m.Any() || m.Destination("edition.cnn.com") != nil {
		t.Errorf("%v, %v", m, err)
	}
	if (*Metrics)(nil).Destination("edition.cnn.com") != nil {
		t.Error("what was not read knows a destination")
	}
}

func TestReadMetricsBroken(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		`istio_requests_total{reporter="source",destination_service="a`,
		`istio_requests_total{reporter="source"`,
		`istio_requests_total{reporter="source",destination_service="a.b"} many`,
		`istio_requests_total{reporter="source",destination_service="a.b"} -1`,
		`istio_requests_total{reporter="source",destination_service="a.b"} NaN`,
		`istio_requests_total{reporter="source",destination_service="a.b"} 1e300`,
		`istio_requests_total{reporter="source",destination_service="a.b"}`,
		`istio_requests_total{reporter} 1`,
	} {
		if m, err := ReadMetrics(strings.NewReader(line)); err == nil {
			t.Errorf("%s: read as %v", line, m)
		}
	}
}

func FuzzReadMetrics(f *testing.F) {
	f.Add(`istio_requests_total{reporter="source",destination_service="a.b",x="\"\\\n"} 12 1700000000` + "\n")
	f.Add(`istio_tcp_sent_bytes_total{destination_service="a",} 1e3`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ReadMetrics(strings.NewReader(text))
		if err != nil {
			return
		}
		for host, d := range m.destinations {
			if host == "" || !d.tcp && !d.http {
				t.Fatalf("%q: destination %q with nothing told: %v", text, host, d)
			}
		}
	})
}

func BenchmarkReadMetrics(b *testing.B) {
	var text bytes.Buffer
	for i := 0; text.Len() < 5<<20; i++ {
		fmt.Fprintf(&text, `istio_tcp_sent_bytes_total{reporter="source",source_workload="istio-egressgateway",source_workload_namespace="istio-system",`+
			`destination_service="host-%d.example.com",destination_service_name="host",response_flags="-",connection_security_policy="unknown"} %d`+"\n", i, i)
		fmt.Fprintf(&text, `envoy_cluster_upstream_cx_total{cluster_name="outbound|443||host-%d.example.com"} %d`+"\n", i, i)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadMetrics(bytes.NewReader(text.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
}
