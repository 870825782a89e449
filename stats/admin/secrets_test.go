package admin

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReadRecordedSecrets: a gateway that holds a credential of the openssl steps of the "Egress Gateways with TLS Origination"
// task, and that waits for another one which is not there.
func TestReadRecordedSecrets(t *testing.T) {
	t.Parallel()
	for name, resource := range map[string]string{"held-active": DynamicSecrets, "held-warming": DynamicWarmingSecrets} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ReadSecrets(recorded(t, name), resource)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, got)
			slow, err := ReadSecrets(iotest.OneByteReader(recorded(t, name)), resource)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, slow); diff != "" {
				t.Errorf("read byte by byte it differs: -at once +byte by byte\n%s", diff)
			}
		})
	}
}

// TestNoKeyIsKept: Envoy writes a word in place of private keys; were it ever to write a key, it would not get through here.
func TestNoKeyIsKept(t *testing.T) {
	t.Parallel()
	raw, err := io.ReadAll(recorded(t, "held-active"))
	if err != nil {
		t.Fatal(err)
	}
	redacted := base64.StdEncoding.EncodeToString([]byte("[redacted]"))
	if !bytes.Contains(raw, []byte(redacted)) {
		t.Fatal("the recording has no redacted key: it proves nothing")
	}
	secret := "TOP-SECRET-KEY"
	raw = bytes.ReplaceAll(raw, []byte(redacted), []byte(base64.StdEncoding.EncodeToString([]byte(secret))))
	got, err := ReadSecrets(bytes.NewReader(raw), DynamicSecrets)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), "BEGIN", "redacted"} {
		if bytes.Contains(text, []byte(word)) {
			t.Errorf("%s was kept", word)
		}
	}
}

func TestSecretNames(t *testing.T) {
	t.Parallel()
	for given, want := range map[string][2]string{
		"client-credential": {"kubernetes://client-credential", "kubernetes://client-credential-cacert"},
		"configmap://ca":    {"configmap://ca", "configmap://ca-cacert"},
	} {
		if got := [2]string{CredentialSecret(given), CASecret(given)}; got != want {
			t.Errorf("%s: %v, want %v", given, got, want)
		}
	}
}

// certificate makes one with a name of each sort.
func certificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x0a1b), Subject: pkix.Name{CommonName: "a"}, NotBefore: from, NotAfter: from.Add(24 * time.Hour),
		URIs: []*url.URL{{Scheme: "spiffe", Host: "cluster.local", Path: "/ns/a/sa/b"}}, DNSNames: []string{"a.example.com"}, IPAddresses: []net.IP{net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	one := certificate(t)
	got, err := Describe(bytes.Join([][]byte{[]byte("text\n"), one, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL"}), certificate(t)}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || len(got[0].SHA256) != 64 || got[0].SHA256 == got[1].SHA256 {
		t.Fatalf("two certificates of one serial number are not told apart: %+v", got)
	}
	got[0].SHA256 = ""
	want := HeldCertificate{
		Serial: "a1b", Subject: "CN=a", SANs: []string{"spiffe://cluster.local/ns/a/sa/b", "a.example.com", "::1"},
		From: "2026-11-21T00:00:00Z", Expires: "2026-11-22T00:00:00Z",
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Describe(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})); err == nil {
		t.Error("what is no certificate was described")
	}
	if got, err := Describe(nil); err != nil || got != nil {
		t.Errorf("nothing: %v, %v", got, err)
	}
}

func TestReadSecretsInline(t *testing.T) {
	t.Parallel()
	quoted, err := json.Marshal(string(certificate(t)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadSecrets(strings.NewReader(`{"other":[1],"configs":[
		{"name":"a","secret":{"tls_certificate":{"certificate_chain":{"inline_string":`+string(quoted)+`}}},"error_state":{"details":"no","last_update_attempt":"2026-11-21T00:00:00Z"}},
		{"name":"b","secret":{"validation_context":{"trusted_ca":{"filename":"/etc/ca.pem"}}}}]}`), DynamicSecrets)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		for j := range got[i].Certificates {
			got[i].Certificates[j] = HeldCertificate{Serial: got[i].Certificates[j].Serial}
		}
	}
	want := []HeldSecret{
		{Name: "a", Certificates: []HeldCertificate{{Serial: "a1b"}}, Rejected: &Rejection{Detail: "no", At: "2026-11-21T00:00:00Z"}},
		{Name: "b"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadSecretsFaults(t *testing.T) {
	t.Parallel()
	broken := errors.New("the connection broke")
	for name, r := range map[string]io.Reader{
		"cut off":          strings.NewReader(`{"configs":[{"name":"a"`),
		"not JSON":         strings.NewReader(`no`),
		"another type":     strings.NewReader(`{"configs":[{"name":1}]}`),
		"not base64":       strings.NewReader(`{"configs":[{"name":"a","secret":{"tls_certificate":{"certificate_chain":{"inline_bytes":"*"}}}}]}`),
		"no certificate":   strings.NewReader(`{"configs":[{"name":"a","secret":{"validation_context":{"trusted_ca":{"inline_string":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}}}}]}`),
		"connection broke": iotest.ErrReader(broken),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ReadSecrets(r, DynamicSecrets)
			if err == nil || got != nil || !strings.HasPrefix(err.Error(), "secrets: ") {
				t.Errorf("got %v, %v", got, err)
			}
			if name == "connection broke" && !errors.Is(err, broken) {
				t.Errorf("the reader's own error is lost: %v", err)
			}
		})
	}
}

func FuzzReadSecrets(f *testing.F) {
	f.Add([]byte(`{"configs":[{"name":"kubernetes://a","version_info":"uninitialized","secret":{"name":"kubernetes://a"}}]}`))
	f.Add([]byte(`{"configs":[{"secret":{"tls_certificate":{"certificate_chain":{"inline_bytes":"LS0tLS1CRUdJTg=="}}}}]}`))
	f.Add([]byte(`{"configs":[{"error_state":{"details":"x"}}],"configs":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ReadSecrets(bytes.NewReader(text), DynamicSecrets)
		slow, again := ReadSecrets(iotest.OneByteReader(bytes.NewReader(text)), DynamicSecrets)
		if (err == nil) != (again == nil) || !cmp.Equal(got, slow) {
			t.Errorf("at once %v %v, byte by byte %v %v", got, err, slow, again)
		}
	})
}
