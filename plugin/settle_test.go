package plugin

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// TestAssumedGateway follows the labels of Istio's charts: both take the name without "istio-".
func TestAssumedGateway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		service, selector string
		want              map[string]string
	}{
		{"istio-egressgateway", "", map[string]string{"istio": "egressgateway"}},
		{"egress", "", map[string]string{"istio": "egress"}},
		{"istio-egressgateway", "team=a,istio=out", map[string]string{"team": "a", "istio": "out"}},
	} {
		got, err := assumedGatewayAt(egress.GatewayRef{Namespace: "ns", Service: tt.service}, tt.selector)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got.Selector); diff != "" {
			t.Errorf("%s with %q: %s", tt.service, tt.selector, diff)
		}
		for number, target := range map[int]int{80: 8080, 443: 8443} {
			if at, ok := got.Target(number); !ok || at != target {
				t.Errorf("%s: port %d leads to %d", tt.service, number, at)
			}
		}
		if got.Ref() != (egress.GatewayRef{Namespace: "ns", Service: tt.service}) || got.SNIProxy != nil {
			t.Errorf("%s: %+v", tt.service, got)
		}
	}
	var input *egress.InputError
	if _, err := assumedGatewayAt(egress.GatewayRef{}, "="); !errors.As(err, &input) {
		t.Errorf("a broken selector: %v", err)
	}
}

// TestResolveDirect: what uses no gateway needs none, and no Istio mTLS to it.
func TestResolveDirect(t *testing.T) {
	t.Parallel()
	set, err := egress.ParseSet(egress.Declaration{Domains: []string{"*.a.com"}, Mode: "direct"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := resolve(set, mesh.Facts{MTLS: mesh.MTLS{On: true}})
	if err != nil || got.Gateway != (egress.GatewayRef{}) || got.MTLS != egress.MTLSOff {
		t.Errorf("through %q, mTLS %s, %v", got.Gateway, got.MTLS, err)
	}
	if got := way(got); got != "direct, through no gateway" {
		t.Errorf("told as %q", got)
	}
}
