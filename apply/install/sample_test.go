package install

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestSleep(t *testing.T) {
	t.Parallel()
	objs := Sleep{Namespace: "team"}.Objects()
	c := containers(t, objs)[0]
	if c["name"] != "sleep" || c["image"] != DefaultSleepImage {
		t.Errorf("the documents' commands ask container sleep of an image with curl; this is %v of %v", c["name"], c["image"])
	}
	for _, o := range objs {
		if o.GetNamespace() != "team" || o.GetName() != "sleep" {
			t.Errorf("%s %s/%s", o.GetKind(), o.GetNamespace(), o.GetName())
		}
	}
	labels := at(find(t, objs, "Deployment"), "spec", "template", "metadata", "labels")
	if at(labels, "app") != "sleep" || at(labels, "sidecar.istio.io/inject") != "true" || at(labels, "istio.io/rev") != nil {
		t.Errorf("labels %v", labels)
	}
	if got := containers(t, Sleep{Namespace: "team", Image: "mine"}.Objects())[0]["image"]; got != "mine" {
		t.Errorf("image %v", got)
	}
	if got := at(find(t, Sleep{Namespace: "team", Revision: "canary"}.Objects(), "Deployment"), "spec", "template", "metadata", "labels", "istio.io/rev"); got != "canary" {
		t.Errorf("revision %v", got)
	}
}

func server() MTLSServer {
	return MTLSServer{Namespace: "outside", Image: "mine", Certs: Certs{
		CA: []byte("CA"), ServerCert: []byte("SC"), ServerKey: []byte("SK"), ClientCert: []byte("CC"), ClientKey: []byte("CK"),
	}}
}

func TestMTLSServer(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	var names []string
	for _, o := range server().Objects() {
		names = append(names, o.GetKind()+" "+o.GetNamespace()+"/"+o.GetName())
		data, _ := o.Object["data"].(fields)
		for key, value := range data {
			if o.GetKind() != "Secret" {
				continue
			}
			text, err := base64.StdEncoding.DecodeString(value.(string))
			if err != nil {
				t.Fatal(err)
			}
			got[o.GetName()+"/"+key] = string(text)
		}
	}
	for key, want := range map[string]string{
		"nginx-server-certs/tls.crt": "SC", "nginx-server-certs/tls.key": "SK", "nginx-ca-certs/example.com.crt": "CA",
		"my-nginx-client/tls.crt": "CC", "my-nginx-client/tls.key": "CK", "my-nginx-client/ca.crt": "CA",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
		delete(got, key)
	}
	if len(got) > 0 {
		t.Errorf("also there: %v", got)
	}
	want := "Namespace /outside, ConfigMap outside/nginx-configmap, Secret outside/nginx-server-certs, Secret outside/nginx-ca-certs, " +
		"Secret outside/my-nginx-client, Service outside/my-nginx, Deployment outside/my-nginx"
	if strings.Join(names, ", ") != want {
		t.Errorf("objects %s", strings.Join(names, ", "))
	}
	if host := ServerHost("mesh-external", "cluster.local"); host != "my-nginx.mesh-external.svc.cluster.local" {
		t.Errorf("host %s", host)
	}
}

// TestServerSeesNoClientKey: what the server is given must not let it pass for its client.
func TestServerSeesNoClientKey(t *testing.T) {
	t.Parallel()
	volumes := at(find(t, server().Objects(), "Deployment"), "spec", "template", "spec", "volumes").(list)
	for _, v := range volumes {
		if at(v, "secret", "secretName") == ClientPair {
			t.Errorf("volume %v", v)
		}
	}
	mounts := containers(t, server().Objects())[0]["volumeMounts"].(list)
	if len(mounts) != len(volumes) {
		t.Errorf("%d mounts of %d volumes", len(mounts), len(volumes))
	}
}

// TestServerIsOutside: no sidecar, whatever the namespace says, and a certificate is demanded.
func TestServerIsOutside(t *testing.T) {
	t.Parallel()
	objs := server().Objects()
	if at(find(t, objs, "Deployment"), "spec", "template", "metadata", "labels", "sidecar.istio.io/inject") != "false" {
		t.Error("the server may get a sidecar")
	}
	config, ok := at(find(t, objs, "ConfigMap"), "data", "nginx.conf").(string)
	if !ok || !strings.Contains(config, "ssl_verify_client on;") || !strings.Contains(config, "ssl_client_certificate /etc/nginx-ca-certs/example.com.crt;") {
		t.Errorf("nobody is asked for a certificate:\n%s", config)
	}
	if strings.Contains(config, "\nuser ") || strings.Contains(config, "listen 443") {
		t.Errorf("root is needed:\n%s", config)
	}
}

func TestNewCertificatesRestart(t *testing.T) {
	t.Parallel()
	mark := func(s MTLSServer) any {
		return at(find(t, s.Objects(), "Deployment"), "spec", "template", "metadata", "annotations", annotationCerts)
	}
	other := server()
	other.Certs.ServerCert = []byte("another")
	if mark(server()) == mark(other) || mark(server()) != mark(server()) {
		t.Errorf("%v, %v", mark(server()), mark(other))
	}
}
