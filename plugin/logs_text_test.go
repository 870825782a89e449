package plugin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// TestWordsOfALine: where a line says that it was sent, and what went wrong.
func TestWordsOfALine(t *testing.T) {
	t.Parallel()
	line := func(change func(*accesslog.Line)) *accesslog.Line {
		l := &accesslog.Line{
			Source: accesslog.Gateway, Format: "istio-1.9", SNI: []byte("edition.cnn.com"), UpstreamHost: []byte("10.0.0.1:443"),
			BytesReceived: 7, BytesSent: -1, DurationMS: -1,
		}
		change(l)
		return l
	}
	to := func(cluster string) func(*accesslog.Line) {
		return func(l *accesslog.Line) { l.UpstreamCluster = []byte(cluster) }
	}
	for _, tt := range []struct {
		change func(*accesslog.Line)
		want   string
	}{
		{to("outbound|443||edition.cnn.com"), "- gateway - edition.cnn.com ok outside 10.0.0.1:443 7 in, 0 out -"},
		{to("outbound|443||shop.default.svc.cluster.local"), "- gateway - edition.cnn.com ok to default/shop 10.0.0.1:443 7 in, 0 out -"},
		{to("PassthroughCluster"), "- gateway - edition.cnn.com ok straight outside 10.0.0.1:443, host not known to the mesh 7 in, 0 out -"},
		{to("BlackHoleCluster"), "- gateway - edition.cnn.com ok nowhere: host not known to the mesh 7 in, 0 out -"},
		{to("inbound|80||"), "- gateway - edition.cnn.com ok to the workload 10.0.0.1:443 7 in, 0 out -"},
		{to("my_cluster"), "- gateway - edition.cnn.com ok to my_cluster 10.0.0.1:443 7 in, 0 out -"},
		{func(*accesslog.Line) {}, "- gateway - edition.cnn.com ok to 10.0.0.1:443 7 in, 0 out -"},
		{func(l *accesslog.Line) { l.UpstreamHost = nil }, "- gateway - edition.cnn.com ok nowhere 7 in, 0 out -"},
		{func(l *accesslog.Line) { l.Source, l.UpstreamHost, l.Code = accesslog.SNIProxy, nil, 200 }, "- sni-proxy - edition.cnn.com 200 outside 7 in, 0 out -"},
		{func(l *accesslog.Line) { l.Source, l.UpstreamHost, l.Code = accesslog.SNIProxy, nil, 502 }, "- sni-proxy - edition.cnn.com 502 nowhere 7 in, 0 out -"},
		{func(l *accesslog.Line) {
			l.Source, l.SNI, l.BytesReceived, l.DurationMS = "", nil, -1, 12
		}, "- - - - ok to 10.0.0.1:443 - 12 ms"},
		{func(l *accesslog.Line) {
			l.Pod, l.Method, l.Path, l.Authority, l.Code, l.Flags = []byte("p"), []byte("GET"), []byte("/x"), []byte("a.example.com"), 503, []byte("UH")
			l.Details = []byte("no_healthy_upstream")
		}, "- gateway p GET a.example.com/x 503 UH to 10.0.0.1:443 7 in, 0 out - no healthy host in the upstream cluster; no healthy upstream"},
	} {
		var c cells
		c.ofLine(line(tt.change), false)
		var columns columns
		got := strings.Join(strings.Fields(string(columns.append(nil, &c))), " ")
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
}

// TestColumnsGrow: a later line keeps the widths of those before it, and what is too wide sticks out.
func TestColumnsGrow(t *testing.T) {
	t.Parallel()
	var (
		c       cells
		columns columns
		out     []byte
	)
	for _, words := range [][]string{{"a", "b", ""}, {"longer", "ü", "last"}, {"a", strings.Repeat("x", 60), "last"}, {"a", "b", "last"}} {
		c.reset()
		for _, w := range words {
			c.words(w)
		}
		out = columns.append(out, &c)
	}
	want := "a  b\nlonger  ü  last\na       " + strings.Repeat("x", 60) + "  last\na       b" + strings.Repeat(" ", 49) + "last\n"
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestTroublesOfARow: only hops that say something are named.
func TestTroublesOfARow(t *testing.T) {
	t.Parallel()
	sidecar := &accesslog.Line{Source: accesslog.Sidecar, Flags: []byte("UF")}
	gateway := &accesslog.Line{Source: accesslog.Gateway, Flags: []byte("UH")}
	well := &accesslog.Line{Source: accesslog.Gateway}
	for want, lines := range map[string][]*accesslog.Line{
		"": {well, well},
		"sidecar: could not connect to the upstream host":                                                   {sidecar, well},
		"gateway: no healthy host in the upstream cluster":                                                  {well, gateway},
		"sidecar: could not connect to the upstream host; gateway: no healthy host in the upstream cluster": {sidecar, gateway},
	} {
		var c cells
		c.troubles(lines)
		if string(c.text) != want || len(c.ends) != 1 {
			t.Errorf("%q in %d cells, want %q", c.text, len(c.ends), want)
		}
	}
}
