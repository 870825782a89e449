package measure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/ask"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// mesh is a Client without a cluster: lists of pods by namespace, and replies of Envoys by "POD PATH-PREFIX".
type mesh struct {
	gather.Client
	pods    map[string][]string
	replies map[string]string
	fails   map[string]error // by pod, by "POD PATH-PREFIX" or by "list NAMESPACE"
	mu      sync.Mutex
	asked   int
}

func (m *mesh) List(_ context.Context, _ kube.Resource, namespace string, _ kube.ListOptions, item func(json.RawMessage) error) error {
	if err := m.fails["list "+namespace]; err != nil {
		return err
	}
	for _, p := range m.pods[namespace] {
		if err := item(json.RawMessage(p)); err != nil {
			return err
		}
	}
	return nil
}

func (m *mesh) EnvoyGet(_ context.Context, _, pod, path string) (io.ReadCloser, error) {
	m.mu.Lock()
	m.asked++
	m.mu.Unlock()
	if err := m.fails[pod]; err != nil {
		return nil, err
	}
	for key, err := range m.fails {
		if p, prefix, ok := strings.Cut(key, " "); ok && p == pod && strings.HasPrefix(path, prefix) {
			return nil, err
		}
	}
	for key, text := range m.replies {
		if p, prefix, _ := strings.Cut(key, " "); p == pod && strings.HasPrefix(path, prefix) {
			return io.NopCloser(strings.NewReader(text)), nil
		}
	}
	empty := map[bool]string{true: "{}", false: ""}[strings.Contains(path, "json") || strings.HasPrefix(path, "/config")]
	return io.NopCloser(strings.NewReader(empty)), nil
}

func (m *mesh) EnvoyPortGet(ctx context.Context, namespace, pod string, port int, path string) (io.ReadCloser, error) {
	return m.EnvoyGet(ctx, namespace, pod, fmt.Sprintf(":%d%s", port, path))
}

func (m *mesh) Exec(context.Context, kube.Pod, []string, io.Writer, io.Writer) error {
	return kube.ErrForbidden
}

func load(t *testing.T, name string) *snapshot.Snapshot {
	t.Helper()
	f, err := os.Open(filepath.Join("../../testdata/captures", name, "snapshot.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := snapshot.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// meter finds what is to be counted in a capture.
func meter(t *testing.T, c *mesh, capture string, o Options) *Meter {
	t.Helper()
	s := load(t, capture)
	paths, err := diagnose.Follow(s, diagnose.Options{Targets: o.Targets, Namespace: o.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	f := &finding{Meter: &Meter{asker: ask.New(c, o.Via)}, s: s, index: map[string]int{}, have: map[point]bool{}}
	f.aim(o.Targets)
	for i := range paths {
		f.gateways(&paths[i])
	}
	if err := f.spread(t.Context(), c, f.clients(paths, o.Sidecars), false); err != nil {
		t.Fatal(err)
	}
	return f.Meter
}

// points tells what is counted: HOP CLUSTER and what is known of it.
func points(m *Meter) []string {
	var out []string
	for _, p := range m.points {
		words := []string{p.path.String(), string(m.proxies[p.proxy].asked.Hop), p.dest.Cluster}
		for word, on := range map[string]bool{"TLS": p.dest.TLS, "HTTP": p.dest.HTTP, "lookup in " + p.dest.Cache: p.dest.Lookup} {
			if on {
				words = append(words, word)
			}
		}
		slices.Sort(words[3:])
		if line := strings.Join(words, " "); !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}

const gw = "istio-egressgateway.istio-system.svc.cluster.local"

// TestPointsOfCaptures: for each documented configuration, as a real mesh had it, the clusters that its paths use; and of paths that
// cannot be followed to the gateway those that by their names are the host's.
func TestPointsOfCaptures(t *testing.T) {
	t.Parallel()
	const cnn, cnn80, wiki = "edition.cnn.com:443 ", "edition.cnn.com:80 ", "*.wikipedia.org:443 "
	for capture, want := range map[string][]string{
		"none": nil,
		"both-plain": {
			cnn + "gateway outbound|443||edition.cnn.com", cnn + "sidecar outbound|443||" + gw,
			cnn80 + "gateway outbound|80||edition.cnn.com HTTP", cnn80 + "sidecar outbound|80||" + gw + " HTTP",
		},
		"passthrough-mtls": {cnn + "gateway outbound|443||edition.cnn.com", cnn + "sidecar outbound|443|cnn|" + gw + " TLS"},
		"common-host":      {wiki + "gateway outbound|443||www.wikipedia.org", wiki + "sidecar outbound|443|wiki|" + gw + " TLS"},
		"EGR047-container": {wiki + "gateway outbound|18443||sni-proxy.local", wiki + "sidecar outbound|443|wikipedia|" + gw},
		"blog": {
			wiki + "gateway dynamic_forward_proxy_cluster lookup in dynamic_forward_proxy_cache_config",
			wiki + "sidecar outbound|443|wildcard|egressgateway.istio-egress.svc.cluster.local TLS",
		},
		"mtls-origination": {
			"my-nginx.mesh-external.svc.cluster.local:80 gateway outbound|443||my-nginx.mesh-external.svc.cluster.local HTTP TLS",
			"my-nginx.mesh-external.svc.cluster.local:80 sidecar outbound|443|nginx|" + gw + " HTTP TLS",
		},
		"direct-wildcard": {wiki + "sidecar outbound|443||*.wikipedia.org"},
		"EGR001":          {cnn + "gateway outbound|443||edition.cnn.com", cnn + "sidecar outbound|443||edition.cnn.com"},
		"EGR001-http":     {cnn80 + "gateway outbound|80||edition.cnn.com HTTP", cnn80 + "sidecar outbound|80||edition.cnn.com HTTP"},
		"EGR002":          {cnn + "sidecar PassthroughCluster"},
	} {
		if diff := cmp.Diff(want, points(meter(t, &mesh{}, capture, Options{Sidecars: true}))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", capture, diff)
		}
	}
}

// TestWithoutSidecars: gateways alone, but for paths that have none.
func TestWithoutSidecars(t *testing.T) {
	t.Parallel()
	for capture, want := range map[string]string{
		"both-mtls": "edition.cnn.com:443 gateway outbound|443||edition.cnn.com", "direct-exact": "edition.cnn.com:443 sidecar outbound|443||edition.cnn.com",
	} {
		got := points(meter(t, &mesh{}, capture, Options{Targets: []string{"edition.cnn.com"}}))
		if len(got) == 0 || got[0] != want || slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, gw) }) {
			t.Errorf("%s: %q", capture, got)
		}
	}
}

const (
	clusters = `{"cluster_statuses":[{"name":"dynamic_forward_proxy_cluster","host_statuses":[` +
		`{"hostname":"en.wikipedia.org:443","address":{"socket_address":{"address":"10.96.0.81","port_value":443}},"stats":[{"name":"cx_total","value":"4"}]},` +
		`{"hostname":"de.wikipedia.org:443","address":{"socket_address":{"address":"10.96.0.82","port_value":443}},"stats":[{"name":"cx_total","value":"1"},{"name":"cx_connect_fail","value":"1"}]}]}]}`
	bootstrap = `{"configs":[{"@type":"type.googleapis.com/envoy.admin.v3.BootstrapConfigDump","bootstrap":{"stats_config":{"stats_matcher":{"inclusion_list":{"patterns":[{"prefix":"cluster_manager"}]}}}}}]}`
)

// rowsOf tells rows as HOST HOP POD OPENED.
func rowsOf(r counter.Report) []string {
	var out []string
	for _, row := range r.Rows {
		out = append(out, fmt.Sprintf("%s %s %s/%s %d %s", row.Host, row.Hop, row.Namespace, row.Pod, row.Counts.Opened.Value, row.Counts.DNSFailed.Why))
	}
	return out
}

func podNamed(name, phase, deleted string) string {
	return fmt.Sprintf(`{"metadata":{"namespace":"default","name":%q,"deletionTimestamp":%q},"status":{"phase":%q}}`, name, deleted, phase)
}

func TestRead(t *testing.T) {
	t.Parallel()
	gatewayPod := load(t, "blog").Proxies[0].Pod
	client := load(t, "blog").Proxies[len(load(t, "blog").Proxies)-1].Pod
	c := &mesh{
		replies: map[string]string{gatewayPod + " /clusters": clusters, gatewayPod + " /config_dump": bootstrap},
		pods: map[string][]string{"default": {
			podNamed("ended", "Succeeded", ""), podNamed("going", "Running", "2026-11-21T00:00:00Z"), podNamed("another", "Running", ""), podNamed(client, "Running", ""),
		}},
	}
	m := meter(t, c, "blog", Options{Sidecars: true})
	r, stale, err := m.Read(t.Context())
	if err != nil || stale {
		t.Fatal(err, stale)
	}
	g := "gateway " + load(t, "blog").Proxies[0].Name()
	want := []string{
		"*.wikipedia.org sidecar default/another 0 ", "*.wikipedia.org sidecar default/" + client + " 0 ",
		"de.wikipedia.org " + g + " 1 not recorded", "en.wikipedia.org " + g + " 4 not recorded",
	}
	if diff := cmp.Diff(want, rowsOf(r)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, p := range r.Proxies {
		if p.Via != "port-forward" || p.Failed != "" || len(p.Missing) != 0 || p.Hop == egress.AtGateway && (p.Recording == nil || *p.Recording) {
			t.Errorf("%+v", p)
		}
	}
	// what was asked for and never came is there with 0
	m = meter(t, c, "blog", Options{Targets: []string{"fr.wikipedia.org"}})
	if r, _, err = m.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"fr.wikipedia.org " + g + " 0 not recorded"}, rowsOf(r)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestMetricsPorts: where the admin interface has no metrics of Istio the ports made for scraping are asked, and the source says so.
// Ports that have none either are not asked again.
func TestMetricsPorts(t *testing.T) {
	t.Parallel()
	pod := load(t, "passthrough-mtls").Proxies[0].Pod
	const sent = `istio_tcp_received_bytes_total{reporter="source",destination_service="edition.cnn.com"} 749` + "\n"
	const agents = `istio_agent_go_threads{x="y"} 5` + "\n"
	for name, test := range map[string]struct {
		replies map[string]string
		fails   map[string]error
		source  counter.Source
		again   int // questions of a second look
	}{
		"admin":          {map[string]string{" /stats/prometheus": sent, " :15020": agents}, nil, counter.FromMetrics, 3},
		"the agent":      {map[string]string{" :15020": agents + sent}, nil, counter.FromAgent, 4},
		"Envoy's own":    {map[string]string{" :15090": sent}, map[string]error{" :15020": errors.New("nothing listens there")}, counter.FromEnvoy, 5},
		"nobody":         {map[string]string{" :15020": agents}, nil, "", 3},
		"nobody listens": {nil, map[string]error{" :15020": errors.New("nothing listens there"), " :15090": errors.New("nothing listens there")}, "", 3},
	} {
		c := &mesh{replies: map[string]string{}, fails: map[string]error{}}
		for key, text := range test.replies {
			c.replies[pod+key] = text
		}
		for key, err := range test.fails {
			c.fails[pod+key] = err
		}
		m := meter(t, c, "passthrough-mtls", Options{})
		for i := range m.proxies {
			m.proxies[i].known = true
		}
		for again := range 2 {
			asked := c.asked
			r, _, err := m.Read(t.Context())
			if err != nil || len(r.Rows) == 0 || len(r.Proxies[0].Missing) > 0 {
				t.Fatalf("%s: %v, %+v", name, err, r)
			}
			if got := r.Rows[0].Counts.Sent; got.Source != test.source || test.source != "" && got.Value != 749 {
				t.Errorf("%s: %+v", name, got)
			}
			if again == 1 && c.asked-asked != test.again {
				t.Errorf("%s: %d questions the second time, want %d", name, c.asked-asked, test.again)
			}
		}
	}
}

// TestReadFails: a proxy that cannot be asked is told, and has no rows of zeroes; a source that cannot be read leaves the others.
func TestReadFails(t *testing.T) {
	t.Parallel()
	p := load(t, "blog").Proxies[0]
	for name, test := range map[string]struct {
		fails  map[string]error
		fatal  error
		stale  bool
		rows   int
		failed string
		lacks  int
	}{
		"gone":                    {map[string]error{p.Pod: kube.ErrAbsent}, nil, true, 0, "not found", 0},
		"forbidden":               {map[string]error{p.Pod: kube.ErrForbidden}, nil, false, 0, "forbidden", 0},
		"too slow":                {map[string]error{p.Pod: kube.ErrTimeout}, nil, false, 0, "timed out", 0},
		"no API server":           {map[string]error{p.Pod: kube.ErrUnreachable}, kube.ErrUnreachable, false, 0, "", 0},
		"the caller is not known": {map[string]error{p.Pod: kube.ErrUnauthorized}, kube.ErrUnauthorized, false, 0, "", 0},
		"no statistics":           {map[string]error{p.Pod + " /stats?": errors.New("cut off")}, nil, false, 2, "", 1},
		"no hosts":                {map[string]error{p.Pod + " /clusters": errors.New("cut off")}, nil, false, 1, "", 1},
		"no metrics":              {map[string]error{p.Pod + " /stats/p": errors.New("cut off")}, nil, false, 2, "", 1},
		"no configuration":        {map[string]error{p.Pod + " /config": errors.New("cut off")}, nil, false, 2, "", 0},
	} {
		c := &mesh{replies: map[string]string{p.Pod + " /clusters": clusters, p.Pod + " /config_dump": bootstrap}, fails: test.fails}
		r, stale, err := meter(t, c, "blog", Options{}).Read(t.Context())
		if !errors.Is(err, test.fatal) || stale != test.stale || len(r.Rows) != test.rows {
			t.Errorf("%s: %v, stale %t, rows %q", name, err, stale, rowsOf(r))
		}
		if err != nil {
			continue
		}
		if got := r.Proxies[0]; !strings.Contains(got.Failed, test.failed) || (got.Failed != "") != (test.failed != "") || len(got.Missing) != test.lacks {
			t.Errorf("%s: %+v", name, got)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := meter(t, &mesh{}, "blog", Options{}).Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestSpreadForbidden(t *testing.T) {
	t.Parallel()
	c := &mesh{fails: map[string]error{"list default": kube.ErrForbidden}}
	m := meter(t, c, "blog", Options{Sidecars: true})
	if len(m.notes) != 1 || !strings.Contains(m.notes[0], "one is shown") || len(m.proxies) != 2 {
		t.Errorf("notes %q, %d proxies", m.notes, len(m.proxies))
	}
	many := &mesh{pods: map[string][]string{}}
	for i := range maxClients + 5 {
		many.pods["default"] = append(many.pods["default"], podNamed(fmt.Sprintf("p%d", i), "Running", ""))
	}
	if m := meter(t, many, "blog", Options{Sidecars: true}); len(m.notes) != 1 || len(m.proxies) != maxClients+2 {
		t.Errorf("notes %q, %d proxies", m.notes, len(m.proxies))
	}
}
