package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// TestFilesNotThere: files are blamed where the proxies really wait for them, at one side or at both; Secrets and files that are there
// are not.
func TestFilesNotThere(t *testing.T) {
	t.Parallel()
	const gatewayFix, ruleFix = `"path":"/spec/servers/0/tls","value":{"mode":"ISTIO_MUTUAL"}`, `"path":"/spec/trafficPolicy/portLevelSettings/0/tls","value":{"mode":"ISTIO_MUTUAL","sni":"edition.cnn.com","subjectAltNames":["spiffe://`
	arrived := func(s *snapshot.Snapshot, role snapshot.Role) {
		for i := range s.Proxies {
			if s.Proxies[i].Role == role {
				s.Proxies[i].Config.Secrets = nil
			}
		}
	}
	t.Run("both", func(t *testing.T) {
		t.Parallel()
		f := finding(t, captured.Load(t, "EGR068"), "EGR068")
		contains(t, f, "Gateway default/istio-egressgateway and DestinationRule default/set-sni-for-egress-gateway have", gatewayFix, ruleFix)
		if f.Hop != egress.AtSidecar || f.Object.Kind != "Gateway" || !strings.Contains(strings.Join(f.Evidence, "\n"), "waits for file-root:/etc/certs/root-cert.pem") {
			t.Errorf("%+v", f)
		}
	})
	t.Run("the gateway's are missing", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR068")
		arrived(s, snapshot.AtSidecar)
		if f := finding(t, s, "EGR068"); f.Hop != egress.AtGateway {
			t.Errorf("%+v", f)
		}
		s.Objects.DestinationRules[0].Spec.TrafficPolicy.Ports[0].TLS.Mode = "ISTIO_MUTUAL"
		f := finding(t, s, "EGR068")
		contains(t, f, "Gateway default/istio-egressgateway has", gatewayFix)
		if strings.Contains(f.Fix, "destinationrule") {
			t.Error(f.Fix)
		}
	})
	t.Run("the sidecars' are missing", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR068")
		s.Objects.Gateways[0].Spec.Servers[0].TLS.Mode = "ISTIO_MUTUAL"
		contains(t, finding(t, s, "EGR068"), "DestinationRule default/set-sni-for-egress-gateway has", ruleFix)
	})
	t.Run("a listener that does not open yet", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR068")
		arrived(s, snapshot.AtSidecar)
		for i := range s.Proxies {
			for j := range s.Proxies[i].Config.Listeners {
				if l := &s.Proxies[i].Config.Listeners[j]; s.Proxies[i].Role == snapshot.AtGateway && l.Port == 8080 {
					l.Warming = true
				}
			}
		}
		contains(t, finding(t, s, "EGR068"), gatewayFix, ruleFix)
	})
	t.Run("they are there", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR068")
		arrived(s, snapshot.AtSidecar)
		arrived(s, snapshot.AtGateway)
		if _, all := diagnosis(s); slices.ContainsFunc(all, func(f Finding) bool { return f.State == Fail }) {
			t.Errorf("%q", said(all))
		}
	})
	t.Run("no object has files", func(t *testing.T) {
		t.Parallel()
		s := captured.Load(t, "EGR068")
		s.Objects.Gateways[0].Spec.Servers[0].TLS.CredentialName, s.Objects.DestinationRules[0].Spec.TrafficPolicy.Ports[0].TLS.CredentialName = "a", "b"
		if _, all := diagnosis(s); !slices.Contains(said(all), "fail EGR056 "+http) {
			t.Errorf("%q", said(all))
		}
	})
}

// TestOthersSendPlainText: the gateway ends Istio's TLS, which only sidecars of the rule's own namespace begin.
func TestOthersSendPlainText(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR024-others")
	f := finding(t, s, "EGR024")
	contains(t, f, "DestinationRule byhand/shop has sidecars of its own namespace begin it; those of other send plain text", "kubectl -n byhand get destinationrule shop", `"value":"istio-system"`)
	if strings.Contains(f.Fix, "delete") || f.State != Warn {
		t.Errorf("the rule is needed where it is: %s %s", f.State, f.Fix)
	}
	s.Proxies = slices.DeleteFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Namespace == "byhand" })
	if f := finding(t, s, "EGR024"); f.State != Fail {
		t.Errorf("nobody is left for whom it works: %+v", f)
	}
}
