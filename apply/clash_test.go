package apply

import (
	"testing"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// theirs is a Gateway that somebody made by hand.
func theirs(spec string) string {
	return "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: theirs, namespace: team}, spec: {" + spec + "}}"
}

const (
	same443     = "servers: [{port: {number: 443, name: p, protocol: TLS}, hosts: [edition.cnn.com], tls: {mode: PASSTHROUGH}}]"
	bySelector  = "selector: {istio: egressgateway}, "
	selectsGate = "Gateway team/theirs, which selects the same pods as gateway istio-system/istio-egressgateway, "
	otherwise   = "; change or remove it first, or use another gateway with --gateway"
)

func TestClash(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, spec string
		mode, mtls string
		want       string // empty: no clash
	}{
		{"same host and port", bySelector + same443, "passthrough", "off", "has edition.cnn.com on port 443 already"},
		{"same host, ends TLS", bySelector + "servers: [{port: {number: 443, name: p, protocol: HTTPS}, hosts: [edition.cnn.com], tls: {mode: SIMPLE, credentialName: c}}]", "passthrough", "on", "has edition.cnn.com on port 443 already"},
		{"the pods' port", bySelector + "servers: [{port: {number: 8443, name: p, protocol: TLS}, hosts: [edition.cnn.com], tls: {mode: PASSTHROUGH}}]", "passthrough", "off", "has edition.cnn.com on port 8443 (the pods' port 8443, as our port 443) already"},
		{"host with namespace", bySelector + "servers: [{port: {number: 443, name: p, protocol: TLS}, hosts: ['*/Edition.cnn.com'], tls: {mode: PASSTHROUGH}}]", "passthrough", "off", "has Edition.cnn.com on port 443 already"},
		{"other labels, same pods", "selector: {app: istio-egressgateway}, " + same443, "passthrough", "off", "has edition.cnn.com on port 443 already"},
		{"no selector takes all", same443, "passthrough", "off", "has edition.cnn.com on port 443 already"},
		{"HTTP against TLS", bySelector + "servers: [{port: {number: 443, name: p, protocol: HTTP}, hosts: [other.example.com]}]", "passthrough", "off", "has HTTP on port 443, where this set needs TLS, and one listener cannot do both"},
		{"HTTP against mutual TLS", bySelector + "servers: [{port: {number: 80, name: p, protocol: HTTP2}, hosts: [other.example.com]}]", "http", "on", "has HTTP2 on port 80, where this set needs HTTPS, and one listener cannot do both"},
		{"TLS against HTTP", bySelector + "servers: [{port: {number: 8080, name: p, protocol: TLS}, hosts: [other.example.com], tls: {mode: PASSTHROUGH}}]", "http", "off", "has TLS on port 8080 (the pods' port 8080, as our port 80), where this set needs HTTP, and one listener cannot do both"},
		{"TCP takes a whole port", bySelector + "servers: [{port: {number: 443, name: p, protocol: TCP}, hosts: ['*']}]", "passthrough", "off", "has TCP on port 443, where this set needs TLS, and one listener cannot do both"},
		{"same host by HTTP", bySelector + "servers: [{port: {number: 80, name: p, protocol: HTTP}, hosts: [edition.cnn.com]}]", "http", "off", "has edition.cnn.com on port 80 already"},

		{"another host", bySelector + "servers: [{port: {number: 443, name: p, protocol: TLS}, hosts: [other.example.com], tls: {mode: PASSTHROUGH}}]", "passthrough", "off", ""},
		{"a wider host, which gives way", bySelector + "servers: [{port: {number: 443, name: p, protocol: TLS}, hosts: ['*.cnn.com'], tls: {mode: PASSTHROUGH}}]", "passthrough", "off", ""},
		{"all hosts by HTTP, which give way", bySelector + "servers: [{port: {number: 80, name: p, protocol: HTTP}, hosts: ['*']}]", "http", "off", ""},
		{"another port", bySelector + "servers: [{port: {number: 8444, name: p, protocol: TLS}, hosts: [edition.cnn.com], tls: {mode: PASSTHROUGH}}]", "passthrough", "off", ""},
		{"a port that we do not use", bySelector + "servers: [{port: {number: 443, name: p, protocol: TLS}, hosts: [edition.cnn.com], tls: {mode: PASSTHROUGH}}]", "http", "off", ""},
		{"other pods", "selector: {istio: ingressgateway}, " + same443, "passthrough", "off", ""},
		{"a label more than the pods have", "selector: {istio: egressgateway, zone: a}, " + same443, "passthrough", "off", ""},
		{"an address of its own", bySelector + "servers: [{port: {number: 443, name: p, protocol: TLS}, bind: 10.0.0.1, hosts: [edition.cnn.com], tls: {mode: PASSTHROUGH}}]", "passthrough", "off", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("kubectl", parse(t, theirs(tt.spec)))
			set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}, Mode: tt.mode, MTLS: tt.mtls})
			if tt.want == "" {
				w.plan(set, Options{})
				return
			}
			wantRefused(t, w.refusal(set, Options{Force: true, Adopt: true}), Clash, selectsGate+tt.want+otherwise)
		})
	}
}

// TestClashWithoutPods: a gateway scaled to zero still has its labels.
func TestClashWithoutPods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.facts.Gateways[0].Pods = nil
	w.put("kubectl", parse(t, theirs(bySelector+same443)))
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}})
	wantRefused(t, w.refusal(set, Options{}), Clash, selectsGate+"has edition.cnn.com on port 443 already"+otherwise)
}

// TestClashOfSets: two sets on one gateway need the same choice about Istio mTLS where they share a port for HTTP.
func TestClashOfSets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enable(declare(t, egress.Declaration{Name: "a", Domains: []string{"a.com"}, MTLS: "off"}))
	wantRefused(t, w.refusal(declare(t, egress.Declaration{Name: "b", Domains: []string{"b.com"}, MTLS: "on"}), Options{}), Clash,
		"Gateway default/egress-a, which selects the same pods as gateway istio-system/istio-egressgateway, has HTTP on port 80, where this set needs HTTPS, and one listener cannot do both; "+
			"it belongs to a set too: give both sets the same --mtls (this one has on), or use another gateway with --gateway")
	w.enable(declare(t, egress.Declaration{Name: "b", Domains: []string{"b.com"}, MTLS: "off"}))
	w.enable(declare(t, egress.Declaration{Name: "c", Domains: []string{"c.com"}, Mode: "passthrough", MTLS: "on"}))
	w.enable(declare(t, egress.Declaration{Name: "a", Namespace: "team", Domains: []string{"d.com"}, Gateway: "team/egress"}))
}
