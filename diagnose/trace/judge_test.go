package trace

import (
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// leading is a mesh with two egress gateways, whose routes lead the host to hosts, for some Gateways.
func leading(gateways string, hosts ...string) string {
	var to []string
	for _, h := range hosts {
		to = append(to, "{destination: {host: "+h+".istio-system.svc.cluster.local}}")
	}
	return `{metadata: {namespace: a, name: v}, spec: {hosts: [edition.cnn.com], gateways: [` + gateways + `], tls: [{match: [{sniHosts: [edition.cnn.com]}], route: [` + strings.Join(to, ", ") + `]}]}}`
}

// TestJudgeSidecar: where a sidecar may send to: the gateway's pods, or those of another one that takes over; all else goes round it, to
// the wrong place, or nowhere.
func TestJudgeSidecar(t *testing.T) {
	t.Parallel()
	const first, second, third = "outbound|443||istio-egressgateway.istio-system.svc.cluster.local", "outbound|443||second.istio-system.svc.cluster.local", "outbound|443||third.istio-system.svc.cluster.local"
	const itself = "outbound|443||edition.cnn.com"
	one := []admin.HostStatus{{Address: "10.0.0.4", Port: 8443}}
	for name, tt := range map[string]struct {
		routes  string
		mode    egress.Mode
		cluster admin.Cluster
		hosts   []admin.HostStatus
		want    Kind
	}{
		"the gateway":                       {leading("mesh", "istio-egressgateway"), egress.Passthrough, admin.Cluster{Name: first}, one, ""},
		"it has no pod":                     {leading("mesh", "istio-egressgateway"), egress.Passthrough, admin.Cluster{Name: first}, nil, NoEndpoint},
		"one that takes over":               {leading("mesh", "istio-egressgateway", "second"), egress.Passthrough, admin.Cluster{Name: second}, one, ""},
		"one that takes over, without pod":  {leading("mesh", "istio-egressgateway", "second"), egress.Passthrough, admin.Cluster{Name: second}, nil, NoEndpoint},
		"one to which nothing leads":        {leading("mesh", "istio-egressgateway"), egress.Passthrough, admin.Cluster{Name: second}, one, Elsewhere},
		"one to which sidecars are not led": {leading("g", "istio-egressgateway", "second"), egress.Passthrough, admin.Cluster{Name: second}, one, Elsewhere},
		"what nobody knows for a gateway":   {leading("mesh", "istio-egressgateway", "third"), egress.Passthrough, admin.Cluster{Name: third}, one, Elsewhere},
		"the host itself":                   {leading("mesh", "istio-egressgateway"), egress.Passthrough, admin.Cluster{Name: itself}, one, Bypass},
		"whatever nobody knows":             {leading("mesh", "istio-egressgateway"), egress.Passthrough, admin.Cluster{Name: Passthrough}, one, Bypass},
		"nowhere":                           {leading("mesh", "istio-egressgateway"), egress.Passthrough, admin.Cluster{Name: BlackHole}, one, Blocked},
		"what an EnvoyFilter has made":      {leading("mesh", "istio-egressgateway"), egress.Passthrough, admin.Cluster{Name: "mine"}, one, Elsewhere},
		"itself, without a gateway":         {leading("mesh", "istio-egressgateway"), egress.Direct, admin.Cluster{Name: itself}, one, ""},
		"itself, by the address asked for":  {leading("mesh", "istio-egressgateway"), egress.Direct, admin.Cluster{Name: itself, Type: admin.OriginalDst}, nil, ""},
		"itself, and no address":            {leading("mesh", "istio-egressgateway"), egress.Direct, admin.Cluster{Name: itself, Type: admin.StrictDNS}, nil, NoEndpoint},
		"the gateway, where none is meant":  {leading("mesh", "istio-egressgateway"), egress.Direct, admin.Cluster{Name: first}, one, Elsewhere},
	} {
		s := routes(t, tt.routes)
		s.Facts.Gateways = append(s.Facts.Gateways, mesh.Gateway{Namespace: "istio-system", Service: "second"})
		w := New(s)
		p := Path{Path: to("edition.cnn.com", 443), Wanted: w.wanted}
		p.Mode = tt.mode
		for weight, says := range map[int]string{100: "", 99: " (99 % of the traffic)", 1: " (1 % of the traffic)"} {
			leg := &Leg{Hop: egress.AtSidecar, Proxy: &snapshot.Proxy{Pod: "client"}}
			w.judgeSidecar(&p, leg, &Exit{Cluster: &tt.cluster, Hosts: tt.hosts, Weight: weight})
			kind := Kind("")
			if leg.Stop != nil {
				kind = leg.Stop.Kind
				if leg.Stop.Cluster != tt.cluster.Name {
					t.Errorf("%s: %+v", name, leg.Stop)
				}
				if away := kind == Bypass || kind == Elsewhere; away && !strings.HasSuffix(leg.Stop.Says, tt.cluster.Name+says) {
					t.Errorf("%s: %s", name, leg.Stop.Says)
				}
			}
			if kind != tt.want {
				t.Errorf("%s: %+v", name, leg.Stop)
			}
		}
	}
}

// TestJudgeGateway: where a gateway's pod may send to: outside, and not back, nor to the address that the client meant, which is its own.
func TestJudgeGateway(t *testing.T) {
	t.Parallel()
	const back, itself = "outbound|443||istio-egressgateway.istio-system.svc.cluster.local", "outbound|443||edition.cnn.com"
	one := []admin.HostStatus{{Address: "192.0.2.1", Port: 443}}
	istio := []Layer{{SNI: "edition.cnn.com", Mode: admin.IstioMutual}}
	for name, tt := range map[string]struct {
		cluster admin.Cluster
		hosts   []admin.HostStatus
		ask     Ask
		want    Kind
	}{
		"outside":                          {admin.Cluster{Name: itself}, one, Ask{}, ""},
		"no address":                       {admin.Cluster{Name: itself, Type: admin.StrictDNS}, nil, Ask{}, NoEndpoint},
		"the address that was asked for":   {admin.Cluster{Name: itself, Type: admin.OriginalDst}, nil, Ask{}, NoEndpoint},
		"back":                             {admin.Cluster{Name: back}, one, Ask{}, Elsewhere},
		"nowhere":                          {admin.Cluster{Name: BlackHole}, one, Ask{}, Blocked},
		"what an EnvoyFilter has made":     {admin.Cluster{Name: "mine"}, one, Ask{}, ""},
		"Istio's TLS is sent on":           {admin.Cluster{Name: itself}, one, Ask{TLS: istio}, TLSToPlain},
		"Istio's TLS to a gateway of many": {admin.Cluster{Name: itself, TLS: &admin.TLS{Mode: admin.IstioMutual}}, one, Ask{TLS: istio}, ""},
		"the application's own":            {admin.Cluster{Name: itself}, one, Ask{TLS: []Layer{{SNI: "edition.cnn.com"}}}, ""},
	} {
		w := New(routes(t, leading("mesh", "istio-egressgateway")))
		p := Path{Path: to("edition.cnn.com", 443), Wanted: w.wanted}
		p.Mode = egress.Passthrough
		leg := &Leg{Hop: egress.AtGateway, Proxy: &snapshot.Proxy{Pod: "gw"}}
		w.judgeGateway(&p, leg, &Exit{Cluster: &tt.cluster, Hosts: tt.hosts, Weight: 100, Ask: tt.ask})
		kind := Kind("")
		if leg.Stop != nil {
			kind = leg.Stop.Kind
		}
		if kind != tt.want {
			t.Errorf("%s: %+v", name, leg.Stop)
		}
	}
	// what was found first stands, and the cluster at which it was
	w := New(routes(t, leading("mesh", "istio-egressgateway")))
	p := Path{Path: to("edition.cnn.com", 443), Wanted: w.wanted}
	leg := &Leg{Hop: egress.AtGateway, Proxy: &snapshot.Proxy{Pod: "gw"}}
	for _, name := range []string{back, BlackHole, itself} {
		w.judgeGateway(&p, leg, &Exit{Cluster: &admin.Cluster{Name: name}, Hosts: one})
	}
	if leg.Stop.Kind != Elsewhere || leg.Stop.Cluster != back {
		t.Errorf("%+v", leg.Stop)
	}
}
