package recipe_test

import "github.com/kubectl-egress/kubectl-egress/egress"

// Titles of the documents, as sources.
const (
	docGateway   = "Istio task *Configure an Egress Gateway*"
	docOriginate = "Istio task *Egress Gateways with TLS Origination*"
	docWildcard  = "Istio task *Egress using Wildcard Hosts*"
	docProxy     = "Istio task *Configure Egress Gateway for HTTPS traffic to wildcarded domains*"
	docBlog      = "Istio blog, 2023, *Routing HTTPS/TLS traffic to arbitrary remote destinations*"
)

const clientChoosesSNI = "The name is the one that the client writes into its TLS handshake. Istio routes by it and cannot know whether the server behind it is the one it says it is."

var modePages = []modePage{
	{
		mode: egress.Direct, title: "The application's own TLS goes straight out, without a gateway; wildcard or exact",
		path: `
workload ─TLS▶ sidecar ─────────TLS─────────▶ outside
                       by SNI, to the address
                       that the client resolved`,
		when: "A mesh with `REGISTRY_ONLY`, where hosts have to be declared before anybody reaches them, and where it does not matter from which node they are reached.",
		how: "A ServiceEntry declares the hosts, a VirtualService the route. A wildcard has resolution NONE: the sidecar connects to the address that the client asked for. " +
			"The sidecar's cluster is `outbound|443||*.wikipedia.org`.",
		needs:  "any Istio",
		since:  []gate{{"kubectl egress render " + wikipedia + " --mode=direct", 0}},
		limits: []string{"Nothing goes through a gateway: no single place to watch, and no address of its own.", "With resolution NONE the address is the client's choice as well as the name."},
		source: docWildcard,
		examples: []example{
			{"A wildcard", "kubectl egress render " + wikipedia + " --mode=direct"},
		},
	},
	{
		mode: egress.HTTP, title: "The application's HTTP goes through the gateway as HTTP, chosen by Host header",
		path: `
workload ─HTTP▶ sidecar ─Istio mTLS▶ gateway:80 ─HTTP▶ outside:80
                                     (Host header)`,
		when: "The application speaks HTTP and the server outside does too. `--mode=auto` has it for port 80 of exact hosts.",
		how: "With Istio mTLS the gateway's port 80 is a server of protocol HTTPS with Istio's certificates, and the sidecar sends the host as SNI; without (`--mtls=off`) it is plain HTTP. " +
			"The gateway's log line says `outbound|80||edition.cnn.com`, and HTTP/2 even where the sidecar took HTTP/1.1.",
		needs: "any Istio",
		since: []gate{{"kubectl egress render " + cnn + " --mode=http --legacy-certs", 0}, {"kubectl egress render " + cnn + " --mode=http --mtls=off", 0}},
		limits: []string{
			"What leaves the gateway can be read on its way.", "Exact hosts only.",
			"Port 443 of the same host is not touched: it goes straight out unless another set, or `--mode=auto`, takes it.",
		},
		source: docGateway,
		examples: []example{
			{"With Istio mTLS to the gateway", "kubectl egress render " + cnn + " --mode=http"},
			{"Without", "kubectl egress render " + cnn + " --mode=http --mtls=off"},
		},
	},
	{
		mode: egress.TLSOrigination, title: "The application speaks HTTP, and the gateway begins TLS to the server",
		path: `
workload ─HTTP▶ sidecar ─Istio mTLS▶ gateway:80 ─TLS▶ outside:443
                                     (begins TLS)`,
		when: "Applications are to speak HTTP, so that Istio sees their requests, and servers want HTTPS.",
		how: "A DestinationRule for the host begins TLS at the gateway. It is in the gateway's namespace and exported to it alone, so that clients that speak TLS themselves are not touched. " +
			"Since Istio 1.21 the server is verified, by the system's CAs or by those of `--ca-secret` or `--ca-file`, and by name.",
		needs: "any Istio; a CA of one's own: 1.7",
		since: []gate{{"kubectl egress render " + cnn + " --mode=tls-origination --mtls=off", 0}, {"kubectl egress render " + cnn + " --mode=tls-origination --ca-secret=ca", 7}},
		limits: []string{
			"Before Istio 1.21 a server is not verified unless a CA is named.", "Exact hosts only.",
			"Port 443 of the same host is not touched: clients that speak TLS go straight out.",
		},
		source: docOriginate + " and, with certificates of Istio up to 1.4, " + docGateway,
		examples: []example{
			{"With Istio mTLS to the gateway", "kubectl egress render " + cnn + " --mode=tls-origination"},
		},
	},
	{
		mode: egress.MTLSOrigination, title: "The application speaks HTTP, and the gateway begins TLS with a client certificate",
		path: `
workload ─HTTP▶ sidecar ─Istio mTLS▶ gateway:443 ─TLS▶ outside:443
                                     (client certificate
                                      of --credential)`,
		when: "The server outside demands a client certificate, which applications are not to have.",
		how: "As tls-origination, with `mode: MUTUAL` and the Secret named by `--credential` in the gateway's namespace: `tls.crt`, `tls.key`, and `ca.crt`, which is the CA of the *server*. " +
			"A Service of the cluster outside the mesh, such as the document's `" + nginxHost + "`, needs no ServiceEntry.",
		needs:  "Istio 1.7",
		since:  []gate{{"kubectl egress render " + cnn + " --mode=mtls-origination --credential=c", 7}},
		limits: []string{"Exact hosts only.", "Everybody who may use the set acts with the one certificate.", "Without the Secret the gateway has no cluster for the host: 503 with flag NC."},
		source: docOriginate,
		examples: []example{
			{"The document's server", "kubectl egress render --domains=" + nginxHost + " --mode=mtls-origination --credential=client-credential"},
		},
	},
	{
		mode: egress.Passthrough, title: "The application's own TLS goes through the gateway, chosen by SNI; exact hosts",
		path: `
workload ─TLS▶ sidecar ─(Istio mTLS around)▶ gateway:443 ─TLS▶ outside:443
                                             (by SNI)`,
		when: "The application speaks HTTPS to hosts that are known by name. `--mode=auto` has it for port 443 of exact hosts.",
		how: "Without Istio mTLS the gateway passes TLS on (PASSTHROUGH) by its SNI. With it the gateway ends Istio's TLS around the application's: one server, one subset and one VirtualService " +
			"per host, and a `tcp` route, because a `tls` route on a server that ends TLS leaves the listener without a filter. The gateway's log line says `outbound|443||edition.cnn.com`.",
		needs:  "any Istio",
		since:  []gate{{"kubectl egress render " + cnn + " --mode=passthrough --legacy-certs", 0}, {"kubectl egress render " + cnn + " --mode=passthrough --mtls=off", 0}},
		limits: []string{"Istio sees connections, no requests.", "Exact hosts only: a gateway has no original destination to fall back on.", clientChoosesSNI},
		source: docGateway,
		examples: []example{
			{"With Istio mTLS to the gateway", "kubectl egress render " + cnn + " --mode=passthrough"},
			{"Without", "kubectl egress render " + cnn + " --mode=passthrough --mtls=off"},
		},
	},
	{
		mode: egress.CommonHost, title: "TLS for a wildcard goes through the gateway to the one host that serves them all",
		path: `
workload ─TLS▶ sidecar ─(Istio mTLS around)▶ gateway:443 ─TLS▶ www.wikipedia.org:443
         en.…                                                  (answers for en.…, too)`,
		when: "All hosts of the wildcard are answered by the same servers, and nothing may be added to the gateway.",
		how: "The gateway sends every host to `--common-host`; the application's handshake still has the host that it asked for. Only the gateway is told of the common host: " +
			"sidecars that knew it would send what is meant for it past the gateway.",
		needs:  "any Istio",
		since:  []gate{{"kubectl egress render " + wikipedia + " --mode=common-host --common-host=www.wikipedia.org --mtls=off", 0}},
		limits: []string{"A host that the common host does not serve gets the wrong certificate.", clientChoosesSNI},
		source: docProxy + " (with Istio mTLS) and " + docWildcard + " (without)",
		examples: []example{
			{"With Istio mTLS to the gateway", "kubectl egress render " + wikipedia + " --mode=common-host --common-host=www.wikipedia.org"},
			{"Without", "kubectl egress render " + wikipedia + " --mode=common-host --common-host=www.wikipedia.org --mtls=off"},
		},
	},
	sniProxyPage, sniDynamicPage,
}
