package install

import (
	"encoding/base64"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// KindSample is the kind of bundle that a sample is.
const KindSample = "sample"

// The samples, and their images where nothing else is said.
const (
	SampleSleep      = "sleep"
	SampleMTLSServer = "mtls-server"

	DefaultSleepImage      = "curlimages/curl"
	DefaultMTLSServerImage = "nginx"
)

// SampleLabels select the pods of a sample.
func SampleLabels(sample string) map[string]string {
	if sample == SampleMTLSServer {
		return map[string]string{"run": ServerName}
	}
	return map[string]string{"app": SampleSleep}
}

// sleepUser is the user of image curlimages/curl; any user will do that is not root.
const sleepUser = int64(100)

// Sleep is Istio's test client: a pod that can be told to curl.
type Sleep struct {
	Namespace string
	Image     string // has curl and sleep; empty: DefaultSleepImage
	Revision  string // label istio.io/rev of the pod; empty: the mesh's default
}

// Objects gives the client's ServiceAccount, Service and Deployment, as sample sleep of Istio has them. The pod asks for a sidecar
// itself, so that it is in the mesh although its namespace may not be labelled.
func (s Sleep) Objects() []*unstructured.Unstructured {
	labels := SampleLabels(SampleSleep)
	podLabels := fields{"app": SampleSleep, "sidecar.istio.io/inject": "true"}
	if s.Revision != "" {
		podLabels["istio.io/rev"] = s.Revision
	}
	image := s.Image
	if image == "" {
		image = DefaultSleepImage
	}
	return []*unstructured.Unstructured{
		object("v1", "ServiceAccount", s.Namespace, SampleSleep, nil, nil),
		object("v1", "Service", s.Namespace, SampleSleep, labels, fields{"spec": fields{
			"ports":    list{fields{"name": "http", "port": int64(80), "targetPort": int64(80), "protocol": "TCP"}},
			"selector": anyMap(labels),
		}}),
		object("apps/v1", "Deployment", s.Namespace, SampleSleep, labels, fields{"spec": fields{
			"replicas": int64(1),
			"selector": fields{"matchLabels": anyMap(labels)},
			"template": fields{
				"metadata": fields{
					"labels":      podLabels,
					"annotations": fields{"kubectl.kubernetes.io/default-container": SampleSleep},
				},
				"spec": fields{
					"serviceAccountName":            SampleSleep,
					"terminationGracePeriodSeconds": int64(0), // sleep does not heed SIGTERM as a container's first process
					"containers": list{fields{
						"name": SampleSleep, "image": image, "imagePullPolicy": "IfNotPresent",
						"command":         list{"sleep", "infinity"},
						"resources":       resources("10m", "16Mi", nil),
						"securityContext": confined(sleepUser),
					}},
				},
			},
		}}),
	}
}

// Names of the document "Egress Gateways with TLS Origination", part "Perform mutual TLS origination with an egress gateway".
const (
	DefaultServerNamespace = "mesh-external"
	ServerName             = "my-nginx" // of its Service and Deployment
	serverConfig           = "nginx-configmap"
	ServerPair             = "nginx-server-certs" // tls.crt and tls.key of the server
	serverCA               = "nginx-ca-certs"     // by which the server checks clients
	caFile                 = "example.com.crt"
	// ClientPair keeps the client's certificate and key beside the server, for whoever makes the credential of a gateway from them:
	// tls.crt, tls.key and ca.crt. The document keeps them in files only.
	ClientPair = "my-nginx-client"
	// ClientName is the common name of the client's certificate.
	ClientName = "client.example.com"
)

// MTLSServer is the document's server outside the mesh that demands client certificates.
type MTLSServer struct {
	Namespace string // the document's is DefaultServerNamespace
	Image     string // nginx; empty: DefaultMTLSServerImage
	Certs     Certs
}

// Certs are the certificates and keys of the server and of its client, PEM.
type Certs struct {
	CA                    []byte // of both
	ServerCert, ServerKey []byte
	ClientCert, ClientKey []byte
}

// ServerHost is the name under which the server is reached, and that its certificate is for.
func ServerHost(namespace, clusterDomain string) string {
	return ServerName + "." + namespace + ".svc." + clusterDomain
}

// Objects gives the server and its Secrets, its Namespace first.
func (s MTLSServer) Objects() []*unstructured.Unstructured {
	ns, labels := s.Namespace, SampleLabels(SampleMTLSServer)
	return []*unstructured.Unstructured{
		namespaceObject(ns),
		object("v1", "ConfigMap", ns, serverConfig, nil, fields{"data": fields{"nginx.conf": mtlsServerConfig}}),
		secret(ns, ServerPair, "kubernetes.io/tls", map[string][]byte{"tls.crt": s.Certs.ServerCert, "tls.key": s.Certs.ServerKey}),
		secret(ns, serverCA, "Opaque", map[string][]byte{caFile: s.Certs.CA}),
		secret(ns, ClientPair, "Opaque", map[string][]byte{"tls.crt": s.Certs.ClientCert, "tls.key": s.Certs.ClientKey, "ca.crt": s.Certs.CA}),
		object("v1", "Service", ns, ServerName, labels, fields{"spec": fields{
			"ports":    list{fields{"port": int64(443), "targetPort": serverPort, "protocol": "TCP"}},
			"selector": anyMap(labels),
		}}),
		object("apps/v1", "Deployment", ns, ServerName, labels, fields{"spec": s.deploymentSpec(labels)}),
	}
}

func secret(namespace, name, kind string, data map[string][]byte) *unstructured.Unstructured {
	encoded := fields{}
	for key, value := range data {
		encoded[key] = base64.StdEncoding.EncodeToString(value)
	}
	return object("v1", "Secret", namespace, name, nil, fields{"type": kind, "data": encoded})
}

// serverPort is the pod's, behind port 443 of the Service: the document's nginx runs as root and listens on 443 itself.
const serverPort = int64(8443)

// mtlsServerConfig serves the page that comes with nginx, and tells the client whose certificate was seen.
const mtlsServerConfig = `daemon off;
pid /tmp/nginx.pid;
error_log /dev/stderr;
worker_processes 1;
events {
}
http {
  log_format main '$remote_addr - $remote_user [$time_local]  $status '
  '"$request" $body_bytes_sent "$http_referer" '
  '"$http_user_agent" "$http_x_forwarded_for" "$ssl_client_s_dn"';
  access_log /dev/stdout main;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  default_type text/html;
  server {
    listen 8443 ssl;
    root /usr/share/nginx/html;
    index index.html;
    ssl_certificate /etc/nginx-server-certs/tls.crt;
    ssl_certificate_key /etc/nginx-server-certs/tls.key;
    ssl_client_certificate /etc/nginx-ca-certs/example.com.crt;
    ssl_verify_client on;
    add_header client-subject $ssl_client_s_dn;
  }
}
`

// annotationCerts changes with certificates and configuration, which nginx reads only once.
const annotationCerts = "kubectl-egress/certificates"

// deploymentSpec keeps sidecars away, whatever the namespace is labelled: the server stands for one outside the mesh.
func (s MTLSServer) deploymentSpec(labels map[string]string) fields {
	image := s.Image
	if image == "" {
		image = DefaultMTLSServerImage
	}
	podLabels := anyMap(labels)
	podLabels["sidecar.istio.io/inject"] = "false"
	mount := func(name, path string) fields { return fields{"name": name, "mountPath": path, "readOnly": true} }
	return fields{
		"replicas": int64(1),
		"selector": fields{"matchLabels": anyMap(labels)},
		"template": fields{
			"metadata": fields{
				"labels":      podLabels,
				"annotations": fields{annotationCerts: egress.Hash(string(s.Certs.CA) + string(s.Certs.ServerCert) + mtlsServerConfig)},
			},
			"spec": fields{
				"containers": list{fields{
					"name": ServerName, "image": image, "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "FallbackToLogsOnError",
					"command":         list{"nginx", "-e", "/dev/stderr", "-c", "/etc/nginx/nginx.conf"},
					"ports":           list{fields{"containerPort": serverPort, "protocol": "TCP"}},
					"readinessProbe":  fields{"tcpSocket": fields{"port": serverPort}, "periodSeconds": int64(2)},
					"resources":       resources("10m", "16Mi", nil),
					"securityContext": confined(nginxUser),
					"volumeMounts": list{
						mount("nginx-config", "/etc/nginx"),
						mount("nginx-server-certs", "/etc/nginx-server-certs"),
						mount("nginx-ca-certs", "/etc/nginx-ca-certs"),
						fields{"name": "tmp", "mountPath": "/tmp"},
					},
				}},
				"volumes": list{
					fields{"name": "nginx-config", "configMap": fields{"name": serverConfig}},
					fields{"name": "nginx-server-certs", "secret": fields{"secretName": ServerPair}},
					fields{"name": "nginx-ca-certs", "secret": fields{"secretName": serverCA}},
					fields{"name": "tmp", "emptyDir": fields{}},
				},
			},
		},
	}
}
