package trace

import (
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// bound is a listener at an address; its name says what it is.
func bound(name, address string, port int, change ...func(*admin.Listener)) admin.Listener {
	l := admin.Listener{Name: name, Address: address, Port: port, Direction: "OUTBOUND", Unbound: true}
	for _, c := range change {
		c(&l)
	}
	return l
}

// TestListener: where Envoy takes in a connection. A sidecar's come in at one listener, which hands them to that for their address and
// port; a gateway's come in at a socket; those within one Envoy by name.
func TestListener(t *testing.T) {
	t.Parallel()
	inbound := func(l *admin.Listener) { l.Direction = "INBOUND" }
	entrance := func(l *admin.Listener) { l.UseOriginalDst, l.Unbound = true, false }
	socket := func(l *admin.Listener) { l.Unbound = false }
	internal := func(l *admin.Listener) { l.Internal, l.Unbound = true, false }
	warming := func(l *admin.Listener) { l.Warming = true }
	out, in := bound("virtualOutbound", "0.0.0.0", 15001, entrance), bound("virtualInbound", "0.0.0.0", 15006, entrance, inbound)
	for name, tt := range map[string]struct {
		hop       egress.Hop
		listeners []admin.Listener
		ask       Ask
		want      string // empty: there is none
	}{
		"of the port":                         {egress.AtSidecar, []admin.Listener{out, bound("443", "0.0.0.0", 443)}, Ask{Port: 443}, "443"},
		"of IPv6":                             {egress.AtSidecar, []admin.Listener{out, bound("443", "::", 443)}, Ask{Port: 443}, "443"},
		"no port":                             {egress.AtSidecar, []admin.Listener{out, bound("443", "0.0.0.0", 443)}, Ask{Port: 8443}, "virtualOutbound"},
		"the address before all":              {egress.AtSidecar, []admin.Listener{out, bound("vip", "10.0.0.9", 443), bound("443", "0.0.0.0", 443)}, Ask{Port: 443, Address: "10.0.0.9"}, "vip"},
		"the address after all":               {egress.AtSidecar, []admin.Listener{out, bound("443", "0.0.0.0", 443), bound("vip", "10.0.0.9", 443)}, Ask{Port: 443, Address: "10.0.0.9"}, "vip"},
		"another address":                     {egress.AtSidecar, []admin.Listener{out, bound("vip", "10.0.0.9", 443)}, Ask{Port: 443, Address: "10.0.0.8"}, "virtualOutbound"},
		"some address outside":                {egress.AtSidecar, []admin.Listener{out, bound("vip", "10.0.0.9", 443)}, Ask{Port: 443}, "virtualOutbound"},
		"no address of its own":               {egress.AtSidecar, []admin.Listener{out, bound("pipe", "", 443)}, Ask{Port: 443}, "virtualOutbound"},
		"what comes in":                       {egress.AtSidecar, []admin.Listener{out, bound("443", "0.0.0.0", 443, inbound)}, Ask{Port: 443}, "virtualOutbound"},
		"a socket of the sidecar's":           {egress.AtSidecar, []admin.Listener{out, bound("443", "0.0.0.0", 443, socket)}, Ask{Port: 443}, "virtualOutbound"},
		"not in force yet":                    {egress.AtSidecar, []admin.Listener{out, bound("443", "0.0.0.0", 443, warming)}, Ask{Port: 443}, "virtualOutbound"},
		"only for what comes in":              {egress.AtSidecar, []admin.Listener{in, bound("443", "0.0.0.0", 443)}, Ask{Port: 443}, ""},
		"for what comes in as well":           {egress.AtSidecar, []admin.Listener{out, in}, Ask{Port: 443}, "virtualOutbound"},
		"a socket of the gateway's":           {egress.AtGateway, []admin.Listener{bound("8443", "0.0.0.0", 8443, socket)}, Ask{Port: 8443, Address: "10.0.0.4"}, "8443"},
		"the gateway has no socket for it":    {egress.AtGateway, []admin.Listener{bound("8443", "0.0.0.0", 8443)}, Ask{Port: 8443, Address: "10.0.0.4"}, ""},
		"an internal one has no port":         {egress.AtGateway, []admin.Listener{bound("sni", "0.0.0.0", 8443, internal)}, Ask{Port: 8443}, ""},
		"by name":                             {egress.AtGateway, []admin.Listener{bound("8443", "0.0.0.0", 8443, socket), bound("sni", "", 0, internal)}, Ask{Port: 8443, Listener: "sni"}, "sni"},
		"another name":                        {egress.AtGateway, []admin.Listener{bound("other", "", 0, internal)}, Ask{Listener: "sni"}, ""},
		"a socket is not reached by its name": {egress.AtGateway, []admin.Listener{bound("sni", "0.0.0.0", 8443, socket)}, Ask{Port: 8443, Listener: "sni"}, ""},
	} {
		p := &snapshot.Proxy{Pod: "pod"}
		p.Config.Listeners = tt.listeners
		leg := &Leg{Hop: tt.hop, Proxy: p}
		got := ""
		if l := New(&snapshot.Snapshot{}).listener(leg, tt.ask); l != nil {
			got = l.Name
		}
		if got != tt.want || (leg.Stop != nil) != (tt.want == "") || leg.Stop != nil && leg.Stop.Kind != NoListener {
			t.Errorf("%s: %q, %+v", name, got, leg.Stop)
		}
	}
}

// TestLacks: TLS waits for a secret that it names, be it its certificate or the CA, and for no other.
func TestLacks(t *testing.T) {
	t.Parallel()
	tls := &admin.TLS{Certificate: "cert", Validation: "ca"}
	for name, tt := range map[string]struct {
		secrets []admin.Secret
		tls     *admin.TLS
		want    string
	}{
		"none":                    {nil, tls, ""},
		"the certificate":         {[]admin.Secret{{Name: "cert", Warming: true}}, tls, "cert"},
		"the CA":                  {[]admin.Secret{{Name: "ca", Warming: true}}, tls, "ca"},
		"both are there":          {[]admin.Secret{{Name: "cert"}, {Name: "ca"}}, tls, ""},
		"another":                 {[]admin.Secret{{Name: "other", Warming: true}}, tls, ""},
		"one that has no name":    {[]admin.Secret{{Warming: true}, {Name: "ca", Warming: true}}, &admin.TLS{Validation: "ca"}, "ca"},
		"no certificate is named": {[]admin.Secret{{Warming: true}}, &admin.TLS{}, ""},
	} {
		leg := Leg{Proxy: &snapshot.Proxy{}}
		leg.Proxy.Config.Secrets = tt.secrets
		if got := leg.lacks(tt.tls); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestTaken: a leg is as new as the newest of what it goes through; what cannot be read says nothing.
func TestTaken(t *testing.T) {
	t.Parallel()
	const early, late = "2026-11-21T01:00:00Z", "2026-11-21T02:00:00Z"
	for _, tt := range []struct {
		at   []string
		want string
	}{
		{[]string{early, late}, late}, {[]string{late, early}, late}, {[]string{late, "yesterday"}, late}, {[]string{"", early}, early},
	} {
		var leg Leg
		for _, at := range tt.at {
			leg.taken(at)
		}
		if got := leg.Updated.Format(time.RFC3339); got != tt.want {
			t.Errorf("%q: %s", tt.at, got)
		}
	}
	var never Leg
	if never.taken("yesterday"); !never.Updated.IsZero() {
		t.Error(never.Updated)
	}
}

// TestUnknownStops: what says that nothing is known, and what says that it fails.
func TestUnknownStops(t *testing.T) {
	t.Parallel()
	unknown := map[Kind]bool{Unread: true, Undecided: true, UnknownPod: true, NoWorkload: true, NotSelected: true, Bystander: true}
	for _, kind := range []Kind{
		Unread, Undecided, UnknownPod, NoWorkload, NotSelected, Bystander, Bypass, Blocked, Elsewhere, NoListener, NoChain, NoRoute, NoCluster, NoEndpoint,
		PlainToTLS, TLSToPlain, Answered, NotCaptured, DoubleTLS, NotBegun, NoSecret,
	} {
		if (&Stop{Kind: kind}).Unknown() != unknown[kind] {
			t.Error(kind)
		}
	}
}

// TestPlainHTTP: requests go by the routes that the listener has with it, and stop where TLS is wanted, or where no request is known.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	inline := &admin.RouteConfig{Name: "own", Hosts: []admin.VirtualHost{{Name: "v", Domains: []string{"*"}, Routes: []admin.Route{{Prefix: "/", Cluster: "c"}}}}}
	for name, tt := range map[string]struct {
		chain admin.FilterChain
		ask   Ask
		want  Kind // empty: it goes on to the cluster
	}{
		"routes of its own": {admin.FilterChain{Filters: []admin.Filter{{HTTP: &admin.HTTP{Inline: inline, Routes: "absent"}}}}, Ask{Port: 80, Authority: "h", Request: Request{Path: "/"}}, ""},
		"routes elsewhere":  {admin.FilterChain{Filters: []admin.Filter{{HTTP: &admin.HTTP{Routes: "absent"}}}}, Ask{Port: 80, Authority: "h", Request: Request{Path: "/"}}, NoRoute},
		"no request is known": {
			admin.FilterChain{Filters: []admin.Filter{{HTTP: &admin.HTTP{Inline: inline}}}}, Ask{Port: 80, Authority: "h", Request: Request{Path: "/", Unsampled: "a match by regular expression"}}, Undecided,
		},
		"TLS is wanted": {admin.FilterChain{TLS: &admin.TLS{Mode: admin.Simple}, Filters: []admin.Filter{{HTTP: &admin.HTTP{Inline: inline}}}}, Ask{Port: 80, Authority: "h"}, PlainToTLS},
		"TLS comes": {
			admin.FilterChain{Filters: []admin.Filter{{HTTP: &admin.HTTP{Inline: inline}}}}, Ask{Port: 80, Authority: "h", TLS: []Layer{{Mode: admin.IstioMutual}}}, TLSToPlain,
		},
	} {
		p := &snapshot.Proxy{Pod: "gw", Role: snapshot.AtGateway}
		p.Config.Listeners = []admin.Listener{{Name: "l", Address: "0.0.0.0", Port: 80, Chains: []admin.FilterChain{tt.chain}}}
		p.Config.Clusters = []admin.Cluster{{Name: "c"}}
		leg := &Leg{Hop: egress.AtGateway, Proxy: p}
		New(&snapshot.Snapshot{}).envoy(leg, tt.ask)
		kind := Kind("")
		if leg.Stop != nil {
			kind = leg.Stop.Kind
		}
		if kind != tt.want || (len(leg.Exits) == 1) != (tt.want == "") {
			t.Errorf("%s: %+v, %d exits", name, leg.Stop, len(leg.Exits))
		}
	}
}
