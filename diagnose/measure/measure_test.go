package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/ask"
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

// meter finds what is to be counted in a capture.
func meter(t *testing.T, c *mesh, capture string, o Options) *Meter {
	t.Helper()
	s := captured.Load(t, capture)
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
