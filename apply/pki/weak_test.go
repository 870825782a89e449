package pki

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWeak: what works today passes, and says what is wrong with it.
func TestWeak(t *testing.T) {
	t.Parallel()
	s := newSound(t)
	ending := s.clientCA.make(t, x509.Certificate{Subject: named("ending"), NotAfter: now.Add(10*dayLong + time.Hour)}, nil)
	server := s.clientCA.make(t, x509.Certificate{Subject: named("server"), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, nil)
	both := s.clientCA.make(t, x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, nil)
	large := s.clientCA.make(t, x509.Certificate{Subject: named("large")}, ecKey(t, elliptic.P384()))
	itself := (*signer)(nil).make(t, x509.Certificate{Subject: named("itself"), IsCA: true}, nil)
	endingCA := (*signer)(nil).make(t, x509.Certificate{Subject: named("ending CA"), IsCA: true, NotAfter: now.Add(time.Hour)}, nil)
	oldCA := (*signer)(nil).make(t, x509.Certificate{Subject: named("old CA"), IsCA: true, NotBefore: now.Add(-year), NotAfter: now.Add(-time.Hour)}, nil)
	for _, tt := range []struct {
		name string
		c    Credential
		want []string // beginnings or parts, in order
	}{
		{"another CA than the client's", s.Credential, nil},
		{"for both sides", Credential{Cert: both.pem, Key: pkcs8(t, both.key), CA: s.CA}, nil},
		{"ends soon", Credential{Cert: ending.pem, Key: pkcs8(t, ending.key), CA: s.CA}, []string{"(CN=ending) expires on 2026-12-01, in 10 days"}},
		{"for servers", Credential{Cert: server.pem, Key: pkcs8(t, server.key), CA: s.CA}, []string{"(CN=server) is not for clients"}},
		{"large curve", Credential{Cert: large.pem, Key: pkcs8(t, large.key), CA: s.CA}, []string{"(CN=large) is ECDSA P-384; Envoy before 1.33"}},
		{"a CA as client", Credential{Cert: itself.pem, Key: pkcs8(t, itself.key), CA: s.CA}, []string{"(CN=itself) is a CA's"}},
		{
			"stray certificate",
			Credential{Cert: join(s.Cert, itself.pem), Key: s.Key, CA: s.CA},
			[]string{"is no chain: CN=itself did not sign CN=client.example.com"},
		},
		{"CA ends soon", Credential{Cert: s.Cert, Key: s.Key, CA: endingCA.pem}, []string{"the CA (CN=ending CA) expires on 2026-11-21, in 0 days"}},
		{"one CA of two is over", Credential{Cert: s.Cert, Key: s.Key, CA: join(oldCA.pem, s.CA)}, []string{"the CA (CN=old CA) has expired"}},
		{"one CA of two is none", Credential{Cert: s.Cert, Key: s.Key, CA: join(s.CA, server.pem)}, []string{"the CA (CN=server) is not a CA's certificate"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Read(tt.c, now)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Weak) != len(tt.want) {
				t.Fatalf("weak: %q, want %q", got.Weak, tt.want)
			}
			for i := range tt.want {
				if !strings.Contains(got.Weak[i], tt.want[i]) {
					t.Errorf("weak: %q, want %q in it", got.Weak[i], tt.want[i])
				}
			}
		})
	}
}

// TestOldRoot: roots of before X.509 v3, which cannot say that they are CAs, and signatures that are not computed any more.
func TestOldRoot(t *testing.T) {
	t.Parallel()
	root := *newSound(t).serverCA.cert
	root.Version, root.BasicConstraintsValid, root.IsCA = 1, false, false
	if !isCA(&root) {
		t.Error("a root of version 1 is refused")
	}
	root.RawIssuer = []byte("another")
	if isCA(&root) {
		t.Error("a certificate of version 1 that another issued is taken for a root")
	}
	leaf := *newSound(t).leaf.cert
	leaf.SignatureAlgorithm = x509.ECDSAWithSHA1
	by := *newSound(t).clientCA.cert
	if !signed(&by, &leaf) {
		t.Error("a SHA-1 signature whose issuer fits is called no chain")
	}
	by.RawSubject = []byte("another")
	if signed(&by, &leaf) {
		t.Error("a SHA-1 signature by another issuer is called a chain")
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	spiffe, err := url.Parse("spiffe://cluster.local/ns/a/sa/b")
	if err != nil {
		t.Fatal(err)
	}
	full := newSound(t).leaf.cert
	nameless, bare := *full, *full
	nameless.Subject.CommonName, bare.Subject.CommonName = "", ""
	nameless.URIs = append(nameless.URIs, spiffe)
	bare.DNSNames = nil
	got := []string{show(full), show(&nameless), show(&bare)}
	if diff := cmp.Diff([]string{"CN=client.example.com", "spiffe://cluster.local/ns/a/sa/b", "serial abc"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestCheckCA(t *testing.T) {
	t.Parallel()
	s := newSound(t)
	if weak, err := CheckCA(s.CA, now); err != nil || len(weak) > 0 {
		t.Errorf("a sound CA: %q, %v", weak, err)
	}
	if weak, err := CheckCA(s.CA, now.Add(year-dayLong-time.Hour)); err != nil || len(weak) != 1 {
		t.Errorf("a CA that ends tomorrow: %q, %v", weak, err)
	}
	for _, text := range [][]byte{nil, s.Cert, s.Key, pem.EncodeToMemory(&pem.Block{Type: blockCertificate})} {
		if _, err := CheckCA(text, now); err == nil {
			t.Errorf("taken for a CA: %.60q", text)
		}
	}
}
