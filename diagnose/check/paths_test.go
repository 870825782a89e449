package check

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// written makes a snapshot of objects written as people do, in a mesh with one egress gateway as Istio's own chart installs it.
func written(t *testing.T, objects string) *snapshot.Snapshot {
	t.Helper()
	s := &snapshot.Snapshot{Facts: mesh.Facts{Gateways: []mesh.Gateway{{
		Namespace: "istio-system", Service: "istio-egressgateway", Selector: map[string]string{"istio": "egressgateway"},
		Ports: []mesh.Port{{Number: 80, Target: 8080}, {Number: 443, Target: 8443}},
		Pods:  []mesh.Pod{{Name: "gw", IP: "10.0.0.4", Ready: true, Labels: map[string]string{"istio": "egressgateway"}}},
	}}}}
	if err := yaml.UnmarshalStrict([]byte(objects), &s.Objects); err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	toGateway = `istio-egressgateway.istio-system.svc.cluster.local`
	own       = " via istio-system/istio-egressgateway"
)

// onward is a VirtualService that leads a host's TLS to the gateway and from there on.
func onward(host, to string) string {
	return fill(`{metadata: {namespace: a, name: NAME}, spec: {hosts: ["HOST"], gateways: [mesh, g], tls: [
 {match: [{gateways: [mesh], port: 443, sniHosts: ["HOST"]}], route: [{destination: {host: GATEWAY}}]},
 {match: [{gateways: [g], port: 443, sniHosts: ["HOST"]}], route: [{destination: {host: "TO"}}]}]}}`, "NAME", named(host), "HOST", host, "TO", to, "GATEWAY", toGateway)
}

func TestPathsByHand(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		objects string
		want    []string
	}{
		"nothing": {`{}`, nil},
		"both halves in one object, port left out": {
			`virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com], gateways: [mesh, g], tls: [
			 {match: [{gateways: [mesh], sniHosts: [h.example.com]}], route: [{destination: {host: ` + toGateway + `}}]},
			 {match: [{gateways: [g], sniHosts: [h.example.com]}], route: [{destination: {host: h.example.com}}]}]}}]`,
			[]string{"h.example.com:443 TLS passthrough" + own},
		},
		"halves in two objects": {
			`virtualServices: [
			 {metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com], http: [{route: [{destination: {host: ` + toGateway + `, port: {number: 80}}}]}]}},
			 {metadata: {namespace: a, name: w}, spec: {hosts: [h.example.com], gateways: [g], http: [{route: [{destination: {host: h.example.com}}]}]}}]
gateways: [{metadata: {namespace: a, name: g}, spec: {selector: {istio: egressgateway}, servers: [{port: {number: 80, protocol: HTTP}, hosts: [h.example.com]}]}}]`,
			[]string{"h.example.com:80 HTTP http" + own},
		},
		"only the second half": {
			`virtualServices: [{metadata: {namespace: a, name: w}, spec: {hosts: [h.example.com], gateways: [g], tls: [{match: [{sniHosts: [h.example.com]}], route: [{destination: {host: h.example.com}}]}]}}]
gateways: [{metadata: {namespace: a, name: g}, spec: {selector: {istio: egressgateway}, servers: [{port: {number: 8443, protocol: TLS}, hosts: ["*/h.example.com"], tls: {mode: PASSTHROUGH}}]}}]`,
			[]string{"h.example.com:443 TLS passthrough" + own},
		},
		"only a Gateway and an entry": {
			`serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [h.example.com], ports: [{number: 80, protocol: HTTP}]}}]
gateways: [{metadata: {namespace: a, name: g}, spec: {selector: {istio: egressgateway}, servers: [{port: {number: 80, protocol: HTTP}, hosts: [h.example.com, other.example.com]}]}}]`,
			[]string{"h.example.com:80 HTTP http" + own},
		},
		"an HTTPS server that ends TLS carries HTTP, one that passes it through carries TLS": {
			`serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [h.example.com, i.example.com]}}]
gateways: [{metadata: {namespace: a, name: g}, spec: {selector: {istio: egressgateway}, servers: [
 {port: {number: 80, protocol: HTTPS}, hosts: [h.example.com], tls: {mode: ISTIO_MUTUAL}}, {port: {number: 443, protocol: HTTPS}, hosts: [i.example.com], tls: {mode: PASSTHROUGH}}]}}]`,
			[]string{"h.example.com:80 HTTP http" + own, "i.example.com:443 TLS passthrough" + own},
		},
		"the old documents' origination: port 80 to the gateway's 443": {
			`virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com], gateways: [mesh, g], http: [
			 {match: [{gateways: [mesh], port: 80}], route: [{destination: {host: ` + toGateway + `, port: {number: 443}}}]},
			 {match: [{gateways: [g], port: 443}], route: [{destination: {host: h.example.com, port: {number: 443}}}]}]}}]
serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [h.example.com]}}]
destinationRules: [{metadata: {namespace: a, name: d}, spec: {host: h.example.com, trafficPolicy: {tls: {mode: SIMPLE}}}}]
gateways: [{metadata: {namespace: a, name: g}, spec: {selector: {istio: egressgateway}, servers: [{port: {number: 443, protocol: HTTPS}, hosts: [h.example.com], tls: {mode: ISTIO_MUTUAL}}]}}]`,
			[]string{"h.example.com:80 HTTP tls-origination" + own},
		},
		"origination with a client certificate": {
			`virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com], gateways: [mesh, g], http: [
			 {match: [{gateways: [mesh], port: 80}], route: [{destination: {host: ` + toGateway + `}}]},
			 {match: [{gateways: [g], port: 80}], route: [{destination: {host: h.example.com, port: {number: 443}}}]}]}}]
destinationRules: [{metadata: {namespace: a, name: d}, spec: {host: h.example.com, trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: MUTUAL}}]}}}]`,
			[]string{"h.example.com:80 HTTP mtls-origination" + own},
		},
		"a rule for another port of the host is no origination": {
			`virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com], gateways: [mesh, g], http: [
			 {match: [{gateways: [mesh], port: 80}], route: [{destination: {host: ` + toGateway + `}}]},
			 {match: [{gateways: [g], port: 80}], route: [{destination: {host: h.example.com, port: {number: 80}}}]}]}}]
destinationRules: [{metadata: {namespace: a, name: d}, spec: {host: h.example.com, trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE}}]}}}]`,
			[]string{"h.example.com:80 HTTP http" + own},
		},
		"a wildcard to one host, to a proxy beside the gateway, and to itself": {
			`virtualServices: [
			 {metadata: {namespace: a, name: u}, spec: {hosts: ["*.a.org"], gateways: [mesh, g], tls: [
			  {match: [{gateways: [mesh], port: 443, sniHosts: ["*.a.org"]}], route: [{destination: {host: ` + toGateway + `}}]},
			  {match: [{gateways: [g], port: 443, sniHosts: ["*.a.org"]}], route: [{destination: {host: www.a.org}}]}]}},
			 {metadata: {namespace: a, name: v}, spec: {hosts: ["*.b.org"], gateways: [mesh, g], tls: [
			  {match: [{gateways: [mesh], port: 443, sniHosts: ["*.b.org"]}], route: [{destination: {host: ` + toGateway + `}}]},
			  {match: [{gateways: [g], port: 443, sniHosts: ["*.b.org"]}], route: [{destination: {host: sni-proxy.local}}]}]}},
			 {metadata: {namespace: a, name: w}, spec: {hosts: ["*.c.org"], gateways: [mesh, g], tls: [
			  {match: [{gateways: [mesh], port: 443, sniHosts: ["*.c.org"]}], route: [{destination: {host: ` + toGateway + `}}]},
			  {match: [{gateways: [g], port: 443, sniHosts: ["*.c.org"]}], route: [{destination: {host: "*.c.org"}}]}]}}]
serviceEntries: [
 {metadata: {namespace: a, name: e}, spec: {hosts: [www.a.org], resolution: DNS}},
 {metadata: {namespace: a, name: f}, spec: {hosts: [sni-proxy.local], resolution: STATIC, endpoints: [{address: 127.0.0.1}]}},
 {metadata: {namespace: a, name: h}, spec: {hosts: ["*.c.org"], resolution: DYNAMIC_DNS}}]`,
			[]string{"*.a.org:443 TLS common-host" + own, "*.b.org:443 TLS sni-proxy" + own, "*.c.org:443 TLS sni-dynamic" + own},
		},
		"a tcp route by the port's protocol": {
			`virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com], tcp: [{match: [{port: 8080}], route: [{destination: {host: ` + toGateway + `}}]}, {match: [{port: 9443}], route: [{destination: {host: ` + toGateway + `}}]}]}}]
serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [h.example.com], ports: [{number: 8080, protocol: http}, {number: 9443, protocol: TLS}]}}]`,
			[]string{"h.example.com:8080 HTTP http" + own, "h.example.com:9443 TLS passthrough" + own},
		},
		"a gateway that discovery did not find": {
			`virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com], gateways: [mesh, g], tls: [
			 {match: [{gateways: [mesh], port: 443, sniHosts: [h.example.com]}], route: [{destination: {host: own-egress}}]},
			 {match: [{gateways: [g], port: 443, sniHosts: [h.example.com]}], route: [{destination: {host: h.example.com}}]}]}}]`,
			[]string{"h.example.com:443 TLS passthrough via a/own-egress"},
		},
		"what comes in is no egress": {
			`virtualServices: [
			 {metadata: {namespace: a, name: v}, spec: {hosts: [shop.example.com], gateways: [ingress], http: [{route: [{destination: {host: shop}}]}]}},
			 {metadata: {namespace: a, name: w}, spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v1}}]}]}}]
gateways: [{metadata: {namespace: a, name: ingress}, spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 443, protocol: HTTPS}, hosts: [shop.example.com], tls: {mode: SIMPLE}}]}}]
serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [shop.example.com]}}]`,
			nil,
		},
		"what is no name is no path": {
			`virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: ["10.0.0.1", "*"], http: [{route: [{destination: {host: ` + toGateway + `}}]}]}}]
gateways: [{metadata: {namespace: a, name: g}, spec: {selector: {istio: egressgateway}, servers: [{port: {number: 80, protocol: HTTP}, hosts: ["*"]}]}}]`,
			nil,
		},
		"requests and TLS of one host": {
			`virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com], gateways: [mesh, g],
 http: [{match: [{gateways: [mesh], port: 80}], route: [{destination: {host: ` + toGateway + `}}]}, {match: [{gateways: [g], port: 80}], route: [{destination: {host: h.example.com, port: {number: 80}}}]}],
 tls: [{match: [{gateways: [mesh], port: 443, sniHosts: [h.example.com]}], route: [{destination: {host: ` + toGateway + `}}]},
  {match: [{gateways: [g], port: 443, sniHosts: [h.example.com]}], route: [{destination: {host: h.example.com, port: {number: 443}}}]}]}}]
serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [h.example.com], ports: [{number: 80, protocol: HTTP}, {number: 443, protocol: TLS}]}}]`,
			[]string{"h.example.com:80 HTTP http" + own, "h.example.com:443 TLS passthrough" + own},
		},
		"TLS begun for requests, and turned off": {
			`virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com], gateways: [mesh, g], http: [
			 {match: [{gateways: [mesh], port: 80}], route: [{destination: {host: ` + toGateway + `}}]},
			 {match: [{gateways: [g], port: 80}], route: [{destination: {host: h.example.com, port: {number: 80}}}]}]}}]
destinationRules: [{metadata: {namespace: a, name: d}, spec: {host: h.example.com, trafficPolicy: {tls: {mode: DISABLE}}}}]`,
			[]string{"h.example.com:80 HTTP http" + own},
		},
		"one host with an address of its own, and one that goes to the SNI proxy, and one to another name": {
			`virtualServices: [` + onward("fixed.example.com", "fixed.example.com") + "," + onward("en.a.org", "sni-proxy.local") + "," + onward("old.example.com", "new.example.com") + `]
serviceEntries: [
 {metadata: {namespace: a, name: e}, spec: {hosts: [fixed.example.com], resolution: STATIC, endpoints: [{address: 192.0.2.1}]}},
 {metadata: {namespace: a, name: f}, spec: {hosts: [sni-proxy.local], resolution: STATIC, endpoints: [{address: 127.0.0.1}]}},
 {metadata: {namespace: a, name: h}, spec: {hosts: [new.example.com, old.example.com], resolution: DNS}}]`,
			[]string{"en.a.org:443 TLS sni-proxy" + own, "fixed.example.com:443 TLS passthrough" + own, "old.example.com:443 TLS passthrough" + own},
		},
		"a tls route says TLS, and HTTPS is TLS, and so is port 443": {
			`virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [h.example.com],
 tls: [{match: [{port: 8080, sniHosts: [h.example.com]}], route: [{destination: {host: ` + toGateway + `}}]}],
 tcp: [{match: [{port: 8443}], route: [{destination: {host: ` + toGateway + `}}]}, {match: [{port: 443}], route: [{destination: {host: ` + toGateway + `}}]}, {match: [{port: 81}], route: [{destination: {host: ` + toGateway + `}}]}]}}]
serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [h.example.com], ports: [{number: 8080, protocol: HTTP}, {number: 8443, protocol: HTTPS}, {number: 443, protocol: HTTP}, {number: 81, protocol: HTTP2}]}}]`,
			[]string{"h.example.com:81 HTTP http" + own, "h.example.com:443 TLS passthrough" + own, "h.example.com:8080 TLS passthrough" + own, "h.example.com:8443 TLS passthrough" + own},
		},
		"an address that is led to itself": {
			`virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: ["10.0.0.1"], http: [{route: [{destination: {host: "10.0.0.1"}}]}]}}]
serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: ["10.0.0.1"]}}]`,
			nil,
		},
		"a host that is let out of what goes through the gateway": {
			`virtualServices: [` + onward("*.a.org", "*.a.org") + `, {metadata: {namespace: a, name: v}, spec: {hosts: [en.a.org], tls: [{match: [{port: 443, sniHosts: [en.a.org]}], route: [{destination: {host: en.a.org}}]}]}}]
serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [en.a.org, "*.a.org"]}}]`,
			[]string{"*.a.org:443 TLS sni-dynamic" + own, "en.a.org:443 TLS direct via "},
		},
		"several names and ports in one object": {
			`virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [b.example.com, a.example.com], http: [{match: [{port: 8080}, {port: 80}], route: [{destination: {host: ` + toGateway + `}}]}]}}]`,
			[]string{"a.example.com:80 HTTP http" + own, "a.example.com:8080 HTTP http" + own, "b.example.com:80 HTTP http" + own, "b.example.com:8080 HTTP http" + own},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range Paths(written(t, tt.objects)) {
				got = append(got, fmt.Sprintf("%s %s %s via %s", p, p.Protocol, p.Mode, p.Gateway))
				if p.Set != "" {
					t.Errorf("%s is of set %s", p, p.Set)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestPathsOfSets(t *testing.T) {
	t.Parallel()
	set := func(d egress.Declaration) snapshot.Set {
		s, err := egress.ParseSet(d)
		if err != nil {
			t.Fatal(err)
		}
		return snapshot.Set{Set: s}
	}
	s := written(t, `virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [a.example.com, z.example.com], http: [{match: [{port: 80}], route: [{destination: {host: `+toGateway+`}}]}]}}]`)
	s.Sets = []snapshot.Set{
		set(egress.Declaration{Name: "one", Domains: []string{"a.example.com"}, Gateway: "own/door"}),
		set(egress.Declaration{Name: "two", Namespace: "b", Domains: []string{"*.b.org"}}),
		set(egress.Declaration{Name: "three", Domains: []string{"c.org"}, Mode: "direct"}),
		{Set: egress.Set{Namespace: "b", Name: "broken"}, Broken: "no YAML"},
	}
	want := []egress.Path{
		{Host: "*.b.org", Port: 443, Protocol: egress.ProtocolTLS, Set: "b/two", Mode: egress.SNIDynamic, Gateway: s.Facts.Gateways[0].Ref()},
		{Host: "a.example.com", Port: 80, Protocol: egress.ProtocolHTTP, Set: "default/one", Mode: egress.HTTP, Gateway: egress.GatewayRef{Namespace: "own", Service: "door"}, Owner: "set default/one"},
		{Host: "a.example.com", Port: 80, Protocol: egress.ProtocolHTTP, Mode: egress.HTTP, Gateway: s.Facts.Gateways[0].Ref(), Owner: "VirtualService a/v"},
		{Host: "a.example.com", Port: 443, Protocol: egress.ProtocolTLS, Set: "default/one", Mode: egress.Passthrough, Gateway: egress.GatewayRef{Namespace: "own", Service: "door"}},
		{Host: "c.org", Port: 443, Protocol: egress.ProtocolTLS, Set: "default/three", Mode: egress.Direct},
		{Host: "z.example.com", Port: 80, Protocol: egress.ProtocolHTTP, Mode: egress.HTTP, Gateway: s.Facts.Gateways[0].Ref()},
	}
	if diff := cmp.Diff(want, Paths(s)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
