package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// wikipedia is the ServiceEntry of a capture whose second port is led to the gateway.
func wikipedia(t *testing.T, s *snapshot.Snapshot) *snapshot.ServiceEntry {
	t.Helper()
	i := slices.IndexFunc(s.Objects.ServiceEntries, func(e snapshot.ServiceEntry) bool { return e.Name == "de" })
	if i < 0 {
		t.Fatal("it is not there")
	}
	return &s.Objects.ServiceEntries[i]
}

// TestOtherPort: a port that nothing leads to the gateway is told by what the sidecar really does with it.
func TestOtherPort(t *testing.T) {
	t.Parallel()
	f := one(t, posed(t, "posture-open", nil), "EGR064")
	if f.State != Fail || f.Object.Name != "de" || f.Object.Field != "spec.ports[0]" || !strings.Contains(f.Evidence[0], "to outbound|80||de.wikipedia.org") {
		t.Errorf("%+v", f)
	}
	for _, want := range []string{"kind: Gateway", "kind: VirtualService", "  exportTo:\n  - .\n", "number: 80", "host: posture-gw.egress-posture.svc.cluster.local"} {
		if !strings.Contains(f.Fix, want) {
			t.Errorf("no %q in\n%s", want, f.Fix)
		}
	}
	hold := func(s *snapshot.Snapshot) {
		s.Security.NetworkPolicies = policies(t, "metadata: {name: p, namespace: egress-posture}\nspec: {policyTypes: [Egress]}")
	}
	if f := one(t, posed(t, "posture-open", hold), "EGR064"); f.State != Warn {
		t.Errorf("%+v", f)
	}
	noPort := func(s *snapshot.Snapshot) { s.Facts.Gateways[0].Ports = s.Facts.Gateways[0].Ports[:0] }
	if f := one(t, posed(t, "posture-open", noPort), "EGR064"); f.Fix != `kubectl -n egress-posture patch serviceentry de --type=json -p '[{"op":"remove","path":"/spec/ports/0"}]'` {
		t.Errorf("%s", f.Fix)
	}
}

// TestOtherPortSpeaks: what the gateway can carry is told of, HTTP to be led there as well. Of what begins TLS on another port nobody
// knows the gateway's, and a protocol that has neither a Host header nor a server name is no question of the gateway.
func TestOtherPortSpeaks(t *testing.T) {
	t.Parallel()
	const lead, closed = "kind: VirtualService", `kubectl -n egress-posture patch serviceentry de --type=json -p '[{"op":"remove","path":"/spec/ports/0"}]'`
	for _, tt := range []struct {
		protocol string
		port     int
		fix      string // "": nothing is told
	}{
		{"HTTP", 80, lead},
		{"HTTP2", 80, lead},
		{"http2", 80, lead},
		{"GRPC", 80, lead},
		{"GRPC-WEB", 80, lead},
		{"grpc-web", 80, lead},
		{"HTTPS", 8443, closed},
		{"TLS", 8443, closed},
		{"tls", 8443, closed},
		{"MONGO", 80, ""},
		{"TCP", 80, ""},
		{"", 80, ""},
		{"UDP", 80, ""},
	} {
		found := only(posed(t, "posture-open", func(s *snapshot.Snapshot) {
			p := &wikipedia(t, s).Spec.Ports[0]
			p.Number, p.Protocol = tt.port, tt.protocol
			s.Facts.Gateways[0].Ports = append(s.Facts.Gateways[0].Ports, mesh.Port{Number: 8443, Target: 8443})
		}), "EGR064")
		if len(found) != min(1, len(tt.fix)) {
			t.Errorf("%s on %d: %+v", tt.protocol, tt.port, found)
		}
		for _, f := range found {
			if f.State != Fail || !strings.Contains(f.Fix, tt.fix) || tt.fix == closed && f.Fix != closed {
				t.Errorf("%s on %d: %s:\n%s", tt.protocol, tt.port, f.State, f.Fix)
			}
		}
	}
}

// TestOtherPortOfWildcard: no route leads HTTP of any host on from the gateway to the host that was asked for, so the port is closed.
func TestOtherPortOfWildcard(t *testing.T) {
	t.Parallel()
	f := one(t, posed(t, "posture-open", func(s *snapshot.Snapshot) {
		const all = "*.wikipedia.org"
		e := wikipedia(t, s)
		e.Spec.Hosts, e.Spec.Resolution = []string{all}, "NONE"
		for i := range s.Objects.Gateways {
			if g := &s.Objects.Gateways[i]; g.Name == "de" {
				g.Spec.Servers[0].Hosts = []string{all}
			}
		}
		for i := range s.Objects.VirtualServices {
			if v := &s.Objects.VirtualServices[i]; v.Name == "de" {
				v.Spec.Hosts, v.Spec.TLS[0].Match[0].SNIHosts, v.Spec.TLS[1].Match[0].SNIHosts = []string{all}, []string{all}, []string{all}
			}
		}
	}), "EGR064")
	if !strings.HasPrefix(f.Message, "*.wikipedia.org:443 is meant to take gateway egress-posture/posture-gw, and port 80") ||
		f.Fix != `kubectl -n egress-posture patch serviceentry de --type=json -p '[{"op":"remove","path":"/spec/ports/0"}]'` {
		t.Errorf("%s\n%s", f.Message, f.Fix)
	}
}

// TestOtherPortHeld: it counts whether policies hold the pod whose sidecar goes round the gateway, and no other pod.
func TestOtherPortHeld(t *testing.T) {
	t.Parallel()
	hold := func(labels string) string {
		return "metadata: {name: p, namespace: egress-posture}\nspec: {podSelector: " + labels + ", policyTypes: [Egress]}"
	}
	for name, tt := range map[string]struct {
		policies string
		want     State
	}{
		"nobody":        {"", Fail},
		"the pod":       {hold("{matchLabels: {app: sleep}}"), Warn},
		"the others":    {hold("{matchExpressions: [{key: app, operator: NotIn, values: [sleep]}]}"), Fail},
		"all":           {hold("{}"), Warn},
		"its namesakes": {strings.Replace(hold("{}"), "egress-posture", "default", 1), Fail},
	} {
		f := one(t, posed(t, "posture-open", func(s *snapshot.Snapshot) {
			s.Security.NetworkPolicies = policies(t, tt.policies)
			twin := *workload(t, s, "deployment/sleep")
			twin.Namespace, twin.Sidecar = "default", false
			s.Security.Workloads = slices.Insert(s.Security.Workloads, 0, twin)
		}), "EGR064")
		if f.State != tt.want || (tt.want == Warn) != strings.Contains(strings.Join(f.Evidence, "\n"), "NetworkPolicies hold the workloads") {
			t.Errorf("%s: %s, %q", name, f.State, f.Evidence)
		}
	}
}
