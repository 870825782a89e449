package recipe

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

const testCA = `-----BEGIN CERTIFICATE-----
MIIBXDCCAQGgAwIBAgIBATAKBggqhkjOPQQDAjASMRAwDgYDVQQDEwd0ZXN0IENB
MB4XDTI2MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFowEjEQMA4GA1UEAxMHdGVz
dCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABF1ZaTTtyDExDktEbpSmGNbC
-----END CERTIFICATE-----
`

// at is the chart's mesh with a version of Istio.
func at(t *testing.T, version string) mesh.Facts {
	t.Helper()
	v, err := mesh.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	facts := chart()
	facts.Version = v
	return facts
}

func TestGoldenModes(t *testing.T) {
	t.Parallel()
	wild, two := []string{"*.wikipedia.org"}, []string{"*.wikipedia.org", "*.example.com"}
	cnn, nginx := []string{"edition.cnn.com"}, []string{"my-nginx.mesh-external.svc.cluster.local"}
	for _, tt := range []struct {
		name string
		d    egress.Declaration
	}{
		{"direct", egress.Declaration{Mode: "direct", Domains: append([]string{"edition.cnn.com"}, wild...)}},
		{"common-host-mtls-on", egress.Declaration{Mode: "common-host", Domains: wild, CommonHost: "www.wikipedia.org", MTLS: "on"}},
		{"common-host-mtls-off", egress.Declaration{Mode: "common-host", Domains: wild, CommonHost: "www.wikipedia.org", MTLS: "off"}},
		{"sni-proxy-mtls-on", egress.Declaration{Mode: "sni-proxy", Domains: two, MTLS: "on"}},
		{"sni-proxy-mtls-off", egress.Declaration{Mode: "sni-proxy", Domains: two, MTLS: "off"}},
		{"sni-dynamic-mtls-on", egress.Declaration{Mode: "sni-dynamic", Domains: two, MTLS: "on"}},
		{"sni-dynamic-mtls-off", egress.Declaration{Mode: "sni-dynamic", Domains: two, MTLS: "off"}},
		{"auto-mixed-mtls-on", egress.Declaration{Domains: append([]string{"edition.cnn.com"}, wild...), MTLS: "on"}},
		{"auto-mixed-mtls-off", egress.Declaration{Domains: append([]string{"edition.cnn.com"}, wild...), MTLS: "off"}},
		{"tls-origination-mtls-on", egress.Declaration{Mode: "tls-origination", Domains: cnn, MTLS: "on"}},
		{"tls-origination-mtls-off", egress.Declaration{Mode: "tls-origination", Domains: cnn, MTLS: "off"}},
		{"tls-origination-ca-secret", egress.Declaration{Mode: "tls-origination", Domains: cnn, CASecret: "corporate-ca"}},
		{"tls-origination-private", egress.Declaration{Mode: "tls-origination", Domains: cnn, ExportTo: []string{"."}}},
		{"mtls-origination-mtls-on", egress.Declaration{Mode: "mtls-origination", Domains: append([]string{"api.example.com"}, nginx...), Credential: "client-credential", MTLS: "on"}},
		{"mtls-origination-mtls-off", egress.Declaration{Mode: "mtls-origination", Domains: nginx, Credential: "client-credential", MTLS: "off"}},
		{"export-private", egress.Declaration{Domains: cnn, ExportTo: []string{"."}}},
		{"export-private-wildcard", egress.Declaration{Domains: wild, ExportTo: []string{"."}}},
		{"export-some", egress.Declaration{Mode: "passthrough", Domains: cnn, ExportTo: []string{".", "shop"}}},
		{"export-all", egress.Declaration{Mode: "passthrough", Domains: cnn, ExportTo: []string{"*"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			golden(t, tt.name, declare(t, tt.d), chart())
		})
	}
}

func TestGoldenLegacy(t *testing.T) {
	t.Parallel()
	legacy := at(t, "1.4")
	legacy.Networking = "v1alpha3"
	for _, mode := range []string{"http", "passthrough", "tls-origination"} {
		golden(t, "legacy-"+mode, declare(t, egress.Declaration{Mode: mode, Domains: []string{"edition.cnn.com"}, LegacyCerts: true}), legacy)
	}
	golden(t, "legacy-common-host",
		declare(t, egress.Declaration{Mode: "common-host", Domains: []string{"*.wikipedia.org"}, CommonHost: "www.wikipedia.org", LegacyCerts: true}), legacy)
}

// TestEveryMode: the table has every mode but auto, which Set.Routes resolves.
func TestEveryMode(t *testing.T) {
	t.Parallel()
	for _, m := range egress.Modes() {
		if (recipes[m] == nil) != (m == egress.Auto) {
			t.Errorf("mode %s has recipe: %v", m, recipes[m] != nil)
		}
	}
}

// TestAuthority: a CA that is given with the set becomes a Secret where the gateway looks for it, and the rule names it.
func TestAuthority(t *testing.T) {
	t.Parallel()
	set := declare(t, egress.Declaration{Name: "news", Mode: "tls-origination", Domains: []string{"a.com", "b.com"}})
	set.CA = testCA
	var secrets, rules int
	for _, o := range render(t, set, at(t, "1.20.0")) {
		switch o.GetKind() {
		case "Secret":
			secrets++
			data, _, err := unstructured.NestedStringMap(o.Object, "data")
			if err != nil || data["ca.crt"] != encode(testCA) || len(data) != 1 || o.GetNamespace() != "istio-system" || o.GetName() != "egress-news.default.ca" {
				t.Errorf("secret %s/%s: %v, %v", o.GetNamespace(), o.GetName(), data, err)
			}
		case "DestinationRule":
			if tls := tlsOf(t, o); tls["mode"] == "SIMPLE" {
				rules++
				host := o.Object["spec"].(map[string]any)["host"]
				want := map[string]any{"mode": "SIMPLE", "sni": host, "credentialName": "egress-news.default.ca", "subjectAltNames": []any{host}}
				if diff := cmp.Diff(want, tls); diff != "" {
					t.Errorf("rule %s: %s", o.GetName(), diff)
				}
			}
		}
	}
	if secrets != 1 || rules != 2 {
		t.Errorf("%d secrets and %d rules", secrets, rules)
	}
}

// tlsOf is the tls of the first port-level setting; nil where there is none.
func tlsOf(t *testing.T, o *unstructured.Unstructured) map[string]any {
	t.Helper()
	settings, _, err := unstructured.NestedSlice(o.Object, "spec", "trafficPolicy", "portLevelSettings")
	if err != nil {
		t.Fatal(err)
	}
	if len(settings) == 0 {
		return nil
	}
	tls, _ := settings[0].(map[string]any)["tls"].(map[string]any)
	return tls
}

// TestNamesVerified: names are verified wherever the proxy verifies anything (rule R34). Before 1.21 it did so only with a CA.
func TestNamesVerified(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		version, caSecret string
		want              bool
	}{
		{"1.31.0", "", true},
		{"1.21.0", "", true},
		{"1.20.9", "", false},
		{"1.20.9", "corporate-ca", true},
	} {
		set := declare(t, egress.Declaration{Mode: "tls-origination", Domains: []string{"a.com"}, CASecret: tt.caSecret})
		verified := false
		for _, o := range render(t, set, at(t, tt.version)) {
			if o.GetKind() == "DestinationRule" {
				verified = verified || tlsOf(t, o)["subjectAltNames"] != nil
			}
		}
		if verified != tt.want {
			t.Errorf("Istio %s, CA %q: names verified %v, want %v", tt.version, tt.caSecret, verified, tt.want)
		}
	}
}

// TestGates: what an Istio cannot carry is refused with the version that is needed and with what would work.
func TestGates(t *testing.T) {
	t.Parallel()
	wild := []string{"*.a.com"}
	noProxy := chart()
	noProxy.Gateways[0].SNIProxy = nil
	for _, tt := range []struct {
		d     egress.Declaration
		facts mesh.Facts
		want  string // empty: not refused
	}{
		{egress.Declaration{Domains: wild, MTLS: "on"}, at(t, "1.15.7"), "*.a.com by sni-dynamic: mode sni-dynamic needs Istio 1.16 (Envoy's internal listeners), and this is 1.15.7; mode sni-proxy works there"},
		{egress.Declaration{Domains: wild, MTLS: "on"}, at(t, "1.16.0"), ""},
		{
			egress.Declaration{Domains: wild, MTLS: "off"},
			at(t, "1.29.3"),
			"*.a.com by sni-dynamic: mode sni-dynamic without Istio mTLS needs Istio 1.30 (resolution DYNAMIC_DNS), and this is 1.29.3; say --mtls=on (since 1.16), or use mode sni-proxy",
		},
		{egress.Declaration{Domains: wild, MTLS: "off"}, at(t, "1.30.0"), ""},
		{egress.Declaration{Domains: wild, MTLS: "off"}, chart(), ""}, // a version that nobody knows refuses nothing
		{
			egress.Declaration{Domains: []string{"a.com"}, Mode: "mtls-origination", Credential: "c"},
			at(t, "1.6.0"),
			"a.com by mtls-origination: Secrets for TLS at a gateway (credentialName) need Istio 1.7, and this is 1.6.0; mode tls-origination without a CA of one's own works there",
		},
		{egress.Declaration{Domains: []string{"a.com"}, Mode: "tls-origination"}, at(t, "1.6.0"), ""},
		{egress.Declaration{Domains: wild, Mode: "sni-proxy"}, at(t, "1.1.0"), ""},
		{
			egress.Declaration{Domains: wild, Mode: "sni-proxy"},
			noProxy,
			"*.a.com by sni-proxy: gateway istio-system/istio-egressgateway has no SNI proxy: no container sni-proxy in its pods; install one with 'gateway install --sni-proxy', or use mode sni-dynamic",
		},
		{egress.Declaration{Domains: wild, LegacyCerts: true}, at(t, "1.5.0"), "Istio 1.5.0 no longer mounts /etc/certs (1.4 was the last that did); leave --legacy-certs out"},
		{egress.Declaration{Domains: []string{"a.com"}, ExportTo: []string{"."}}, at(t, "1.6.0"), "exporting to single namespaces needs Istio 1.7, and this is 1.6.0; leave --export-to out"},
		{egress.Declaration{Domains: []string{"a.com"}, ExportTo: []string{"*"}}, at(t, "1.6.0"), ""},
		{
			egress.Declaration{Domains: []string{"x.y.svc.cluster.local"}, Mode: "tls-origination", ExportTo: []string{"."}},
			chart(),
			"x.y.svc.cluster.local by tls-origination: a rule for x.y.svc.cluster.local, which is a Service of the cluster, has to be in the gateway's namespace; leave --export-to=. out",
		},
	} {
		objs, err := Build(declare(t, tt.d), tt.facts)
		if tt.want == "" {
			if err != nil || len(objs) == 0 {
				t.Errorf("%+v with Istio %s: %v", tt.d, tt.facts.Version, err)
			}
			continue
		}
		var input *egress.InputError
		if err == nil || err.Error() != tt.want || !errors.As(err, &input) {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
}

// TestSetsShareAGateway: nothing that Envoy knows by name is named the same in two sets.
func TestSetsShareAGateway(t *testing.T) {
	t.Parallel()
	names := func(ns, set string) []string {
		var out []string
		for _, o := range render(t, declare(t, egress.Declaration{Namespace: ns, Name: set, Domains: []string{"*." + ns + ".com"}, MTLS: "on"}), chart()) {
			if o.GetKind() != "EnvoyFilter" {
				continue
			}
			patches, _, err := unstructured.NestedSlice(o.Object, "spec", "configPatches")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range patches {
				if name, ok, err := unstructured.NestedString(p.(map[string]any), "patch", "value", "name"); ok && err == nil && strings.Contains(name, "_"+ns+"_"+set) {
					out = append(out, name)
				}
			}
		}
		return out
	}
	one, other := names("a", "web"), names("b", "web")
	if len(one) != 3 || len(other) != 3 {
		t.Fatalf("clusters and listeners: %v, %v", one, other)
	}
	for _, n := range one {
		if slices.Contains(other, n) {
			t.Errorf("both sets have %s", n)
		}
	}
}

// TestLookupFamily follows istiod's own choice for clusters of proxies with these addresses.
func TestLookupFamily(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ips  []string
		want string
	}{
		{nil, "V4_ONLY"},
		{[]string{"10.0.0.1"}, "V4_ONLY"},
		{[]string{"fd00::1"}, "V6_ONLY"},
		{[]string{"10.0.0.1", "fd00::1"}, "ALL"},
	} {
		gw := mesh.Gateway{}
		if len(tt.ips) > 0 {
			gw.Pods = []mesh.Pod{{IP: tt.ips[0], IPs: tt.ips}}
		}
		if got := lookupFamily(gw); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.ips, got, tt.want)
		}
	}
}
