package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
)

// meshOnly is a mesh whose VirtualService is bound to "mesh" and not to its Gateway, so that the gateway's pods have no listener.
func meshOnly(t *testing.T) *snapshot.Snapshot {
	t.Helper()
	s := captured.Load(t, "EGR011") // there, too, nothing listens at the gateway
	s.Objects = captured.Load(t, "working-passthrough").Objects
	s.Objects.VirtualServices[0].Spec.Gateways = []string{snapshot.Mesh}
	return s
}

func TestNotBoundToGateway(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*snapshot.Snapshot)
		has    []string
		not    string
	}{
		"the second half is written already": {nil, []string{
			"VirtualService default/cnn leads edition.cnn.com:443 to gateway istio-system/istio-egressgateway, and is not bound to Gateway default/cnn",
			`[{"op":"add","path":"/spec/gateways","value":["mesh","cnn"]}]`,
		}, ""},
		"gateways left out": {func(s *snapshot.Snapshot) { s.Objects.VirtualServices[0].Spec.Gateways = nil }, []string{`"value":["mesh","cnn"]`}, ""},
		"no second half": {func(s *snapshot.Snapshot) {
			v := &s.Objects.VirtualServices[0]
			v.Spec.TLS = v.Spec.TLS[:1]
		}, []string{`"path":"/spec/tls/0"`, `"gateways":["cnn"]`, `"sniHosts":["edition.cnn.com"]`}, ""},
		"the first half does not say for whom": {func(s *snapshot.Snapshot) {
			v := &s.Objects.VirtualServices[0]
			v.Spec.TLS[0].Match[0].Gateways = nil
		}, []string{`{"op":"add","path":"/spec/tls/0/match/0/gateways","value":["mesh"]}`}, ""},
		"a Gateway of another namespace": {func(s *snapshot.Snapshot) {
			s.Objects.Gateways[0].Namespace, s.Objects.VirtualServices[0].Spec.TLS = "edge", s.Objects.VirtualServices[0].Spec.TLS[:1]
		}, []string{`"value":["mesh","edge/cnn"]`, `"gateways":["edge/cnn"]`}, ""},
		"a server that ends TLS takes a tcp route": {func(s *snapshot.Snapshot) {
			s.Objects.Gateways[0].Spec.Servers[0].TLS.Mode = "ISTIO_MUTUAL"
			v := &s.Objects.VirtualServices[0]
			v.Spec.TLS = v.Spec.TLS[:1]
		}, []string{`"path":"/spec/tcp"`}, "sniHosts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := meshOnly(t)
			if tt.change != nil {
				tt.change(s)
			}
			f := finding(t, s, "EGR019")
			contains(t, f, tt.has...)
			if tt.not != "" && strings.Contains(f.Fix, tt.not) {
				t.Errorf("%q in %s", tt.not, f.Fix)
			}
			if _, all := diagnosis(s); len(said(all)) != 1 {
				t.Errorf("one fault, one code: %q", said(all))
			}
			if _, all := diagnosis(follow(t, s, f.Fix)); says(all, "EGR019") {
				t.Errorf("still said after\n%s", f.Fix)
			}
		})
	}
}

// TestBoundElsewhere: what another rule knows better, or what nobody can know, is not said to be unbound.
func TestBoundElsewhere(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*snapshot.Snapshot)
		want   string
	}{
		"named by half its name": {func(s *snapshot.Snapshot) {
			s.Objects.Gateways[0].Namespace, s.Objects.VirtualServices[0].Spec.Gateways = "edge", []string{"mesh", "cnn"}
		}, "EGR013"},
		"no Gateway for the host":  {func(s *snapshot.Snapshot) { s.Objects.Gateways = nil }, "EGR056"},
		"a Gateway for other pods": {func(s *snapshot.Snapshot) { s.Objects.Gateways[0].Spec.Selector = map[string]string{"a": "b"} }, "EGR056"},
		"bound, and not in the proxies yet": {func(s *snapshot.Snapshot) {
			s.Objects.VirtualServices[0].Spec.Gateways = []string{"mesh", "cnn"}
		}, "EGR056"},
	} {
		s := meshOnly(t)
		tt.change(s)
		_, all := diagnosis(s)
		if got := said(all); !slices.Equal(got, []string{"fail " + tt.want + " " + tls}) {
			t.Errorf("%s: %q, want %s", name, got, tt.want)
		}
	}
}

// TestNeitherExported: a whole configuration that is not for the client's namespace is one fault, and its remedy mends all of it.
func TestNeitherExported(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR002") // there sidecars let the host through to PassthroughCluster
	s.Objects = captured.Load(t, "working-passthrough").Objects
	v, e := &s.Objects.VirtualServices[0], &s.Objects.ServiceEntries[0]
	v.Spec.ExportTo, e.Spec.ExportTo = []string{"istio-system"}, []string{"istio-system"}
	f := finding(t, s, "EGR001")
	contains(t, f, "VirtualService default/cnn is not exported to namespace default", "patch virtualservice cnn", "patch serviceentry cnn")
	if !slices.Contains(f.Evidence, "ServiceEntry default/cnn is not exported to namespace default either") {
		t.Errorf("%q", f.Evidence)
	}
	if _, all := diagnosis(s); len(said(all)) != 1 {
		t.Errorf("one fault, one code: %q", said(all))
	}
	if _, all := diagnosis(follow(t, s, f.Fix)); says(all, "EGR001") || says(all, "EGR002") {
		t.Errorf("after the fix: %q\n%s", said(all), f.Fix)
	}
	e.Spec.ExportTo = nil // the mesh's default decides
	s.Facts.Config.DefaultServiceExportTo = []string{"."}
	e.Namespace = "shop"
	contains(t, finding(t, s, "EGR001"), `{"op":"add","path":"/spec/exportTo","value":[".","default"]}`)
	// the routes are seen, and the entry is not: that is the entry's fault
	v.Spec.ExportTo = nil
	contains(t, finding(t, s, "EGR002"), "ServiceEntry shop/cnn is not exported to the client's namespace", `"value":[".","default"]`)
	// neither is seen, and the routes are for the Gateway only: exporting them would not be enough, nor would it export the entry
	v.Spec.ExportTo, v.Spec.Gateways, e.Spec.ExportTo = []string{"istio-system"}, []string{"cnn"}, []string{"istio-system"}
	v.Spec.TLS[0].Match[0].Gateways = nil
	if _, all := diagnosis(s); !says(all, "EGR001") || !says(all, "EGR002") {
		t.Errorf("%q", said(all))
	}
	// there is no entry at all, and the routes are not seen: two faults
	v.Spec.ExportTo, s.Objects.ServiceEntries = []string{"istio-system"}, nil
	if _, all := diagnosis(s); !says(all, "EGR001") || !says(all, "EGR002") {
		t.Errorf("%q", said(all))
	}
}
