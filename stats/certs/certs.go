// Package certs tells of the certificates and trust anchors that a proxy holds: what each is, whether it is in force, how long it is
// valid, what it is for and what is wrong with it. It has types, parsers and rules, and no client; keys never come near it.
package certs

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Type is what a secret or file is, in istioctl's words.
type Type string

// The types.
const (
	Chain  Type = "Cert Chain"
	Anchor Type = "CA"
)

// State says whether what was asked for is there.
type State string

// The states.
const (
	Active  State = "ACTIVE"
	Warming State = "WARMING" // Envoy asked for it and has not got it
	Missing State = "MISSING" // an object wants it and Envoy has not asked for it
)

// Names of the secrets that Istio makes itself.
const (
	OwnSecret   = "default"          // the workload's own certificate
	RootSecret  = "ROOTCA"           // what verifies the peers in the mesh
	SystemRoots = "file-root:system" // the CAs of the proxy's image
)

// Certificate is one certificate.
type Certificate struct {
	Subject string    `json:"subject,omitempty"`
	Issuer  string    `json:"issuer,omitempty"`
	Serial  string    `json:"serial"` // hexadecimal, lower case, without leading zeros
	SANs    []string  `json:"sans,omitempty"`
	From    time.Time `json:"from"`
	Expires time.Time `json:"expires"`
	CA      bool      `json:"ca"` // may sign others
	parsed  *x509.Certificate
}

// Held is one secret or file with certificates.
type Held struct {
	Name         string        `json:"name"` // Envoy's name of the secret, or the file's path
	Type         Type          `json:"type,omitempty"`
	State        State         `json:"state"`
	For          string        `json:"for"`                // in words
	Users        []string      `json:"users,omitempty"`    // objects and clusters that use it
	Updated      string        `json:"updated,omitempty"`  // RFC 3339
	Rejected     string        `json:"rejected,omitempty"` // why Envoy refused the last update; what is in force is older
	Certificates []Certificate `json:"certificates"`       // of a chain the first is the proxy's own
	Problems     []Problem     `json:"problems,omitempty"`
}

// Level is how bad a problem is.
type Level string

// The levels, as check has them.
const (
	Fail Level = "fail"
	Warn Level = "warn"
)

// Problem is one thing that is wrong.
type Problem struct {
	Level Level  `json:"state"`
	Says  string `json:"message"`
	Fix   string `json:"fix,omitempty"`
}

// Pod is what one gateway pod holds.
type Pod struct {
	Gateway   egress.GatewayRef `json:"gateway"`
	Namespace string            `json:"namespace"`
	Pod       string            `json:"pod"`
	Via       string            `json:"via,omitempty"`    // how it was asked
	Failed    string            `json:"failed,omitempty"` // why it could not be asked
	Notes     []string          `json:"notes,omitempty"`
	Held      []Held            `json:"held"`
}

// Count counts problems of a level in all pods.
func Count(pods []Pod, level Level) int {
	n := 0
	for _, p := range pods {
		for _, h := range p.Held {
			for _, problem := range h.Problems {
				if problem.Level == level {
					n++
				}
			}
		}
	}
	return n
}

// Left is how long a certificate is valid from a moment on; negative if it has ended.
func (c Certificate) Left(now time.Time) time.Duration { return c.Expires.Sub(now) }

// First is the certificate that ends first. Of none it is nil.
func (h *Held) First() *Certificate {
	var first *Certificate
	for i := range h.Certificates {
		if c := &h.Certificates[i]; first == nil || c.Expires.Before(first.Expires) {
			first = c
		}
	}
	return first
}

// ReadPEM reads certificates one after the other. Other blocks are passed over; a certificate that is none is an error, and so is text
// without any.
func ReadPEM(text []byte) ([]Certificate, error) {
	var all []Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
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
	if len(all) == 0 {
		return nil, fmt.Errorf("no certificate in %d bytes of text", len(text))
	}
	return all, nil
}

func describe(cert *x509.Certificate) Certificate {
	c := Certificate{
		Subject: cert.Subject.String(), Issuer: cert.Issuer.String(), Serial: cert.SerialNumber.Text(16),
		From: cert.NotBefore.UTC(), Expires: cert.NotAfter.UTC(), CA: cert.BasicConstraintsValid && cert.IsCA, parsed: cert,
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
