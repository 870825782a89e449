package measure

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

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
	gatewayPod := captured.Load(t, "blog").Proxies[0].Pod
	client := captured.Load(t, "blog").Proxies[len(captured.Load(t, "blog").Proxies)-1].Pod
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
	g := "gateway " + captured.Load(t, "blog").Proxies[0].Name()
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
	pod := captured.Load(t, "passthrough-mtls").Proxies[0].Pod
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
	p := captured.Load(t, "blog").Proxies[0]
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
