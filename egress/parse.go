package egress

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
)

// ParseSet checks a declaration. Empty fields take their defaults: the name comes from the first host, namespace is
// "default", mode and mTLS are auto, the gateway is to be discovered. Every error is an *InputError.
func ParseSet(d Declaration) (Set, error) {
	hosts, err := ParseHosts(d.Domains)
	if err != nil {
		return Set{}, err
	}
	s := Set{
		Name: d.Name, Namespace: d.Namespace, Hosts: hosts, Mode: Auto, MTLS: MTLSAuto,
		Credential: d.Credential, CASecret: d.CASecret, LegacyCerts: d.LegacyCerts,
	}
	if s.Name == "" {
		s.Name = DefaultName(hosts)
	}
	if s.Namespace == "" {
		s.Namespace = "default"
	}
	if d.Mode != "" {
		if s.Mode, err = ParseMode(d.Mode); err != nil {
			return Set{}, err
		}
	}
	if d.MTLS != "" {
		if s.MTLS, err = ParseMTLS(d.MTLS); err != nil {
			return Set{}, err
		}
	}
	if d.Gateway != "" {
		if s.Gateway, err = ParseGatewayRef(d.Gateway); err != nil {
			return Set{}, err
		}
	}
	if d.CommonHost != "" {
		if s.CommonHost, err = ParseHost(d.CommonHost); err != nil {
			return Set{}, err
		}
	}
	if s.CA, err = parseCA(d.CA); err != nil {
		return Set{}, err
	}
	if s.ExportTo, err = parseExportTo(d.ExportTo); err != nil {
		return Set{}, err
	}
	return s, s.check()
}

func (s Set) check() error {
	if !isLabel(s.Name) || len(s.Name) > maxName {
		return Inputf("%q cannot name a set; use at most %d lower case letters, digits and -, beginning and ending with a letter or digit", s.Name, maxName)
	}
	if !isLabel(s.Namespace) || len(s.Namespace) > maxLabel {
		return Inputf("%q is not a namespace", s.Namespace)
	}
	if s.Direct() && s.Gateway != (GatewayRef{}) {
		return Inputf("mode %s uses no gateway, but %s is named; leave it out, or choose another mode", s.Mode, s.Gateway)
	}
	if s.Mode.exactOnly() {
		for _, h := range s.Hosts {
			if h.IsWildcard() {
				return Inputf("mode %s routes by whole host names and cannot take %s; name the hosts one by one, or use mode %s", s.Mode, h, SNIDynamic)
			}
		}
	}
	if err := s.checkCommonHost(); err != nil {
		return err
	}
	return s.checkSecrets()
}

func (s Set) checkCommonHost() error {
	switch {
	case s.CommonHost == "" && s.Mode == CommonHost:
		return Inputf("mode %s needs the host that serves all the others; name it, for example --common-host=www.wikipedia.org", s.Mode)
	case s.CommonHost == "":
		return nil
	case s.Mode != CommonHost:
		return Inputf("a common host (%s) goes with mode %s only, not with %s", s.CommonHost, CommonHost, s.Mode)
	case s.CommonHost.IsWildcard():
		return Inputf("%s cannot serve all hosts: it is a wildcard; name one host, for example www%s", s.CommonHost, s.CommonHost[1:])
	case slices.Contains(s.Hosts, s.CommonHost):
		return Inputf("%s is both a host of the set and the common host of it; leave it out of the set", s.CommonHost)
	}
	return nil
}

func (s Set) checkSecrets() error {
	if s.Mode == MTLSOrigination && s.Credential == "" {
		return Inputf("mode %s needs a client certificate: name the Secret in the gateway's namespace with --credential", s.Mode)
	}
	if s.Mode != MTLSOrigination && s.Credential != "" {
		return Inputf("a client certificate (%s) goes with mode %s only, not with %s", s.Credential, MTLSOrigination, s.Mode)
	}
	if s.Mode != TLSOrigination && (s.CASecret != "" || s.CA != "") {
		return Inputf("a CA of one's own goes with mode %s only, not with %s (the Secret of %s holds its own ca.crt)", TLSOrigination, s.Mode, MTLSOrigination)
	}
	if s.CASecret != "" && s.CA != "" {
		return Inputf("choose one: the Secret %s with the CA, or the CA itself", s.CASecret)
	}
	for _, name := range []string{s.Credential, s.CASecret} {
		if name != "" && !isObjectName(name) {
			return Inputf("%q cannot name a Secret; use lower case letters, digits, - and .", name)
		}
	}
	return nil
}

// isObjectName says whether Kubernetes takes it for the name of an object: a DNS subdomain.
func isObjectName(s string) bool {
	if len(s) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

// maxCA bounds certificates of CAs, in bytes: with them the declaration still fits a ConfigMap many times over.
const maxCA = 256 << 10

// parseCA takes certificates in PEM, at least one and nothing else, and writes them in one way.
func parseCA(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if len(text) > maxCA {
		return "", Inputf("the CA has %d bytes; at most %d are taken", len(text), maxCA)
	}
	var out strings.Builder
	rest := []byte(text)
	for strings.TrimSpace(string(rest)) != "" {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return "", Inputf("the CA is not PEM: expected -----BEGIN CERTIFICATE-----")
		}
		if block.Type != "CERTIFICATE" {
			return "", Inputf("the CA holds a %s; give its certificates only", block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "", Inputf("the CA holds a certificate that cannot be read: %v", err)
		}
		out.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
	}
	if out.Len() == 0 {
		return "", Inputf("the CA holds no certificate")
	}
	return out.String(), nil
}

// parseExportTo takes ".", "*" and names of namespaces, sorted and once each.
func parseExportTo(given []string) ([]string, error) {
	var out []string
	for _, g := range given {
		if g != "." && g != "*" && (!isLabel(g) || len(g) > maxLabel) {
			return nil, Inputf("%q is not a namespace to export to; use . for the set's own, * for all, or names of namespaces", g)
		}
		out = append(out, g)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) > 1 && slices.Contains(out, "*") {
		return nil, Inputf("exporting to * and to others says two things; use * alone, or leave it out")
	}
	return out, nil
}
