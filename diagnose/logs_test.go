package diagnose

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/logstream"
)

func TestGatewayLogs(t *testing.T) {
	t.Parallel()
	selector := map[string]string{"istio": "egress"}
	got := GatewayLogs([]mesh.Gateway{
		{Namespace: "a", Service: "plain", Selector: selector},
		{Namespace: "b", Service: "proxied", Selector: selector, SNIProxy: &mesh.SNIProxy{Container: "nginx", Port: 18443}},
	})
	want := []logstream.Gateway{
		{Namespace: "a", Service: "plain", Selector: selector},
		{Namespace: "b", Service: "proxied", Selector: selector, SNIProxy: "nginx"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
