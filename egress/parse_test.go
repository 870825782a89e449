package egress

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newCA is a certificate in PEM, as a CA's file holds it, with its key.
func newCA(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}))
}

func TestParseSetRefusesPerMode(t *testing.T) {
	t.Parallel()
	cert, key := newCA(t)
	exact, wild := []string{"a.com"}, []string{"*.a.com"}
	for _, tt := range []struct {
		d    Declaration
		want string
	}{
		{Declaration{Domains: exact, Mode: "direct", Gateway: "ns/gw"}, "mode direct uses no gateway, but ns/gw is named; leave it out, or choose another mode"},
		{Declaration{Domains: wild, Mode: "tls-origination"}, "mode tls-origination routes by whole host names and cannot take *.a.com; name the hosts one by one, or use mode sni-dynamic"},
		{Declaration{Domains: wild, Mode: "common-host"}, "mode common-host needs the host that serves all the others; name it, for example --common-host=www.wikipedia.org"},
		{Declaration{Domains: wild, CommonHost: "www.a.com"}, "a common host (www.a.com) goes with mode common-host only, not with auto"},
		{Declaration{Domains: wild, Mode: "common-host", CommonHost: "*.b.com"}, "*.b.com cannot serve all hosts: it is a wildcard; name one host, for example www.b.com"},
		{Declaration{Domains: exact, Mode: "common-host", CommonHost: "a.com"}, "a.com is both a host of the set and the common host of it; leave it out of the set"},
		{Declaration{Domains: wild, Mode: "common-host", CommonHost: "10.0.0.1"}, "10.0.0.1 is an IP address; egress by SNI or Host header needs a host name"},
		{Declaration{Domains: exact, Mode: "mtls-origination"}, "mode mtls-origination needs a client certificate: name the Secret in the gateway's namespace with --credential"},
		{Declaration{Domains: exact, Credential: "c"}, "a client certificate (c) goes with mode mtls-origination only, not with auto"},
		{Declaration{Domains: exact, Mode: "mtls-origination", Credential: "a..b"}, `"a..b" cannot name a Secret; use lower case letters, digits, - and .`},
		{Declaration{Domains: exact, Mode: "mtls-origination", Credential: strings.Repeat("a", 254)}, `"` + strings.Repeat("a", 254) + `" cannot name a Secret; use lower case letters, digits, - and .`},
		{
			Declaration{Domains: exact, Mode: "mtls-origination", Credential: "c", CASecret: "ca"},
			"a CA of one's own goes with mode tls-origination only, not with mtls-origination (the Secret of mtls-origination holds its own ca.crt)",
		},
		{Declaration{Domains: exact, Mode: "tls-origination", CASecret: "ca", CA: cert}, "choose one: the Secret ca with the CA, or the CA itself"},
		{Declaration{Domains: exact, Mode: "tls-origination", CA: "text"}, "the CA is not PEM: expected -----BEGIN CERTIFICATE-----"},
		{Declaration{Domains: exact, Mode: "tls-origination", CA: cert + "text"}, "the CA is not PEM: expected -----BEGIN CERTIFICATE-----"},
		{Declaration{Domains: exact, Mode: "tls-origination", CA: cert + key}, "the CA holds a EC PRIVATE KEY; give its certificates only"},
		{Declaration{Domains: exact, Mode: "tls-origination", CA: " \n"}, "the CA holds no certificate"},
		{Declaration{Domains: exact, Mode: "tls-origination", CA: strings.Repeat("x", maxCA+1)}, "the CA has 262145 bytes; at most 262144 are taken"},
		{Declaration{Domains: exact, ExportTo: []string{"Team"}}, `"Team" is not a namespace to export to; use . for the set's own, * for all, or names of namespaces`},
		{Declaration{Domains: exact, ExportTo: []string{"~"}}, `"~" is not a namespace to export to; use . for the set's own, * for all, or names of namespaces`},
		{Declaration{Domains: exact, ExportTo: []string{".", "*"}}, "exporting to * and to others says two things; use * alone, or leave it out"},
	} {
		_, err := ParseSet(tt.d)
		var input *InputError
		if err == nil || err.Error() != tt.want || !errors.As(err, &input) {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
}

// TestParseSetKeeps: what the newer fields say is normalised once, and survives the way to the cluster and back.
func TestParseSetKeeps(t *testing.T) {
	t.Parallel()
	cert, _ := newCA(t)
	for _, d := range []Declaration{
		{Domains: []string{"*.a.com"}, Mode: "common-host", CommonHost: "WWW.a.com."},
		{Domains: []string{"a.com"}, Mode: "mtls-origination", Credential: "client-credential.prod", ExportTo: []string{"b", ".", "b"}},
		{Domains: []string{"a.com"}, Mode: "tls-origination", CA: "\n" + cert + "\n" + cert, LegacyCerts: true},
		{Domains: []string{"a.com"}, Mode: "tls-origination", CASecret: "corporate-ca", ExportTo: []string{"*"}},
		{Domains: []string{"a.com"}, Mode: "direct", ExportTo: []string{"."}},
	} {
		set := mustSet(t, d)
		text, err := set.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeSet(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(set, again); diff != "" {
			t.Errorf("not the same after encoding: %s", diff)
		}
		switch {
		case d.CommonHost != "" && set.CommonHost != "www.a.com":
			t.Errorf("common host %q", set.CommonHost)
		case d.CA != "" && set.CA != cert+cert:
			t.Errorf("CA %q", set.CA)
		case len(d.ExportTo) == 3 && cmp.Diff([]string{".", "b"}, set.ExportTo) != "":
			t.Errorf("exported to %v", set.ExportTo)
		case set.Private() != (len(d.ExportTo) == 1 && d.ExportTo[0] == "."):
			t.Errorf("%v is private: %v", d.ExportTo, set.Private())
		}
	}
}

func FuzzParseCA(f *testing.F) {
	f.Add("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
	f.Add("-----BEGIN X509 CRL-----\n\n-----END X509 CRL-----\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		out, err := parseCA(text)
		if err != nil {
			if _, ok := errors.AsType[*InputError](err); !ok || out != "" || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%q, %v", out, err)
			}
			return
		}
		if again, err := parseCA(out); err != nil || again != out {
			t.Fatalf("%q is read back as %q, %v", out, again, err)
		}
	})
}
