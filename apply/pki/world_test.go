package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// now is the moment of all these tests.
var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	dayLong = 24 * time.Hour
	year    = 365 * dayLong
)

// signer is an authority or a leaf made for a test, with everything that Issue does not let one choose.
type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
	pem  []byte
}

// make signs a certificate by parent, or by itself if that is nil. What the template leaves out is sound: a name, a year around
// now.
func (parent *signer) make(t *testing.T, template x509.Certificate, key crypto.Signer) *signer {
	t.Helper()
	if key == nil {
		key = ecKey(t, elliptic.P256())
	}
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(0xabc)
	}
	if template.Subject.CommonName == "" {
		template.Subject = pkix.Name{CommonName: "made.example.com"}
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = now.Add(-dayLong)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = now.Add(year)
	}
	if template.IsCA {
		template.BasicConstraintsValid = true
	}
	by, byKey := &template, key
	if parent != nil {
		by, byKey = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, by, key.Public(), byKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{cert: cert, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: der})}
}

func named(cn string) pkix.Name { return pkix.Name{CommonName: cn} }

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pkcs8 writes a key as most tools do today.
func pkcs8(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return block(blockPKCS8, der)
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
