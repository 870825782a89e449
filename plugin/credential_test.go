package plugin

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/apply/pki"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// materialOf has flags parsed and checked.
func materialOf(t *testing.T, flags ...string) (*material, error) {
	t.Helper()
	m := &material{}
	cmd := &cobra.Command{Use: "create"}
	m.flags(cmd)
	if err := cmd.ParseFlags(flags); err != nil {
		t.Fatal(err)
	}
	return m, m.check(cmd)
}

func TestMaterialCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flags string
		want  string // of the error; empty: none
	}{
		{"--cert=a --key=b --ca=c", ""},
		{"--cert=a --key=- --ca=c", ""},
		{"--self-signed", ""},
		{"--self-signed --dns=a.example,*.b.example --out=dir", ""},
		{"", "--cert is missing"},
		{"--cert=a --ca=c", "--key is missing"},
		{"--cert=a --key=b", "--ca is missing"},
		{"--cert=- --key=b --ca=-", "only one of"},
		{"--cert=a --key=b --ca=c --dns=a.example", "go with --self-signed only"},
		{"--cert=a --key=b --ca=c --out=dir", "go with --self-signed only"},
		{"--self-signed --key=b", "choose one: --key or --self-signed"},
		{"--self-signed --dns=a.example:443", "port"},
	} {
		m, err := materialOf(t, strings.Fields(tt.flags)...)
		if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.flags, err, tt.want)
		}
		if err == nil && m.selfSigned && len(m.hosts) == 0 {
			t.Errorf("%s: no host", tt.flags)
		}
	}
}

// withStdin is a tool whose user types text.
func withStdin(text string) *tool {
	return &tool{IOStreams: genericiooptions.IOStreams{In: strings.NewReader(text), Out: &bytes.Buffer{}, ErrOut: &bytes.Buffer{}}}
}

func TestReadFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, size := range map[string]int{"a": 3, "full": maxPart, "large": maxPart + 1} {
		if err := os.WriteFile(at(name), bytes.Repeat([]byte("x"), size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := materialOf(t, "--cert="+at("a"), "--key=-", "--ca="+at("full"))
	if err != nil {
		t.Fatal(err)
	}
	got, files, err := m.read(withStdin("typed"), time.Now())
	if err != nil || len(files) > 0 {
		t.Fatal(files, err)
	}
	if string(got.Cert) != "xxx" || string(got.Key) != "typed" || len(got.CA) != maxPart {
		t.Errorf("read %d, %q and %d bytes", len(got.Cert), got.Key, len(got.CA))
	}
	if got.CertName != at("a") || got.KeyName != "stdin" {
		t.Errorf("messages would call them %s and %s", got.CertName, got.KeyName)
	}
	for name, want := range map[string]string{
		at("large"): "--ca: " + at("large") + " has more than 1048576 bytes", at("absent"): "--ca: open", dir: "--ca: read " + dir,
	} {
		m.ca, m.key = name, at("a")
		_, _, err := m.read(withStdin(""), time.Now())
		if input, ok := errors.AsType[*egress.InputError](err); !ok || !strings.HasPrefix(input.Msg, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMadeFiles: what --self-signed keeps is one authority's, for its owner only, and never written over anything.
func TestMadeFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "certs")
	now := time.Now()
	m, err := materialOf(t, "--self-signed", "--dns=*.a.example,b.example", "--out="+dir)
	if err != nil {
		t.Fatal(err)
	}
	credential, files, err := m.read(withStdin(""), now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written before anybody agreed: %v", err)
	}
	if err := keep(files); err != nil {
		t.Fatal(err)
	}
	held := map[string][]byte{}
	for _, name := range []string{"example.com.crt", "example.com.key", "_.a.example.crt", "_.a.example.key", "client.example.com.crt", "client.example.com.key"} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o", name, mode)
		}
		if held[name], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(held["client.example.com.key"], credential.Key) || !bytes.Equal(held["example.com.crt"], credential.CA) {
		t.Error("the files are not the credential's")
	}
	server := pki.Credential{Cert: held["_.a.example.crt"], Key: held["_.a.example.key"], CA: held["example.com.crt"]}
	facts, err := pki.Read(server, now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"*.a.example", "b.example"}, facts.SANs); diff != "" {
		t.Errorf("the server's names (-want +got):\n%s", diff)
	}
	if _, _, err := m.read(withStdin(""), now); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("a second time: %v", err)
	}
}

// TestKeepTakesBack: one of the files turns up between the check and the writing; nothing of ours stays beside it.
func TestKeepTakesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := os.WriteFile(b, []byte("somebody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keep([]file{{a, []byte("1")}, {b, []byte("2")}}); err == nil {
		t.Error("written over somebody's file")
	}
	if _, err := os.Stat(a); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a stays: %v", err)
	}
	if text, err := os.ReadFile(b); err != nil || string(text) != "somebody's" {
		t.Errorf("b holds %q: %v", text, err)
	}
	if err := keep([]file{{filepath.Join(b, "c"), nil}}); err == nil {
		t.Error("a file was taken for a directory")
	}
	if err := keep(nil); err != nil {
		t.Error(err)
	}
}

func TestWithoutKeys(t *testing.T) {
	t.Parallel()
	secret := credentialBundle("egress", "client-credential", map[string]string{keyCert: "Yw==", keyKey: "c2VjcmV0", keyCA: "Y2E="}).Parent
	other := &unstructured.Unstructured{Object: map[string]any{"kind": "ConfigMap", "data": map[string]any{keyKey: "no key"}}}
	shown := withoutKeys([]*unstructured.Unstructured{secret, other})
	data, _, err := unstructured.NestedStringMap(shown[0].Object, "data")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{keyCert: "Yw==", keyKey: withheld, keyCA: "Y2E="}, data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if shown[1].Object["data"].(map[string]any)[keyKey] != "no key" { //nolint:errcheck,forcetypeassert // as made above
		t.Error("an object that is no Secret was changed")
	}
	if kept, _, err := unstructured.NestedString(secret.Object, "data", keyKey); err != nil || kept != "c2VjcmV0" {
		t.Errorf("the object itself was changed: %s, %v", kept, err)
	}
}

// TestSerials: what is announced and what the gateway is asked for are computed in two rooms, and must say the same.
func TestSerials(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for range 20 {
		trial, err := pki.Trial([]string{"a.example"}, now.Add(-time.Hour), now.Add(certValid))
		if err != nil {
			t.Fatal(err)
		}
		facts, err := pki.Read(pki.Credential{Cert: trial.Client.CertPEM, Key: trial.Client.KeyPEM, CA: trial.CA.CertPEM}, now)
		if err != nil {
			t.Fatal(err)
		}
		held, err := admin.Describe(trial.Client.CertPEM)
		if err != nil {
			t.Fatal(err)
		}
		if len(held) != 1 || held[0].Serial != facts.Serial {
			t.Errorf("%+v, announced as %s", held, facts.Serial)
		}
	}
}
