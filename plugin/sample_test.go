package plugin

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/apply/install"
	"github.com/kubectl-egress/kubectl-egress/apply/pki"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

const trialServer = "my-nginx.mesh-external.svc.cluster.local"

// trialCerts are those of a server, made at a time.
func trialCerts(t *testing.T, host string, from time.Time) install.Certs {
	t.Helper()
	trial, err := pki.Trial([]string{host}, from, from.Add(certValid))
	if err != nil {
		t.Fatal(err)
	}
	return install.Certs{
		CA:         trial.CA.CertPEM,
		ServerCert: trial.Server.CertPEM, ServerKey: trial.Server.KeyPEM,
		ClientCert: trial.Client.CertPEM, ClientKey: trial.Client.KeyPEM,
	}
}

// TestServe: what serves is kept, so that installing again changes nothing; what does not is made anew.
func TestServe(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	good, other := trialCerts(t, trialServer, now), trialCerts(t, trialServer, now)
	mixed := func(change func(*install.Certs)) install.Certs {
		c := good
		change(&c)
		return c
	}
	for name, test := range map[string]struct {
		certs install.Certs
		at    time.Time
		want  bool
	}{
		"fresh":                   {good, now, true},
		"two days before its end": {good, now.Add(certValid - 48*time.Hour), true},
		"hours before its end":    {good, now.Add(certValid - 12*time.Hour), false},
		"over":                    {good, now.Add(certValid + time.Hour), false},
		"nothing there":           {install.Certs{}, now, false},
		"another host":            {trialCerts(t, "my-nginx.elsewhere.svc.cluster.local", now), now, false},
		"no client":               {mixed(func(c *install.Certs) { c.ClientCert, c.ClientKey = nil, nil }), now, false},
		"no CA":                   {mixed(func(c *install.Certs) { c.CA = nil }), now, false},
		"the key of another":      {mixed(func(c *install.Certs) { c.ServerKey = other.ServerKey }), now, false},
		"another client's key":    {mixed(func(c *install.Certs) { c.ClientKey = other.ClientKey }), now, false},
	} {
		if got := serve(test.certs, trialServer, test.at); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func newSampleFor(dir string) (*sampleInstall, *bytes.Buffer) {
	var told bytes.Buffer
	streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &bytes.Buffer{}, ErrOut: &told}
	s := &sampleInstall{installing: installing{tool: &tool{IOStreams: streams, name: "kubectl egress"}}, sample: install.SampleMTLSServer, clientDir: dir}
	s.flags(&cobra.Command{})
	return s, &told
}

func TestClientFiles(t *testing.T) {
	t.Parallel()
	certs := install.Certs{CA: []byte("CA"), ClientCert: []byte("cert"), ClientKey: []byte("key")}
	dir := filepath.Join(t.TempDir(), "a", "b")
	s, _ := newSampleFor(dir)
	for range 2 { // what is there already and the same is no hindrance
		files, err := s.clientFiles(certs)
		if err != nil || len(files) != 3 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		if err := save(files); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"client.example.com.crt": "cert", "client.example.com.key": "key", "example.com.crt": "CA"} {
		path := filepath.Join(dir, name)
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}

	certs.ClientKey = []byte("another")
	_, err := s.clientFiles(certs)
	var input *egress.InputError
	if !errors.As(err, &input) || !strings.Contains(err.Error(), "client.example.com.key is there and belongs to another server") {
		t.Errorf("somebody's key: %v", err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "client.example.com.key")); err != nil || string(got) != "key" {
		t.Errorf("somebody's key was touched: %q, %v", got, err)
	}
	none, _ := newSampleFor("")
	if files, err := none.clientFiles(certs); err != nil || len(files) > 0 {
		t.Errorf("without --client-dir: %v, %v", files, err)
	}
	dry, _ := newSampleFor(filepath.Join(t.TempDir(), "new"))
	dry.dryRun.value = dryServer
	if files, err := dry.clientFiles(certs); err != nil || len(files) > 0 {
		t.Errorf("in a dry run: %v, %v", files, err)
	}
	if _, err := os.Stat(dry.clientDir); err == nil {
		t.Error("a dry run made the directory")
	}
}

// TestNext: the commands that are told can be run as they are.
func TestNext(t *testing.T) {
	t.Parallel()
	ref := egress.GatewayRef{Namespace: install.DefaultServerNamespace, Service: install.SampleMTLSServer}
	one := mesh.Facts{Gateways: []mesh.Gateway{{Namespace: "istio-system", Service: "istio-egressgateway"}}}
	two := mesh.Facts{Gateways: append([]mesh.Gateway{{Namespace: "a", Service: "egress"}}, one.Gateways...)}
	for name, test := range map[string]struct {
		dir   string
		ns    string
		facts mesh.Facts
		want  []string
		not   string
	}{
		"with files": {"certs", "", one, []string{
			"kubectl egress credential create client-credential --cert=certs/client.example.com.crt --key=certs/client.example.com.key --ca=certs/example.com.crt\n",
			"kubectl egress enable --domains=" + trialServer + " --mode=mtls-origination --credential=client-credential\n",
		}, "--gateway"},
		"several gateways": {"certs", "", two, []string{"--ca=certs/example.com.crt --gateway=a/egress\n", "--credential=client-credential --gateway=a/egress\n"}, "sample install"},
		"without files":    {"", "", one, []string{"kubectl egress sample install mtls-server --client-dir=certs\n"}, " -n "},
		"elsewhere":        {"", "team", one, []string{"sample install mtls-server --client-dir=certs -n team\n"}, "credential create"},
	} {
		s, told := newSampleFor(test.dir)
		at := ref
		if test.ns != "" {
			at.Namespace = test.ns
		}
		s.next(at, trialServer, test.facts)
		for _, want := range test.want {
			if !strings.Contains(told.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, told)
			}
		}
		if strings.Contains(told.String(), test.not) {
			t.Errorf("%s: %q in\n%s", name, test.not, told)
		}
	}
}
