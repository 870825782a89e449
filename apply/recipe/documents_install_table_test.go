package recipe_test

import (
	"net/netip"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/apply/install"
	"github.com/kubectl-egress/kubectl-egress/apply/pki"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// withSNIProxy is `gateway install --sni-proxy` of the documents' gateway.
func withSNIProxy(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	gw := install.Gateway{
		Ref: egress.GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway-with-sni-proxy"},
		SNIProxy: &install.SNIProxy{
			Resolver: install.Resolver{Address: netip.MustParseAddrPort("10.96.0.10:53"), IPv4Only: true},
		},
	}
	if err := gw.Check(); err != nil {
		t.Fatal(err)
	}
	return gw.Objects()
}

// mtlsServer is `sample install mtls-server`.
func mtlsServer(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	now := time.Now()
	host := install.ServerHost(install.DefaultServerNamespace, "cluster.local")
	pairs, err := pki.Trial([]string{host}, now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return install.MTLSServer{Namespace: install.DefaultServerNamespace, Certs: install.Certs{
		CA: pairs.CA.CertPEM, ServerCert: pairs.Server.CertPEM, ServerKey: pairs.Server.KeyPEM,
		ClientCert: pairs.Client.CertPEM, ClientKey: pairs.Client.KeyPEM,
	}}.Objects()
}

// blogsGateway is `gateway install` without more words: the gateway of the blog post.
func blogsGateway(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	gw := install.Gateway{Ref: install.DefaultGateway()}
	if err := gw.Check(); err != nil {
		t.Fatal(err)
	}
	return gw.Objects()
}

// sniProxyDiffers is the same for both documents.
var sniProxyDiffers = []difference{
	{
		why:    "Envoy itself listens on the pod's port 8443 now",
		rule:   "R47",
		theirs: []string{"nginx main/stream/server: listen 127.0.0.1:8443"},
		ours:   []string{"nginx main/stream/server: listen 127.0.0.1:18443"},
	},
	{
		why:    "a public resolver knows no name of the cluster and is often out of reach; ours is the cluster's own DNS, or the one of --resolver",
		rule:   "R47",
		theirs: []string{"nginx main/stream/server: resolver 8.8.8.8 ipv6=off"},
		ours:   []string{"nginx main/stream/server: resolver 10.96.0.10 ipv6=off"},
	},
	{
		why: "nginx does not run as root here, so it cannot change to another user, and its root file system is read only: what the official image links to its " +
			"streams is written to them directly",
		theirs: []string{
			"nginx main: user www-data",
			"nginx main/stream: access_log /var/log/nginx/access.log log_stream",
			"nginx main/stream: error_log /var/log/nginx/error.log",
		},
		ours: []string{"container sni-proxy runs as user 101", "nginx main/stream: access_log /dev/stdout log_stream", "nginx main: error_log /dev/stderr"},
	},
	{
		why: "certificates for origination are Secrets that the gateway asks for by name (credentialName) since Istio 1.7; nothing is mounted",
		theirs: []string{
			"container istio-proxy has a secret at /etc/istio/egressgateway-certs",
			"container istio-proxy has a secret at /etc/istio/egressgateway-ca-certs",
		},
		ours: []string{"may get,list,watch secrets"},
	},
}

var mtlsServerDiffers = []difference{
	{
		why: "the server does not run as root, so it listens on 8443 behind the Service's 443, and writes to its streams",
		theirs: []string{
			"nginx main/http/server: listen 443 ssl",
			"nginx main/http: access_log /var/log/nginx/access.log main",
			"nginx main/http: error_log /var/log/nginx/error.log",
		},
		ours: []string{"nginx main/http/server: listen 8443 ssl", "nginx main/http: access_log /dev/stdout main", "nginx main: error_log /dev/stderr"},
	},
	{
		why:    "its only server answers whatever name it is asked for",
		theirs: []string{"nginx main/http/server: server_name " + nginxHost},
	},
	{
		why: "its log tells whose certificate the client showed",
		theirs: []string{
			`nginx main/http: log_format main $remote_addr - $remote_user [$time_local]  $status  "$request" $body_bytes_sent "$http_referer"  ` +
				`"$http_user_agent" "$http_x_forwarded_for"`,
		},
		ours: []string{
			`nginx main/http: log_format main $remote_addr - $remote_user [$time_local]  $status  "$request" $body_bytes_sent "$http_referer"  ` +
				`"$http_user_agent" "$http_x_forwarded_for" "$ssl_client_s_dn"`,
		},
	},
	{
		why:    "the key is an elliptic curve's, which enciphers no keys, and a server's certificate is no client's",
		theirs: []string{"certificate: keyUsage keyEncipherment", "certificate: extendedKeyUsage clientAuth"},
		ours:   []string{"certificate: keyUsage digitalSignature", "certificate: extendedKeyUsage serverAuth"},
	},
}

var blogsGatewayDiffers = []difference{
	{
		why:    "whether the mesh writes access logs is not for an egress tool to decide for all of it; check says so where there is none, and how to have one",
		rule:   "R51",
		theirs: []string{"access log of all workloads by provider envoy"},
	},
	{
		why:    "as printed the API server refuses the RoleBinding",
		theirs: []string{"RoleBinding whose subject has no namespace"},
	},
	{
		why: "a rule for OpenShift; ours gives the gateway no right to run as anybody, so that there an administrator has to admit its service account " +
			"to SecurityContextConstraints that take user 1337, such as nonroot-v2",
		theirs: []string{"may use securitycontextconstraints anyuid"},
		ours:   []string{"container istio-proxy runs as user 1337", "container istio-proxy drops ALL"},
	},
}
