package recipe_test

const (
	nginxHost = "my-nginx.mesh-external.svc.cluster.local"
	nginxLeg  = "gateway istio-system/istio-egressgateway http " + nginxHost + ":443 -> outside " + nginxHost + ":443"
	nginxTLS  = "tls{MUTUAL credential=client-credential sni=" + nginxHost
)

var tlsOrigination = document{
	title: "Egress Gateways with TLS Origination", folder: "egress-gateways-with-tls-origination", istio: "1.18",
	groups: []group{
		{
			section: "Perform TLS origination with an egress gateway",
			blocks:  []string{"01-service-entry.yaml", "02-gateway.yaml", "03-virtual-service.yaml"},
			command: "kubectl egress render " + cnn + " --mode=tls-origination --istio-version=1.18",
			differs: []difference{sidecarsOriginateToo, {
				why:    sniToServer,
				theirs: []string{"gateway istio-system/istio-egressgateway http edition.cnn.com:80 -> outside edition.cnn.com:443 tls{SIMPLE}"},
				ours:   []string{"gateway istio-system/istio-egressgateway http edition.cnn.com:80 -> outside edition.cnn.com:443 tls{SIMPLE sni=edition.cnn.com}"},
			}},
		},
		{
			section:    "Perform mutual TLS origination with an egress gateway",
			blocks:     []string{"07-mutual-gateway.yaml", "08-mutual-virtual-service.yaml", "09-mutual-destination-rule.yaml"},
			namespaces: map[string]string{"09-mutual-destination-rule.yaml": "istio-system"},
			command:    "kubectl egress render --domains=" + nginxHost + " --mode=mtls-origination --credential=client-credential --istio-version=1.18",
			differs: []difference{
				{
					why:    "the document's rule is in Istio's root namespace and reaches every sidecar as well; ours is exported to the gateway alone",
					rule:   "R33",
					theirs: []string{"sidecar all traffic to outside " + nginxHost + ":443 " + nginxTLS + "}"},
				},
				{
					why: "where an SNI is set Istio checks no name in the server's certificate unless it is told to; the document has the lines as a comment. " +
						"The server's certificate needs the name as a subject alternative name then, which the document's optional san.conf gives it",
					rule:   "R34",
					theirs: []string{nginxLeg + " " + nginxTLS + "}"},
					ours:   []string{nginxLeg + " " + nginxTLS + " san=" + nginxHost + "}"},
				},
			},
		},
	},
	installs: []installation{{
		section: "Generate certificates, deploy a mutual TLS server",
		blocks:  []string{"04-san.conf", "05-nginx.conf", "06-my-nginx.yaml"},
		command: "kubectl egress sample install mtls-server --client-dir=.",
		objects: mtlsServer,
		differs: mtlsServerDiffers,
	}},
	steps: []step{
		{section: "Before you begin", action: "deploy the sleep sample", command: "kubectl egress sample install sleep"},
		{
			section: "Configure mutual TLS origination for egress traffic", action: "create the secret client-credential, and see that it is active",
			command: "kubectl egress credential create client-credential --cert=client.example.com.crt --key=client.example.com.key --ca=example.com.crt",
		},
		{section: "Configure mutual TLS origination for egress traffic", action: "see that the credential is active", command: "kubectl egress certs istio-system/istio-egressgateway"},
		{section: "each part", action: "see in the gateway's log that the requests went through it", command: "kubectl egress logs"},
		{section: "Cleanup", action: "delete the configuration", command: "kubectl egress cleanup --all"},
		{section: "Cleanup", action: "delete the credential", command: "kubectl egress credential delete client-credential"},
		{section: "Cleanup", action: "delete the server and its certificates", command: "kubectl egress sample delete mtls-server"},
	},
}

const (
	blogGateway = "gateway istio-egress/egressgateway"
	innerHop    = " -> internal listener reading TlsInspector {SNI *.wikipedia.org, host of the SNI, port 443, DNS dns_lookup_family=V4_ONLY, " +
		"dynamic forward proxy, DNS dns_lookup_family=V4_ONLY}"
	istioLog = `: FileAccessLog /dev/stdout: [%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% ` +
		`%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% ` +
		`%DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" ` +
		`"%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%`
)

var arbitraryDestinations = document{
	title:  "Routing HTTPS/TLS traffic to arbitrary remote destinations",
	folder: "routing-https-tls-traffic-to-arbitrary-remote-destinations", istio: "1.20",
	groups: []group{{
		section: "Solution",
		blocks:  []string{"01-manifest.yaml"},
		command: "kubectl egress render " + wikipedia + " --mode=sni-dynamic --gateway=istio-egress/egressgateway --istio-version=1.20",
		differs: []difference{
			{
				why: "the document's EnvoyFilter has no workloadSelector and matches every tcp_proxy: it turns the connections of all other hosts, on all gateways of the mesh, " +
					"into its own listener. Ours is for this gateway's pods, and for the chain of its own hosts on the pod's port",
				rule:   "R44",
				theirs: []string{"every gateway of the mesh: MERGE envoy.filters.network.tcp_proxy of port any, SNI any" + innerHop},
				ours:   []string{blogGateway + ": MERGE envoy.filters.network.tcp_proxy of port 8443, SNI *.wikipedia.org" + innerHop},
			},
			{
				why: "the document sets no SNI towards the gateway, so its Gateway has to take all names (\"*\") and nothing else can share the port; " +
					"ours sends a name under the wildcard, and the Gateway takes only those",
				rule: "R17",
				theirs: []string{
					blogGateway + ":443 TLS * tls{ISTIO_MUTUAL}",
					"sidecar tls *.wikipedia.org:443 -> " + blogGateway + ":443 tls{ISTIO_MUTUAL sni=*}",
				},
				ours: []string{
					blogGateway + ":443 TLS *.wikipedia.org tls{ISTIO_MUTUAL}",
					"sidecar tls *.wikipedia.org:443 -> " + blogGateway + ":443 tls{ISTIO_MUTUAL sni=*.wikipedia.org}",
				},
			},
			{
				why:    "the document's DestinationRule has its TLS outside of the subset, for all that goes to the gateway; ours in a subset that only this set's routes name",
				theirs: []string{"sidecar all traffic to " + blogGateway + ":any tls{ISTIO_MUTUAL sni=*}"},
			},
			{
				why: "both need a route at the gateway only so that Istio makes a chain, whose destination the EnvoyFilter replaces; the document names a host that does not exist, " +
					"which istioctl analyze complains of, ours the wildcard itself",
				theirs: []string{blogGateway + " tcp *:443 -> nobody"},
				ours:   []string{blogGateway + " tcp *.wikipedia.org:443 -> outside *.wikipedia.org:443"},
			},
			{
				why:  "connections that the inner listener refuses, because a workload offers another name inside than outside, get a line in the log as well",
				ours: []string{"log of all of the internal listener with NR" + istioLog},
			},
		},
	}},
	installs: []installation{{
		section: "Solution, Service, Deployment and roles",
		blocks:  []string{"01-manifest.yaml"},
		command: "kubectl egress gateway install",
		objects: blogsGateway,
		differs: blogsGatewayDiffers,
	}},
	steps: []step{
		{section: "Solution", action: "change the list of domains in all the places where it stands", command: "kubectl egress enable --domains='*.wikipedia.org,*.wikimedia.org' --name=wikipedia-org"},
	},
}
