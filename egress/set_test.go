package egress

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustSet(t *testing.T, d Declaration) Set {
	t.Helper()
	s, err := ParseSet(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseSet(t *testing.T) {
	t.Parallel()
	got := mustSet(t, Declaration{Domains: []string{"Edition.cnn.com", "*.wikipedia.org"}})
	want := Set{Name: "wikipedia-org", Namespace: "default", Hosts: []Host{"*.wikipedia.org", "edition.cnn.com"}, Mode: Auto, MTLS: MTLSAuto}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults: %s", diff)
	}
	got = mustSet(t, Declaration{Name: "news", Namespace: "team", Domains: []string{"edition.cnn.com"}, Mode: "http", Gateway: "istio-system/istio-egressgateway", MTLS: "off"})
	want = Set{
		Name: "news", Namespace: "team", Hosts: []Host{"edition.cnn.com"}, Mode: HTTP,
		Gateway: GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway"}, MTLS: MTLSOff,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("all given: %s", diff)
	}
}

func TestParseSetRefuses(t *testing.T) {
	t.Parallel()
	ok := []string{"a.com"}
	const name = " cannot name a set; use at most 50 lower case letters, digits and -, beginning and ending with a letter or digit"
	const gateway = " is not a gateway; name its Service as NAMESPACE/SERVICE, for example istio-system/istio-egressgateway"
	for _, tt := range []struct {
		d    Declaration
		want string
	}{
		{Declaration{}, "no host name given; name at least one, for example edition.cnn.com"},
		{Declaration{Domains: []string{"*"}}, `"*" alone would send every outside host through the gateway; name a domain, for example *.wikipedia.org`},
		{Declaration{Domains: ok, Name: "A"}, `"A"` + name},
		{Declaration{Domains: ok, Name: "a.b"}, `"a.b"` + name},
		{Declaration{Domains: ok, Name: "-a"}, `"-a"` + name},
		{Declaration{Domains: ok, Name: strings.Repeat("a", 51)}, `"` + strings.Repeat("a", 51) + `"` + name},
		{Declaration{Domains: ok, Namespace: "a/b"}, `"a/b" is not a namespace`},
		{Declaration{Domains: ok, Mode: "tunnel"}, `unknown mode "tunnel"; modes are auto, direct, http, tls-origination, mtls-origination, passthrough, common-host, sni-proxy, sni-dynamic`},
		{Declaration{Domains: ok, MTLS: "yes"}, `unknown value "yes" for Istio mTLS; values are auto, on, off`},
		{Declaration{Domains: ok, Gateway: "istio-egressgateway"}, `"istio-egressgateway"` + gateway},
		{Declaration{Domains: ok, Gateway: "/svc"}, `"/svc"` + gateway},
		{Declaration{Domains: ok, Gateway: "a/b/c"}, `"a/b/c"` + gateway},
		{Declaration{Domains: ok, Gateway: "a/" + strings.Repeat("b", 64)}, `"a/` + strings.Repeat("b", 64) + `"` + gateway},
		{Declaration{Domains: []string{"*.a.com"}, Mode: "passthrough"}, "mode passthrough routes by whole host names and cannot take *.a.com; name the hosts one by one, or use mode sni-dynamic"},
		{Declaration{Domains: []string{"b.com", "*.a.com"}, Mode: "http"}, "mode http routes by whole host names and cannot take *.a.com; name the hosts one by one, or use mode sni-dynamic"},
	} {
		_, err := ParseSet(tt.d)
		var input *InputError
		if !errors.As(err, &input) || err.Error() != tt.want {
			t.Errorf("ParseSet(%+v)\n got %v\nwant %s", tt.d, err, tt.want)
		}
	}
}

func TestDefaultName(t *testing.T) {
	t.Parallel()
	long := Host(strings.Repeat("long-label.", 6) + "example")
	twin := Host(strings.Repeat("long-label.", 6) + "example-two")
	for _, tt := range []struct {
		hosts []Host
		want  string
	}{
		{nil, ""},
		{[]Host{"edition.cnn.com"}, "edition-cnn-com"},
		{[]Host{"*.wikipedia.org"}, "wikipedia-org"},
		{[]Host{"b.com", "a.com"}, "a-com"},
		{[]Host{long}, "long-label-long-label-long-label-long-lab-" + Hash(string(long))},
	} {
		if got := DefaultName(tt.hosts); got != tt.want {
			t.Errorf("DefaultName(%v) = %q, want %q", tt.hosts, got, tt.want)
		}
	}
	if a, b := DefaultName([]Host{long}), DefaultName([]Host{twin}); a == b || len(a) > maxName || len(b) > maxName {
		t.Errorf("long names are not kept apart: %q, %q", a, b)
	}
	if got, want := Shorten("aaaa-bbbbbbbbbb", "x", 14), "aaaa-"+Hash("x"); got != want {
		t.Errorf("Shorten leaves a dash before its own: got %q, want %q", got, want)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	set := mustSet(t, Declaration{Domains: []string{"b.com", "*.a.com"}, Gateway: "ns/gw"})
	want := []Route{{"*.a.com", SNIDynamic, 443, ProtocolTLS}, {"b.com", HTTP, 80, ProtocolHTTP}, {"b.com", Passthrough, 443, ProtocolTLS}}
	if diff := cmp.Diff(want, set.Routes()); diff != "" {
		t.Errorf("auto: %s", diff)
	}
	gw := GatewayRef{Namespace: "ns", Service: "gw"}
	paths := []Path{
		{Host: "*.a.com", Port: 443, Protocol: ProtocolTLS, Set: "default/a-com", Mode: SNIDynamic, Gateway: gw},
		{Host: "b.com", Port: 80, Protocol: ProtocolHTTP, Set: "default/a-com", Mode: HTTP, Gateway: gw},
		{Host: "b.com", Port: 443, Protocol: ProtocolTLS, Set: "default/a-com", Mode: Passthrough, Gateway: gw},
	}
	if diff := cmp.Diff(paths, set.Paths()); diff != "" {
		t.Errorf("paths: %s", diff)
	}
	if got := paths[2].String(); got != "b.com:443" {
		t.Errorf("path is called %q", got)
	}
	for mode, want := range map[Mode]Route{
		Direct:          {"a.com", Direct, 443, ProtocolTLS},
		HTTP:            {"a.com", HTTP, 80, ProtocolHTTP},
		TLSOrigination:  {"a.com", TLSOrigination, 80, ProtocolHTTP},
		MTLSOrigination: {"a.com", MTLSOrigination, 80, ProtocolHTTP},
		Passthrough:     {"a.com", Passthrough, 443, ProtocolTLS},
	} {
		d := Declaration{Domains: []string{"a.com"}, Mode: string(mode), Gateway: "ns/gw"}
		switch mode {
		case Direct:
			d.Gateway = ""
		case MTLSOrigination:
			d.Credential = "client-credential"
		}
		set := mustSet(t, d)
		if diff := cmp.Diff([]Route{want}, set.Routes()); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
		if gw := set.Paths()[0].Gateway; (gw == GatewayRef{}) != (mode == Direct) {
			t.Errorf("%s goes through gateway %q", mode, gw)
		}
	}
}

func TestResolved(t *testing.T) {
	t.Parallel()
	set := mustSet(t, Declaration{Domains: []string{"a.com"}})
	gw := GatewayRef{Namespace: "ns", Service: "gw"}
	on, off := set.Resolved(gw, true), set.Resolved(gw, false)
	if on.MTLS != MTLSOn || off.MTLS != MTLSOff || on.Gateway != gw || set.Gateway != (GatewayRef{}) || on.Mode != Auto {
		t.Errorf("on %+v, off %+v, declared %+v", on, off, set)
	}
}

// TestApplySetID compares with the value that the formula of KEP-3659 gives, computed by sha256sum and base64 by hand.
const wantID = "applyset-zyc2bovAYcPJwWdNIMV4qgE5Re_QK4ntAkdQQuUbCpU-v1"

func TestApplySetID(t *testing.T) {
	t.Parallel()
	set := mustSet(t, Declaration{Domains: []string{"edition.cnn.com"}, Name: "cnn"})
	if got := set.ApplySetID(); got != wantID {
		t.Errorf("ID is %s, want %s", got, wantID)
	}
	if set.ParentName() != "egress-cnn" || ApplySetID("other", "cnn") == wantID || ApplySetID("default", "bbc") == wantID {
		t.Error("identities are not kept apart")
	}
	if len(wantID) > 63 {
		t.Errorf("%d characters do not fit in a label", len(wantID))
	}
}

func TestSetJSON(t *testing.T) {
	t.Parallel()
	for _, d := range []Declaration{{Domains: []string{"a.com"}}, {Domains: []string{"a.com"}, Gateway: "ns/gw", MTLS: "on"}} {
		want := mustSet(t, d)
		raw, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Set
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
	}
	var ref GatewayRef
	if err := ref.UnmarshalText([]byte("no-slash")); err == nil || ref != (GatewayRef{}) {
		t.Errorf("a gateway without namespace is taken: %v", ref)
	}
	if err := ref.UnmarshalText(nil); err != nil || ref != (GatewayRef{}) {
		t.Errorf("an empty gateway: %v %v", ref, err)
	}
}
