package pki

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// sound is a credential in which nothing is wrong: client and server have different authorities, as they mostly do.
type sound struct {
	Credential
	clientCA, serverCA, leaf *signer
}

func newSound(t *testing.T) sound {
	t.Helper()
	clientCA := (*signer)(nil).make(t, x509.Certificate{Subject: named("client CA"), IsCA: true}, nil)
	serverCA := (*signer)(nil).make(t, x509.Certificate{Subject: named("server CA"), IsCA: true}, nil)
	leaf := clientCA.make(t, x509.Certificate{
		Subject: named("client.example.com"), DNSNames: []string{"client.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, nil)
	return sound{Credential{Cert: leaf.pem, Key: pkcs8(t, leaf.key), CA: serverCA.pem}, clientCA, serverCA, leaf}
}

func TestReadSound(t *testing.T) {
	t.Parallel()
	s := newSound(t)
	got, err := Read(s.Credential, now)
	if err != nil {
		t.Fatal(err)
	}
	want := Facts{
		Serial: "abc", Subject: "CN=client.example.com", Issuer: "CN=client CA", SANs: []string{"client.example.com"},
		From: now.Add(-dayLong), Until: now.Add(year),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

// TestForms: the same credential in every form that tools write.
func TestForms(t *testing.T) {
	t.Parallel()
	s := newSound(t)
	rsaPair := s.clientCA.make(t, x509.Certificate{}, rsaKey(t, 2048))
	rsa := x509.MarshalPKCS1PrivateKey(mustRSA(t, rsaPair))
	ec, err := x509.MarshalECPrivateKey(mustEC(t, s.leaf))
	if err != nil {
		t.Fatal(err)
	}
	middle := s.clientCA.make(t, x509.Certificate{Subject: named("middle"), IsCA: true}, nil)
	end := middle.make(t, x509.Certificate{}, nil)
	for name, c := range map[string]Credential{
		"EC":                  {Cert: s.Cert, Key: block(blockEC, ec), CA: s.CA},
		"EC after its curve":  {Cert: s.Cert, Key: join(block(blockECCurve, []byte{6, 8}), block(blockEC, ec)), CA: s.CA},
		"PKCS #1":             {Cert: rsaPair.pem, Key: block(blockPKCS1, rsa), CA: s.CA},
		"RSA in PKCS #8":      {Cert: rsaPair.pem, Key: pkcs8(t, rsaPair.key), CA: s.CA},
		"text around":         {Cert: join([]byte("Certificate:\n  Data: …\n"), s.Cert, []byte("\n# end\n")), Key: s.Key, CA: s.CA},
		"Windows lines":       {Cert: []byte(strings.ReplaceAll(string(s.Cert), "\n", "\r\n")), Key: s.Key, CA: s.CA},
		"chain":               {Cert: join(end.pem, middle.pem), Key: pkcs8(t, end.key), CA: s.CA},
		"chain with its root": {Cert: join(end.pem, middle.pem, s.clientCA.pem), Key: pkcs8(t, end.key), CA: s.CA},
		"several CAs":         {Cert: s.Cert, Key: s.Key, CA: join(s.CA, s.clientCA.pem)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Read(c, now)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Weak) > 0 {
				t.Errorf("weak: %q", got.Weak)
			}
		})
	}
}

// TestRefusals: each fault by itself, with what its one line must name.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newSound(t)
	other := s.clientCA.make(t, x509.Certificate{Subject: named("other.example.com")}, nil)
	old := s.clientCA.make(t, x509.Certificate{Subject: named("old"), NotBefore: now.Add(-year), NotAfter: now.Add(-time.Hour)}, nil)
	young := s.clientCA.make(t, x509.Certificate{Subject: named("young"), NotBefore: now.Add(time.Hour)}, nil)
	oldCA := (*signer)(nil).make(t, x509.Certificate{Subject: named("old CA"), IsCA: true, NotBefore: now.Add(-year), NotAfter: now.Add(-time.Hour)}, nil)
	youngCA := (*signer)(nil).make(t, x509.Certificate{Subject: named("young CA"), IsCA: true, NotBefore: now.Add(time.Hour)}, nil)
	silent := (*signer)(nil).make(t, x509.Certificate{Subject: named("silent CA"), IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature}, nil)
	weak := s.clientCA.make(t, x509.Certificate{}, rsaKey(t, 1024))
	ed := s.clientCA.make(t, x509.Certificate{}, edKey(t))
	small := s.clientCA.make(t, x509.Certificate{}, ecKey(t, elliptic.P224()))
	armoured := &pem.Block{Type: blockPKCS1, Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x")}
	with := func(cert, key, ca []byte) Credential { return Credential{Cert: cert, Key: key, CA: ca} }
	for _, tt := range []struct {
		name string
		c    Credential
		want string
	}{
		{"no certificate", with(nil, s.Key, s.CA), "the certificate is empty"},
		{"no key", with(s.Cert, []byte(" \n"), s.CA), "the key is empty"},
		{"no CA", with(s.Cert, s.Key, nil), "the CA is missing: it is the CA of the outside server"},
		{"blank CA", with(s.Cert, s.Key, []byte("\n")), "the CA is empty"},
		{"certificate no PEM", with([]byte("hello"), s.Key, s.CA), "the certificate is not PEM"},
		{"certificate in DER", with(s.leaf.cert.Raw, s.Key, s.CA), "openssl x509 -inform der"},
		{"certificate cut off", with(s.Cert[:len(s.Cert)-40], s.Key, s.CA), "the certificate is damaged: of 1 PEM blocks that begin only 0"},
		{"second certificate cut off", with(join(s.Cert, s.CA[:80]), s.Key, s.CA), "of 2 PEM blocks that begin only 1"},
		{"certificate not X.509", with(block(blockCertificate, []byte("hello")), s.Key, s.CA), "cannot be read"},
		{"certificate with its key", with(join(s.Cert, s.Key), s.Key, s.CA), "the certificate holds a private key"},
		{"a request", with(block("CERTIFICATE REQUEST", []byte("x")), s.Key, s.CA), "holds a request for a certificate"},
		{"a list in place of the CA", with(s.Cert, s.Key, block("X509 CRL", []byte("x"))), "the CA holds a X509 CRL"},
		{"CA with a key", with(s.Cert, s.Key, join(s.CA, s.Key)), "the CA holds a private key"},
		{"key is a certificate", with(s.Cert, s.Cert, s.CA), "the key holds a certificate"},
		{"key is public", with(s.Cert, block("PUBLIC KEY", []byte("x")), s.CA), "the key is a public key"},
		{"key of ssh", with(s.Cert, block("OPENSSH PRIVATE KEY", []byte("x")), s.CA), "ssh-keygen"},
		{"key of DSA", with(s.Cert, block("DSA PRIVATE KEY", []byte("x")), s.CA), "the key holds a DSA PRIVATE KEY"},
		{"key encrypted", with(s.Cert, block("ENCRYPTED PRIVATE KEY", []byte("x")), s.CA), "the key is encrypted"},
		{"key encrypted as of old", with(s.Cert, pem.EncodeToMemory(armoured), s.CA), "the key is encrypted"},
		{"key damaged", with(s.Cert, block(blockPKCS8, []byte("x")), s.CA), "the key cannot be read"},
		{"two keys", with(s.Cert, join(s.Key, s.Key), s.CA), "the key holds 2 private keys"},
		{"curve without key", with(s.Cert, block(blockECCurve, []byte{6, 8}), s.CA), "the key holds 0 private keys"},
		{"another's key", with(s.Cert, pkcs8(t, other.key), s.CA), "do not belong together"},
		{"chain upside down", with(join(s.clientCA.pem, s.Cert), s.Key, s.CA), "begins with another certificate (CN=client CA)"},
		{"expired", with(old.pem, pkcs8(t, old.key), s.CA), "the certificate (CN=old) has expired on 2026-11-21"},
		{"not yet valid", with(young.pem, pkcs8(t, young.key), s.CA), "valid only from 2026-11-21T13:00:00Z on"},
		{"CA expired", with(s.Cert, s.Key, oldCA.pem), "the CA (CN=old CA) has expired"},
		{"CA not yet valid", with(s.Cert, s.Key, youngCA.pem), "the CA (CN=young CA) is valid only from"},
		{"CA is none", with(s.Cert, s.Key, s.Cert), "is not a CA's certificate"},
		{"CA may not sign", with(s.Cert, s.Key, silent.pem), "the CA (CN=silent CA) is not a CA's certificate"},
		{"RSA too small", with(weak.pem, pkcs8(t, weak.key), s.CA), "RSA with 1024 bits"},
		{"Ed25519", with(ed.pem, pkcs8(t, ed.key), s.CA), "Envoy takes ECDSA P-256 or RSA 2048"},
		{"curve too small", with(small.pem, pkcs8(t, small.key), s.CA), "ECDSA P-224"},
		{"too large", with(s.Cert, s.Key, make([]byte, maxSecret)), "a Secret holds 1048576"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := Check(tt.c, now)
			if input, ok := errors.AsType[*egress.InputError](err); !ok || strings.Contains(input.Msg, "\n") || !strings.Contains(input.Msg, tt.want) {
				t.Errorf("got %v, want one line of an InputError with %q", err, tt.want)
			}
		})
	}
}

// TestNames: messages call the parts as the caller does.
func TestNames(t *testing.T) {
	t.Parallel()
	s := newSound(t)
	s.CertName, s.KeyName, s.CAName = "client.crt", "client.key", "server-ca.crt"
	stranger := ecKey(t, elliptic.P256())
	s.Key = pkcs8(t, stranger)
	if err := Check(s.Credential, now); err == nil || !strings.HasPrefix(err.Error(), "client.key and client.crt (CN=client.example.com) do not") {
		t.Errorf("got %v", err)
	}
	s.Key, s.CA = pkcs8(t, s.leaf.key), nil
	if err := Check(s.Credential, now); err == nil || !strings.HasPrefix(err.Error(), "server-ca.crt is missing") {
		t.Errorf("got %v", err)
	}
}
