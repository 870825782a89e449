package admin

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"strings"
	"time"
)

// ofKubernetes is what Istio's names begin with for secrets that istiod reads from a Secret of the gateway's namespace.
const ofKubernetes = "kubernetes://"

// CredentialSecret is the name under which Envoy asks for the certificate and key of a credentialName (mode MUTUAL). Names that
// say themselves where they are from stay as they are.
func CredentialSecret(credential string) string {
	if strings.Contains(credential, "://") {
		return credential
	}
	return ofKubernetes + credential
}

// CASecret is the name under which Envoy asks for the CA of a credentialName (modes MUTUAL and SIMPLE).
func CASecret(credential string) string { return CredentialSecret(credential) + "-cacert" }

// SecretFields is the mask by which everything that ReadSecrets reads is asked for, and no private key, not even the word that
// Envoy puts in its place.
const SecretFields = "name,version_info,last_updated,error_state,secret.tls_certificate.certificate_chain,secret.validation_context.trusted_ca"

// HeldSecret is a secret in Envoy with what it says about its certificates. Keys and the certificates themselves are not kept.
type HeldSecret struct {
	Name         string            `json:"name"`
	Warming      bool              `json:"warming,omitempty"` // asked for and not there
	Version      string            `json:"version,omitempty"` // empty for those that istiod reads from a Secret
	Updated      string            `json:"updated,omitempty"` // RFC 3339
	CA           bool              `json:"ca,omitempty"`      // a CA to verify the peer by, not a certificate of one's own
	Certificates []HeldCertificate `json:"certificates,omitempty"`
	Rejected     *Rejection        `json:"rejected,omitempty"` // the last update; what is in force is older
}

// HeldCertificate is one certificate of a secret: of a chain the first is Envoy's own.
type HeldCertificate struct {
	Serial  string   `json:"serial"` // hexadecimal, lower case, without leading zeros
	Subject string   `json:"subject,omitempty"`
	SANs    []string `json:"sans,omitempty"`
	From    string   `json:"from"`    // RFC 3339
	Expires string   `json:"expires"` // RFC 3339
	SHA256  string   `json:"sha256"`  // of the certificate in DER, hexadecimal: two certificates of one serial number differ in it
}

type wireSecret struct { // one element of a list of secrets
	Name    string     `json:"name"`
	Version string     `json:"version_info"`
	Updated string     `json:"last_updated"`
	Error   *wireError `json:"error_state"`
	Secret  struct {
		TLS struct {
			Chain wireBytes `json:"certificate_chain"`
		} `json:"tls_certificate"`
		Validation struct {
			CA wireBytes `json:"trusted_ca"`
		} `json:"validation_context"`
	} `json:"secret"`
}

// wireBytes is Envoy's data source, of which files are named and not read.
type wireBytes struct {
	Bytes []byte `json:"inline_bytes"`
	Text  string `json:"inline_string"`
}

func (w wireBytes) content() []byte {
	if len(w.Bytes) == 0 {
		return []byte(w.Text)
	}
	return w.Bytes
}

// ReadSecrets reads a reply of /config_dump with ?resource=dynamic_active_secrets or dynamic_warming_secrets, which resource
// names. As Read it takes the text as a stream; memory is bounded by the largest secret in it.
func ReadSecrets(r io.Reader, resource string) ([]HeldSecret, error) {
	var all []HeldSecret
	var piece []byte
	s := newScanner(r)
	err := s.object(func(name string) error {
		if name != "configs" {
			return s.skip()
		}
		return s.array(func() error {
			var err error
			if piece, err = s.value(piece[:0]); err != nil {
				return err
			}
			var w wireSecret
			if err := json.Unmarshal(piece, &w); err != nil {
				return fmt.Errorf("%s: %w", resource, err)
			}
			held, err := w.model(resource == DynamicWarmingSecrets)
			if err != nil {
				return err
			}
			all = append(all, held)
			return nil
		})
	})
	clear(piece) // a dump that was not masked may have had a key in it
	if err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	return all, nil
}

func (w *wireSecret) model(warming bool) (HeldSecret, error) {
	h := HeldSecret{Name: w.Name, Warming: warming, Version: w.Version, Updated: w.Updated, Rejected: w.Error.model()}
	text := w.Secret.TLS.Chain.content()
	if len(text) == 0 {
		text = w.Secret.Validation.CA.content()
		h.CA = len(text) > 0
	}
	var err error
	if h.Certificates, err = Describe(text); err != nil {
		return h, fmt.Errorf("%s: %w", w.Name, err)
	}
	return h, nil
}

// Describe tells of certificates in PEM what a HeldSecret tells of them, so that what was sent and what arrived can be compared.
func Describe(text []byte) ([]HeldCertificate, error) {
	var all []HeldCertificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return all, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(all)+1, err)
		}
		all = append(all, describe(cert))
	}
}

func describe(cert *x509.Certificate) HeldCertificate {
	sum := sha256.Sum256(cert.Raw)
	c := HeldCertificate{
		Serial: cert.SerialNumber.Text(16), Subject: cert.Subject.String(), SHA256: hex.EncodeToString(sum[:]),
		From: cert.NotBefore.UTC().Format(time.RFC3339), Expires: cert.NotAfter.UTC().Format(time.RFC3339),
	}
	for _, u := range cert.URIs {
		c.SANs = append(c.SANs, u.String())
	}
	c.SANs = append(c.SANs, cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		c.SANs = append(c.SANs, ip.String())
	}
	return c
}
