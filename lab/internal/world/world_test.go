//go:build linux

package world

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/build"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/cluster"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/pki"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/steps"
)

func yaml(t *testing.T, name string) []string {
	t.Helper()
	text, err := objects.ReadFile("objects/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n---\n")
}

// kindName finds "kind: X" and the first name and namespace of one document.
func kindName(doc string) string {
	kind := regexp.MustCompile(`(?m)^kind: (\w+)`).FindStringSubmatch(doc)
	meta := regexp.MustCompile(`(?m)^metadata: \{name: ([\w-]+)(?:, namespace: ([\w-]+))?`).FindStringSubmatch(doc)
	if kind == nil || meta == nil {
		return "unreadable: " + doc
	}
	return kind[1] + " " + meta[2] + "/" + meta[1]
}

func TestObjects(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"namespaces.yaml": {"Namespace /default", "Namespace /other", "Namespace /nomesh", "Namespace /mesh-external"},
		"clients.yaml": {
			"ServiceAccount default/sleep", "Deployment default/sleep", "ServiceAccount other/sleep", "Deployment other/sleep",
			"ServiceAccount nomesh/plain", "Deployment nomesh/plain",
		},
		"outside.yaml": {
			"ConfigMap mesh-external/nginx", "Service mesh-external/www", "Deployment mesh-external/www", "Service mesh-external/en", "Deployment mesh-external/en",
			"Service mesh-external/de", "Deployment mesh-external/de", "Service mesh-external/cnn", "Deployment mesh-external/cnn",
			"Service mesh-external/many", "Deployment mesh-external/many",
		},
	}
	for file, names := range want {
		var got []string
		for _, doc := range yaml(t, file) {
			got = append(got, kindName(doc))
		}
		if d := cmp.Diff(names, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", file, d)
		}
	}
}

// Exactly the namespaces whose clients should have sidecars are labelled for it.
func TestInjection(t *testing.T) {
	t.Parallel()
	for _, doc := range yaml(t, "namespaces.yaml") {
		name := strings.TrimPrefix(kindName(doc), "Namespace /")
		if labelled := strings.Contains(doc, "istio-injection: enabled"); labelled != slices.Contains(meshed(), name) {
			t.Errorf("namespace %s is labelled: %t", name, labelled)
		}
	}
}

// Istio must know nothing of the outside servers, and their addresses must be those CoreDNS gives.
func TestOutsideServices(t *testing.T) {
	t.Parallel()
	zone, err := os.ReadFile("../cluster/files/coredns.yaml")
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]string{"www": "www.wikipedia.org", "en": "en.wikipedia.org", "de": "de.wikipedia.org", "cnn": "edition.cnn.com", "many": "a.example.com"}
	for _, doc := range yaml(t, "outside.yaml") {
		name, isService := strings.CutPrefix(kindName(doc), "Service mesh-external/")
		if !isService {
			continue
		}
		if !strings.Contains(doc, `networking.istio.io/exportTo: "~"`) {
			t.Errorf("Service %s is visible to Istio", name)
		}
		ip := regexp.MustCompile(`clusterIP: (\S+)`).FindStringSubmatch(doc)
		if ip == nil || !regexp.MustCompile(`(?m)^ *`+regexp.QuoteMeta(ip[1])+` .*`+regexp.QuoteMeta(hosts[name])).Match(zone) {
			t.Errorf("CoreDNS does not give %v for %s", ip, hosts[name])
		}
		for _, port := range []string{"port: 80}", "port: 443}", "port: 444}"} {
			if !strings.Contains(doc, port) {
				t.Errorf("Service %s lacks %s", name, port)
			}
		}
		delete(hosts, name)
	}
	if len(hosts) > 0 {
		t.Errorf("no Service for %v", hosts)
	}
}

// The witness must tell all that tests ask it.
func TestWitness(t *testing.T) {
	t.Parallel()
	conf := yaml(t, "outside.yaml")[0]
	for _, want := range []string{
		"$time_iso8601", "$remote_addr", "$server_port", "$ssl_server_name", "$host", "$request", "$status", "$ssl_client_s_dn",
		"access_log /dev/stdout witness;", "ssl_verify_client on;", "server_name mtls.example.com;", "return 301 https://$host$request_uri;",
	} {
		if !strings.Contains(conf, want) {
			t.Errorf("nginx.conf lacks %s", want)
		}
	}
}

func TestImagesAreTheLabs(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"clients.yaml", "outside.yaml"} {
		for _, doc := range yaml(t, file) {
			for _, m := range regexp.MustCompile(`image: (\S+)`).FindAllStringSubmatch(doc, -1) {
				if m[1] != site.RegistryName+"/base:lab" {
					t.Errorf("%s: image %s cannot be had", file, m[1])
				}
			}
		}
	}
}

func TestStepsFitTheWorld(t *testing.T) {
	t.Parallel()
	s, err := site.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	list := Steps(s, build.Record{})
	var got []string
	for i := range list {
		got = append(got, list[i].Name)
		list[i].Do = func(context.Context, func(string)) error { return nil }
	}
	for _, d := range cluster.World() {
		if !slices.Contains(got, d.String()) {
			t.Errorf("nobody waits for %s", d)
		}
	}
	if err := steps.Run(t.Context(), list, quiet{}); err != nil {
		t.Error(err)
	}
}

type quiet struct{}

func (quiet) Plan([]string)                    {}
func (quiet) Begin(string)                     {}
func (quiet) Say(string, string)               {}
func (quiet) End(string, time.Duration, error) {}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ca, err := pki.NewAuthority(pki.Name("example Inc.", "example.com"), time.Hour*24*3650)
	if err != nil {
		t.Fatal(err)
	}
	for name, hosts := range map[string]struct{ good, bad []string }{
		"www":  {good: []string{"www.wikipedia.org", "en.wikipedia.org", "fr.wikipedia.org", "wikipedia.org"}, bad: []string{"edition.cnn.com", "a.b.wikipedia.org"}},
		"en":   {good: []string{"en.wikipedia.org"}, bad: []string{"de.wikipedia.org", "www.wikipedia.org"}},
		"de":   {good: []string{"de.wikipedia.org"}, bad: []string{"en.wikipedia.org"}},
		"cnn":  {good: []string{"edition.cnn.com"}, bad: []string{"cnn.com"}},
		"many": {good: []string{"a.example.com", "b.example.net", "a.example.org"}, bad: []string{"a.b.example.com", "edition.cnn.com"}},
	} {
		pair, err := certificate(t.TempDir(), name, certificates()[name], ca)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := pki.ParseCert(pair.Cert)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hosts.good {
			if err := cert.VerifyHostname(h); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, h := range hosts.bad {
			if cert.VerifyHostname(h) == nil {
				t.Errorf("%s is good for %s", name, h)
			}
		}
	}
}

// A certificate is kept as long as it is good: a running server would not notice that its Secret changed.
func TestCertificateIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, err := pki.NewAuthority(pki.Name("", "one"), time.Hour*24*3650)
	if err != nil {
		t.Fatal(err)
	}
	leaf := certificates()["en"]
	first, err := certificate(dir, "en", leaf, ca)
	if err != nil {
		t.Fatal(err)
	}
	second, err := certificate(dir, "en", leaf, ca)
	if err != nil || cmp.Diff(first, second) != "" {
		t.Errorf("it was made anew: %v", err)
	}
	old, err := ca.Issue(leaf, certLeft-time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Save(dir, "en"); err != nil {
		t.Fatal(err)
	}
	if third, err := certificate(dir, "en", leaf, ca); err != nil || cmp.Diff(old, third) == "" {
		t.Errorf("one that ends soon is kept: %v", err)
	}
	other, err := pki.NewAuthority(pki.Name("", "two"), time.Hour*24*3650)
	if err != nil {
		t.Fatal(err)
	}
	fourth, err := certificate(dir, "en", leaf, other)
	if err != nil || !other.Signed(fourth.Cert, time.Now()) {
		t.Errorf("one of another CA is kept: %v", err)
	}
}

func TestCertObjects(t *testing.T) {
	t.Parallel()
	pairs := map[string]pki.Pair{}
	for name := range certificates() {
		pairs[name] = pki.Pair{Cert: []byte("cert of " + name), Key: []byte("key of " + name)}
	}
	text, err := certObjects([]byte("the CA"), pairs)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got = append(got, o.Kind+" "+o.Metadata["namespace"]+"/"+o.Metadata["name"])
		data := o.Data["ca.crt"].(string)
		if o.Kind == "Secret" {
			plain, err := base64.StdEncoding.DecodeString(data)
			if err != nil {
				t.Fatal(err)
			}
			data = string(plain)
			cert, err := base64.StdEncoding.DecodeString(o.Data["tls.crt"].(string))
			if err != nil || string(cert) != "cert of "+strings.TrimSuffix(o.Metadata["name"], "-certs") {
				t.Errorf("%s holds %q, %v", o.Metadata["name"], cert, err)
			}
		}
		if data != "the CA" {
			t.Errorf("%s %s holds CA %q", o.Kind, o.Metadata["name"], data)
		}
		if strings.Contains(line, ClientCert+"-certs") {
			t.Error("the client's key has no place on the cluster")
		}
	}
	want := []string{
		"Secret mesh-external/www-certs", "Secret mesh-external/en-certs", "Secret mesh-external/de-certs", "Secret mesh-external/cnn-certs", "Secret mesh-external/many-certs",
		"ConfigMap default/outside-ca", "ConfigMap other/outside-ca", "ConfigMap nomesh/outside-ca",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestCertifyWithoutCA(t *testing.T) {
	t.Parallel()
	s, err := site.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := certify(t.Context(), s, build.Record{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("certify = %v", err)
	}
}
