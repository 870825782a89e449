// Package pki makes and checks the certificates that TLS and mutual TLS origination need. It only computes: where the bytes come
// from and where they go is none of its business, and what time it is the caller says.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Pair is a certificate and its private key, both in PEM. The key is PKCS #8 if this package made it.
type Pair struct {
	CertPEM, KeyPEM []byte
}

// CA is a certificate authority that signs. NewCA is the only way to one.
type CA struct {
	Pair
	cert *x509.Certificate
	key  crypto.Signer
}

// Request says what a certificate is to be for.
type Request struct {
	CommonName   string // left out of the certificate where it is longer than the 64 characters that X.509 allows
	Organization string
	DNSNames     []string // the subject alternative names: clients look at these, not at the common name
	Client       bool     // for the client's side of TLS; otherwise for the server's
	From, Until  time.Time
}

// maxCommonName is ub-common-name of RFC 5280.
const maxCommonName = 64

// NewCA makes a self-signed authority whose common name is subject, with an ECDSA P-256 key.
func NewCA(subject string, from, until time.Time) (CA, error) {
	return newCA(pkix.Name{CommonName: subject}, from, until)
}

func newCA(subject pkix.Name, from, until time.Time) (CA, error) {
	template, err := newTemplate(subject, from, until)
	if err != nil {
		return CA{}, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return CA{}, fmt.Errorf("make the key of CA %s: %w", subject, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return CA{}, fmt.Errorf("make the certificate of CA %s: %w", subject, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return CA{}, fmt.Errorf("read the certificate just made of CA %s: %w", subject, err)
	}
	pair, err := encode(der, key)
	return CA{Pair: pair, cert: cert, key: key}, err
}

// Issue makes a key and a certificate for it that the authority signs. The certificate must lie within the authority's own
// time: one that outlives its CA ends with it all the same.
func (a CA) Issue(r Request) (Pair, error) {
	if a.key == nil {
		return Pair{}, fmt.Errorf("issue a certificate to %s: the authority was not made by NewCA", r.CommonName)
	}
	// certificates know no parts of seconds
	if r.From, r.Until = r.From.Truncate(time.Second), r.Until.Truncate(time.Second); r.From.Before(a.cert.NotBefore) || r.Until.After(a.cert.NotAfter) {
		return Pair{}, egress.Inputf("a certificate from %s until %s does not fit into its CA's time, from %s until %s",
			day(r.From), day(r.Until), day(a.cert.NotBefore), day(a.cert.NotAfter))
	}
	subject := pkix.Name{}
	if len(r.CommonName) <= maxCommonName {
		subject.CommonName = r.CommonName
	}
	if r.Organization != "" {
		subject.Organization = []string{r.Organization}
	}
	template, err := newTemplate(subject, r.From, r.Until)
	if err != nil {
		return Pair{}, err
	}
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.DNSNames = slices.Clone(r.DNSNames)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if r.Client {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make the key of %s: %w", r.CommonName, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("sign the certificate of %s: %w", r.CommonName, err)
	}
	return encode(der, key)
}

// serialBits is less than the 20 octets that RFC 5280 allows, and more than chance needs.
const serialBits = 127

func newTemplate(subject pkix.Name, from, until time.Time) (*x509.Certificate, error) {
	if !until.After(from) {
		return nil, egress.Inputf("a certificate from %s until %s is never valid", day(from), day(until))
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return &x509.Certificate{SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: subject, NotBefore: from, NotAfter: until}, nil
}

func encode(der []byte, key *ecdsa.PrivateKey) (Pair, error) {
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encode a private key: %w", err)
	}
	return Pair{
		CertPEM: pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: der}),
		KeyPEM:  pem.EncodeToMemory(&pem.Block{Type: blockPKCS8, Bytes: secret}),
	}, nil
}

// day is a moment as messages show it.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
