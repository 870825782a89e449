package plugin

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/probe"
)

// TestProbeText: the last line says which way it went, how that is known, and nothing more than is known.
func TestProbeText(t *testing.T) {
	t.Parallel()
	sidecar := probe.Hop{Hop: "sidecar", Local: "10.244.0.10:58028", Remote: "10.244.0.4:8443", Cluster: "outbound|443|news|egress.istio-system.svc.cluster.local"}
	gateway := probe.Hop{Hop: "gateway", Local: "10.244.0.4:48214", Remote: "10.96.0.81:443", Cluster: "dynamic_forward_proxy_cluster", SNI: "en.wikipedia.org"}
	stopped := probe.Hop{Hop: "sidecar", Cluster: "BlackHoleCluster", Flags: "UH"}
	answered := probe.Result{Pod: "default/sleep-1-a", URL: "https://en.wikipedia.org", Tool: "curl", Status: 200, Seconds: 0.0312}
	with := func(change func(*probe.Result)) probe.Result {
		r := answered
		change(&r)
		return r
	}
	cases := map[string]struct {
		r       probe.Result
		unicode bool
		want    string
	}{
		"through": {with(func(r *probe.Result) {
			r.Verdict, r.Proof, r.Gateway, r.Leaves, r.Hops = probe.Through, probe.ByConnection, "istio-system/egress", "10.244.0.4:48214", []probe.Hop{sidecar, gateway}
		}), true, `sleep-1-a asked https://en.wikipedia.org with curl: 200 in 31ms
  sidecar  10.244.0.10:58028 ─▶ 10.244.0.4:8443  outbound|443|news|egress.istio-system.svc.cluster.local
  gateway  10.244.0.4:48214  ─▶ 10.96.0.81:443   dynamic_forward_proxy_cluster, SNI en.wikipedia.org
  leaves from 10.244.0.4:48214
went through istio-system/egress (same connection seen on both sides)
`},
		"round": {with(func(r *probe.Result) {
			r.Verdict, r.Proof, r.Hops = probe.Round, probe.ByConnection, []probe.Hop{sidecar}
		}), false, `sleep-1-a asked https://en.wikipedia.org with curl: 200 in 31ms
  sidecar  10.244.0.10:58028 -> 10.244.0.4:8443  outbound|443|news|egress.istio-system.svc.cluster.local
went round the gateway (the sidecar sent this connection straight outside)
`},
		"direct": {with(func(r *probe.Result) { r.Verdict, r.Proof, r.Set = probe.Direct, probe.ByConnection, "default/wiki" }), false, `sleep-1-a asked https://en.wikipedia.org with curl: 200 in 31ms
went straight outside, as set default/wiki declares (the sidecar's line of this connection)
`},
		"counters": {with(func(r *probe.Result) {
			r.Verdict, r.Proof, r.Gateway, r.Reason = probe.Through, probe.ByCounters, "istio-system/egress", "the sidecar wrote no line"
			r.Grown = []probe.Grown{{Hop: "gateway", Pod: "istio-system/egress-a", Cluster: "outbound|443||en.wikipedia.org", By: 1}}
		}), false, `sleep-1-a asked https://en.wikipedia.org with curl: 200 in 31ms
  gateway  istio-system/egress-a  +1  outbound|443||en.wikipedia.org
went through istio-system/egress (by counters only, which is weaker proof); the sidecar wrote no line
`},
		"stopped": {with(func(r *probe.Result) {
			r.Verdict, r.Failed, r.Reason, r.Hops = probe.Unknown, "curl: \x1b[31m(35)", "the sidecar sent it nowhere", []probe.Hop{stopped}
		}), false, `sleep-1-a asked https://en.wikipedia.org with curl: FAILED after 31ms: curl: \u001b[31m(35)
  sidecar  - -> -  BlackHoleCluster, UH
cannot tell: the sidecar sent it nowhere
`},
		"borrowed": {with(func(r *probe.Result) {
			r.Image, r.Verdict, r.Reason = "example.com/curl:8", probe.Unknown, "the sidecar wrote no line about this connection"
		}), false, `sleep-1-a asked https://en.wikipedia.org with curl of image example.com/curl:8: 200 in 31ms
cannot tell: the sidecar wrote no line about this connection
`},
		"bypassed": {with(func(r *probe.Result) {
			r.Verdict, r.Reason = probe.Bypassed, "no egress gateway carried anything to en.wikipedia.org meanwhile"
		}), false, `sleep-1-a asked https://en.wikipedia.org with curl: 200 in 31ms
could go round: no egress gateway carried anything to en.wikipedia.org meanwhile
`},
		"held": {with(func(r *probe.Result) {
			r.Verdict, r.Reason, r.Hops = probe.Held, "it came to gateway istio-system/egress, which carried it", []probe.Hop{gateway}
		}), false, `sleep-1-a asked https://en.wikipedia.org with curl: 200 in 31ms
  gateway  10.244.0.4:48214 -> 10.96.0.81:443  dynamic_forward_proxy_cluster, SNI en.wikipedia.org
could not: it came to gateway istio-system/egress, which carried it
`},
	}
	for name, tt := range cases {
		if diff := cmp.Diff(tt.want, probeText(tt.r, tt.unicode)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
