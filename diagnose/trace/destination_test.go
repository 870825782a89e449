package trace

import (
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestDestination: connections to hosts by address come in at that address, if it is one that clients are told.
func TestDestination(t *testing.T) {
	t.Parallel()
	path := egress.Path{
		Host: "shop.byhand.test", Port: 444, Protocol: egress.ProtocolTLS, Mode: egress.Passthrough,
		Gateway: egress.GatewayRef{Namespace: "byhand", Service: "out"},
	}
	// unlooked is a mesh in which no pod knows an address of the host, and the entry alone names one.
	unlooked := func(s *snapshot.Snapshot, resolution, address string) {
		s.Objects.ServiceEntries[0].Spec.Addresses, s.Objects.ServiceEntries[0].Spec.Resolution = []string{address}, resolution
		s.Objects.VirtualServices[0].Spec.TCP[0].Match[0].Subnets = nil
		for i := range s.Proxies {
			s.Proxies[i].Hosts = nil
		}
	}
	hosts := map[int][]admin.HostCounters{}
	for i, p := range captured.Load(t, "tcp-address").Proxies {
		hosts[i] = p.Hosts
	}
	for name, tt := range map[string]struct {
		change func(*snapshot.Snapshot)
		want   string
	}{
		"the endpoint is the address": {func(*snapshot.Snapshot) {}, "10.96.0.84"},
		"a network around it": {func(s *snapshot.Snapshot) {
			s.Objects.ServiceEntries[0].Spec.Addresses = []string{"10.96.0.0/16"}
			s.Objects.VirtualServices[0].Spec.TCP[0].Match[0].Subnets = nil
		}, "10.96.0.84"},
		"an address that nobody is told": {func(s *snapshot.Snapshot) {
			s.Objects.ServiceEntries[0].Spec.Addresses = []string{"240.0.0.1"}
			s.Objects.VirtualServices[0].Spec.TCP[0].Match[0].Subnets = []string{"240.0.0.1/32"}
		}, ""},
		"addresses and no name to look up": {func(s *snapshot.Snapshot) {
			s.Objects.ServiceEntries[0].Spec.Addresses = []string{"10.9.0.0/24"}
			s.Objects.ServiceEntries[0].Spec.Resolution = "NONE"
			s.Objects.VirtualServices[0].Spec.TCP[0].Match[0].Subnets = nil
			for i := range s.Proxies {
				s.Proxies[i].Hosts = nil
			}
		}, "10.9.0.0"},
		"only the routes name it": {func(s *snapshot.Snapshot) { s.Objects.ServiceEntries[0].Spec.Addresses = nil }, "10.96.0.84"},
		"an address, and a route without a match": {func(s *snapshot.Snapshot) {
			s.Objects.ServiceEntries[0].Spec.Addresses = []string{"nonsense", "10.96.0.84"}
			s.Objects.VirtualServices[0].Spec.TCP[0].Match = nil
		}, "10.96.0.84"},
		"a network of which pods know no address": {func(s *snapshot.Snapshot) {
			unlooked(s, "NONE", "10.9.0.0/24")
			for i := range s.Proxies {
				s.Proxies[i].Hosts = hosts[i]
			}
		}, ""},
		"a network, and resolution left out":  {func(s *snapshot.Snapshot) { unlooked(s, "", "10.9.0.0/24") }, "10.9.0.0"},
		"a network, and a name to look up":    {func(s *snapshot.Snapshot) { unlooked(s, "DNS", "10.9.0.0/24") }, ""},
		"what is neither address nor network": {func(s *snapshot.Snapshot) { unlooked(s, "NONE", "nonsense") }, ""},
		"one entry that is looked up, and one that is not": {func(s *snapshot.Snapshot) {
			unlooked(s, "DNS", "10.9.0.0/24")
			second := s.Objects.ServiceEntries[0]
			second.Name, second.Spec.Resolution = "second", "NONE"
			s.Objects.ServiceEntries = append(s.Objects.ServiceEntries, second)
		}, ""},
		"an entry that is not seen": {func(s *snapshot.Snapshot) {
			s.Objects.ServiceEntries[0].Spec.ExportTo = []string{"other"}
			s.Objects.VirtualServices[0].Spec.TCP[0].Match[0].Subnets = nil
		}, ""},
		"a route of the gateway's": {func(s *snapshot.Snapshot) {
			s.Objects.ServiceEntries[0].Spec.Addresses = nil
			s.Objects.VirtualServices[0].Spec.TCP[0].Match[0].Gateways = []string{"shop"}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := captured.Load(t, "tcp-address")
			tt.change(s)
			got := Walk(s, path)
			if sidecars := got.At(egress.AtSidecar); len(sidecars) != 1 || sidecars[0].Ask.Address != tt.want {
				t.Errorf("%+v, want address %s", sidecars, tt.want)
			}
		})
	}
}

// TestSharedByTwoGateways: routes that lead to two egress gateways are followed through the pods of both; one that nobody knows for a
// gateway is none.
func TestSharedByTwoGateways(t *testing.T) {
	t.Parallel()
	path := egress.Path{
		Host: "shop.byhand.test", Port: 443, Protocol: egress.ProtocolTLS, Mode: egress.Passthrough,
		Gateway: egress.GatewayRef{Namespace: "byhand", Service: "out"},
	}
	s := captured.Load(t, "two-gateways")
	got := Walk(s, path)
	pods := map[egress.GatewayRef]bool{}
	for _, l := range got.At(egress.AtGateway) {
		pods[l.Proxy.Gateway] = l.Stop == nil
	}
	if len(got.Failed()) > 0 || len(pods) != 2 || !pods[path.Gateway] {
		t.Errorf("%d fail, followed %v", len(got.Failed()), pods)
	}
	routes := s.Objects.VirtualServices[0].Spec.TLS
	for i := range routes {
		if len(routes[i].Route) == 2 {
			routes[i].Route = routes[i].Route[:1]
		}
	}
	got = Walk(s, path)
	if failed := got.Failed(); len(failed) != 1 || failed[0].Stop.Kind != Elsewhere {
		t.Errorf("a sidecar sends to a gateway to which nothing leads: %+v", failed)
	}
}
