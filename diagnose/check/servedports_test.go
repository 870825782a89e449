package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// TestPrivilegedPort: that istiod leaves a listener out is told of ports below 1024 alone.
func TestPrivilegedPort(t *testing.T) {
	t.Parallel()
	for number, privileged := range map[string]bool{"444": true, "1023": true, "1024": false, "9443": false} {
		s, p := atGateway(t, bothHalves(strings.Replace(tlsOnward, "{match: [{sniHosts", "{match: [{port: "+number+", sniHosts", 1)+
			`, tcp: [{match: [{port: `+number+`}], route: [{destination: {host: edition.cnn.com}}]}]`, strings.Replace(passing, "443", number, 1)), trace.Stop{Kind: trace.NoListener})
		p.Legs[0].Ask.Port = 8443
		found := portNotOfService.Run(s, p)
		if len(found) != 1 {
			t.Fatalf("%s: %+v", number, found)
		}
		contains(t, found[0], `"path":"/spec/servers/0/port/number","value":443`, `"path":"/spec/tls/0/match/0/port","value":443`, `"path":"/spec/tcp/0/match/0/port","value":443`)
		if got := slices.ContainsFunc(found[0].Evidence, func(e string) bool { return strings.Contains(e, "is a privileged port") }); got != privileged {
			t.Errorf("%s: %q", number, found[0].Evidence)
		}
		if n := strings.Count(found[0].Fix, "patch virtualservice out "); n != 1 {
			t.Errorf("%s: %d commands for one object", number, n)
		}
	}
}

// TestServed: a Service whose ports are not known may have any.
func TestServed(t *testing.T) {
	t.Parallel()
	with := mesh.Gateway{Ports: []mesh.Port{{Number: 443, Target: 8443}}}
	for number, want := range map[int]bool{443: true, 8443: true, 80: false} {
		if got := served(with, number); got != want {
			t.Errorf("%d: %t", number, got)
		}
		if !served(mesh.Gateway{}, number) {
			t.Errorf("%d is none of ports that are not known", number)
		}
	}
}

// TestStaticHost: an SNI proxy is a host of resolution STATIC with an endpoint.
func TestStaticHost(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]bool{
		`resolution: static, endpoints: [{address: 127.0.0.1}]`: true, `resolution: STATIC`: false, `resolution: DNS, endpoints: [{address: 127.0.0.1}]`: false, `resolution: DNS`: false,
	} {
		s := written(t, `serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [sni-proxy.local], `+spec+`}}]`)
		f := finder{s: s, wanted: trace.Want(s)}
		if got := f.static("sni-proxy.local"); got != want {
			t.Errorf("%s: %t", spec, got)
		}
	}
}

// TestResolvedGateway: a path of a set that names no gateway has the mesh's only one; of two it is not known which is meant.
func TestResolvedGateway(t *testing.T) {
	t.Parallel()
	s := written(t, "{}")
	one := s.Facts.Gateways[0]
	other := egress.GatewayRef{Namespace: "a", Service: "other"}
	for name, tt := range map[string]struct {
		gateways []mesh.Gateway
		path     egress.Path
		want     egress.GatewayRef
	}{
		"the only one":      {[]mesh.Gateway{one}, egress.Path{}, one.Ref()},
		"one is named":      {[]mesh.Gateway{one}, egress.Path{Gateway: other}, other},
		"without a gateway": {[]mesh.Gateway{one}, egress.Path{Mode: egress.Direct}, egress.GatewayRef{}},
		"of two":            {[]mesh.Gateway{one, {Namespace: "a", Service: "other"}}, egress.Path{}, egress.GatewayRef{}},
		"of none":           {nil, egress.Path{}, egress.GatewayRef{}},
	} {
		f := finder{s: &snapshot.Snapshot{Facts: mesh.Facts{Gateways: tt.gateways}}}
		if got := f.resolved(tt.path).Gateway; got != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestUnknownAge: where nobody knows when an object was made, that is said.
func TestUnknownAge(t *testing.T) {
	t.Parallel()
	s, p := withRoutes(t, routed("ours", "", toGateway), routed("other", "", "edition.cnn.com"))
	found := otherRoutesWin.Run(s, p)
	if len(found) != 1 || !slices.ContainsFunc(found[0].Evidence, func(e string) bool {
		return strings.Contains(e, "default/other was made (not known when), default/ours (not known when)")
	}) {
		t.Errorf("%+v", found)
	}
}

// TestSameTLS: HTTPS and TLS are the same of a port, in either order.
func TestSameTLS(t *testing.T) {
	t.Parallel()
	s := written(t, `serviceEntries: [
 {metadata: {namespace: a, name: e}, spec: {ports: [{number: 443, protocol: HTTPS}]}}, {metadata: {namespace: b, name: f}, spec: {ports: [{number: 443, protocol: TLS}]}}]`)
	e := s.Objects.ServiceEntries
	if a, b := difference(&e[0], &e[1], 443), difference(&e[1], &e[0], 443); a+b != "" {
		t.Errorf("%q, %q", a, b)
	}
}
