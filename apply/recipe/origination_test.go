package recipe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// TestOriginationBesideClients: where clients are in the gateway's own namespace, the rule that begins TLS is for the gateway's pods by
// their labels, as far as the version knows that.
func TestOriginationBesideClients(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		namespace, version string
		exportTo           []string
		want               map[string]string
	}{
		"beside":                {"istio-system", "1.31", nil, map[string]string{"istio": "egressgateway"}},
		"beside, private":       {"istio-system", "1.31", []string{"."}, map[string]string{"istio": "egressgateway"}},
		"beside, first version": {"istio-system", "1.15", nil, map[string]string{"istio": "egressgateway"}},
		"beside, too old":       {"istio-system", "1.14", nil, nil},
		"elsewhere":             {"shop", "1.31", nil, nil},
		"elsewhere, private":    {"shop", "1.31", []string{"."}, nil}, // the rule is the clients' own then, and about port 80
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := declare(t, egress.Declaration{Namespace: tt.namespace, Mode: "tls-origination", Domains: []string{"edition.cnn.com"}, ExportTo: tt.exportTo})
			objects, err := Render(set, at(t, tt.version))
			if err != nil {
				t.Fatal(err)
			}
			seen := false
			for _, o := range objects {
				if host, _, _ := unstructured.NestedString(o.Object, "spec", "host"); host != "edition.cnn.com" {
					continue
				}
				seen = true
				got, _, err := unstructured.NestedStringMap(o.Object, "spec", "workloadSelector", "matchLabels")
				if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
					t.Errorf("%v, -want +got\n%s", err, diff)
				}
			}
			if !seen {
				t.Error("there is no rule for the host")
			}
		})
	}
}
