// Package pki makes the lab's certificates: the cluster's own, and those of the world outside the mesh.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Pair is a certificate with its private key, both as PEM files hold them.
type Pair struct {
	Cert, Key []byte
}

// Leaf says what a certificate is for. Names and IPs make it a server's, none of them a client's.
type Leaf struct {
	Subject pkix.Name
	Names   []string
	IPs     []net.IP
}

// backdate lets a certificate be valid for a clock that is a little behind.
const backdate = time.Hour

// Authority is a certificate authority that can sign.
type Authority struct {
	Pair
	cert *x509.Certificate
	key  crypto.Signer
}

// NewAuthority makes a self-signed authority. Keys are ECDSA P-256: made at once where RSA takes its time, and known to
// everything in the lab, Envoy included.
func NewAuthority(subject pkix.Name, valid time.Duration) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of %s: %w", subject, err)
	}
	tmpl, err := template(subject, valid)
	if err != nil {
		return nil, err
	}
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", subject, err)
	}
	return assemble(der, key)
}

// ParseAuthority reads an authority that NewAuthority made.
func ParseAuthority(p Pair) (*Authority, error) {
	cert, err := ParseCert(p.Cert)
	if err != nil {
		return nil, err
	}
	if !cert.IsCA {
		return nil, fmt.Errorf("certificate of %s is not an authority's", cert.Subject)
	}
	key, err := parseKey(p.Key)
	if err != nil {
		return nil, fmt.Errorf("key of %s: %w", cert.Subject, err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("key and certificate of %s do not belong together", cert.Subject)
	}
	return &Authority{Pair: p, cert: cert, key: key}, nil
}

// Issue signs a certificate with a new key.
func (a *Authority) Issue(l Leaf, valid time.Duration) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make the key of %s: %w", l.Subject, err)
	}
	tmpl, err := template(l.Subject, valid)
	if err != nil {
		return Pair{}, err
	}
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	tmpl.DNSNames, tmpl.IPAddresses = l.Names, l.IPs
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(l.Names)+len(l.IPs) > 0 {
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("sign %s by %s: %w", l.Subject, a.cert.Subject, err)
	}
	return pair(der, key)
}

// SigningKey makes a key for tokens: its private and its public half.
func SigningKey() (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a signing key: %w", err)
	}
	p, err := keyPEM(key)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("encode a public key: %w", err)
	}
	return p, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// ParseCert reads the first certificate of a PEM file.
func ParseCert(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate in PEM form")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	return cert, nil
}

// Save writes name.crt and name.key into dir; the key is readable by its owner only.
func (p Pair) Save(dir, name string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("save certificate %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".key"), p.Key, 0o600); err != nil {
		return fmt.Errorf("save key %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".crt"), p.Cert, 0o600); err != nil {
		return fmt.Errorf("save certificate %s: %w", name, err)
	}
	return nil
}

// Load reads what Save wrote. The error is fs.ErrNotExist's kind if there is none.
func Load(dir, name string) (Pair, error) {
	cert, err := os.ReadFile(filepath.Join(dir, name+".crt")) //nolint:gosec // a path that the lab made
	if err != nil {
		return Pair{}, fmt.Errorf("load certificate %s: %w", name, err)
	}
	key, err := os.ReadFile(filepath.Join(dir, name+".key")) //nolint:gosec // a path that the lab made
	if err != nil {
		return Pair{}, fmt.Errorf("load key %s: %w", name, err)
	}
	return Pair{Cert: cert, Key: key}, nil
}

func template(subject pkix.Name, valid time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	now := time.Now()
	return &x509.Certificate{SerialNumber: serial, Subject: subject, NotBefore: now.Add(-backdate), NotAfter: now.Add(valid)}, nil
}

func assemble(der []byte, key *ecdsa.PrivateKey) (*Authority, error) {
	p, err := pair(der, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse the certificate just made: %w", err)
	}
	return &Authority{Pair: p, cert: cert, key: key}, nil
}

func pair(der []byte, key *ecdsa.PrivateKey) (Pair, error) {
	k, err := keyPEM(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Key: k}, nil
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no key in PEM form")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse key: %w", err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key is a %T, not ECDSA", key)
	}
	return ec, nil
}

// Name is a subject with organisation and common name; either may be empty.
func Name(org, cn string) pkix.Name {
	n := pkix.Name{CommonName: cn}
	if org != "" {
		n.Organization = []string{org}
	}
	return n
}

// Signed tells whether a certificate is of this authority and still valid at a time.
func (a *Authority) Signed(cert []byte, at time.Time) bool {
	c, err := ParseCert(cert)
	return err == nil && c.CheckSignatureFrom(a.cert) == nil && at.Before(c.NotAfter)
}
