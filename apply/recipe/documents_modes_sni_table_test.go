package recipe_test

import "github.com/kubectl-egress/kubectl-egress/egress"

var sniProxyPage = modePage{
	mode: egress.SNIProxy, title: "TLS for any wildcard goes through the gateway and an nginx beside it, which forwards by SNI",
	path: `
workload ─TLS▶ sidecar ─(Istio mTLS around)▶ gateway pod
                                             ├ Envoy :443 ─▶ 127.0.0.1:18443
                                             └ nginx, reads the SNI ─TLS▶ whatever host it names:443`,
	when: "Istio is too old for sni-dynamic, or its experimental filter is not wanted.",
	how: "A gateway with a container `sni-proxy`: `kubectl egress gateway install --sni-proxy`. Envoy sends the hosts of the set to it on 127.0.0.1, and nginx (`ssl_preread`) " +
		"to the name in the client's handshake, resolved by the cluster's DNS. Only the gateway is told of the proxy. With Istio mTLS the gateway's log line has the outer, " +
		"made-up SNI, and nginx's line the real one.",
	needs: "any Istio; a gateway with the SNI proxy",
	since: []gate{{"kubectl egress render " + wikipedia + " --mode=sni-proxy --mtls=off", 0}},
	limits: []string{
		"With Istio mTLS the gateway's Envoy sees only the SNI that the sidecar writes. A workload that got past its sidecar can name another host inside; nginx forwards it unless it was installed with a list of domains.",
		"nginx reads its configuration once: a change of that list starts the gateway's pods anew.",
		clientChoosesSNI,
	},
	source: docProxy + " (with Istio mTLS) and " + docWildcard + " (without)",
	examples: []example{
		{"With Istio mTLS to the gateway", "kubectl egress render " + wikipedia + " --mode=sni-proxy"},
		{"Without", "kubectl egress render " + wikipedia + " --mode=sni-proxy --mtls=off"},
	},
}

var sniDynamicPage = modePage{
	mode: egress.SNIDynamic, title: "TLS for any wildcard goes through the gateway, whose Envoy itself forwards by SNI",
	path: `
workload ─TLS▶ sidecar ─Istio mTLS▶ gateway:443 ─▶ second listener ─TLS▶ whatever host the SNI names:443
                        (outer SNI)  ends Istio's   inside Envoy, reads
                                     TLS            the inner SNI`,
	when: "The default for wildcards: each host reaches its own servers, and nothing is added to the gateway's pods.",
	how: "Istio has no route for it, so an EnvoyFilter adds it, to this gateway's pods and to the chains of the set's own hosts alone; other hosts share the port. With Istio mTLS the connection " +
		"goes through a second listener inside Envoy, which knows the set's hosts too, so that a workload that got past its sidecar and offers another name inside is refused. Both hops have a line in the " +
		"log: `sni_cluster_NAMESPACE_SET` with the outer name, `dynamic_forward_proxy_cluster_NAMESPACE_SET` with the real one. Without Istio mTLS one filter is enough, before the chain's own proxy.",
	needs: "with Istio mTLS: Istio 1.16; without: 1.30",
	since: []gate{{"kubectl egress render " + wikipedia + " --mode=sni-dynamic", 16}, {"kubectl egress render " + wikipedia + " --mode=sni-dynamic --mtls=off", 30}},
	limits: []string{
		"EnvoyFilter is Envoy's own configuration, which Istio does not promise to keep; Envoy calls the SNI forward proxy alpha. The API server warns on every apply.",
		"Rights on EnvoyFilters in the gateway's namespace are needed.",
		"Without Istio mTLS it leans on `DYNAMIC_DNS` at a gateway, which works on Istio 1.31 and which Istio calls unsupported.",
		clientChoosesSNI,
	},
	source: docBlog + ", without two faults of what was published there",
	examples: []example{
		{"With Istio mTLS to the gateway", "kubectl egress render " + wikipedia + " --mode=sni-dynamic"},
		{"Without", "kubectl egress render " + wikipedia + " --mode=sni-dynamic --mtls=off"},
	},
}
