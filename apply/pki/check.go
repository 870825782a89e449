package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Credential is what a gateway shows to an outside server and what it knows the server by, all in PEM.
type Credential struct {
	Cert []byte // the client's certificate, followed by the intermediate ones that lead to its CA
	Key  []byte // its private key: PKCS #1, PKCS #8 or EC
	// CA signs the certificate of the outside SERVER. It has nothing to do with who signed Cert, though it may be the same.
	CA []byte

	CertName, KeyName, CAName string // how messages call them; default "the certificate", "the key" and "the CA"
}

// Facts is what a sound credential says about itself.
type Facts struct {
	Serial      string // of the client's certificate: hexadecimal, lower case, without leading zeros
	Subject     string
	Issuer      string
	SANs        []string
	From, Until time.Time
	// Weak says in sentences what works today and is not as it should be; never that the CA did not sign the client's
	// certificate, for it need not.
	Weak []string
}

// soon is how long before its end a certificate is worth a warning.
const soon = 30 * 24 * time.Hour

// maxSecret is what the API server takes for the data of a Secret, in bytes.
const maxSecret = 1 << 20

// Check refuses a credential that cannot work: parts that are missing or cannot be read, keys that Envoy does not take, a key that
// is another certificate's, certificates that are over or not yet valid, a CA that is none. Every error is an
// *egress.InputError.
func Check(c Credential, now time.Time) error {
	_, err := Read(c, now)
	return err
}

// Read is Check and what is to be known of a credential that passes.
func Read(c Credential, now time.Time) (Facts, error) {
	c.CertName, c.KeyName, c.CAName = or(c.CertName, "the certificate"), or(c.KeyName, "the key"), or(c.CAName, "the CA")
	if size := len(c.Cert) + len(c.Key) + len(c.CA); size > maxSecret {
		return Facts{}, egress.Inputf("certificate, key and CA have %d bytes; a Secret holds %d: give only the CAs that the server needs", size, maxSecret)
	}
	chain, err := certificates(c.CertName, c.Cert)
	if err != nil {
		return Facts{}, err
	}
	key, err := privateKey(c.KeyName, c.Key)
	if err != nil {
		return Facts{}, err
	}
	leaf := chain[0]
	if err := belongs(c, chain, key.Public()); err != nil {
		return Facts{}, err
	}
	if err := inTime(c.CertName, leaf, now); err != nil {
		return Facts{}, err
	}
	weakCA, err := checkCA(c.CAName, c.CA, now)
	if err != nil {
		return Facts{}, err
	}
	return Facts{
		Serial: Serial(leaf), Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(), SANs: names(leaf),
		From: leaf.NotBefore, Until: leaf.NotAfter, Weak: append(weakChain(c.CertName, chain, now), weakCA...),
	}, nil
}

// CheckCA refuses a CA that cannot verify any server, and says what is weak about one that can. The error is an
// *egress.InputError.
func CheckCA(text []byte, now time.Time) (weak []string, err error) {
	return checkCA("the CA", text, now)
}

// Serial is a certificate's serial number: hexadecimal, lower case, without leading zeros.
func Serial(cert *x509.Certificate) string { return cert.SerialNumber.Text(16) }

// belongs holds the key to the first certificate, and tells a chain in the wrong order from a wrong key.
func belongs(c Credential, chain []*x509.Certificate, public crypto.PublicKey) error {
	at := slices.IndexFunc(chain, func(cert *x509.Certificate) bool {
		k, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		return ok && k.Equal(public)
	})
	switch {
	case at < 0:
		return egress.Inputf("%s and %s (%s) do not belong together; give the key that the certificate was made for", c.KeyName, c.CertName, show(chain[0]))
	case at > 0:
		return egress.Inputf("%s begins with another certificate (%s) than that of the key (%s); put the client's own first and the intermediate ones after it",
			c.CertName, show(chain[0]), show(chain[at]))
	}
	return nil
}

func inTime(what string, cert *x509.Certificate, now time.Time) error {
	switch {
	case now.After(cert.NotAfter):
		return egress.Inputf("%s (%s) has expired on %s; have it renewed", what, show(cert), day(cert.NotAfter))
	case now.Before(cert.NotBefore):
		return egress.Inputf("%s (%s) is valid only from %s on; is this machine's clock right? It says %s",
			what, show(cert), cert.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// checkCA takes a bundle if at least one of it can verify a server today: old bundles hold what is over.
func checkCA(what string, text []byte, now time.Time) ([]string, error) {
	if len(text) == 0 {
		return nil, egress.Inputf("%s is missing: it is the CA of the outside server, by which the gateway knows the server (not that of the client's certificate)", what)
	}
	all, err := certificates(what, text)
	if err != nil {
		return nil, err
	}
	var weak []string
	var first error
	good := 0
	for _, cert := range all {
		err := inTime(what, cert, now)
		if !isCA(cert) {
			err = egress.Inputf("%s (%s) is not a CA's certificate: it may sign no others; give the one that signed the server's", what, show(cert))
		}
		switch {
		case err == nil:
			good++
			weak = append(weak, ending(what, cert, now)...)
		case first == nil:
			first = err
		}
		if err != nil {
			weak = append(weak, err.Error())
		}
	}
	if good == 0 {
		return nil, first
	}
	return weak, nil
}

// isCA says whether a certificate may sign others. Those of before X.509 v3 cannot say; what calls itself its own issuer then
// is taken for a root.
func isCA(cert *x509.Certificate) bool {
	if cert.Version < 3 {
		return bytes.Equal(cert.RawIssuer, cert.RawSubject)
	}
	return cert.BasicConstraintsValid && cert.IsCA && (cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageCertSign != 0)
}

// weakChain says what a server may dislike about the client's certificate and those after it.
func weakChain(what string, chain []*x509.Certificate, now time.Time) []string {
	leaf := chain[0]
	weak := ending(what, leaf, now)
	uses := len(leaf.ExtKeyUsage) + len(leaf.UnknownExtKeyUsage)
	if uses > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		weak = append(weak, fmt.Sprintf("%s (%s) is not for clients (no clientAuth among its extended key usages); servers may refuse it", what, show(leaf)))
	}
	if leaf.IsCA {
		weak = append(weak, fmt.Sprintf("%s (%s) is a CA's; servers may refuse it from a client", what, show(leaf)))
	}
	if k, ok := leaf.PublicKey.(*ecdsa.PublicKey); ok && k.Curve.Params().BitSize > 256 {
		weak = append(weak, fmt.Sprintf("%s (%s) is ECDSA %s; Envoy before 1.33 (Istio before 1.25) takes P-256 only", what, show(leaf), k.Curve.Params().Name))
	}
	for i, next := range chain[1:] {
		if !signed(next, chain[i]) {
			weak = append(weak, fmt.Sprintf("%s is no chain: %s did not sign %s", what, show(next), show(chain[i])))
		}
		if err := inTime(what, next, now); err != nil {
			weak = append(weak, err.Error())
		}
	}
	return weak
}

// signed says whether one certificate signed the other, as far as can be told: signatures by SHA-1 are not computed any more.
func signed(by, cert *x509.Certificate) bool {
	err := cert.CheckSignatureFrom(by)
	if _, old := errors.AsType[x509.InsecureAlgorithmError](err); old {
		return bytes.Equal(cert.RawIssuer, by.RawSubject)
	}
	return err == nil
}

// ending warns of a certificate that is valid and soon will not be.
func ending(what string, cert *x509.Certificate, now time.Time) []string {
	left := cert.NotAfter.Sub(now)
	if left > soon {
		return nil
	}
	return []string{fmt.Sprintf("%s (%s) expires on %s, in %d days", what, show(cert), day(cert.NotAfter), int(left/(24*time.Hour)))}
}

// names are the subject alternative names, URIs first, as Envoy lists them.
func names(cert *x509.Certificate) []string {
	var all []string
	for _, u := range cert.URIs {
		all = append(all, u.String())
	}
	all = append(all, cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	return append(all, cert.EmailAddresses...)
}

// show names a certificate for people.
func show(cert *x509.Certificate) string {
	if subject := cert.Subject.String(); subject != "" {
		return subject
	}
	if all := names(cert); len(all) > 0 {
		return all[0]
	}
	return "serial " + Serial(cert)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
