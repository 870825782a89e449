package recipe_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
)

// sample is a configuration with something of everything that is compared.
const sample = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cnn}
spec:
  hosts: [edition.cnn.com]
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: proxy}
spec:
  hosts: [proxy.local]
  ports: [{number: 18443, name: tcp, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1}]
  exportTo: [istio-system]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: egressgateway}
  servers:
  - {port: {number: 80, name: h, protocol: HTTPS}, hosts: [edition.cnn.com], tls: {mode: ISTIO_MUTUAL}}
  - {port: {number: 443, name: t, protocol: TLS}, hosts: ["*.wikipedia.org"], tls: {mode: ISTIO_MUTUAL}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: to-gateway}
spec:
  host: istio-egressgateway.istio-system.svc.cluster.local
  subsets:
  - {name: cnn, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: edition.cnn.com}}}
  - {name: wiki, trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: ISTIO_MUTUAL, sni: any.wikipedia.org}}]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: originate, namespace: istio-system}
spec:
  host: edition.cnn.com
  exportTo: ["."]
  trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE, sni: edition.cnn.com, subjectAltNames: [edition.cnn.com]}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cnn}
spec:
  hosts: [edition.cnn.com]
  gateways: [mesh, gw]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, subset: cnn, port: {number: 80}}}]
  - match: [{gateways: [gw], port: 80}]
    route: [{destination: {host: edition.cnn.com, port: {number: 443}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: wiki}
spec:
  hosts: ["*.wikipedia.org"]
  gateways: [mesh, gw]
  tls:
  - match: [{gateways: [mesh], port: 443, sniHosts: ["*.wikipedia.org"]}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, subset: wiki, port: {number: 443}}}]
  tcp:
  - match: [{gateways: [gw], port: 443}]
    route: [{destination: {host: proxy.local, port: {number: 18443}}}]
`

func sentences(t *testing.T, text string) []string {
	t.Helper()
	_, facts := parseCommand(t, "kubectl egress render --domains=edition.cnn.com")
	return meaningOf(facts, decode(t, "sample", []byte(text)))
}

// TestMeaningOfSample tells the whole of it once, so that one can see what the comparator says.
func TestMeaningOfSample(t *testing.T) {
	t.Parallel()
	want := []string{
		"declares 127.0.0.1:18443 TCP STATIC MESH_EXTERNAL, seen by istio-system only",
		"declares edition.cnn.com:443 TLS DNS MESH_EXTERNAL",
		"declares edition.cnn.com:80 HTTP DNS MESH_EXTERNAL",
		"gateway istio-system/istio-egressgateway http edition.cnn.com:80 -> outside edition.cnn.com:443 tls{SIMPLE sni=edition.cnn.com san=edition.cnn.com}",
		"gateway istio-system/istio-egressgateway tcp *.wikipedia.org:443 -> outside 127.0.0.1:18443",
		"gateway istio-system/istio-egressgateway:443 TLS *.wikipedia.org tls{ISTIO_MUTUAL}",
		"gateway istio-system/istio-egressgateway:80 HTTPS edition.cnn.com tls{ISTIO_MUTUAL}",
		"sidecar http edition.cnn.com:80 -> gateway istio-system/istio-egressgateway:80 tls{ISTIO_MUTUAL sni=edition.cnn.com}",
		"sidecar tls *.wikipedia.org:443 -> gateway istio-system/istio-egressgateway:443 tls{ISTIO_MUTUAL sni=*.wikipedia.org}",
	}
	if diff := cmp.Diff(want, sentences(t, sample)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMeaningIsTheSame: what is only written in another way says nothing else.
func TestMeaningIsTheSame(t *testing.T) {
	t.Parallel()
	for name, edits := range map[string][]string{
		"names of objects":      {"name: originate,", "name: x,", "{name: gw}", "{name: g2}", "gw]", "g2]"},
		"names of subsets":      {"name: cnn, trafficPolicy", "name: s, trafficPolicy", "subset: cnn", "subset: s"},
		"names of ports":        {"name: http, protocol", "name: web, protocol", "name: t, protocol", "name: u, protocol"},
		"placeholder":           {"any.wikipedia.org", "other.wikipedia.org"},
		"old name of a field":   {"sniHosts", "sni_hosts"},
		"weight of the only":    {"{number: 443}}}]", "{number: 443}}, weight: 100}]"},
		"location said":         {"resolution: DNS", "resolution: DNS\n  location: MESH_EXTERNAL"},
		"HTTPS of a host":       {"name: tls, protocol: TLS", "name: tls, protocol: HTTPS"},
		"balancer of its day":   {"{tls: {mode: ISTIO_MUTUAL, sni: edition", "{loadBalancer: {simple: ROUND_ROBIN}, tls: {mode: ISTIO_MUTUAL, sni: edition"},
		"tls of the port alone": {"{tls: {mode: ISTIO_MUTUAL, sni: edition.cnn.com}}", "{portLevelSettings: [{port: {number: 80}, tls: {mode: ISTIO_MUTUAL, sni: edition.cnn.com}}]}"},
		"name of the address":   {"proxy.local", "another.name.local"},
		"pod's port":            {"{number: 443, name: t,", "{number: 8443, name: t,"},
		"API version":           {"networking.istio.io/v1\n", "networking.istio.io/v1alpha3\n"},
		"idle subset":           {"  subsets:\n", "  subsets:\n  - {name: idle}\n"},
	} {
		text := strings.NewReplacer(edits...).Replace(sample)
		if text == sample {
			t.Fatalf("%s: nothing was edited", name)
		}
		if diff := cmp.Diff(sentences(t, sample), sentences(t, text)); diff != "" {
			t.Errorf("%s changes the meaning (-before +after):\n%s", name, diff)
		}
	}
}

// TestMeaningDiffers: each of these changes what Istio does, and the comparator has to say so.
func TestMeaningDiffers(t *testing.T) {
	t.Parallel()
	for name, edits := range map[string][]string{
		"host":                    {"edition.cnn.com", "edition.cnn.org"},
		"protocol HTTP for TLS":   {"name: tls, protocol: TLS", "name: tls, protocol: HTTP"},
		"resolution":              {"resolution: DNS", "resolution: NONE"},
		"location":                {"resolution: DNS", "resolution: DNS\n  location: MESH_INTERNAL"},
		"address":                 {"127.0.0.1", "10.0.0.1"},
		"port of the proxy":       {"18443", "8443"},
		"who sees the proxy":      {"exportTo: [istio-system]", "exportTo: ['*']"},
		"who sees the rule":       {`exportTo: ["."]`, `exportTo: ["*"]`},
		"where the rule is":       {"namespace: istio-system", "namespace: elsewhere"},
		"gateway's pods":          {"istio: egressgateway", "istio: ingressgateway"},
		"server's TLS":            {`"*.wikipedia.org"], tls: {mode: ISTIO_MUTUAL}`, `"*.wikipedia.org"], tls: {mode: PASSTHROUGH}`},
		"server's protocol":       {"name: h, protocol: HTTPS", "name: h, protocol: TLS"},
		"server's hosts":          {`["*.wikipedia.org"], tls`, `["*"], tls`},
		"SNI that nobody expects": {"any.wikipedia.org", "any.wikimedia.org"},
		"no SNI":                  {", sni: any.wikipedia.org", ""},
		"client's TLS":            {"{mode: ISTIO_MUTUAL, sni: edition", "{mode: SIMPLE, sni: edition"},
		"identity":                {"{mode: ISTIO_MUTUAL, sni: edition", "{mode: ISTIO_MUTUAL, subjectAltNames: [spiffe://x], sni: edition"},
		"TLS of another port":     {"port: {number: 443}, tls: {mode: ISTIO_MUTUAL", "port: {number: 444}, tls: {mode: ISTIO_MUTUAL"},
		"subset that is not":      {"subset: wiki", "subset: wikipedia"},
		"SANs of the server":      {", subjectAltNames: [edition.cnn.com]", ""},
		"not bound to mesh":       {"gateways: [mesh, gw]\n  tls", "gateways: [gw]\n  tls"},
		"no such Gateway":         {"[gw], port: 443", "[other], port: 443"},
		"tls for tcp":             {"  tcp:", "  tls2:"},
		"port that clients use":   {"[mesh], port: 443", "[mesh], port: 8443"},
		"port of the gateway":     {"subset: cnn, port: {number: 80}", "subset: cnn, port: {number: 443}"},
		"port outside":            {"{host: edition.cnn.com, port: {number: 443}}", "{host: edition.cnn.com, port: {number: 80}}"},
		"host that nobody knows":  {"{host: edition.cnn.com, port: {number: 443}}", "{host: edition.cnn.net, port: {number: 443}}"},
		"rule without subset":     {"  subsets:\n", "  trafficPolicy: {tls: {mode: DISABLE}}\n  subsets:\n"},
		"balancer":                {"{tls: {mode: ISTIO_MUTUAL, sni: edition", "{loadBalancer: {simple: RANDOM}, tls: {mode: ISTIO_MUTUAL, sni: edition"},
		"half of the traffic":     {"{number: 443}}}]\n---", "{number: 443}}, weight: 50}, {destination: {host: edition.cnn.com, port: {number: 80}}, weight: 50}]\n---"},
		"field nobody reads":      {"resolution: DNS", "resolution: DNS\n  addresses: [10.1.2.3]"},
		"match nobody reads":      {"[{gateways: [mesh], port: 80}]", "[{gateways: [mesh], port: 80, uri: {prefix: /a}}]"},
		"timeout":                 {"  http:\n  - match", "  http:\n  - timeout: 1s\n    match"},
		"kind nobody reads":       {"kind: VirtualService\nmetadata: {name: wiki}", "kind: Sidecar\nmetadata: {name: wiki}"},
	} {
		text := strings.NewReplacer(edits...).Replace(sample)
		if text == sample {
			t.Fatalf("%s: nothing was edited", name)
		}
		if slices.Equal(sentences(t, sample), sentences(t, text)) {
			t.Errorf("%s: the comparator does not see it", name)
		}
	}
}

// TestLegacyMeaning: up to Istio 1.4 a sidecar's ISTIO_MUTUAL stands for the files and the identity behind the Service; since then
// the files are something else, which no proxy has.
func TestLegacyMeaning(t *testing.T) {
	t.Parallel()
	files := strings.Replace(sample, "{mode: ISTIO_MUTUAL, sni: edition.cnn.com}", "{mode: MUTUAL, sni: edition.cnn.com, clientCertificate: /etc/certs/cert-chain.pem, "+
		"privateKey: /etc/certs/key.pem, caCertificates: /etc/certs/root-cert.pem, subjectAltNames: ["+
		"spiffe://cluster.local/ns/istio-system/sa/istio-egressgateway-service-account]}", 1)
	for version, same := range map[string]bool{"1.4": true, "1.5": false} {
		_, facts := parseCommand(t, "kubectl egress render --domains=edition.cnn.com --istio-version="+version)
		a, b := meaningOf(facts, decode(t, "sample", []byte(sample))), meaningOf(facts, decode(t, "files", []byte(files)))
		if slices.Equal(a, b) != same {
			t.Errorf("Istio %s: same is %v, want %v:\n%s", version, !same, same, cmp.Diff(a, b))
		}
	}
}

// TestFilterMeaning: each edit of a rendered EnvoyFilter is seen, but for the names that it gives to what it adds.
func TestFilterMeaning(t *testing.T) {
	t.Parallel()
	set, facts := parseCommand(t, "kubectl egress render --domains='*.wikipedia.org,*.wikimedia.org' --mode=sni-dynamic")
	objs, err := recipe.Render(set, facts)
	if err != nil {
		t.Fatal(err)
	}
	text, err := recipe.YAML(objs)
	if err != nil {
		t.Fatal(err)
	}
	before := meaningOf(facts, objs)
	for name, tt := range map[string]struct {
		old, with string
		same      bool
	}{
		"name of the cluster":    {"sni_cluster_default_wikimedia-org", "c", true},
		"name of the listener":   {"sni_listener_default_wikimedia-org", "l", true},
		"name of the cache":      {"dynamic_forward_proxy_cache_config_default_wikimedia-org", "d", true},
		"cluster that is not":    {"cluster: sni_cluster_default_wikimedia-org", "cluster: c", false},
		"listener that is not":   {"server_listener_name: sni_listener_default_wikimedia-org", "server_listener_name: l", false},
		"port of the chain":      {"portNumber: 8443", "portNumber: 443", false},
		"port outside":           {"port_value: 443", "port_value: 8443", false},
		"DNS settings":           {"dns_lookup_family: V4_ONLY", "dns_lookup_family: ALL", false},
		"workloads":              {"    labels:\n      istio: egressgateway\n", "    labels:\n      istio: other\n", false},
		"operation":              {"operation: MERGE", "operation: REPLACE", false},
		"names inside":           {"- '*.wikipedia.org'\n", "- '*.wikipedia.net'\n", false},
		"log":                    {"path: /dev/stdout", "path: /dev/null", false},
		"a cluster's time limit": {"lb_policy: CLUSTER_PROVIDED", "lb_policy: CLUSTER_PROVIDED\n        connect_timeout: 1s", false},
	} {
		changed := strings.ReplaceAll(string(text), tt.old, tt.with)
		if changed == string(text) {
			t.Errorf("%s: nothing was edited", name)
			continue
		}
		after := meaningOf(facts, decode(t, name, []byte(changed)))
		if slices.Equal(before, after) != tt.same {
			t.Errorf("%s: same is %v, want %v\n%s", name, !tt.same, tt.same, cmp.Diff(before, after))
		}
	}
}
