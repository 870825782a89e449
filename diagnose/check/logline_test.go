package check

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// cnnPath is a path of which only a few things are known.
func cnnPath(legs ...trace.Leg) *trace.Path {
	return &trace.Path{Path: egress.Path{Host: "edition.cnn.com", Port: 443, Protocol: egress.ProtocolTLS}, Sample: "edition.cnn.com", Legs: legs}
}

// logLeg is a leg whose proxy has logged these lines.
func logLeg(hop egress.Hop, pod string, lines ...snapshot.LogLine) trace.Leg {
	return trace.Leg{
		Hop: hop, Log: true, Updated: configured,
		Proxy: &snapshot.Proxy{Pod: pod, Log: snapshot.Log{State: snapshot.State{Kind: snapshot.Read}, Lines: lines}},
	}
}

// TestLinesAbout: a line is about a path by any of the names in it, and at the gateway by the server name that sidecars send.
func TestLinesAbout(t *testing.T) {
	t.Parallel()
	outer := trace.Ask{TLS: []trace.Layer{{SNI: "outbound_.443_._gateway"}}}
	for name, tt := range map[string]struct {
		hop  egress.Hop
		ask  trace.Ask
		line snapshot.LogLine
		want bool
	}{
		"nothing is named":           {egress.AtGateway, trace.Ask{}, snapshot.LogLine{}, false},
		"by server name":             {egress.AtSidecar, trace.Ask{}, snapshot.LogLine{SNI: "edition.cnn.com", Host: "x"}, true},
		"by Host header":             {egress.AtSidecar, trace.Ask{}, snapshot.LogLine{Host: "edition.cnn.com"}, true},
		"by cluster":                 {egress.AtSidecar, trace.Ask{}, snapshot.LogLine{Cluster: cnn443}, true},
		"another cluster":            {egress.AtSidecar, trace.Ask{}, snapshot.LogLine{Cluster: "outbound|443||other.example.com"}, false},
		"a cluster of no host":       {egress.AtSidecar, trace.Ask{}, snapshot.LogLine{Cluster: "PassthroughCluster"}, false},
		"what the sidecar has sent":  {egress.AtGateway, outer, snapshot.LogLine{SNI: "outbound_.443_._gateway"}, true},
		"the same at the sidecar":    {egress.AtSidecar, outer, snapshot.LogLine{SNI: "outbound_.443_._gateway"}, false},
		"another name there":         {egress.AtGateway, outer, snapshot.LogLine{SNI: "other.example.com"}, false},
		"no name where one was sent": {egress.AtGateway, outer, snapshot.LogLine{}, false},
	} {
		if got := about(cnnPath(), &trace.Leg{Hop: tt.hop, Ask: tt.ask}, &tt.line); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestLinesFailed: any one of the three marks tells of a failure.
func TestLinesFailed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line snapshot.LogLine
		want bool
	}{
		{snapshot.LogLine{Code: 200, Details: "via_upstream"}, false},
		{snapshot.LogLine{Code: 399}, false},
		{snapshot.LogLine{Code: 400}, true},
		{snapshot.LogLine{Flags: "UH"}, true},
		{snapshot.LogLine{Failure: "reason"}, true},
	} {
		if got := failed(&tt.line); got != tt.want {
			t.Errorf("%+v: %t", tt.line, got)
		}
	}
	if got := complained(&snapshot.LogLine{Code: 404, Details: "route_not_found"}); got != "404 route_not_found" {
		t.Errorf("%q", got)
	}
}

// TestLinesSince: where nothing tells since when a way is as it is, its lines count only if it stops.
func TestLinesSince(t *testing.T) {
	t.Parallel()
	l := logLeg(egress.AtSidecar, "a", by(-1, snapshot.LogLine{}), by(0, snapshot.LogLine{}), by(1, snapshot.LogLine{}))
	if n := len(since(&l)); n != 1 {
		t.Errorf("%d lines since the configuration", n)
	}
	l.Updated = time.Time{}
	if n := len(since(&l)); n != 0 {
		t.Errorf("%d lines of a way that may be younger", n)
	}
	if l.Stop = (&trace.Stop{}); len(since(&l)) != 3 {
		t.Errorf("%d lines of a way that stops", len(since(&l)))
	}
}

// TestHeardWhere: what is said at the gateway hears all gateway pods that work, unless it explains legs of its own.
func TestHeardWhere(t *testing.T) {
	t.Parallel()
	bad, fine := snapshot.LogLine{SNI: "edition.cnn.com", Flags: "UF"}, snapshot.LogLine{SNI: "edition.cnn.com"}
	other := snapshot.LogLine{SNI: "other.example.com", Flags: "UH"}
	p := cnnPath(logLeg(egress.AtGateway, "g1", by(1, fine), by(2, other), by(3, bad), by(4, bad)), logLeg(egress.AtGateway, "g2", by(5, bad)), logLeg(egress.AtSidecar, "s1", by(6, bad)))
	two := "g1 has logged: 0 UF (2 times, last at 2026-11-21T09:04:00Z)\ng2 has logged: 0 UF (once at 2026-11-21T09:05:00Z)"
	one := "s1 has logged: 0 UF (once at 2026-11-21T09:06:00Z)"
	for _, tt := range []struct {
		hop  egress.Hop
		legs []*trace.Leg
		want string
	}{
		{egress.AtGateway, nil, two},
		{egress.AtOutside, nil, two},
		{egress.AtSidecar, nil, ""},
		{egress.AtGateway, p.At(egress.AtSidecar), one},
		{egress.AtSidecar, p.At(egress.AtSidecar), one},
		{egress.AtSidecar, []*trace.Leg{&p.Legs[0]}, strings.Split(two, "\n")[0]},
	} {
		if got := strings.Join(heard(p, &Finding{Hop: tt.hop, explains: tt.legs}), "\n"); got != tt.want {
			t.Errorf("%s, %d legs: %s", tt.hop, len(tt.legs), got)
		}
	}
}

// TestByLog: legs that stop and proxies whose log nobody asked for are not judged by it, and do not stand in the way of the others.
func TestByLog(t *testing.T) {
	t.Parallel()
	stopped, unasked, silent, unread := logLeg(egress.AtSidecar, "stops"), logLeg(egress.AtSidecar, "unasked"), logLeg(egress.AtSidecar, "silent"), logLeg(egress.AtSidecar, "unread")
	stopped.Stop = &trace.Stop{Kind: trace.NoChain}
	unasked.Proxy.Log = snapshot.Log{}
	silent.Log = false
	unread.Proxy.Log.State = snapshot.State{Kind: snapshot.Forbidden, Detail: "no right"}
	for name, tt := range map[string]struct {
		legs   []trace.Leg
		want   []string
		unread string
	}{
		"one that is read":  {[]trace.Leg{stopped, unasked, silent, unread, logLeg(egress.AtSidecar, "read")}, []string{"read"}, ""},
		"nobody asked":      {[]trace.Leg{stopped, unasked}, nil, ""},
		"none is written":   {[]trace.Leg{unasked, silent}, nil, "silent writes no access log"},
		"it cannot be read": {[]trace.Leg{unread}, nil, "the log of unread could not be read (forbidden): no right"},
		"of another hop":    {[]trace.Leg{logLeg(egress.AtGateway, "gateway")}, nil, ""},
	} {
		legs, f := byLog(cnnPath(tt.legs...), egress.AtSidecar)
		var got []string
		for _, l := range legs {
			got = append(got, l.Proxy.Pod)
		}
		if !slices.Equal(got, tt.want) || (f == nil) != (tt.unread == "") {
			t.Errorf("%s: %q, %+v", name, got, f)
		}
		if f != nil && (f.State != Skip || !strings.HasPrefix(f.Message, tt.unread) || f.Fix == "") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestAddressesOf: only the host's own addresses count, whichever proxy of the path knows them.
func TestAddressesOf(t *testing.T) {
	t.Parallel()
	l := logLeg(egress.AtGateway, "g")
	for cluster, address := range map[string]string{
		cnn443: "192.0.2.1", "outbound|80||edition.cnn.com": "192.0.2.2", "outbound|443|v2|edition.cnn.com": "192.0.2.3",
		"outbound|443||other.example.com": "192.0.2.4", "PassthroughCluster": "192.0.2.5", "outbound|444||edition.cnn.com": "",
	} {
		l.Proxy.Hosts = append(l.Proxy.Hosts, admin.HostCounters{Cluster: cluster, Hosts: []admin.HostStatus{{Address: address}}})
	}
	got := addressesOf(cnnPath(l))
	if want := map[string]bool{"192.0.2.1": true, "192.0.2.2": true, "": false}; !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// TestAnonymous: by what a connection is named depends on the path's protocol, and where it was sent must be no other host.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	theirs := map[string]bool{"192.0.2.1": true}
	for _, tt := range []struct {
		protocol egress.Protocol
		line     snapshot.LogLine
		want     bool
	}{
		{egress.ProtocolTLS, snapshot.LogLine{Cluster: cnn443}, true},
		{egress.ProtocolTLS, snapshot.LogLine{Cluster: "outbound|443||other.example.com"}, false},
		{egress.ProtocolTLS, snapshot.LogLine{Cluster: cnn443, Host: "edition.cnn.com"}, true},
		{egress.ProtocolTLS, snapshot.LogLine{Cluster: cnn443, SNI: "edition.cnn.com"}, false},
		{egress.ProtocolHTTP, snapshot.LogLine{Cluster: cnn443, Host: "edition.cnn.com"}, false},
		{egress.ProtocolHTTP, snapshot.LogLine{Cluster: cnn443, Host: "192.0.2.1"}, true},
	} {
		p := cnnPath()
		p.Protocol, tt.line.Asked = tt.protocol, "192.0.2.1:443"
		if got := anonymous(p, &tt.line, theirs); got != tt.want {
			t.Errorf("%s %+v: %t", tt.protocol, tt.line, got)
		}
	}
}
