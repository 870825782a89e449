package egress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// The header of a declaration in YAML.
const (
	APIVersion = "kubectl-egress/v1"
	KindSet    = "Set"
)

// maxDeclaration is the largest YAML that DecodeSet reads, in bytes: what a ConfigMap can hold.
const maxDeclaration = 1 << 20

// Declaration is a set as people write it, unchecked: in flags, in a file, and on the cluster in the parent's set.yaml.
type Declaration struct {
	Name      string   // empty: from the first host
	Namespace string   // empty: default
	Domains   []string // host names
	Mode      string   // empty: auto
	Gateway   string   // NAMESPACE/SERVICE; empty: discovered
	MTLS      string   // auto, on or off; empty: auto

	CommonHost  string   // of mode common-host
	Credential  string   // of mode mtls-origination: a Secret
	CASecret    string   // of mode tls-origination: a Secret with ca.crt
	CA          string   // of mode tls-origination: PEM
	ExportTo    []string // ".", "*", namespaces; empty: as the mesh does
	LegacyCerts bool
}

// document is Declaration as YAML.
type document struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Name       string   `json:"name,omitempty"`
	Namespace  string   `json:"namespace,omitempty"`
	Domains    []string `json:"domains"`
	Mode       string   `json:"mode,omitempty"`
	Gateway    string   `json:"gateway,omitempty"`
	MTLS       onOff    `json:"mtls,omitempty"`

	CommonHost  string   `json:"commonHost,omitempty"`
	Credential  string   `json:"credential,omitempty"`
	CASecret    string   `json:"caSecret,omitempty"`
	CA          string   `json:"ca,omitempty"`
	ExportTo    []string `json:"exportTo,omitempty"`
	LegacyCerts bool     `json:"legacyCerts,omitempty"`
}

// onOff is a word that YAML 1.1 takes for a boolean where it is not quoted.
type onOff string

// UnmarshalJSON takes the words and what YAML makes of them.
func (o *onOff) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true":
		*o = onOff(MTLSOn)
		return nil
	case "false":
		*o = onOff(MTLSOff)
		return nil
	}
	return json.Unmarshal(b, (*string)(o))
}

// DecodeDeclaration reads one YAML document of kind Set. Unknown and repeated fields are refused, so that a slip of the pen
// does not silently mean a default. Every error is an *InputError.
func DecodeDeclaration(text []byte) (Declaration, error) {
	if len(text) > maxDeclaration {
		return Declaration{}, Inputf("declaration of %d bytes is too large; at most %d are read", len(text), maxDeclaration)
	}
	if hasSecondDocument(text) {
		return Declaration{}, Inputf("declaration holds more than one YAML document; give one Set at a time")
	}
	var d document
	if err := yaml.UnmarshalStrict(text, &d); err != nil {
		return Declaration{}, Inputf("declaration cannot be read: %s", brief(err))
	}
	if d.APIVersion != APIVersion || d.Kind != KindSet {
		return Declaration{}, Inputf("declaration is apiVersion %q, kind %q; expected apiVersion %s, kind %s", d.APIVersion, d.Kind, APIVersion, KindSet)
	}
	return Declaration{
		Name: d.Name, Namespace: d.Namespace, Domains: d.Domains, Mode: d.Mode, Gateway: d.Gateway, MTLS: string(d.MTLS),
		CommonHost: d.CommonHost, Credential: d.Credential, CASecret: d.CASecret, CA: d.CA, ExportTo: d.ExportTo, LegacyCerts: d.LegacyCerts,
	}, nil
}

// brief is an error's begin: a decoder of YAML tells of every repeated key anew.
func brief(err error) string {
	const most = 500
	if text := err.Error(); len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return err.Error()
}

// hasSecondDocument looks for content after the end of the first document, which the decoder would silently ignore.
func hasSecondDocument(text []byte) bool {
	content, ended := false, false
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, " \t\r\n")
		switch {
		case len(line) == 0 || line[0] == '#':
		case bytes.Equal(line, []byte("...")):
			ended = content
		case bytes.Equal(line, []byte("---")):
			ended = content
		case ended || content && bytes.HasPrefix(line, []byte("--- ")):
			return true
		default:
			content = true
		}
	}
	return false
}

// DecodeSet reads and checks one YAML document of kind Set. Every error is an *InputError.
func DecodeSet(text []byte) (Set, error) {
	d, err := DecodeDeclaration(text)
	if err != nil {
		return Set{}, err
	}
	return ParseSet(d)
}

// Encode writes the set so that DecodeSet gives it back. The same set gives the same bytes.
func (s Set) Encode() ([]byte, error) {
	d := document{
		APIVersion: APIVersion, Kind: KindSet, Name: s.Name, Namespace: s.Namespace,
		Mode: string(s.Mode), Gateway: s.Gateway.String(), MTLS: onOff(s.MTLS),
		CommonHost: string(s.CommonHost), Credential: s.Credential, CASecret: s.CASecret, CA: s.CA, ExportTo: s.ExportTo, LegacyCerts: s.LegacyCerts,
	}
	for _, h := range s.Hosts {
		d.Domains = append(d.Domains, string(h))
	}
	out, err := yaml.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode set %s: %w", s, err)
	}
	return out, nil
}
