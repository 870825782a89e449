package check

import (
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// atSidecar is a path whose client stops in some way, under objects written as people do.
func atSidecar(t *testing.T, objects string, stop *trace.Stop) (*snapshot.Snapshot, trace.Path) {
	t.Helper()
	s, p := atGateway(t, objects, trace.Stop{})
	p.Legs = []trace.Leg{{Hop: egress.AtSidecar, Proxy: &snapshot.Proxy{Namespace: "default", Pod: "client"}, Stop: stop}}
	return s, p
}

// tcpTo is a listener on port 443 whose chain without server names sends to the host of a ServiceEntry.
func tcpTo(change ...func(*admin.Listener)) admin.Listener {
	l := admin.Listener{Name: "0.0.0.0_443", Address: "0.0.0.0", Port: 443, Chains: []admin.FilterChain{{
		Filters: []admin.Filter{{}, {TCP: &admin.TCPProxy{Cluster: "outbound|443||tcp.example.com"}}},
	}}}
	for _, c := range change {
		c(&l)
	}
	return l
}

// TestCatchAllListener: only a listener for all addresses of that port, in force, with a chain for unknown names takes other hosts.
func TestCatchAllListener(t *testing.T) {
	t.Parallel()
	const tcp = `serviceEntries: [{metadata: {namespace: a, name: tcp}, spec: {hosts: [tcp.example.com], ports: [{number: 443, protocol: TCP}]}}]`
	for name, tt := range map[string]struct {
		objects  string
		listener admin.Listener
		found    bool
	}{
		"all of IPv4":      {tcp, tcpTo(), true},
		"all of IPv6":      {tcp, tcpTo(func(l *admin.Listener) { l.Address = "::" }), true},
		"one address":      {tcp, tcpTo(func(l *admin.Listener) { l.Address = "192.0.2.1" }), false},
		"another port":     {tcp, tcpTo(func(l *admin.Listener) { l.Port = 8443 }), false},
		"not in force yet": {tcp, tcpTo(func(l *admin.Listener) { l.Warming = true }), false},
		"the last chain":   {tcp, tcpTo(func(l *admin.Listener) { l.Default, l.Chains = &l.Chains[0], nil }), true},
		"with a name":      {tcp, tcpTo(func(l *admin.Listener) { l.Chains[0].Match.ServerNames = []string{"tcp.example.com"} }), false},
		"another cluster":  {tcp, tcpTo(func(l *admin.Listener) { l.Chains[0].Filters[1].TCP.Cluster = "PassthroughCluster" }), false},
		"the path's own": {
			`serviceEntries: [{metadata: {namespace: a, name: tcp}, spec: {hosts: [tcp.example.com, Edition.cnn.com], ports: [{number: 443, protocol: TCP}]}}]`, tcpTo(), false,
		},
		"no host":      {`serviceEntries: [{metadata: {namespace: a, name: tcp}, spec: {ports: [{number: 443, protocol: TCP}]}}]`, tcpTo(), false},
		"it is TLS":    {`serviceEntries: [{metadata: {namespace: a, name: tcp}, spec: {hosts: [tcp.example.com], ports: [{number: 443, protocol: TLS}]}}]`, tcpTo(), false},
		"by addresses": {`serviceEntries: [{metadata: {namespace: a, name: tcp}, spec: {hosts: [tcp.example.com], addresses: [192.0.2.1], ports: [{number: 443, protocol: TCP}]}}]`, tcpTo(), false},
	} {
		s, p := atSidecar(t, tt.objects, nil)
		p.Legs[0].Proxy.Config.Listeners = []admin.Listener{tt.listener}
		if found := catchAll.Run(s, p); (len(found) == 1) != tt.found {
			t.Errorf("%s: %+v", name, found)
		}
		p.Protocol = egress.ProtocolHTTP
		if found := catchAll.Run(s, p); len(found) > 0 {
			t.Errorf("%s, of HTTP: %+v", name, found)
		}
	}
}

// TestAddressesSeen: addresses explain a stop only in an entry that the client sees, and only where the traffic goes straight out.
func TestAddressesSeen(t *testing.T) {
	t.Parallel()
	const entry = `serviceEntries: [{metadata: {namespace: default, name: e}, spec: {hosts: [edition.cnn.com], addresses: [192.0.2.1], ports: [{number: 443, protocol: TLS}]}}]`
	const hidden = `serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [edition.cnn.com], exportTo: ["."], addresses: [192.0.2.1], ports: [{number: 443, protocol: TLS}]}}]`
	for _, tt := range []struct {
		objects, cluster, asked string
		found                   bool
	}{
		{entry, trace.Passthrough, "", true},
		{entry, trace.BlackHole, "", true},
		{entry, cnn443, "", false},
		{entry, trace.Passthrough, "192.0.2.1", false},
		{hidden, trace.Passthrough, "", false},
	} {
		s, p := atSidecar(t, tt.objects, &trace.Stop{Kind: trace.Bypass, Cluster: tt.cluster})
		p.Legs[0].Ask.Address = tt.asked
		if found := addressUnasked.Run(s, p); (len(found) == 1) != tt.found {
			t.Errorf("%+v: %+v", tt, found)
		}
	}
	for _, tt := range []struct {
		objects, asked string
		found          bool
	}{{entry, "192.0.2.1", true}, {entry, "192.0.2.9", false}, {hidden, "192.0.2.1", false}} {
		s, p := atSidecar(t, tt.objects, &trace.Stop{Kind: trace.MadeUp})
		p.Legs[0].Ask.Address = tt.asked
		if found := addressMadeUp.Run(s, p); (len(found) == 1) != tt.found {
			t.Errorf("%+v: %+v", tt, found)
		}
	}
}
