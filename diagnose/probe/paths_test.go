package probe

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// follow is a path as the trace gives it, with the sidecars of these pods.
func follow(host string, mode egress.Mode, pods ...string) trace.Path {
	p := trace.Path{Path: egress.Path{
		Host: egress.Host(host), Port: 443, Protocol: egress.ProtocolTLS, Mode: mode, Set: "default/news",
		Gateway: egress.GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway"},
	}}
	for _, pod := range pods {
		p.Legs = append(p.Legs, trace.Leg{Hop: egress.AtSidecar, Proxy: &snapshot.Proxy{Namespace: "default", Pod: pod}})
	}
	return p
}

// TestPaths: the wanted way is a pass, another a failure, and what cannot be told is unknown.
func TestPaths(t *testing.T) {
	t.Parallel()
	curl := map[string]string{"curl": curlSays}
	failed := map[string]string{"curl": "curl: (60) SSL certificate problem\n"}
	const host = "edition.cnn.com"
	elsewhere := follow(host, egress.Passthrough, "sleep-1-a")
	elsewhere.Gateway.Service = "another"
	gatewayFailed := strings.Replace(gatewayTLS, `"- - -" 0 -`, `"- - -" 0 UF`, 1)
	cases := map[string]struct {
		w     *world
		path  trace.Path
		want  check.State
		says  string
		hops  int // lines of evidence
		fixes string
	}{
		"through":                    {w: &world{programs: curl, sidecar: sidecarTLS, gateway: gatewayTLS}, path: follow(host, egress.Passthrough, "sleep-1-a"), want: check.Pass, says: "went through istio-system/istio-egressgateway (same connection seen on both sides)", hops: 3},
		"round":                      {w: &world{programs: curl, sidecar: straightTLS}, path: follow(host, egress.Passthrough, "sleep-1-a"), want: check.Fail, says: "went round the gateway", hops: 2, fixes: "kubectl egress check edition.cnn.com --from-pod=default/sleep-1-a"},
		"another gateway":            {w: &world{programs: curl, sidecar: sidecarTLS, gateway: gatewayTLS}, path: elsewhere, want: check.Fail, says: "went through istio-system/istio-egressgateway", hops: 3, fixes: "kubectl egress check"},
		"direct":                     {w: &world{programs: curl, sidecar: straightTLS}, path: follow(host, egress.Direct, "sleep-1-a"), want: check.Pass, says: "as set default/news declares", hops: 2},
		"a gateway where none is to": {w: &world{programs: curl, sidecar: sidecarTLS, gateway: gatewayTLS}, path: follow(host, egress.Direct, "sleep-1-a"), want: check.Fail, says: "went through", hops: 3, fixes: "kubectl egress check"},
		"cannot tell":                {w: &world{programs: curl}, path: follow(host, egress.Passthrough, "sleep-1-a"), want: check.Unknown, says: "cannot tell: the sidecar wrote no line"},
		"stopped":                    {w: &world{programs: failed, exit: &kube.ExitError{Code: 35}, sidecar: blackHole}, path: follow(host, egress.Passthrough, "sleep-1-a"), want: check.Fail, says: "FAILED", hops: 1, fixes: "kubectl egress check"},
		"through, and not trusted":   {w: &world{programs: failed, exit: &kube.ExitError{Code: 60}, sidecar: sidecarTLS, gateway: gatewayTLS}, path: follow(host, egress.Passthrough, "sleep-1-a"), want: check.Pass, says: "FAILED after 0s: curl ended with exit code 60: curl: (60) SSL certificate problem; went through", hops: 3},
		"through, and then stopped":  {w: &world{programs: failed, exit: &kube.ExitError{Code: 35}, sidecar: sidecarTLS, gateway: gatewayFailed}, path: follow(host, egress.Passthrough, "sleep-1-a"), want: check.Fail, says: "went through", hops: 3, fixes: "kubectl egress check"},
		"through, and cut off":       {w: &world{programs: map[string]string{"curl": curlSays}, sidecar: sidecarTLS, gateway: gatewayFailed}, path: follow(host, egress.Passthrough, "sleep-1-a"), want: check.Pass, hops: 3},
		"no tools":                   {w: &world{}, path: follow(host, egress.Passthrough, "sleep-1-a"), want: check.Unknown, says: "no request was sent: container sleep of pod default/sleep-1-a has no curl", fixes: "kubectl egress probe --url=https://edition.cnn.com -n default --from=sleep-1-a --image="},
		"no right":                   {w: &world{forbid: kube.ErrForbidden}, path: follow(host, egress.Passthrough, "sleep-1-a"), want: check.Unknown, says: "no request was sent: "},
		"nobody to ask":              {w: &world{programs: curl}, path: follow(host, egress.Passthrough), want: check.Unknown, says: "no workload with a sidecar that has the path was looked at"},
		"which of many":              {w: &world{programs: curl}, path: follow("*.cnn.com", egress.SNIDynamic, "sleep-1-a"), want: check.Skip, says: "which name below cnn.com to ask for is not known", fixes: "kubectl egress check --probe www.cnn.com"},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.w.pods = []string{clientPod, gatewayWithLabels()}
			o := Options{Gateways: gateways(), Settle: 700 * time.Millisecond}
			found, err := Paths(t.Context(), tt.w, o, nil, []trace.Path{tt.path, tt.path})
			if err != nil || len(found) != 1 {
				t.Fatalf("%+v, %v; want one finding for each host and port", found, err)
			}
			f := found[0]
			if f.State != tt.want || !strings.Contains(f.Message, tt.says) || f.Code != "EGR069" || f.Path != tt.path.String() {
				t.Errorf("%s %s on %s: %q; want %s, %q in it", f.Code, f.State, f.Path, f.Message, tt.want, tt.says)
			}
			if (f.Fix == "") != (tt.fixes == "") || !strings.HasPrefix(f.Fix, tt.fixes) {
				t.Errorf("fix %q, want %q", f.Fix, tt.fixes)
			}
			if tt.hops != len(f.Evidence) {
				t.Errorf("evidence %q", f.Evidence)
			}
		})
	}
}

// TestPathsTryAnother: where the first workload has no tools, another that was looked at asks.
func TestPathsTryAnother(t *testing.T) {
	t.Parallel()
	toolless := strings.NewReplacer("sleep-1-a", "aaa", `"name":"sleep"`, `"name":"plain"`).Replace(clientPod)
	w := &world{
		pods: []string{toolless, clientPod, gatewayWithLabels()}, programs: map[string]string{"sleep curl": curlSays},
		sidecar: sidecarTLS, gateway: gatewayTLS,
	}
	o := Options{Gateways: gateways(), Settle: 700 * time.Millisecond}
	found, err := Paths(t.Context(), w, o, nil, []trace.Path{follow("edition.cnn.com", egress.Passthrough, "aaa", "sleep-1-a")})
	if err != nil || len(found) != 1 || found[0].State != check.Pass || !strings.HasPrefix(found[0].Message, "sleep-1-a asked ") {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestPathsEnd: a signal ends it with an error, not with findings.
func TestPathsEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	w := &world{pods: []string{clientPod}, hangs: true, onExec: func() { cancel(errors.New("interrupt")) }}
	found, err := Paths(ctx, w, Options{}, nil, []trace.Path{follow("edition.cnn.com", egress.Passthrough, "sleep-1-a")})
	if found != nil || err == nil || !strings.Contains(err.Error(), "interrupt") {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestKnown: of a wildcard those names are asked for that somebody gave, else one that a gateway leads to.
func TestKnown(t *testing.T) {
	t.Parallel()
	exit := func(cluster string, names ...string) trace.Leg {
		e := trace.Exit{Cluster: &admin.Cluster{Name: cluster}}
		for _, n := range names {
			e.Hosts = append(e.Hosts, admin.HostStatus{Hostname: n})
		}
		return trace.Leg{Hop: egress.AtGateway, Exits: []trace.Exit{e}}
	}
	cases := map[string]struct {
		host    string
		legs    []trace.Leg
		targets []string
		want    []egress.Host
	}{
		"exact":                 {"edition.cnn.com", nil, []string{"www.cnn.com"}, []egress.Host{"edition.cnn.com"}},
		"nothing is known":      {"*.wikipedia.org", []trace.Leg{exit("dynamic_forward_proxy_cluster")}, []string{"demo", "*.wikipedia.org", "www.cnn.com"}, nil},
		"named":                 {"*.wikipedia.org", []trace.Leg{exit("dynamic_forward_proxy_cluster", "de.wikipedia.org:443")}, []string{"en.wikipedia.org", "fr.wikipedia.org", "en.wikipedia.org"}, []egress.Host{"en.wikipedia.org", "fr.wikipedia.org"}},
		"looked up":             {"*.wikipedia.org", []trace.Leg{exit("dynamic_forward_proxy_cluster", "en.wikipedia.org:443", "de.wikipedia.org:443", "edition.cnn.com:443")}, nil, []egress.Host{"de.wikipedia.org"}},
		"common host":           {"*.wikipedia.org", []trace.Leg{exit("outbound|443||www.wikipedia.org", "10.0.0.1")}, nil, []egress.Host{"www.wikipedia.org"}},
		"the wildcard's own":    {"*.wikipedia.org", []trace.Leg{exit("outbound|443||*.wikipedia.org")}, nil, nil},
		"another host's common": {"*.wikipedia.org", []trace.Leg{exit("outbound|443||www.example.com")}, nil, nil},
	}
	for name, tt := range cases {
		p := follow(tt.host, egress.SNIDynamic)
		p.Legs = tt.legs
		if diff := cmp.Diff(tt.want, known(&p, tt.targets)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// TestAskers: who is on the path asks first, and who was not looked at does not.
func TestAskers(t *testing.T) {
	t.Parallel()
	p := follow("edition.cnn.com", egress.Passthrough, "stopped", "not-looked-at", "fine", "bystander", "unread", "third", "fourth")
	for i, kind := range map[int]trace.Kind{0: trace.Bypass, 1: trace.NotSelected, 3: trace.Bystander, 4: trace.Unread} {
		p.Legs[i].Stop = &trace.Stop{Kind: kind}
	}
	var got []string
	for _, l := range askers(&p) {
		got = append(got, l.Proxy.Pod)
	}
	if !slices.Equal(got, []string{"fine", "third", "fourth"}) {
		t.Errorf("%q", got)
	}
	p.Legs = p.Legs[:2]
	if got := askers(&p); len(got) != 1 || got[0].Proxy.Pod != "stopped" {
		t.Errorf("%d of those that the path stops", len(got))
	}
}
