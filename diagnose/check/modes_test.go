package check

import (
	"slices"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// clusterOf gives a cluster of the first proxy of a role.
func clusterOf(t *testing.T, s *snapshot.Snapshot, role snapshot.Role, name string) *admin.Cluster {
	t.Helper()
	for i := range s.Proxies {
		for j := range s.Proxies[i].Config.Clusters {
			if c := &s.Proxies[i].Config.Clusters[j]; s.Proxies[i].Role == role && c.Name == name {
				return c
			}
		}
	}
	t.Fatalf("no cluster %s", name)
	return nil
}

const cnn443 = "outbound|443||edition.cnn.com"

// TestDoubleTLS: the same rule is a weakness where it only reaches others, and a fault where it wraps the path's own TLS.
func TestDoubleTLS(t *testing.T) {
	t.Parallel()
	t.Run("the gateway carries TLS to the same port", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "tls-origination-target-port")
		for i := range s.Objects.DestinationRules {
			if p := s.Objects.DestinationRules[i].Spec.TrafficPolicy; p != nil {
				p.Ports[0].Port.Number = 443
			}
		}
		for i := range s.Objects.VirtualServices {
			if http := s.Objects.VirtualServices[i].Spec.HTTP; len(http) > 0 {
				http[1].Route[0].Destination.Port.Number = 443
			}
		}
		s.Objects.ServiceEntries[0].Spec.Ports[0].TargetPort = 0
		clusterOf(t, s, snapshot.AtGateway, cnn443).TLS = &admin.TLS{Mode: admin.Simple}
		f := findingOn(t, s, "EGR033", tls)
		if f.State != Fail || f.Hop != egress.AtGateway {
			t.Errorf("%+v", f)
		}
		contains(t, f, "DestinationRule istio-system/originate-tls-for-edition-cnn-com begins TLS (SIMPLE) to port 443",
			`patch serviceentry cnn --type=json -p '[{"op":"add","path":"/spec/ports/0/targetPort","value":443}]'`,
			`"path":"/spec/trafficPolicy/portLevelSettings/0/port/number","value":80`, `"path":"/spec/http/1/route/0/destination/port/number","value":80`)
		after := follow(t, s, f.Fix)
		if e := after.Objects.ServiceEntries[0].Spec.Ports[0]; e.TargetPort != 443 {
			t.Errorf("%+v", e)
		}
	})
	t.Run("nothing needs the TLS that is begun", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "working-passthrough")
		rule := captured.Load(t, "EGR033").Objects.DestinationRules
		s.Objects.DestinationRules = append(s.Objects.DestinationRules, rule...)
		clusterOf(t, s, snapshot.AtGateway, cnn443).TLS = &admin.TLS{Mode: admin.Simple}
		contains(t, findingOn(t, s, "EGR033", tls), `[{"op":"remove","path":"/spec/trafficPolicy/portLevelSettings/0/tls"}]`)
	})
	t.Run("on a path without a gateway", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "direct-exact")
		s.Objects.DestinationRules = captured.Load(t, "EGR033").Objects.DestinationRules
		clusterOf(t, s, snapshot.AtSidecar, cnn443).TLS = &admin.TLS{Mode: admin.Simple}
		f := findingOn(t, s, "EGR033", tls)
		if f.State != Fail || f.Hop != egress.AtSidecar {
			t.Errorf("%+v", f)
		}
	})
	t.Run("a rule of a set's own is no weakness", func(t *testing.T) {
		t.Parallel()
		for _, capture := range []string{"set-tls-origination", "set-mtls-origination", "tls-origination-target-port"} {
			_, all := diagnosis(captured.Load(t, capture))
			if slices.ContainsFunc(all, func(f Finding) bool { return f.Code == "EGR033" && f.State != Pass }) {
				t.Errorf("%s: %q", capture, said(all))
			}
		}
	})
}

// TestNotBegun: without any rule one is made; a rule that the gateway uses and has not got yet is not blamed.
func TestNotBegun(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR030")
	s.Objects.DestinationRules = slices.DeleteFunc(s.Objects.DestinationRules, func(d snapshot.DestinationRule) bool { return d.Spec.Host == "edition.cnn.com" })
	f := finding(t, s, "EGR030")
	contains(t, f, "no DestinationRule begins TLS to port 443 of edition.cnn.com", `"namespace":"istio-system"`, `"exportTo":["."]`, `"mode":"SIMPLE"`)
	if _, all := diagnosis(follow(t, s, f.Fix)); slices.ContainsFunc(all, func(f Finding) bool { return f.Code == "EGR030" && f.State == Fail }) {
		t.Errorf("still there: %q", said(all))
	}

	s = captured.Load(t, "EGR030")
	for i := range s.Objects.DestinationRules {
		s.Objects.DestinationRules[i].Namespace = "istio-system"
	}
	if _, all := diagnosis(s); !slices.Contains(said(all), "fail EGR056 "+http) {
		t.Errorf("%q", said(all))
	}

	s = captured.Load(t, "EGR030")
	for i := range s.Objects.DestinationRules {
		if d := &s.Objects.DestinationRules[i]; d.Namespace == "other" {
			d.Namespace, d.Spec.ExportTo = "istio-system", []string{"shop"}
		}
	}
	contains(t, finding(t, s, "EGR030"), `patch destinationrule originate-tls-for-edition-cnn-com --type=json -p '[{"op":"add","path":"/spec/exportTo","value":["."]}]'`)
}

// TestCredentialMissing: mutual TLS needs all three parts.
func TestCredentialMissing(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR031")
	clusterOf(t, s, snapshot.AtGateway, cnn443).TLS = &admin.TLS{Mode: admin.Mutual, Certificate: "kubernetes://client", Validation: "kubernetes://client-cacert"}
	contains(t, finding(t, s, "EGR031"), "waits for Secret istio-system/client,", "create secret generic client --from-file=tls.crt --from-file=tls.key --from-file=ca.crt")
	clusterOf(t, s, snapshot.AtGateway, cnn443).TLS = &admin.TLS{Mode: admin.Mutual, Certificate: "file-cert:/etc/certs/a~/etc/certs/b"}
	if _, all := diagnosis(s); !slices.Contains(said(all), "fail EGR056 "+http) {
		t.Errorf("a file is no Secret: %q", said(all))
	}
}

// TestServerNotVerified goes through what may be left out of the verification.
func TestServerNotVerified(t *testing.T) {
	t.Parallel()
	settings := func(s *snapshot.Snapshot) *snapshot.ClientTLS {
		for i := range s.Objects.DestinationRules {
			if p := s.Objects.DestinationRules[i].Spec.TrafficPolicy; p != nil {
				return p.Ports[0].TLS
			}
		}
		return nil
	}
	for name, tt := range map[string]struct {
		change func(*snapshot.Snapshot, *admin.TLS)
		want   []string // empty: nothing is said
	}{
		"Istio verifies by itself": {func(*snapshot.Snapshot, *admin.TLS) {}, nil},
		"names are given along with sni": {func(_ *snapshot.Snapshot, c *admin.TLS) {
			c.SNI, c.SANs = "edition.cnn.com", []string{"edition.cnn.com"}
		}, nil},
		"before 1.21 no name is": {
			func(s *snapshot.Snapshot, _ *admin.TLS) { s.Facts.Version = mesh.Version{Major: 1, Minor: 20} },
			[]string{"takes any certificate of the CA", `/tls/subjectAltNames","value":["edition.cnn.com"]`},
		},
		"before 1.21 nothing is": {
			func(s *snapshot.Snapshot, c *admin.TLS) {
				s.Facts.Version, c.Validation = mesh.Version{Major: 1, Minor: 20}, ""
			},
			[]string{"does not verify the certificate of edition.cnn.com at all", `/tls/caCertificates","value":"/etc/ssl/certs/ca-certificates.crt"`},
		},
		"it is told not to": {
			func(s *snapshot.Snapshot, c *admin.TLS) { settings(s).SkipVerify, c.Validation = true, "" },
			[]string{"does not verify", `{"op":"remove","path":"/spec/trafficPolicy/portLevelSettings/0/tls/insecureSkipVerify"}`},
		},
	} {
		s := captured.Load(t, "tls-origination-mtls")
		tt.change(s, clusterOf(t, s, snapshot.AtGateway, cnn443).TLS)
		_, all := diagnosis(s)
		i := slices.IndexFunc(all, func(f Finding) bool { return f.Code == "EGR034" && f.State != Pass })
		switch {
		case (i >= 0) != (len(tt.want) > 0):
			t.Errorf("%s: %q", name, said(all))
		case i >= 0:
			contains(t, all[i], tt.want...)
		}
	}
}

// TestSNIProxyPort: where the SNI proxy's own port is known, the ServiceEntry is led there.
func TestSNIProxyPort(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR047")
	s.Facts.Gateways[0].SNIProxy = &mesh.SNIProxy{Container: "sni-proxy", Port: 18443}
	contains(t, finding(t, s, "EGR047"), `patch serviceentry sni-proxy --type=json -p '[{"op":"add","path":"/spec/ports/0/targetPort","value":18443}]'`)
}

// TestDirectPaths: only what nothing leads to a gateway goes out directly on purpose.
func TestDirectPaths(t *testing.T) {
	t.Parallel()
	direct := func(s *snapshot.Snapshot) (out []string) {
		for _, p := range Paths(s) {
			if p.Mode == egress.Direct {
				out = append(out, p.String())
			}
		}
		return out
	}
	s := captured.Load(t, "direct-exact")
	if got := direct(s); !slices.Equal(got, []string{tls}) {
		t.Errorf("%q", got)
	}
	s.Objects.ServiceEntries[0].Spec.Location = "MESH_INTERNAL"
	if got := direct(s); len(got) > 0 {
		t.Errorf("within the mesh: %q", got)
	}
	s = captured.Load(t, "direct-exact")
	s.Objects.VirtualServices[0].Spec.TLS[0].Route[0].Destination.Host = "www.wikipedia.org"
	if got := direct(s); len(got) > 0 {
		t.Errorf("to another host: %q", got)
	}
	s = captured.Load(t, "direct-exact")
	s.Objects.VirtualServices[0].Spec.Gateways = []string{"ingress"}
	if got := direct(s); len(got) > 0 {
		t.Errorf("not for sidecars: %q", got)
	}
	s = captured.Load(t, "direct-exact")
	more := captured.Load(t, "working-passthrough").Objects
	s.Objects.VirtualServices = append(s.Objects.VirtualServices, more.VirtualServices...)
	if got := direct(s); len(got) > 0 {
		t.Errorf("another object leads it to a gateway: %q", got)
	}
	// what concerns gateways is not asked of it
	_, all := diagnosis(captured.Load(t, "direct-exact"))
	for _, f := range all {
		if f.Path == tls && f.Hop == egress.AtGateway {
			t.Errorf("%s is asked of a path without a gateway", f.Code)
		}
	}
}
