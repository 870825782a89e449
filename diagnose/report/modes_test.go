package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestHopsOfModes: which stations each mode has, and what is told of them.
func TestHopsOfModes(t *testing.T) {
	t.Parallel()
	const followed = " (followed as any-host.wikipedia.org)"
	for capture, want := range map[string][]string{
		"set-direct": {
			"sidecar pass outbound|443||*.wikipedia.org" + followed, "outside pass 10.96.0.81",
		},
		"set-common-host": {
			"sidecar pass outbound|443|wikipedia-org-741444d2|istio-egressgateway.istio-system.svc.cluster.local" + followed,
			"gateway pass 1 connection", "outside pass 10.96.0.80",
		},
		"set-sni-proxy": {
			"sidecar pass outbound|443|wikipedia-org-741444d2|gw.trace-egress.svc.cluster.local" + followed,
			"gateway pass 2 connections", "sni-proxy pass 127.0.0.1:18443 (container sni-proxy)", "outside skip looked up by the SNI proxy, whose log tells",
		},
		"set-sni-dynamic": {
			"sidecar pass outbound|443|wikipedia-org-741444d2|istio-egressgateway.istio-system.svc.cluster.local" + followed,
			"gateway pass 2 connections", "outside pass de, en",
		},
		"set-mtls-origination": {
			"sidecar pass outbound|80||istio-egressgateway.istio-system.svc.cluster.local (2 workloads)", "gateway pass 1 request", "outside pass 10.96.0.83",
		},
		"EGR047-container": {
			"sidecar pass outbound|443|wikipedia|istio-egressgateway.istio-system.svc.cluster.local" + followed, "gateway pass",
			"sni-proxy fail gateway pod", "outside skip looked up by the SNI proxy",
		},
	} {
		r := of(captured.Load(t, capture))
		if len(r.Paths) != 1 {
			t.Errorf("%s: %d paths", capture, len(r.Paths))
			continue
		}
		var got []string
		for i, h := range r.Paths[0].Hops {
			line := strings.TrimSpace(string(h.Name) + " " + string(h.State) + " " + h.Detail)
			if i < len(want) && strings.HasPrefix(line, want[i]) {
				line = want[i] // counters and names of pods may follow
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", capture, diff)
		}
	}
}

// TestFollowed: which names stand for wildcards is told once, however many there are.
func TestFollowed(t *testing.T) {
	t.Parallel()
	for capture, want := range map[string][]string{
		"set-auto-mtls":   nil,
		"set-sni-dynamic": {"wildcards are followed by a name that no object has: *.wikipedia.org as any-host.wikipedia.org"},
		"EGR038": {
			"wildcards are followed by a name that no object has: *.direct.org as any-host.direct.org, *.example.com as any-host.example.com, *.example.edu as any-host.example.edu and 4 more",
		},
	} {
		if diff := cmp.Diff(want, of(captured.Load(t, capture)).Notes); diff != "" {
			t.Errorf("%s: -want +got\n%s", capture, diff)
		}
	}
}

// TestDirectDrawing: a path without a gateway is drawn without one, and has none in columns.
func TestDirectDrawing(t *testing.T) {
	t.Parallel()
	direct := func(sidecar, out check.State) Path {
		return Path{Host: "a.org", Port: 443, Mode: "direct", leaves: "SNI", Hops: []Hop{
			{Name: egress.AtSidecar, State: sidecar}, {Name: egress.AtOutside, State: out, Detail: "10.0.0.1"},
		}}
	}
	for name, tt := range map[string]struct {
		path Path
		want []string
	}{
		"all is well":   {direct(check.Pass, check.Pass), []string{"  workload -> sidecar -SNI> outside", "              ok            ok 10.0.0.1"}},
		"it is blocked": {direct(check.Fail, check.Skip), []string{"  workload -> sidecar -FAIL-> outside"}},
		"not known":     {direct(check.Unknown, check.Unknown), []string{"  workload -> sidecar -SNI> outside", "              ?             ?"}},
	} {
		if diff := cmp.Diff(tt.want, drawn(tt.path, Options{})); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	row := wideRows(Report{Paths: []Path{direct(check.Pass, check.Pass)}})[1]
	if diff := cmp.Diff([]string{"a.org:443", "direct", "<none>", "<none>", "pass", "<none>", "10.0.0.1", "pass", "<none>"}, row); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestHopsNotKnown: what could not be read is neither a pass nor a fault, at the SNI proxy and without a gateway too.
func TestHopsNotKnown(t *testing.T) {
	t.Parallel()
	for capture, names := range map[string]int{"set-direct": 2, "set-sni-proxy": 4} {
		s := captured.Load(t, capture)
		for i := range s.Proxies {
			s.Proxies[i].State = snapshot.State{Kind: snapshot.TimedOut, Detail: "no answer"}
		}
		hops := of(s).Paths[0].Hops
		for _, h := range hops {
			// whether the gateway has a proxy beside it can be told by the mode
			if h.State != check.Unknown && h.State != check.Skip {
				t.Errorf("%s: %s is %s: %s", capture, h.Name, h.State, h.Detail)
			}
		}
		if len(hops) != names {
			t.Errorf("%s: %d hops", capture, len(hops))
		}
	}
}

// TestObjectsAloneAreDrawn: of objects alone the way is drawn as they mean it, with nothing said of how it goes.
func TestObjectsAloneAreDrawn(t *testing.T) {
	t.Parallel()
	for capture, want := range map[string]string{
		"set-direct":           "  workload -> sidecar -SNI> outside",
		"http-plain":           "  workload -> sidecar -> istio-egressgateway -HTTP> outside",
		"working-passthrough":  "  workload -> sidecar -> istio-egressgateway -SNI> outside",
		"set-tls-origination":  "  workload -> sidecar -> istio-egressgateway -TLS> outside",
		"set-mtls-origination": "  workload -> sidecar -> istio-egressgateway -TLS> outside",
		"set-sni-proxy":        "  workload -> sidecar -> gw -SNI> sni-proxy -SNI> outside",
	} {
		s := captured.Load(t, capture)
		s.Proxies, s.States[snapshot.Pods] = nil, snapshot.State{Kind: snapshot.NotGiven}
		paths := of(s).Paths
		if len(paths) != 1 {
			t.Errorf("%s: %d paths", capture, len(paths))
			continue
		}
		if diff := cmp.Diff([]string{want}, drawn(paths[0], Options{})); diff != "" {
			t.Errorf("%s: -want +got\n%s", capture, diff)
		}
	}
}

// TestHostsOfOthers: a dynamic forward proxy that several wildcards share tells of each only its own.
func TestHostsOfOthers(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "set-sni-dynamic")
	for i := range s.Proxies {
		for j := range s.Proxies[i].Hosts {
			if h := &s.Proxies[i].Hosts[j]; strings.HasPrefix(h.Cluster, "dynamic_forward_proxy_cluster") {
				h.Hosts = append(h.Hosts,
					admin.HostStatus{Address: "10.0.0.1", Port: 443, Hostname: "www.example.com:443", Opened: 7, Failed: 7},
					admin.HostStatus{Address: "10.0.0.2", Port: 443, Hostname: "a.b.wikipedia.org:443", Opened: 1},
				)
			}
		}
	}
	p := of(s).Paths[0]
	if gateway, out := p.hop(egress.AtGateway), p.hop(egress.AtOutside); gateway.Detail != "3 connections" || out.Detail != "a.b, de, en" {
		t.Errorf("%+v, %+v", gateway, out)
	}
}
