package certs

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// maxReply bounds a reply about secrets, in bytes: the CAs of an operating system have some 300 kB in it.
const maxReply = 32 << 20

// ActivePath and WarmingPath ask for secrets without their keys.
const (
	ActivePath  = "/config_dump?resource=" + admin.DynamicSecrets + "&mask="
	WarmingPath = "/config_dump?resource=" + admin.DynamicWarmingSecrets + "&mask="
)

type wireBytes struct {
	Bytes []byte `json:"inline_bytes"`
	Text  string `json:"inline_string"`
}

type wireSecret struct {
	Name    string `json:"name"`
	Updated string `json:"last_updated"`
	Error   *struct {
		Details string `json:"details"`
	} `json:"error_state"`
	Secret struct {
		TLS *struct {
			Chain wireBytes `json:"certificate_chain"`
		} `json:"tls_certificate"`
		Validation *struct {
			CA wireBytes `json:"trusted_ca"`
		} `json:"validation_context"`
	} `json:"secret"`
}

type wireDump struct {
	Configs []struct {
		wireSecret
		// Envoys that know no ?resource= (before 1.14) give the whole dump, where the lists are one level deeper.
		Active  []wireSecret `json:"dynamic_active_secrets"`
		Warming []wireSecret `json:"dynamic_warming_secrets"`
	} `json:"configs"`
}

// Read reads a reply to ActivePath (Active) or WarmingPath (Warming).
func Read(r io.Reader, state State) ([]Held, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxReply+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("secrets: %w", err)
	case len(text) > maxReply:
		return nil, fmt.Errorf("secrets: a reply of more than %d MiB", maxReply>>20)
	}
	defer clear(text) // a dump that was not masked has keys in it, if only the word that stands for them
	var dump wireDump
	if err := json.Unmarshal(text, &dump); err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	var all []Held
	for i := range dump.Configs {
		c := &dump.Configs[i]
		list := c.Active
		if state == Warming {
			list = c.Warming
		}
		if c.Name != "" {
			list = append(list, c.wireSecret)
		}
		for j := range list {
			h, err := list[j].held(state)
			if err != nil {
				return nil, fmt.Errorf("secret %s: %w", list[j].Name, err)
			}
			all = append(all, h)
		}
	}
	return all, nil
}

func (w *wireSecret) held(state State) (Held, error) {
	h := Held{Name: w.Name, State: state, Updated: w.Updated, Type: typeOf(w.Name), For: purpose(w.Name)}
	if w.Error != nil {
		h.Rejected = w.Error.Details
	}
	var content wireBytes
	switch {
	case w.Secret.TLS != nil:
		h.Type, content = Chain, w.Secret.TLS.Chain
	case w.Secret.Validation != nil:
		h.Type, content = Anchor, w.Secret.Validation.CA
	}
	text := content.Bytes
	if len(text) == 0 {
		text = []byte(content.Text)
	}
	if len(text) == 0 {
		return h, nil // warming, or a file that Envoy names and does not show
	}
	var err error
	h.Certificates, err = ReadPEM(text)
	return h, err
}

// typeOf goes by the name that Istio gives a secret: what is not there yet says nothing else.
func typeOf(name string) Type {
	if name == RootSecret || strings.HasPrefix(name, "file-root:") || strings.HasSuffix(name, "-cacert") {
		return Anchor
	}
	return Chain
}

// purpose says in words what a secret is for, by the name that Istio gives it.
func purpose(name string) string {
	credential, own := strings.CutPrefix(name, "kubernetes://")
	switch {
	case name == OwnSecret:
		return "Istio mTLS: the gateway's own"
	case name == RootSecret:
		return "Istio mTLS: verifies peers"
	case name == SystemRoots:
		return "system CAs: verify servers outside"
	case own && typeOf(name) == Anchor:
		return "verifies servers for credential " + strings.TrimSuffix(credential, "-cacert")
	case own:
		return "credential " + credential
	case strings.HasPrefix(name, "file-root:"):
		return "verifies by file " + strings.TrimPrefix(name, "file-root:")
	case strings.HasPrefix(name, "file-cert:"):
		file, _, _ := strings.Cut(strings.TrimPrefix(name, "file-cert:"), "~")
		return "file " + file
	}
	return "named by hand"
}

// Expected is a secret that objects want and Envoy does not have.
func Expected(name string) Held {
	return Held{Name: name, Type: typeOf(name), State: Missing, For: purpose(name)}
}

// FileName is what a certificate without a secret of its own is called: a file of the pod.
func FileName(path string) bool { return strings.HasPrefix(path, "/") }

// OldFiles are where Istio up to 1.4 has a workload's certificate and the mesh's CA.
func OldFiles() []string { return []string{"/etc/certs/cert-chain.pem", "/etc/certs/root-cert.pem"} }

// File tells of a file of the pod by its content.
func File(path string, text []byte) (Held, error) {
	certificates, err := ReadPEM(text)
	if err != nil {
		return Held{}, fmt.Errorf("%s: %w", path, err)
	}
	h := file(path)
	h.Certificates = certificates
	if path != OldFiles()[0] && path != OldFiles()[1] && certificates[0].CA {
		h.Type = Anchor
	}
	return h, nil
}

func file(path string) Held {
	h := Held{Name: path, State: Active, Type: Chain, For: "a file of the pod"}
	switch path {
	case OldFiles()[0]:
		h.For = purpose(OwnSecret)
	case OldFiles()[1]:
		h.Type, h.For = Anchor, purpose(RootSecret)
	}
	return h
}

// Told tells of files by what Envoy says of them (/certs), where they cannot be read themselves: issuer and subject are not known then.
func Told(all []admin.Certificate) []Held {
	var out []Held
	at := map[string]int{}
	for _, c := range all {
		if !FileName(c.Path) {
			continue
		}
		i, ok := at[c.Path]
		if !ok {
			i = len(out)
			at[c.Path] = i
			out = append(out, file(c.Path))
			if c.CA {
				out[i].Type = Anchor
			}
		}
		from, errFrom := time.Parse(time.RFC3339, c.From)
		expires, errExpires := time.Parse(time.RFC3339, c.Expires)
		if errFrom != nil || errExpires != nil {
			out[i].Problems = append(out[i].Problems, Problem{Level: Warn, Says: fmt.Sprintf("its validity is not known: Envoy says %q to %q", c.From, c.Expires)})
			continue
		}
		out[i].Certificates = append(out[i].Certificates, Certificate{Serial: strings.TrimLeft(c.Serial, "0"), SANs: c.SANs, From: from, Expires: expires, CA: c.CA})
	}
	return out
}
