package counter

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

// reply has both forms of names, as Istio before and since 1.23 has them, and what else stands in a reply of /stats.
const reply = `cluster_manager.cds.version_text: "2026-11-21T06:53:26Z/1327"
cluster.outbound|443||edition.cnn.com;.upstream_cx_total: 2
cluster.outbound|443||edition.cnn.com;.upstream_cx_active: 1
cluster.outbound|443||edition.cnn.com;.upstream_cx_connect_fail: 0
cluster.outbound|443||edition.cnn.com;.upstream_cx_connect_timeout: 9
cluster.outbound|443||edition.cnn.com;.upstream_cx_tx_bytes_total: 1498
cluster.outbound|443||edition.cnn.com;.upstream_cx_rx_bytes_total: 3118
cluster.outbound|443||www.wikipedia.org.upstream_cx_total: 7
cluster.outbound|443||*.wikipedia.org.upstream_cx_total: 5
cluster.outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local;.ssl.fail_verify_san: 4
cluster.outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local;.ssl.fail_verify_error: 1
cluster.outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local;.ssl.ciphers.TLS_AES_128_GCM_SHA256: 3
cluster.sni_cluster.upstream_cx_total: 3
cluster.inbound|9_0|x;.upstream_rq_total: 6
dns_cache.dynamic_forward_proxy_cache_config.dns_query_failure: 2
dns_cache.*.wikipedia.org_dfp_dns_cache.dns_query_timeout: 8
dns_cache.dynamic_forward_proxy_cache_config.dns_query_attempt: 77
cluster.outbound|443||edition.cnn.com;.upstream_cx_length_ms: P0(nan,6) P25(nan,6.1) P50(nan,7)
http.inbound.downstream_rq_total: 12
listener.0.0.0.0_8443.downstream_cx_total: 4
`

func read(t *testing.T, text string) *Stats {
	t.Helper()
	s, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRead(t *testing.T) {
	t.Parallel()
	const gateway = "outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local"
	s := read(t, reply)
	for _, test := range []struct {
		of   *Counters
		stat Stat
		want uint64
		told bool
	}{
		{s.Cluster("outbound|443||edition.cnn.com"), Opened, 2, true},
		{s.Cluster("outbound|443||edition.cnn.com"), Active, 1, true},
		{s.Cluster("outbound|443||edition.cnn.com"), Failed, 0, true},
		{s.Cluster("outbound|443||edition.cnn.com"), Sent, 1498, true},
		{s.Cluster("outbound|443||edition.cnn.com"), Received, 3118, true},
		{s.Cluster("outbound|443||edition.cnn.com"), Requests, 0, false},
		{s.Cluster("outbound|443||www.wikipedia.org"), Opened, 7, true},
		{s.Cluster("outbound|443||*.wikipedia.org"), Opened, 5, true},
		{s.Cluster(gateway), VerifySAN, 4, true},
		{s.Cluster(gateway), VerifyCA, 1, true},
		{s.Cluster(gateway), VerifyNone, 0, false},
		{s.Cluster(gateway), Opened, 0, false},
		{s.Cluster("sni_cluster"), Opened, 3, true},
		{s.Cluster("inbound|9:0|x"), Requests, 6, true},
		{s.Cluster("wikipedia.org"), Opened, 0, false},
		{s.Cache("dynamic_forward_proxy_cache_config"), DNSFailure, 2, true},
		{s.Cache("dynamic_forward_proxy_cache_config"), DNSTimeout, 0, false},
		{s.Cache("*.wikipedia.org_dfp_dns_cache"), DNSTimeout, 8, true},
		{s.Cache("other"), DNSTimeout, 0, false},
		{(*Stats)(nil).Cluster("x"), Opened, 0, false},
		{(*Stats)(nil).Cache("x"), DNSFailure, 0, false},
	} {
		if got, told := test.of.Get(test.stat); got != test.want || told != test.told {
			t.Errorf("%s: %d, %t; want %d, %t", test.stat, got, told, test.want, test.told)
		}
	}
}

func TestReadPassesOver(t *testing.T) {
	t.Parallel()
	long := "cluster.x.upstream_cx_connect_ms: " + strings.Repeat("P0(nan,1) ", maxLine/5) + "\n"
	s := read(t, "\n: 1\ncluster.\ncluster.a.upstream_cx_total\ncluster.b.upstream_cx_total: -1\ncluster.c.upstream_cx_total: 99999999999999999999\n"+
		"cluster..upstream_cx_total: 1\ncluster.d.upstream_cx_total: No recorded values\n"+long+"cluster.e;.upstream_cx_total: 18\r\n")
	if len(s.clusters) != 1 {
		t.Errorf("%d clusters, want e alone: %v", len(s.clusters), s.clusters)
	}
	if n, ok := s.Cluster("e").Get(Opened); n != 18 || !ok {
		t.Errorf("e: %d, %t", n, ok)
	}
}

func TestReadCutOff(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"cluster.a.upstream_cx_total: 1\ncluster.b.upstream_cx_total: 12",
		strings.Repeat("x", maxLine+10),
	} {
		if _, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("a reply that is cut off after %d bytes is read as if it were whole", len(text))
		}
	}
	for _, text := range []string{"", strings.Repeat("x", maxLine+10)} {
		broken := iotest.ErrReader(fmt.Errorf("connection lost"))
		if _, err := Read(iotest.DataErrReader(&both{strings.NewReader(text), broken})); err == nil || !strings.Contains(err.Error(), "connection lost") {
			t.Errorf("a connection that is lost: %v", err)
		}
	}
}

type both struct {
	first *strings.Reader
	then  interface{ Read([]byte) (int, error) }
}

func (b *both) Read(p []byte) (int, error) {
	if b.first.Len() > 0 {
		return b.first.Read(p)
	}
	return b.then.Read(p)
}

// TestPath: what Envoy is asked for is what is read: the filter fits each line that Read keeps and none that it passes over.
func TestPath(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(Path())
	if err != nil {
		t.Fatal(err)
	}
	filter := regexp.MustCompile(u.Query().Get("filter"))
	kept := 0
	for line := range strings.Lines(reply) {
		name, _, _ := strings.Cut(line, ": ")
		s := read(t, line)
		keeps := len(s.clusters)+len(s.caches) > 0
		if filter.MatchString(name) != keeps {
			t.Errorf("%s: filter %t, Read %t", name, filter.MatchString(name), keeps)
		}
		if keeps {
			kept++
		}
	}
	if kept != 13 {
		t.Errorf("%d lines kept, want 13", kept)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(reply)
	f.Add("cluster.a;.upstream_cx_total: 1\r\n\r\n")
	f.Add("dns_cache.:.dns_query_failure:9\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		var b strings.Builder // what was read is written and read again
		for name, c := range s.clusters {
			for stat := range DNSFailure {
				if n, ok := c.Get(stat); ok {
					fmt.Fprintf(&b, "cluster.%s;.%s: %d\n", name, stat, n)
				}
			}
		}
		for name, c := range s.caches {
			for stat := DNSFailure; stat < statCount; stat++ {
				if n, ok := c.Get(stat); ok {
					fmt.Fprintf(&b, "dns_cache.%s.%s: %d\n", name, stat, n)
				}
			}
		}
		again, err := Read(strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		if len(again.clusters) != len(s.clusters) || len(again.caches) != len(s.caches) {
			t.Fatalf("%q\nread again: %d clusters and %d caches, had %d and %d", text, len(again.clusters), len(again.caches), len(s.clusters), len(s.caches))
		}
		for name, c := range s.clusters {
			if got := again.clusters[name]; got == nil || *got != *c {
				t.Fatalf("%q: %v, want %v", name, got, c)
			}
		}
	})
}

// synthetic is a reply of about size bytes as a proxy with many clusters gives it: mostly what is not wanted.
func synthetic(size int) []byte {
	var b bytes.Buffer
	names := append([]string{
		"upstream_cx_connect_timeout", "upstream_rq_timeout", "membership_total", "membership_healthy", "lb_healthy_panic",
		"circuit_breakers.default.cx_open", "update_success", "assignment_stale", "ssl.handshake", "upstream_rq_2xx",
	}, statNames[:DNSFailure]...)
	for i := 0; b.Len() < size; i++ {
		for _, n := range names {
			fmt.Fprintf(&b, "cluster.outbound|443||host-%d.example.com;.%s: %d\n", i, n, i)
		}
	}
	return b.Bytes()
}

func BenchmarkRead(b *testing.B) {
	text := synthetic(5 << 20)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s, err := Read(bytes.NewReader(text))
		if err != nil || len(s.clusters) < 1000 {
			b.Fatal(err, len(s.clusters))
		}
	}
}
