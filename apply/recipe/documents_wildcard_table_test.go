package recipe_test

// sniProxyPort is the same difference for a tcp route, behind Istio's mTLS, and for a tls route.
func sniProxyPort(kind string) difference {
	const leg = "gateway istio-system/istio-egressgateway-with-sni-proxy "
	return difference{
		why: "the document's SNI proxy listens on 127.0.0.1:8443, where Envoy itself listens since the gateway's port 443 leads to 8443 of the pod; " +
			"ours listens on 18443",
		rule: "R47",
		theirs: []string{
			"declares 127.0.0.1:8443 TCP STATIC MESH_EXTERNAL",
			leg + kind + " *.wikipedia.org:443 -> outside 127.0.0.1:8443 tls{DISABLE}",
		},
		ours: []string{
			"declares 127.0.0.1:18443 TCP STATIC MESH_EXTERNAL",
			leg + kind + " *.wikipedia.org:443 -> outside 127.0.0.1:18443 tls{DISABLE}",
		},
	}
}

var wildcardedDomains = document{
	title:  "Configure Egress Gateway for HTTPS traffic to wildcarded domains",
	folder: "configure-egress-gateway-for-https-traffic-to-wildcarded-domains", istio: "1.0",
	groups: []group{
		{
			section: "Configure HTTPS traffic to *.wikipedia.org",
			blocks:  []string{"01-service-entry.yaml", "02-gateway.yaml", "03-virtual-service.yaml"},
			command: "kubectl egress render " + wikipedia + " --mode=common-host --common-host=www.wikipedia.org --legacy-certs --istio-version=1.0",
		},
		{
			section: "Configure access to *.wikipedia.org using the egress gateway with SNI proxy",
			blocks: []string{
				"06-sni-proxy-service-entry.yaml", "07-service-entry.yaml", "08-sni-proxy-gateway.yaml", "09-sni-proxy-virtual-service.yaml",
			},
			command: "kubectl egress render " + wikipedia + " --mode=sni-proxy " + sniGW + " --legacy-certs --istio-version=1.0",
			differs: []difference{sniProxyPort("tcp")},
		},
	},
	installs: []installation{{
		section: "Prepare a new egress gateway with an SNI proxy",
		blocks:  []string{"04-sni-proxy.conf", "05-gateway-values.yaml"},
		command: "kubectl egress gateway install istio-system/istio-egressgateway-with-sni-proxy --sni-proxy",
		objects: withSNIProxy,
		differs: sniProxyDiffers,
	}},
	steps: []step{
		{section: "each part", action: "see the counters of the gateway and of the traffic to the SNI proxy", command: "kubectl egress stats '*.wikipedia.org'"},
		{section: "each part", action: "see in the logs of the gateway, the SNI proxy and mixer which hosts were asked for", command: "kubectl egress logs '*.wikipedia.org'"},
		{section: "Cleanup", action: "delete the configuration of *.wikipedia.org", command: "kubectl egress cleanup wikipedia-org"},
		{section: "Cleanup", action: "delete the gateway with the SNI proxy", command: "kubectl egress gateway uninstall istio-system/istio-egressgateway-with-sni-proxy"},
	},
}

var wildcardHosts = document{
	title: "Egress using Wildcard Hosts", folder: "egress-using-wildcard-hosts", istio: "1.4",
	note: "Its stored text had lost indentation and four lines, which are put back and named in the blocks. Of the choice between Istio mTLS and none it had only the latter; " +
		"with `--legacy-certs` instead of `--mtls=off` the commands yield the configuration of the document before this one.",
	groups: []group{
		{
			section: "Configure direct traffic to a wildcard host",
			blocks:  []string{"01-direct.yaml"},
			command: "kubectl egress render " + wikipedia + " --mode=direct --istio-version=1.4",
		},
		{
			section: "Configure egress gateway traffic to a wildcard host",
			blocks:  []string{"02-common-host.yaml", "03-common-host-service-entry.yaml"},
			command: "kubectl egress render " + wikipedia + " --mode=common-host --common-host=www.wikipedia.org --mtls=off --istio-version=1.4",
			differs: []difference{{
				why: "the document has just deleted the ServiceEntry of the wildcard, and relies on the one for the common host to open port 443 for all; " +
					"ours declares what clients ask for, so that it works whatever else is declared",
				rule: "R2",
				ours: []string{"declares *.wikipedia.org:443 TLS NONE MESH_EXTERNAL"},
			}},
		},
		{
			section: "Configure traffic through egress gateway with SNI proxy",
			blocks:  []string{"06-sni-proxy-service-entry.yaml", "07-service-entry.yaml", "08-sni-proxy.yaml"},
			command: "kubectl egress render " + wikipedia + " --mode=sni-proxy " + sniGW + " --mtls=off --istio-version=1.4",
			differs: []difference{sniProxyPort("tls")},
		},
	},
	installs: []installation{{
		section: "Setup egress gateway with SNI proxy",
		blocks:  []string{"04-sni-proxy.conf", "05-gateway-values.yaml"},
		command: "kubectl egress gateway install istio-system/istio-egressgateway-with-sni-proxy --sni-proxy",
		objects: withSNIProxy,
		differs: sniProxyDiffers,
	}},
	steps: []step{
		{section: "Before you begin", action: "deploy the sleep sample", command: "kubectl egress sample install sleep"},
		{section: "each part", action: "see the counters of the gateway and of the traffic to the SNI proxy", command: "kubectl egress stats '*.wikipedia.org'"},
		{section: "each part", action: "see in the logs of the gateway, the SNI proxy and mixer which hosts were asked for", command: "kubectl egress logs '*.wikipedia.org'"},
		{section: "Cleanup", action: "delete the configuration of *.wikipedia.org", command: "kubectl egress cleanup wikipedia-org"},
		{section: "Cleanup", action: "delete the gateway with the SNI proxy", command: "kubectl egress gateway uninstall istio-system/istio-egressgateway-with-sni-proxy"},
	},
}
