package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// The types of PEM blocks that are taken.
const (
	blockCertificate = "CERTIFICATE"
	blockPKCS8       = "PRIVATE KEY"
	blockPKCS1       = "RSA PRIVATE KEY"
	blockEC          = "EC PRIVATE KEY"
	blockECCurve     = "EC PARAMETERS" // openssl ecparam -genkey writes it before the key
)

// blocks takes a file apart. Text around the blocks is let be, as openssl x509 -text writes it; a block that is cut off or
// damaged, which a decoder would run over, is not.
func blocks(what string, text []byte) ([]*pem.Block, error) {
	var all []*pem.Block
	for rest := text; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		all = append(all, b)
	}
	begun := bytes.Count(text, []byte("-----BEGIN "))
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return nil, egress.Inputf("%s is empty", what)
	case begun == 0 && bytes.IndexByte(text, 0) >= 0:
		return nil, egress.Inputf("%s is binary, not PEM; convert it, from DER with openssl x509 -inform der, from PKCS #12 with openssl pkcs12 -nodes", what)
	case begun == 0:
		return nil, egress.Inputf("%s is not PEM: there is no line like -----BEGIN CERTIFICATE-----", what)
	case begun != len(all):
		return nil, egress.Inputf("%s is damaged: of %d PEM blocks that begin only %d can be read to the end", what, begun, len(all))
	}
	return all, nil
}

// certificates reads a file that holds certificates and nothing else.
func certificates(what string, text []byte) ([]*x509.Certificate, error) {
	all, err := blocks(what, text)
	if err != nil {
		return nil, err
	}
	certs := make([]*x509.Certificate, 0, len(all))
	for _, b := range all {
		switch {
		case b.Type == blockCertificate:
		case strings.HasSuffix(b.Type, "PRIVATE KEY"):
			// Envoy shows certificates to whoever may ask its admin interface, and keys to nobody
			return nil, egress.Inputf("%s holds a private key; a key beside a certificate is shown to everybody who may see the certificate: give certificates only", what)
		case strings.HasSuffix(b.Type, "CERTIFICATE REQUEST"):
			return nil, egress.Inputf("%s holds a request for a certificate; give the certificate that the CA made of it", what)
		default:
			return nil, egress.Inputf("%s holds a %s; give certificates only", what, b.Type)
		}
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, egress.Inputf("%s holds a certificate that cannot be read: %v", what, err)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// privateKey reads a file that holds one private key.
func privateKey(what string, text []byte) (crypto.Signer, error) {
	all, err := blocks(what, text)
	if err != nil {
		return nil, err
	}
	var keys []*pem.Block
	for _, b := range all {
		switch {
		case b.Type == blockECCurve:
		case b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, egress.Inputf("%s is encrypted, and Envoy has no password for it; decrypt it first: openssl pkey -in KEY -out PLAIN", what)
		case b.Type == blockPKCS8, b.Type == blockPKCS1, b.Type == blockEC:
			keys = append(keys, b)
		case b.Type == "PUBLIC KEY" || b.Type == "RSA PUBLIC KEY":
			return nil, egress.Inputf("%s is a public key; give the private key that belongs to the certificate", what)
		case b.Type == "OPENSSH PRIVATE KEY":
			return nil, egress.Inputf("%s is in OpenSSH's own form; convert it: ssh-keygen -p -m PKCS8 -f KEY", what)
		case b.Type == blockCertificate:
			return nil, egress.Inputf("%s holds a certificate; give the private key only", what)
		default:
			return nil, egress.Inputf("%s holds a %s; give the private key only", what, b.Type)
		}
	}
	if len(keys) != 1 {
		return nil, egress.Inputf("%s holds %d private keys; give the one that belongs to the certificate", what, len(keys))
	}
	return decodeKey(what, keys[0])
}

func decodeKey(what string, b *pem.Block) (crypto.Signer, error) {
	var (
		key any
		err error
	)
	switch b.Type {
	case blockPKCS1:
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case blockEC:
		key, err = x509.ParseECPrivateKey(b.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	}
	if err != nil {
		return nil, egress.Inputf("%s cannot be read: %v", what, err)
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k, usable(what, k.Public())
	case *ecdsa.PrivateKey:
		return k, usable(what, k.Public())
	case ed25519.PrivateKey:
		return k, usable(what, k.Public())
	}
	return nil, egress.Inputf("%s is a %T, which Envoy does not take; use ECDSA P-256 or RSA 2048", what, key)
}

// minRSA is the smallest RSA key, in bits, that Envoy takes for a certificate of its own.
const minRSA = 2048

// usable refuses keys that Envoy refuses to load, whatever the certificate says.
func usable(what string, public crypto.PublicKey) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return egress.Inputf("%s is RSA with %d bits; Envoy takes %d and more", what, k.N.BitLen(), minRSA)
		}
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < 256 {
			return egress.Inputf("%s is ECDSA %s; Envoy takes P-256 and larger", what, k.Curve.Params().Name)
		}
	default:
		return egress.Inputf("%s is %T; Envoy takes ECDSA P-256 or RSA %d", what, public, minRSA)
	}
	return nil
}
