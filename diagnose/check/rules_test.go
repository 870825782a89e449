package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestRulesNeedTheirCause changes one thing in the capture of each fault: the rule must fall silent, for its cause is gone, though
// the path may still stop.
func TestRulesNeedTheirCause(t *testing.T) {
	t.Parallel()
	entry := func(change func(*snapshot.ServiceEntry)) func(*snapshot.Snapshot) {
		return func(s *snapshot.Snapshot) {
			for i := range s.Objects.ServiceEntries {
				change(&s.Objects.ServiceEntries[i])
			}
		}
	}
	for name, change := range map[string]func(*snapshot.Snapshot){
		"EGR004":     entry(func(e *snapshot.ServiceEntry) { e.Spec.Addresses = []string{"192.0.2.1"} }),
		"EGR005":     entry(func(e *snapshot.ServiceEntry) { e.Spec.Addresses = nil }),
		"EGR007":     func(s *snapshot.Snapshot) { s.Objects.VirtualServices[0].Spec.ExportTo = []string{"elsewhere"} },
		"EGR007-tls": func(s *snapshot.Snapshot) { s.Objects.VirtualServices[0].Spec.Gateways = []string{"cnn"} },
		"EGR008":     func(s *snapshot.Snapshot) { s.Objects.Sidecars[0].Namespace = "shop" },
		"EGR009": func(s *snapshot.Snapshot) {
			for i := range s.Proxies {
				s.Proxies[i].Past = snapshot.Past{ExcludedPorts: "8443"}
			}
		},
		"EGR016": func(s *snapshot.Snapshot) { s.Objects.Gateways[0].Spec.Servers[0].Port.Number = 8443 },
		"EGR021": func(s *snapshot.Snapshot) {
			s.Objects.Gateways[0].Spec.Servers[0].Hosts = []string{"edition.cnn.com", "*.cnn.com"}
		},
		"EGR032": func(s *snapshot.Snapshot) {
			s.Objects.DestinationRules[0].Spec.TrafficPolicy.Ports[0].TLS.CredentialName = ""
		},
		"EGR036": entry(func(e *snapshot.ServiceEntry) { e.Spec.Resolution = "NONE" }),
		"EGR039": entry(func(e *snapshot.ServiceEntry) { e.Spec.Ports[0].Protocol = "HTTP" }),
		"EGR041": func(s *snapshot.Snapshot) {
			for i := range s.Proxies {
				for _, c := range s.Proxies[i].Hosts {
					for j := range c.Hosts {
						c.Hosts[j].Opened++ // one has got through
					}
				}
			}
		},
		"EGR046": entry(func(e *snapshot.ServiceEntry) { e.Spec.Resolution = "NONE" }),
		"EGR053": entry(func(e *snapshot.ServiceEntry) { e.Spec.Resolution, e.Spec.Endpoints = "DNS", nil }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := captured.Load(t, name)
			code, _, _ := strings.Cut(name, "-")
			if _, all := diagnosis(s); !says(all, code) {
				t.Fatalf("it is not found at all: %q", said(all))
			}
			change(s)
			if _, all := diagnosis(s); says(all, code) {
				t.Errorf("the cause is gone, and it is still said: %q", said(all))
			}
		})
	}
}

func says(all []Finding, code string) bool {
	return slices.ContainsFunc(all, func(f Finding) bool { return string(f.Code) == code && f.State != Pass })
}

// TestCatchAllTakesThePath: where the path has no chain of its own, it is the one that is taken, and fails.
func TestCatchAllTakesThePath(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR004")
	for i := range s.Proxies {
		for j := range s.Proxies[i].Config.Listeners {
			l := &s.Proxies[i].Config.Listeners[j]
			l.Chains = slices.DeleteFunc(l.Chains, func(c admin.FilterChain) bool { return slices.Contains(c.Match.ServerNames, "edition.cnn.com") })
		}
	}
	f := finding(t, s, "EGR004")
	if f.State != Fail || f.Object.Name != "tcp" {
		t.Errorf("%+v", f)
	}
	contains(t, f, "it takes edition.cnn.com:443 as well", `"value":"TLS"`)
	if _, all := diagnosis(s); len(said(all)) != 1 {
		t.Errorf("one fault, one code: %q", said(all))
	}
}

// TestAddressesByDNSProxy: where Istio answers the clients' DNS they ask for the entry's addresses, at which sidecars listen.
func TestAddressesByDNSProxy(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR005")
	for i := range s.Proxies {
		s.Proxies[i].DNSCapture = true
	}
	if _, all := diagnosis(s); !slices.Equal(said(all), []string{"skip EGR052 " + tls}) {
		t.Errorf("%q", said(all))
	}
	for i := range s.Objects.ServiceEntries { // an address that the proxy did not get: it is not the addresses' fault
		s.Objects.ServiceEntries[i].Spec.Addresses = []string{"192.0.2.77"}
	}
	if _, all := diagnosis(s); says(all, "EGR005") || !says(all, "EGR056") {
		t.Errorf("%q", said(all))
	}
}

// TestSidecarFor: the Sidecar object that holds is that of the workload, then that of the namespace, then that of the root.
func TestSidecarFor(t *testing.T) {
	t.Parallel()
	of := func(namespace, name string, labels map[string]string) snapshot.Sidecar {
		c := snapshot.Sidecar{Meta: snapshot.Meta{Namespace: namespace, Name: name}}
		if labels != nil {
			c.Spec.WorkloadSelector = &snapshot.Selector{Labels: labels}
		}
		return c
	}
	all := []snapshot.Sidecar{
		of("istio-system", "root", nil), of("shop", "all", nil), of("shop", "other", map[string]string{"app": "x"}),
		of("shop", "own", map[string]string{"app": "cart"}), of("shop", "empty", map[string]string{}),
	}
	pod := &snapshot.Proxy{Namespace: "shop", Labels: map[string]string{"app": "cart"}}
	for _, want := range []string{"own", "all", "root"} {
		s := &snapshot.Snapshot{Objects: snapshot.Objects{Sidecars: all}}
		if got := sidecarFor(s, pod); got == nil || got.Name != want {
			t.Errorf("%+v, want %s", got, want)
		}
		all = slices.DeleteFunc(slices.Clone(all), func(c snapshot.Sidecar) bool { return c.Name == want })
	}
	if got := sidecarFor(&snapshot.Snapshot{}, pod); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestImports(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]bool{
		"*/*": true, "shop/*": true, "./*": false, "other/*": false, "shop/edition.cnn.com": true, "*/*.cnn.com": true, "shop/*.example.com": false,
		"edition.cnn.com": true, "~/*": false,
	} {
		c := &snapshot.Sidecar{Meta: snapshot.Meta{Namespace: "default"}}
		c.Spec.Egress = append(c.Spec.Egress, struct {
			Hosts []string `json:"hosts,omitempty"`
		}{Hosts: []string{entry}})
		if got := imports(c, "shop", "edition.cnn.com"); got != want {
			t.Errorf("%s: %t", entry, got)
		}
	}
}

// TestNotExportedToTheClient: who was asked about does not see the routes; they are bound, and nothing else is wrong with them.
func TestNotExportedToTheClient(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR001")
	v := &s.Objects.VirtualServices[0]
	v.Spec.Gateways, v.Spec.ExportTo = []string{"mesh", "cnn"}, []string{"istio-system"}
	v.Spec.TLS[0].Match[0].Gateways = []string{"mesh"}
	contains(t, finding(t, s, "EGR001"), "is not exported to namespace default", `[{"op":"add","path":"/spec/exportTo/-","value":"default"}]`)
}

// TestDifference: what two entries say alike is no difference.
func TestDifference(t *testing.T) {
	t.Parallel()
	entry := func(resolution, protocol string, target int) *snapshot.ServiceEntry {
		e := &snapshot.ServiceEntry{Meta: snapshot.Meta{Namespace: "a", Name: "e"}}
		e.Spec.Resolution, e.Spec.Ports = resolution, []snapshot.ServicePort{{Number: 443, Protocol: protocol, TargetPort: target}}
		return e
	}
	base := entry("DNS", "TLS", 0)
	for _, c := range []struct {
		other *snapshot.ServiceEntry
		want  string
	}{
		{entry("dns", "tls", 0), ""},
		{entry("DNS", "HTTPS", 0), ""},
		{entry("STATIC", "TLS", 0), "resolution is DNS in a/e and STATIC"},
		{entry("DNS", "TCP", 0), "protocol is TLS in a/e and TCP"},
		{entry("DNS", "TLS", 8443), "targetPort is not set in a/e and 8443"},
	} {
		if got := difference(base, c.other, 443); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestGatewayNamedElsewhere: a Gateway that is named along with a namespace which does not have it is found where it is, however the
// name is written.
func TestGatewayNamedElsewhere(t *testing.T) {
	t.Parallel()
	for _, written := range []string{"net/cnn", "cnn.net", "cnn.net.svc.cluster.local"} {
		s := captured.Load(t, "EGR013")
		v := &s.Objects.VirtualServices[0]
		v.Spec.Gateways[1], v.Spec.TLS[1].Match[0].Gateways[0] = written, written
		f := finding(t, s, "EGR013")
		contains(t, f, "names Gateway cnn, which namespace net does not have; istio-system/cnn is meant",
			`{"op":"replace","path":"/spec/gateways/1","value":"istio-system/cnn"},{"op":"replace","path":"/spec/tls/1/match/0/gateways/0","value":"istio-system/cnn"}`)
	}
}
