package recipe_test

const legacyToGateway = " tls{MUTUAL /etc/certs sni=edition.cnn.com san=spiffe://cluster.local/ns/istio-system/sa/istio-egressgateway-service-account}"

// catchesAll is the document's rule without subset, for a port of the gateway's Service.
func catchesAll(port string) difference {
	return difference{
		why: "the document's DestinationRule has no subset, so it sends the SNI of this host for every other host that goes through the gateway's port too; " +
			"ours is a subset that only this host's route names",
		rule:   "R17",
		theirs: []string{"sidecar all traffic to gateway istio-system/istio-egressgateway:" + port + legacyToGateway},
	}
}

var (
	onlyPort80 = difference{
		why: "mode http is about port 80 alone, the document declares port 443 with it and lets it go round the gateway; " +
			"leave --mode out and both ports go through the gateway",
		theirs: []string{"declares edition.cnn.com:443 TLS DNS MESH_EXTERNAL"},
	}
	sidecarsOriginateToo = difference{
		why: "the document's originating DestinationRule reaches the sidecars as well, and clients that speak TLS to port 443 of the host get TLS within TLS; " +
			"ours is in the gateway's namespace and exported to it alone",
		rule:   "R33",
		theirs: []string{"sidecar all traffic to outside edition.cnn.com:443 tls{SIMPLE}"},
	}
	// In Istio 1.0 ours reaches them, too.
	sidecarsOriginateIn10 = difference{
		why: "in Istio 1.0, which knows no exportTo, the originating DestinationRule reaches the sidecars as well, the document's and ours: clients that speak TLS to port 443 " +
			"of the host get TLS within TLS. Since 1.1 ours is for the gateway alone. And " + sniToServer,
		rule:   "R33",
		theirs: []string{"sidecar all traffic to outside edition.cnn.com:443 tls{SIMPLE}"},
		ours:   []string{"sidecar all traffic to outside edition.cnn.com:443 tls{SIMPLE sni=edition.cnn.com}"},
	}
	httpOn443 = difference{
		why: "the document declares port 443 as HTTP, which takes the SNI route from clients that speak TLS to it; " +
			"ours declares what is there",
		rule:   "R3",
		theirs: []string{"declares edition.cnn.com:443 HTTP DNS MESH_EXTERNAL"},
		ours:   []string{"declares edition.cnn.com:443 TLS DNS MESH_EXTERNAL"},
	}
)

const sniToServer = "before Istio 1.21 the gateway sends no SNI that is not written down, and a server with several names cannot tell which one is meant"

var configureAnEgressGateway = document{
	title: "Configure an Egress Gateway", folder: "configure-an-egress-gateway", istio: "1.0",
	groups: []group{
		{
			section: "HTTP traffic, with mutual TLS in Istio",
			blocks:  []string{"01-http-service-entry.yaml", "02-http-gateway-mtls.yaml", "04-http-virtual-service.yaml"},
			command: "kubectl egress render " + cnn + " --mode=http --legacy-certs --istio-version=1.0",
			differs: []difference{onlyPort80, catchesAll("80")},
		},
		{
			section: "HTTP traffic, without",
			blocks:  []string{"01-http-service-entry.yaml", "03-http-gateway.yaml", "04-http-virtual-service.yaml"},
			command: "kubectl egress render " + cnn + " --mode=http --mtls=off --istio-version=1.0",
			differs: []difference{onlyPort80},
		},
		{
			section: "TLS origination, with mutual TLS in Istio",
			blocks:  []string{"05-origination-service-entry.yaml", "06-origination-gateway-mtls.yaml", "08-origination-virtual-service.yaml"},
			command: "kubectl egress render " + cnn + " --mode=tls-origination --legacy-certs --istio-version=1.0",
			differs: []difference{
				catchesAll("443"), sidecarsOriginateIn10, httpOn443,
				{
					why:    sniToServer,
					theirs: []string{"gateway istio-system/istio-egressgateway http edition.cnn.com:443 -> outside edition.cnn.com:443 tls{SIMPLE}"},
					ours:   []string{"gateway istio-system/istio-egressgateway http edition.cnn.com:443 -> outside edition.cnn.com:443 tls{SIMPLE sni=edition.cnn.com}"},
				},
			},
		},
		{
			section: "TLS origination, without",
			blocks:  []string{"05-origination-service-entry.yaml", "07-origination-gateway.yaml", "08-origination-virtual-service.yaml"},
			command: "kubectl egress render " + cnn + " --mode=tls-origination --mtls=off --istio-version=1.0",
			differs: []difference{sidecarsOriginateIn10, httpOn443, {
				why: "the document opens the gateway's port 443 for plain HTTP, where it could not be shared with hosts that go through by TLS; ours uses port 80. " +
					"And " + sniToServer,
				theirs: []string{
					"gateway istio-system/istio-egressgateway:443 HTTP edition.cnn.com",
					"sidecar http edition.cnn.com:80 -> gateway istio-system/istio-egressgateway:443",
					"gateway istio-system/istio-egressgateway http edition.cnn.com:443 -> outside edition.cnn.com:443 tls{SIMPLE}",
				},
				ours: []string{
					"gateway istio-system/istio-egressgateway:80 HTTP edition.cnn.com",
					"sidecar http edition.cnn.com:80 -> gateway istio-system/istio-egressgateway:80",
					"gateway istio-system/istio-egressgateway http edition.cnn.com:80 -> outside edition.cnn.com:443 tls{SIMPLE sni=edition.cnn.com}",
				},
			}},
		},
		{
			section: "HTTPS traffic, with mutual TLS in Istio",
			blocks:  []string{"09-https-service-entry.yaml", "10-https-gateway-mtls.yaml", "12-https-virtual-service.yaml"},
			command: "kubectl egress render " + cnn + " --mode=passthrough --legacy-certs --istio-version=1.0",
			differs: []difference{catchesAll("443"), {
				why:    "a tls route on a server that ends TLS leaves the gateway's listener without a filter, and Istio drops it: as printed it does not work. Ours is a tcp route",
				rule:   "R12",
				theirs: []string{"gateway istio-system/istio-egressgateway tls edition.cnn.com:443 -> outside edition.cnn.com:443"},
				ours:   []string{"gateway istio-system/istio-egressgateway tcp edition.cnn.com:443 -> outside edition.cnn.com:443"},
			}},
		},
		{
			section: "HTTPS traffic, without",
			blocks:  []string{"09-https-service-entry.yaml", "11-https-gateway.yaml", "12-https-virtual-service.yaml"},
			command: "kubectl egress render " + cnn + " --mode=passthrough --mtls=off --istio-version=1.0",
		},
	},
	steps: []step{
		{section: "Before you begin", action: "deploy the sleep sample", command: "kubectl egress sample install sleep"},
		{section: "Use case", action: "dedicated nodes for the gateway", command: "kubectl egress gateway install --node-selector=LABEL=VALUE --toleration=KEY"},
		{section: "each part", action: "see in the gateway's log that the request went through it", command: "kubectl egress logs edition.cnn.com"},
		{section: "each part", action: "see a counter of the gateway that corresponds to the requests", command: "kubectl egress stats edition.cnn.com"},
		{section: "Troubleshooting", action: "mutual TLS on or off", command: "kubectl egress check edition.cnn.com"},
		{section: "Troubleshooting", action: "verify the certificate of the gateway: its subject alternative name", command: "kubectl egress certs istio-system/istio-egressgateway"},
		{section: "Cleanup", action: "delete the objects one by one", command: "kubectl egress cleanup edition-cnn-com"},
		{section: "Cleanup", action: "shut down sleep", command: "kubectl egress sample delete sleep"},
	},
}
