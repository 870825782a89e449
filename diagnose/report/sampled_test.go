package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// TestSamples: where not all pods were looked at, every form for people and scripts says so.
func TestSamples(t *testing.T) {
	t.Parallel()
	gateway := egress.GatewayRef{Namespace: "ns", Service: "gw"}
	r := Report{
		Paths: []Path{
			{Host: "a.com", Port: 443, Mode: "passthrough", Gateway: "ns/gw", Hops: hops(check.Pass, check.Pass, check.Pass)},
			{Host: "b.com", Port: 443, Mode: "passthrough", Gateway: "ns/other", Hops: hops(check.Fail, check.Skip, check.Skip)},
		},
		Samples: []snapshot.Sample{{Gateway: gateway, Looked: 12, Total: 80}, {Looked: 2, Total: 14}},
	}
	if text := human(r, Options{}); !strings.Contains(text, "\n12 of 80 pods of gateway ns/gw sampled; 2 of 14 pods with a sidecar sampled, at least one of a namespace\n2 paths") {
		t.Error(text)
	}
	want := []string{
		"PATH MODE SET VIA SIDECAR GATEWAY OUTSIDE STATE FINDINGS",
		"a.com:443 passthrough <none> ns/gw pass (2 of 14 pods) 1 connection (12 of 80 pods) 10.0.0.1 pass <none>",
		"b.com:443 passthrough <none> ns/other fail (2 of 14 pods) skip skip fail <none>",
	}
	var got []string
	for line := range strings.Lines(written(t, r, Wide, Options{})) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for _, f := range []Format{JSON, YAML} {
		text := written(t, r, f, Options{})
		for _, w := range []string{"samples", "12", "80", "14"} {
			if !strings.Contains(text, w) {
				t.Errorf("%s has no %s:\n%s", f, w, text)
			}
		}
		r.Samples = nil
		if text := written(t, r, f, Options{}); strings.Contains(text, "samples") {
			t.Errorf("%s speaks of samples where all was looked at", f)
		}
		r.Samples = []snapshot.Sample{{Gateway: gateway, Looked: 12, Total: 80}, {Looked: 2, Total: 14}}
	}
}
