package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/apply/record"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

func TestStatsUsage(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"stats --interval=5s":                     "--interval is about --watch",
		"stats -w --interval=1ms":                 "too short",
		"stats -w -o prometheus":                  "choose one",
		"stats -o graph":                          "there are wide, json, yaml, prometheus",
		"stats --via=ssh":                         "there are auto, exec, port-forward",
		"stats -A -n shop":                        "choose one",
		"stats record":                            "say on or off",
		"stats record maybe":                      "say on or off",
		"stats record on --gateway=a":             "NAMESPACE/SERVICE",
		"stats record on off --gateway=a/b --yes": "say on or off",
	} {
		code, stdout, stderr := command(t, strings.Fields(line)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %q, %q", line, code, stdout, stderr)
		}
	}
}

// statsFor is stats with an output format, whose streams are buffers.
func statsFor(output string) (s *statsCommand, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	return &statsCommand{
		tool:   &tool{IOStreams: genericiooptions.IOStreams{Out: out, ErrOut: errs}, name: "kubectl egress", term: terminal{unicode: true}},
		output: &choice{value: output},
	}, out, errs
}

func known(n uint64) counter.Count { return counter.Count{Value: n, Source: counter.FromHosts} }

// counted is a report of a gateway that records little.
func counted() counter.Report {
	silent := counter.Count{Why: counter.NotRecorded}
	no := false
	return counter.Report{
		Taken: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC),
		Rows: []counter.Row{
			{
				Host: "edition.cnn.com", Port: 443, Path: "edition.cnn.com:443", Set: "default/news", Hop: egress.AtGateway, Namespace: "istio-system",
				Pod: "istio-egressgateway-6f8654479b-g7dsh", Cluster: "outbound|443||edition.cnn.com",
				Counts: counter.Counts{
					Opened: known(412), Active: known(2), Failed: known(0), Sent: silent, Received: silent,
				},
			},
			{
				Host: "en.wikipedia.org", Port: 443, Path: "*.wikipedia.org:443", Hop: egress.AtGateway, Namespace: "istio-system",
				Pod: "istio-egressgateway-6f8654479b-g7dsh", Cluster: "dynamic_forward_proxy_cluster",
				Counts: counter.Counts{
					Opened: counter.Count{Value: 108, Source: counter.FromStats}, Active: known(0), Failed: known(4), DNSFailed: counter.Count{Value: 1, Source: counter.FromStats},
					Sent: counter.Count{Value: 1234567, Source: counter.FromMetrics}, Received: counter.Count{Why: counter.NotApart},
				},
			},
		},
		Proxies: []counter.Asked{{
			Namespace: "istio-system", Pod: "istio-egressgateway-6f8654479b-g7dsh", Hop: egress.AtGateway,
			Gateway: egress.GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway"}, Via: "pilot-agent", Recording: &no, Missing: []string{"istio_*: cut off"},
		}},
		Notes: []string{"no right to create pods/portforward in namespace istio-system: asked by exec"},
	}
}

func TestStatsTable(t *testing.T) {
	t.Parallel()
	s, out, errs := statsFor("")
	if err := s.print(counted()); err != nil {
		t.Fatal(err)
	}
	s.remarks(counted())
	const table = `HOST                  POD                                   OPENED  ACTIVE  FAILED  REQUESTS  TLS FAILED  DNS FAILED  SENT          RECEIVED      SOURCE
edition.cnn.com:443   istio-egressgateway-6f8654479b-g7dsh  412     2       0       -         -           -           not recorded  not recorded  /clusters
en.wikipedia.org:443  istio-egressgateway-6f8654479b-g7dsh  108     0       4       -         -           1           1.2 MB        not per host  /stats, /clusters, istio_*
`
	if diff := cmp.Diff(table, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	const remarks = `no right to create pods/portforward in namespace istio-system: asked by exec
istio-system/istio-egressgateway-6f8654479b-g7dsh: istio_*: cut off
gateway istio-system/istio-egressgateway does not record all of it; restart its pods with what does: kubectl egress stats record on --gateway=istio-system/istio-egressgateway
or put this annotation on the pod template:
  proxy.istio.io/config: |
    proxyStatsMatcher:
      inclusionRegexps:
      - cluster\..*\.upstream_(cx_(total|active|connect_fail|tx_bytes_total|rx_bytes_total)|rq_total)
      - cluster\..*\.ssl\.fail_verify_.*
      - dns_cache\..*
`
	if diff := cmp.Diff(remarks, errs.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestStatsOtherFormats(t *testing.T) {
	t.Parallel()
	s, out, _ := statsFor("json")
	if err := s.print(counted()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Kind  string
		Items []struct {
			Host    string
			Counts  map[string]uint64
			Missing map[string]string
		}
		Records map[string]string
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Kind != "Stats" || len(got.Items) != 2 || got.Items[0].Counts["opened"] != 412 || got.Items[0].Missing["bytesSent"] != "not recorded" {
		t.Errorf("%+v", got)
	}
	if _, zero := got.Items[0].Counts["bytesSent"]; zero || got.Records[counter.ConfigAnnotation] != counter.Annotation() {
		t.Errorf("what is not recorded is 0, or what would record it is not there: %+v", got)
	}
	for format, want := range map[string]string{
		"wide":       "1234567",
		"yaml":       "bytesReceived: not per host",
		"prometheus": `egress_connections_opened_total{host="edition.cnn.com",port="443",`,
	} {
		s, out, _ := statsFor(format)
		if err := s.print(counted()); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v\n%s", format, err, out)
		}
	}
	s, out, errs := statsFor("")
	if err := s.print(counter.Report{}); err != nil || out.Len() != 0 {
		t.Errorf("nothing: %v %s", err, out)
	}
	if s.remarks(counter.Report{}); !strings.Contains(errs.String(), "No egress paths") {
		t.Errorf("nothing: %s", errs)
	}
}

func TestUnasked(t *testing.T) {
	t.Parallel()
	r := counted()
	if err := unasked(r); err != nil {
		t.Errorf("all were asked: %v", err)
	}
	r.Proxies[0].Failed = "forbidden"
	if err := unasked(r); err == nil || !strings.Contains(err.Error(), "a proxy could not be asked: istio-system/istio-egress") {
		t.Errorf("%v", err)
	}
	r.Proxies = append(r.Proxies, r.Proxies[0])
	if err := unasked(r); err == nil || !strings.Contains(err.Error(), "2 proxies") {
		t.Errorf("%v", err)
	}
}

func TestStatsWatched(t *testing.T) {
	t.Parallel()
	var h counter.History
	first, second := counted(), counted()
	second.Taken = second.Taken.Add(2 * time.Second)
	second.Rows[0].Counts.Opened = known(420)
	h.Add(first)
	h.Add(second)
	s, out, _ := statsFor("")
	if err := s.show(&screen{w: out, inPlace: true}, second, &h); err != nil {
		t.Fatal(err)
	}
	const want = "\x1b[KHOST                  HOP      POD                       OPENED  RATE   ACTIVE  FAILED  TLS FAILED  DNS FAILED  LAST MINUTE\n" +
		"\x1b[Kedition.cnn.com:443   gateway  …ateway-6f8654479b-g7dsh   420     4.0/s  2       0       -           -           ▁▁▁▁▁▁▁█\n" +
		"\x1b[Ken.wikipedia.org:443  gateway  …ateway-6f8654479b-g7dsh   108     0.0/s  0       4       -           1           ▁▁▁▁▁▁▁▁\n\x1b[J"
	if diff := cmp.Diff(strings.Join(strings.Fields(want), " "), strings.Join(strings.Fields(out.String()), " ")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s, out, _ = statsFor("")
	if err := s.show(&screen{w: out}, second, &h); err != nil {
		t.Fatal(err)
	}
	const lines = "2026-11-21T08:00:02Z edition.cnn.com:443 gateway istio-egressgateway-6f8654479b-g7dsh rate=4.0/s opened=420 active=2 failed=0\n" +
		"2026-11-21T08:00:02Z en.wikipedia.org:443 gateway istio-egressgateway-6f8654479b-g7dsh rate=0.0/s opened=108 active=0 failed=4 dnsFailed=1 bytesSent=1234567\n"
	if diff := cmp.Diff(lines, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s, out, _ = statsFor("json")
	for range 2 {
		if err := s.show(&screen{w: out}, second, &h); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines of JSON for two moments", n)
	}
	s, out, _ = statsFor("yaml")
	if err := s.show(&screen{w: out}, second, &h); err != nil || !strings.HasPrefix(out.String(), "---\n") {
		t.Errorf("%v %s", err, out)
	}
}

func TestScreen(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := &screen{w: &out, inPlace: true}
	for _, text := range []string{"a\nb\n", "c\n", "d\ne\nf\n"} {
		if err := s.draw(text); err != nil {
			t.Fatal(err)
		}
	}
	const want = "\x1b[Ka\n\x1b[Kb\n\x1b[J" + "\x1b[2A\x1b[Kc\n\x1b[J" + "\x1b[1A\x1b[Kd\n\x1b[Ke\n\x1b[Kf\n\x1b[J"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if rows := fit([]string{"1\n", "2\n", "3\n", "4\n", "5\n"}, 0, 4); len(rows) != 3 || rows[2] != "and 3 more" {
		t.Errorf("too high: %q", rows)
	}
	if rows := fit([]string{"▁▂▃▄▅\n", "x\n"}, 3, 24); rows[0] != "▁▂▃" || rows[1] != "x" {
		t.Errorf("too wide: %q", rows)
	}
	for columns, want := range map[int]int{0: 3, 5: 3, 4: 4, 2: 5, 1: 7} {
		if got := height([]string{"▁▂▃▄▅", "", "x"}, columns); got != want {
			t.Errorf("with %d columns they take %d lines, want %d", columns, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1550: "1.6 kB", 999_940: "999.9 kB", 999_960: "1.0 MB", 5_300_000_000: "5.3 GB", 1<<64 - 1: "18.4 EB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	failed := errors.New("failed")
	x, shown := onScreen()
	if err := x.ended(ctx, failed); !errors.Is(err, failed) || shown.shows() != "" {
		t.Errorf("%v, %q", err, shown.shows())
	}
	cancel(Interrupted{syscall.SIGINT})
	var code verdict
	if err := x.ended(ctx, failed); !errors.As(err, &code) || int(code) != 130 || shown.shows() != "\n" {
		t.Errorf("after a signal: %v, %q", err, shown.shows())
	}
	var errs bytes.Buffer
	pipe := &tool{IOStreams: genericiooptions.IOStreams{ErrOut: &errs}}
	if err := pipe.ended(ctx, failed); !errors.As(err, &code) || errs.Len() > 0 {
		t.Errorf("after a signal, to a pipe: %v, %q", err, &errs)
	}
}

// TestRecordConsent: pods restart only after somebody said so.
func TestRecordConsent(t *testing.T) {
	t.Parallel()
	plan := record.Plan{Workload: record.Workload{Kind: "Deployment", Namespace: "istio-system", Name: "gw"}, Pods: 2, Want: "x"}
	for name, test := range map[string]struct {
		yes, asks bool
		answer    string
		want      string // of the error
	}{
		"--yes": {true, false, "", ""}, "yes": {false, true, "y\n", ""}, "no": {false, true, "\n", "nothing was changed"},
		"nobody there": {false, false, "", "say --yes"},
	} {
		var errs bytes.Buffer
		s := &statsRecord{yes: test.yes, gateway: egress.GatewayRef{Namespace: "istio-system", Service: "egress"}, tool: &tool{
			IOStreams: genericiooptions.IOStreams{In: strings.NewReader(test.answer), ErrOut: &errs}, term: terminal{asks: test.asks},
		}}
		err := s.consent(t.Context(), plan)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(errs.String(), "gateway istio-system/egress: 2 pods of deployment istio-system/gw will be restarted") {
			t.Errorf("%s: %q", name, errs.String())
		}
	}
}
