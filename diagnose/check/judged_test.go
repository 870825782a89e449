package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestLogsAsEvidence: a fault and a weakness are told with what was logged of them, unless the check has judged by the log.
func TestLogsAsEvidence(t *testing.T) {
	t.Parallel()
	p := cnnPath(logLeg(egress.AtGateway, "g", by(1, snapshot.LogLine{SNI: "edition.cnn.com", Flags: "UF"})))
	for state, want := range map[State]int{Fail: 1, Warn: 1, Skip: 0, Unknown: 0} {
		c := Check{Code: "EGR999", Severity: state, Hop: egress.AtGateway, Run: func(*snapshot.Snapshot, trace.Path) []Finding { return []Finding{{}} }}
		if found := c.run(&snapshot.Snapshot{}, p); len(found) != 1 || len(found[0].Evidence) != want {
			t.Errorf("%s: %+v", state, found)
		}
		c.Logs = true
		if found := c.run(&snapshot.Snapshot{}, p); len(found) != 1 || len(found[0].Evidence) != 0 {
			t.Errorf("%s, by the log: %+v", state, found)
		}
	}
	c := Check{Code: "EGR999", Severity: Fail, Run: func(*snapshot.Snapshot, trace.Path) []Finding { return nil }}
	if found := c.run(&snapshot.Snapshot{}, p); len(found) != 1 || found[0].State != Pass {
		t.Errorf("it says nothing: %+v", found)
	}
}

// TestRest: what is left is told once as failed and once as unknown, and as a pass only if there is neither.
func TestRest(t *testing.T) {
	t.Parallel()
	bad, open := &trace.Stop{Kind: trace.NoChain, Says: "no chain"}, &trace.Stop{Kind: trace.Unread, Says: "not read"}
	for name, tt := range map[string]struct {
		stops     []*trace.Stop
		explained bool
		want      []State
	}{
		"it works":       {[]*trace.Stop{nil}, false, []State{Pass}},
		"it fails":       {[]*trace.Stop{bad}, false, []State{Fail}},
		"explained":      {[]*trace.Stop{bad, open}, true, []State{Pass}},
		"unknown":        {[]*trace.Stop{nil, open}, false, []State{Unknown}},
		"both":           {[]*trace.Stop{bad, open}, false, []State{Fail, Unknown}},
		"not looked at":  {[]*trace.Stop{{Kind: trace.NotSelected}}, false, []State{Pass}},
		"none of it was": {nil, false, []State{Pass}},
	} {
		p := cnnPath()
		for _, s := range tt.stops {
			p.Legs = append(p.Legs, trace.Leg{Hop: egress.AtGateway, Proxy: &snapshot.Proxy{Pod: "g"}, Stop: s})
		}
		explained := map[*trace.Leg]bool{}
		for i := range p.Legs {
			explained[&p.Legs[i]] = tt.explained
		}
		var got []State
		for _, f := range rest(p, explained) {
			got = append(got, f.State)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestSNIProxyNotThere: it is about a leg that sends to its own pod, and its entry gets the proxy's port where another listens.
func TestSNIProxyNotThere(t *testing.T) {
	t.Parallel()
	const entry = `serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [edition.cnn.com], ports: [{number: 443, protocol: TLS}]}}]`
	for name, tt := range map[string]struct {
		stop    trace.Stop
		address string
		owner   string
		want    string // of the remedy; empty: nothing is found
	}{
		"another listens":      {trace.Stop{Kind: trace.Elsewhere, Step: "endpoint", Cluster: cnn443}, "127.0.0.1", "", `"path":"/spec/ports/0/targetPort","value":18443`},
		"nobody listens":       {trace.Stop{Kind: trace.NoEndpoint, Step: "endpoint", Cluster: cnn443}, "127.0.0.1", "", "edit deployment/istio-egressgateway"},
		"of another owner":     {trace.Stop{Kind: trace.NoEndpoint, Step: "endpoint", Cluster: cnn443}, "127.0.0.1", "daemonset/gw", "edit daemonset/gw"},
		"another address":      {trace.Stop{Kind: trace.Elsewhere, Step: "endpoint", Cluster: cnn443}, "192.0.2.1", "", ""},
		"another step":         {trace.Stop{Kind: trace.Elsewhere, Step: "cluster", Cluster: cnn443}, "127.0.0.1", "", ""},
		"a cluster of no host": {trace.Stop{Kind: trace.Elsewhere, Step: "endpoint", Cluster: "mine"}, "127.0.0.1", "", ""},
	} {
		s, p := atGateway(t, entry, tt.stop)
		p.Want.SNIProxy = &mesh.SNIProxy{Container: "sni-proxy", Port: 18443}
		p.Legs[0].Proxy.Owner = tt.owner
		p.Legs[0].Exits = []trace.Exit{{Cluster: &admin.Cluster{Name: cnn443}, Hosts: []admin.HostStatus{{Address: tt.address}}}}
		found := sniProxyNotThere.Run(s, p)
		if (len(found) == 1) != (tt.want != "") {
			t.Errorf("%s: %+v", name, found)
		}
		for _, f := range found {
			contains(t, f, tt.want)
		}
	}
}

// TestCounted: requests and connections are judged only where there were some and all have failed.
func TestCounted(t *testing.T) {
	t.Parallel()
	const entry = `serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [edition.cnn.com], ports: [{number: 443, protocol: HTTP2}]}}]`
	for name, tt := range map[string]struct {
		cluster     string
		host        admin.HostStatus
		spoken      bool
		object      string
		unreachable bool
	}{
		"all":                  {cnn443, admin.HostStatus{Address: "192.0.2.1", Port: 443, Requests: 2, RequestsBad: 2, Opened: 2, Failed: 2}, true, "e", true},
		"not all":              {cnn443, admin.HostStatus{Requests: 2, RequestsBad: 1, Opened: 2, Failed: 1}, false, "", false},
		"none":                 {cnn443, admin.HostStatus{}, false, "", false},
		"a cluster of no host": {"mine", admin.HostStatus{Address: "192.0.2.1", Port: 443, Requests: 2, RequestsBad: 2, Opened: 2, Failed: 2}, false, "", true},
	} {
		s, p := sending(t, entry, admin.Cluster{Name: tt.cluster}, tt.host, admin.HostStatus{Address: "192.0.2.2", Port: 444})
		if found := protocolNotSpoken.Run(s, p); (len(found) == 1) != tt.spoken {
			t.Errorf("%s: %+v", name, found)
		}
		found := neverReached.Run(s, p)
		if (len(found) == 1) != tt.unreachable {
			t.Errorf("%s: %+v", name, found)
		}
		for _, f := range found {
			contains(t, f, "telnet://192.0.2.1:443")
			if (f.Object == nil) != (tt.object == "") {
				t.Errorf("%s: %+v", name, f.Object)
			}
		}
	}
}

// TestDemandedWhere: a server's answer counts only for TLS that the gateway has begun without a certificate.
func TestDemandedWhere(t *testing.T) {
	t.Parallel()
	simple := &admin.TLS{Mode: admin.Simple}
	for name, tt := range map[string]struct {
		protocol egress.Protocol
		cluster  admin.Cluster
		found    bool
		object   bool
	}{
		"a rule":               {egress.ProtocolHTTP, admin.Cluster{Name: cnn443, TLS: simple}, true, true},
		"a cluster of no host": {egress.ProtocolHTTP, admin.Cluster{Name: "mine", TLS: simple}, true, false},
		"no rule":              {egress.ProtocolHTTP, admin.Cluster{Name: "outbound|443||other.example.com", TLS: simple}, true, false},
		"plain text":           {egress.ProtocolHTTP, admin.Cluster{Name: cnn443}, false, false},
		"with a certificate":   {egress.ProtocolHTTP, admin.Cluster{Name: cnn443, TLS: &admin.TLS{Mode: admin.Mutual}}, false, false},
		"the application's":    {egress.ProtocolTLS, admin.Cluster{Name: cnn443, TLS: simple}, false, false},
	} {
		s, p := sending(t, `destinationRules: [{metadata: {namespace: a, name: d}, spec: {host: edition.cnn.com, trafficPolicy: {tls: {mode: SIMPLE}}}}]`, tt.cluster)
		l := logLeg(egress.AtGateway, "gw", by(1, snapshot.LogLine{Code: 400, Details: "via_upstream", Cluster: tt.cluster.Name}))
		l.Exits, p.Protocol = p.Legs[0].Exits, tt.protocol
		p.Legs[0] = l
		found := certificateDemanded.Run(s, p)
		if (len(found) == 1) != tt.found || len(found) == 1 && (found[0].Object != nil) != tt.object {
			t.Errorf("%s: %+v", name, found)
		}
		if p.Legs[0].Log = false; tt.protocol == egress.ProtocolHTTP {
			if found := certificateDemanded.Run(s, p); len(found) != 1 || found[0].State != Skip || !strings.Contains(found[0].Message, "writes no access log") {
				t.Errorf("%s, without a log: %+v", name, found)
			}
		}
	}
}

// TestProbesAtTheFirst: a request is evidence of the first failure of its path, wherever that stands.
func TestProbesAtTheFirst(t *testing.T) {
	t.Parallel()
	got := WithProbes([]Finding{{Code: "EGR001", Path: tls, State: Fail}}, []Finding{{Code: "EGR069", Path: tls, State: Fail, Message: "no"}})
	if len(got) != 1 || !slices.Equal(got[0].Evidence, []string{"a request: no"}) {
		t.Errorf("%+v", got)
	}
}

// TestWholePasses: what is about no path and has nothing to say passes.
func TestWholePasses(t *testing.T) {
	t.Parallel()
	for _, f := range Begin(captured.Load(t, "none")).Whole() {
		if f.State != Pass || f.Path != "" {
			t.Errorf("%+v", f)
		}
	}
	if n := len(Begin(captured.Load(t, "none")).Whole()); n != 2 {
		t.Errorf("%d findings", n)
	}
}
