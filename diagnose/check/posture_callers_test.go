package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// TestCallersOfDocuments: with every documented configuration the gateway knows its callers where sidecars begin Istio's TLS, and not
// where TLS passes through or plain text arrives.
func TestCallersOfDocuments(t *testing.T) {
	t.Parallel()
	for name, told := range map[string]string{
		"http-plain":            "edition.cnn.com:80",
		"tls-origination-plain": "edition.cnn.com:80",
		"tls-origination-mtls":  "",
		"mtls-origination":      "",
		"working-passthrough":   "edition.cnn.com:443",
		"passthrough-mtls":      "",
		"both-mtls":             "",
		"sni-dynamic-plain":     "*.wikipedia.org:443",
		"sni-dynamic-mtls":      "",
		"direct":                "",
	} {
		got := ""
		for _, f := range only(posed(t, name, nil), "EGR066") {
			if f.State == Warn {
				_, got, _ = strings.Cut(f.Message, " takes ")
				got, _, _ = strings.Cut(got, " from anybody")
			}
		}
		if got != told {
			t.Errorf("%s: %q, want %q", name, got, told)
		}
	}
}

// TestCallersOfSeveralPaths: each gateway is judged by the paths that arrive at it, and one that knows only some of its callers is told
// of the others alone: a policy by identity would cut those off.
func TestCallersOfSeveralPaths(t *testing.T) {
	t.Parallel()
	const ours = "egress-posture/posture-gw"
	for name, tt := range map[string]struct {
		second string // gateway of a second path
		plain  bool   // it arrives without Istio's TLS
		want   []string
	}{
		"both known":                   {"posture-gw", false, []string{"EGR067 " + ours}},
		"one of one gateway not known": {"posture-gw", true, []string{"EGR066 " + ours}},
		"all of one gateway not known": {"second", true, []string{"EGR066 egress-posture/second", "EGR067 " + ours}},
		"two gateways, both known":     {"second", false, []string{"EGR067 " + ours, "EGR067 egress-posture/second"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := captured.Load(t, "posture-held")
			s.Security.AuthorizationPolicies = nil
			paths, _ := diagnosis(s)
			second := alike(paths[0], 1)[0]
			second.Gateway = egress.GatewayRef{Namespace: "egress-posture", Service: tt.second}
			if tt.plain {
				second.Legs = slices.Clone(second.Legs)
				for _, l := range second.At(egress.AtGateway) {
					l.Ask.TLS = nil
				}
			}
			var got []string
			for _, f := range Security(s, append(paths, second), "") {
				if f.Code == "EGR066" && f.State == Warn && strings.Contains(f.Message, "edition.cnn.com") {
					t.Errorf("the first path's callers are known: %s", f.Message)
				}
				if slices.Contains([]Code{"EGR066", "EGR067"}, f.Code) && f.State == Warn {
					got = append(got, string(f.Code)+" "+f.Object.Namespace+"/"+f.Object.Name)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestNoCallers: of a gateway at which nothing arrives nobody can say whom it would let in.
func TestNoCallers(t *testing.T) {
	t.Parallel()
	all := posed(t, "posture-held", func(s *snapshot.Snapshot) {
		s.Security.AuthorizationPolicies = nil
		for i := range s.Proxies {
			s.Proxies[i].State = snapshot.State{Kind: snapshot.TimedOut}
		}
	})
	if found := slices.Concat(only(all, "EGR066"), only(all, "EGR067")); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}
