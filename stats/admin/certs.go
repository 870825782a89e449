package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// maxCerts bounds a reply of /certs, in bytes: each certificate takes some 500.
const maxCerts = 8 << 20

type wireCerts struct {
	Certificates []struct {
		CA    []wireCert `json:"ca_cert"`
		Chain []wireCert `json:"cert_chain"`
	} `json:"certificates"`
}

type wireCert struct {
	Path    string `json:"path"`
	Serial  string `json:"serial_number"`
	From    string `json:"valid_from"`
	Expires string `json:"expiration_time"`
	Names   []struct {
		URI string `json:"uri"`
		DNS string `json:"dns"`
		IP  string `json:"ip_address"`
	} `json:"subject_alt_names"`
}

// ReadCertificates reads a reply of /certs: each certificate once.
func ReadCertificates(r io.Reader) ([]Certificate, error) {
	var w wireCerts
	raw, err := io.ReadAll(io.LimitReader(r, maxCerts+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("certificates: %w", err)
	case len(raw) > maxCerts:
		return nil, fmt.Errorf("certificates: a reply of more than %d MiB", maxCerts>>20)
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	var out []Certificate
	for _, c := range w.Certificates {
		for _, ca := range c.CA {
			out = appendNew(out, ca.model(true))
		}
		for _, leaf := range c.Chain {
			out = appendNew(out, leaf.model(false))
		}
	}
	return out, nil
}

// appendNew leaves out what is there already: Envoy lists the same certificate once for each place that uses it.
func appendNew(all []Certificate, c Certificate) []Certificate {
	if slices.ContainsFunc(all, func(have Certificate) bool { return have.Serial == c.Serial && have.Path == c.Path && have.CA == c.CA }) {
		return all
	}
	return append(all, c)
}

func (w wireCert) model(ca bool) Certificate {
	c := Certificate{Path: w.Path, Serial: w.Serial, From: w.From, Expires: w.Expires, CA: ca}
	for _, n := range w.Names {
		c.SANs = append(c.SANs, firstOf(n.URI, n.DNS, n.IP))
	}
	return c
}
