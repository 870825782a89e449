package recipe

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

var update = flag.Bool("update", false, "write the golden files")

// chart is a mesh with the gateway of Istio's own chart.
func chart() mesh.Facts {
	return mesh.Facts{
		RootNamespace: "istio-system", TrustDomain: "cluster.local", ClusterDomain: "cluster.local", Networking: "v1",
		MTLS: mesh.MTLS{On: true, Reason: "default"},
		Gateways: []mesh.Gateway{{
			Namespace: "istio-system", Service: "istio-egressgateway", Selector: map[string]string{"istio": "egressgateway"},
			ServiceAccount: "istio-egressgateway-service-account",
			SNIProxy:       &mesh.SNIProxy{Container: "sni-proxy", Port: 18443},
			Ports:          []mesh.Port{{Name: "http2", Number: 80, Target: 8080}, {Name: "https", Number: 443, Target: 8443}},
		}},
	}
}

func declare(t *testing.T, d egress.Declaration) egress.Set {
	t.Helper()
	if d.Gateway == "" && d.Mode != string(egress.Direct) {
		d.Gateway = "istio-system/istio-egressgateway"
	}
	set, err := egress.ParseSet(d)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestGolden(t *testing.T) {
	t.Parallel()
	one := []string{"edition.cnn.com"}
	three := []string{"edition.cnn.com", "de.wikipedia.org", "en.wikipedia.org"}
	for _, mode := range []egress.Mode{egress.Passthrough, egress.HTTP, egress.Auto} {
		for _, mtls := range []egress.Toggle{egress.MTLSOn, egress.MTLSOff} {
			for _, hosts := range [][]string{one, three} {
				name := fmt.Sprintf("%s-mtls-%s-%d", mode, mtls, len(hosts))
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					golden(t, name, declare(t, egress.Declaration{Name: "news", Domains: hosts, Mode: string(mode), MTLS: string(mtls)}), chart())
				})
			}
		}
	}
}

// TestGoldenElsewhere holds what other meshes ask for: an older API version, another cluster domain, a set beside its
// gateway, and a mesh that exports to nobody by default.
func TestGoldenElsewhere(t *testing.T) {
	t.Parallel()
	old := chart()
	old.Networking, old.ClusterDomain = "v1alpha3", "homelab.local"
	golden(t, "elsewhere-old", declare(t, egress.Declaration{Domains: []string{"edition.cnn.com"}}), old)
	golden(t, "elsewhere-beside", declare(t, egress.Declaration{Namespace: "istio-system", Domains: []string{"edition.cnn.com"}}), chart())
	closed := chart()
	closed.Config.DefaultDestinationRuleExportTo = []string{"."}
	closed.Config.DefaultServiceExportTo = []string{"."}
	closed.Config.DefaultVirtualServiceExportTo = []string{"~"}
	golden(t, "elsewhere-closed", declare(t, egress.Declaration{Domains: []string{"edition.cnn.com"}}), closed)
}

func golden(t *testing.T, name string, set egress.Set, facts mesh.Facts) {
	t.Helper()
	objs, err := Render(set, facts)
	if err != nil {
		t.Fatal(err)
	}
	got, err := YAML(objs)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".yaml")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run go test with -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
	text := strings.ReplaceAll(string(got), "internal_listener: {}", "") // Envoy's way to say that it is one
	for _, bad := range []string{"creationTimestamp", "status", "null", "sni_hosts", "{}"} {
		if strings.Contains(text, bad) {
			t.Errorf("%s holds %q", name, bad)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	noHTTP := chart()
	noHTTP.Gateways[0].Ports = []mesh.Port{{Number: 443, Target: 8443}, {Number: 15021, Target: 15021}}
	noLabels := chart()
	noLabels.Gateways[0].Selector = nil
	noIstio := chart()
	noIstio.Networking = ""
	for _, tt := range []struct {
		name  string
		d     egress.Declaration
		facts mesh.Facts
		input bool
		want  string
	}{
		{
			"gateway unknown",
			egress.Declaration{Domains: []string{"a.com"}, Gateway: "team/gw"},
			chart(), true,
			"gateway team/gw was not found; gateways are: istio-system/istio-egressgateway",
		},
		{
			"no gateway at all",
			egress.Declaration{Domains: []string{"a.com"}, Gateway: "team/gw"},
			mesh.Facts{Networking: "v1"},
			true,
			"gateway team/gw was not found; gateways are: (none)",
		},
		{
			"port missing",
			egress.Declaration{Domains: []string{"a.com"}, Mode: "http"},
			noHTTP, true,
			"a.com by http: gateway istio-system/istio-egressgateway has no port 80 (its Service has 443, 15021); add the port to the Service or name another gateway",
		},
		{
			"no labels",
			egress.Declaration{Domains: []string{"a.com"}},
			noLabels, true,
			"gateway istio-system/istio-egressgateway has no labels by which a Gateway could select its pods, and an empty selector would take every workload",
		},
		{
			"no Istio",
			egress.Declaration{Domains: []string{"a.com"}},
			noIstio, false,
			"build objects of set default/a-com: the cluster is not known to serve any version of networking.istio.io; is Istio installed?",
		},
	} {
		objs, err := Build(declare(t, tt.d), tt.facts)
		var input *egress.InputError
		if err == nil || err.Error() != tt.want || errors.As(err, &input) != tt.input || objs != nil {
			t.Errorf("%s (input error: %v):\n got %v\nwant %s", tt.name, errors.As(err, &input), err, tt.want)
		}
	}
}

// TestMTLSAuto: what discovery found decides where the set does not.
func TestMTLSAuto(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		facts := chart()
		facts.MTLS.On = on
		set := declare(t, egress.Declaration{Domains: []string{"a.com"}})
		got := render(t, set, facts)
		want := render(t, set.Resolved(set.Gateway, on), facts)
		if diff := cmp.Diff(want[1:], got[1:]); diff != "" {
			t.Errorf("mTLS of the mesh %v: %s", on, diff)
		}
	}
}
