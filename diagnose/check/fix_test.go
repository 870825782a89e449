package check

import (
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// These tests change the objects of captures a little and look at what the message and the remedy make of it. That the remedies
// mend is shown on real clusters, end to end.

func contains(t *testing.T, f Finding, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(f.Message+"\n"+f.Fix, w) {
			t.Errorf("no %q in\n%s\n%s", w, f.Message, f.Fix)
		}
	}
}

func TestBindToMesh(t *testing.T) {
	t.Parallel()
	t.Run("the match names the Gateway only", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR001")
		s.Objects.VirtualServices[0].Spec.TLS[0].Match[0].Gateways = []string{"cnn"}
		contains(t, finding(t, s, "EGR001"), `{"op":"replace","path":"/spec/gateways","value":["cnn","mesh"]}`, `"path":"/spec/tls/0/match/0/gateways","value":["mesh"]`)
	})
	t.Run("bound, but the match excludes mesh", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR001")
		s.Objects.VirtualServices[0].Spec.Gateways = []string{"mesh", "cnn"}
		s.Objects.VirtualServices[0].Spec.TLS[0].Match[0].Gateways = []string{"cnn"}
		f := finding(t, s, "EGR001")
		contains(t, f, `[{"op":"replace","path":"/spec/tls/0/match/0/gateways","value":["mesh"]}]`)
	})
	t.Run("no VirtualService at all", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR001")
		s.Objects.VirtualServices = nil
		f := finding(t, s, "EGR001")
		contains(t, f, "no VirtualService leads edition.cnn.com:443", `"kind":"VirtualService"`, `"gateways":["mesh","cnn"]`, `"sniHosts":["edition.cnn.com"]`)
	})
	t.Run("no VirtualService, and the Gateway ends TLS", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR001")
		s.Objects.VirtualServices = nil
		s.Objects.Gateways[0].Spec.Servers[0].TLS.Mode = "ISTIO_MUTUAL"
		s.Objects.DestinationRules = captured.Load(t, "passthrough-mtls").Objects.DestinationRules
		contains(t, finding(t, s, "EGR001"), `"tcp":[`, `"tls":[`, `"subset":"cnn"`)
	})
	t.Run("of a set", func(t *testing.T) {
		t.Parallel()
		f := findingOn(t, captured.Load(t, "set-route-deleted"), "EGR001", tls)
		contains(t, f, "kubectl -n default get configmap egress-demo", "| kubectl egress enable -f -")
	})
}

// findingOn gives the only finding of a code on a path.
func findingOn(t *testing.T, s *snapshot.Snapshot, code Code, path string) Finding {
	t.Helper()
	_, all := diagnosis(s)
	for _, f := range all {
		if f.Code == code && f.Path == path && f.State != Pass {
			return f
		}
	}
	t.Fatalf("no finding of %s on %s; said %v", code, path, said(all))
	return Finding{}
}

func TestRegisterHost(t *testing.T) {
	t.Parallel()
	t.Run("an entry without the port", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR002")
		s.Objects.ServiceEntries = captured.Load(t, "working-passthrough").Objects.ServiceEntries
		s.Objects.ServiceEntries[0].Spec.Ports = s.Objects.ServiceEntries[0].Spec.Ports[:1]
		contains(t, finding(t, s, "EGR002"), "does not have port 443", `"path":"/spec/ports/-"`, `"protocol":"TLS"`)
	})
	t.Run("an entry that the named workload does not see", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR002")
		s.Objects.ServiceEntries = captured.Load(t, "working-passthrough").Objects.ServiceEntries
		s.Objects.ServiceEntries[0].Spec.ExportTo = []string{"shop"}
		contains(t, finding(t, s, "EGR002"), "not exported to the client's namespace", `"path":"/spec/exportTo/-","value":"default"`)
	})
	t.Run("a workload that nobody named and that is not meant", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR002")
		s.From = ""
		s.Objects.ServiceEntries = captured.Load(t, "working-passthrough").Objects.ServiceEntries
		s.Objects.ServiceEntries[0].Spec.ExportTo = []string{"shop"}
		if f := finding(t, s, "EGR056"); f.State != Unknown || !strings.Contains(f.Message, "the path is for none of the pods with a sidecar") {
			t.Errorf("%+v", f)
		}
	})
	t.Run("an older API", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR002")
		s.Facts.Networking = "v1beta1"
		contains(t, finding(t, s, "EGR002"), `"apiVersion":"networking.istio.io/v1beta1"`)
	})
}

func TestProvideSubset(t *testing.T) {
	t.Parallel()
	t.Run("hidden by a rule of the client's namespace", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR023-none")
		s.Objects.DestinationRules = captured.Load(t, "working-http").Objects.DestinationRules
		own := s.Objects.DestinationRules[0]
		own.Namespace, own.Name, own.Spec.Subsets = "default", "own", nil
		s.Objects.DestinationRules = append(s.Objects.DestinationRules, own)
		f := finding(t, s, "EGR023")
		contains(t, f, "use DestinationRule default/own, which has no subset cnn; istio-system/cnn has it",
			`kubectl -n default patch destinationrule own`, `"path":"/spec/subsets","value":[{"name":"cnn"`)
	})
	t.Run("in the root namespace", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR023-tls")
		s.Facts.RootNamespace = "mesh-root"
		s.Objects.DestinationRules[0].Namespace = "mesh-root"
		contains(t, finding(t, s, "EGR023"), "kubectl -n mesh-root patch destinationrule cnn")
	})
	t.Run("for a gateway that takes plain text", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR023-none")
		s.Objects.Gateways[0].Spec.Servers[0].TLS = nil
		s.Objects.Gateways[0].Spec.Servers[0].Port.Protocol = "HTTP"
		if f := finding(t, s, "EGR023"); strings.Contains(f.Fix, "ISTIO_MUTUAL") {
			t.Errorf("TLS to a plain gateway: %s", f.Fix)
		}
	})
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	t.Run("one host of several", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR020")
		another := &s.Objects.Gateways[0]
		another.Spec.Servers[0].Hosts = []string{"other.example.com", "*/edition.cnn.com"}
		contains(t, finding(t, s, "EGR020"), `patch gateways.networking.istio.io another`, `[{"op":"remove","path":"/spec/servers/0/hosts/1"}]`)
	})
	t.Run("one server of several", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR020")
		another := &s.Objects.Gateways[0]
		another.Spec.Servers = append(another.Spec.Servers, another.Spec.Servers[0])
		another.Spec.Servers[0].Port.Number = 9999
		contains(t, finding(t, s, "EGR020"), `[{"op":"remove","path":"/spec/servers/1"}]`)
	})
	t.Run("another Gateway that selects other pods is no clash", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR020")
		s.Objects.Gateways[0].Spec.Selector = map[string]string{"app": "something-else"}
		if f := finding(t, s, "EGR056"); f.State != Fail {
			t.Errorf("%+v", f)
		}
	})
}

func TestServerName(t *testing.T) {
	t.Parallel()
	t.Run("settings of the port", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR017")
		rule := &s.Objects.DestinationRules[0]
		policy := rule.Spec.Subsets[0].TrafficPolicy
		policy.Ports = append(policy.Ports, policyPort(80, policy.TLS))
		policy.TLS = nil
		contains(t, finding(t, s, "EGR017"), `"path":"/spec/subsets/0/trafficPolicy/portLevelSettings/0/tls/sni","value":"edition.cnn.com"`)
	})
	t.Run("settings of the whole rule", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR017")
		rule := &s.Objects.DestinationRules[0]
		rule.Spec.TrafficPolicy, rule.Spec.Subsets[0].TrafficPolicy = rule.Spec.Subsets[0].TrafficPolicy, nil
		contains(t, finding(t, s, "EGR017"), `"path":"/spec/trafficPolicy/tls/sni"`)
	})
	t.Run("no rule to be found", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR017")
		s.Objects.DestinationRules = nil
		contains(t, finding(t, s, "EGR017"), `patch gateways.networking.istio.io cnn`, `"path":"/spec/servers/0/hosts/-","value":"*"`)
	})
}

func policyPort(number int, tls *snapshot.ClientTLS) (p struct {
	Port struct {
		Number int `json:"number"`
	} `json:"port"`
	TLS *snapshot.ClientTLS `json:"tls,omitempty"`
},
) {
	p.Port.Number, p.TLS = number, tls
	return p
}

func TestTLSModes(t *testing.T) {
	t.Parallel()
	t.Run("the subset is there without TLS", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR024a")
		s.Objects.DestinationRules = captured.Load(t, "working-http").Objects.DestinationRules
		s.Objects.DestinationRules[0].Spec.Subsets[0].TrafficPolicy = nil
		s.Objects.VirtualServices[0].Spec.HTTP[0].Route[0].Destination.Subset = "cnn"
		f := finding(t, s, "EGR024")
		contains(t, f, `"path":"/spec/subsets/0"`, "ISTIO_MUTUAL")
		if strings.Contains(f.Fix, "virtualservice") {
			t.Errorf("the route names the subset already: %s", f.Fix)
		}
	})
	t.Run("a rule without the subset", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR024a")
		s.Objects.DestinationRules = captured.Load(t, "working-http").Objects.DestinationRules
		contains(t, finding(t, s, "EGR024"), `"path":"/spec/subsets/-"`, "/destination/subset")
	})
}

func TestSight(t *testing.T) {
	t.Parallel()
	t.Run("a Telemetry object decides", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR051")
		var telemetry snapshot.Telemetry
		telemetry.Namespace, telemetry.Name = "istio-system", "quiet"
		telemetry.Spec.Selector = &snapshot.Selector{MatchLabels: map[string]string{"istio": "egressgateway"}}
		s.Objects.Telemetries = []snapshot.Telemetry{telemetry}
		f := finding(t, s, "EGR051")
		contains(t, f, `"name":"quiet"`)
		if f.Object == nil || f.Object.Kind != "Telemetry" || f.State != Skip {
			t.Errorf("%+v", f)
		}
	})
	t.Run("what the pod's annotation has already is kept", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "working-passthrough")
		s.Proxies[0].ProxyConfig = "concurrency: 1\nproxyStatsMatcher:\n  inclusionPrefixes: [a]\n  inclusionRegexps: [mine]\n"
		fix := finding(t, s, "EGR052").Fix
		for _, w := range []string{`\"concurrency\":1`, `\"inclusionPrefixes\":[\"a\"]`, `[\"mine\",\"cluster\\\\.outbound`, "patch deployment/istio-egressgateway "} {
			if !strings.Contains(fix, w) {
				t.Errorf("no %s in %s", w, fix)
			}
		}
	})
	t.Run("an annotation that is no YAML, a pod without owner", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "working-passthrough")
		s.Proxies[0].ProxyConfig, s.Proxies[0].Owner = "{", ""
		contains(t, finding(t, s, "EGR052"), "deployment/istio-egressgateway", "proxyStatsMatcher")
	})
}

func TestGatewayWithoutService(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR026")
	s.Objects.Services = nil
	contains(t, finding(t, s, "EGR026"), "there is no Service istio-system/egress-two", "kubectl -n istio-system get services")
}

func TestExportOps(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR015")
	s.Objects.VirtualServices[0].Spec.ExportTo = nil
	s.Facts.Config.DefaultVirtualServiceExportTo = []string{"."}
	contains(t, finding(t, s, "EGR015"), `{"op":"add","path":"/spec/exportTo","value":[".","istio-system"]}`)
}

// TestOtherHop: a finding names the hop where it was seen, which for some rules is not always the same.
func TestOtherHop(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]egress.Hop{"EGR002": egress.AtSidecar, "EGR002-http": egress.AtGateway} {
		if f := finding(t, captured.Load(t, name), "EGR002"); f.Hop != want {
			t.Errorf("%s: hop %s, want %s", name, f.Hop, want)
		}
	}
}
