package egress

import (
	"slices"
	"strings"
)

// Mode is how hosts leave the mesh.
type Mode string

// The modes, each a documented configuration.
const (
	Auto            Mode = "auto"             // per host: see Set.Routes
	Direct          Mode = "direct"           // TLS, no gateway
	HTTP            Mode = "http"             // HTTP through the gateway
	TLSOrigination  Mode = "tls-origination"  // HTTP to the gateway, which begins TLS
	MTLSOrigination Mode = "mtls-origination" // HTTP to the gateway, which begins TLS with a client certificate
	Passthrough     Mode = "passthrough"      // TLS through the gateway by SNI, exact hosts
	CommonHost      Mode = "common-host"      // TLS wildcard through the gateway to one host that serves them all
	SNIProxy        Mode = "sni-proxy"        // TLS wildcard through the gateway and an nginx beside it
	SNIDynamic      Mode = "sni-dynamic"      // TLS wildcard through the gateway by Envoy's SNI dynamic forward proxy
)

// Modes lists all modes, the default first, in the order of the documentation.
func Modes() []Mode {
	return []Mode{Auto, Direct, HTTP, TLSOrigination, MTLSOrigination, Passthrough, CommonHost, SNIProxy, SNIDynamic}
}

// ParseMode knows a mode by its word. The error is an *InputError that lists the modes.
func ParseMode(s string) (Mode, error) {
	if m := Mode(s); slices.Contains(Modes(), m) {
		return m, nil
	}
	words := make([]string, 0, len(Modes()))
	for _, m := range Modes() {
		words = append(words, string(m))
	}
	meant := ""
	if near := Nearest(s, words); near != "" {
		meant = " (did you mean " + near + "?)"
	}
	return "", Inputf("unknown mode %q%s; modes are %s", s, meant, join(Modes()))
}

// exactOnly says whether the mode routes by whole host names and so cannot take a wildcard.
func (m Mode) exactOnly() bool {
	return m == HTTP || m == Passthrough || m == TLSOrigination || m == MTLSOrigination
}

// Toggle is a choice that discovery may make: auto, on or off.
type Toggle string

// The values of --mtls: whether Istio's mutual TLS is used from sidecar to gateway.
const (
	MTLSAuto Toggle = "auto" // as the mesh does: on where PeerAuthentication does not turn it off
	MTLSOn   Toggle = "on"
	MTLSOff  Toggle = "off"
)

// ParseMTLS knows a toggle by its word. The error is an *InputError.
func ParseMTLS(s string) (Toggle, error) {
	switch t := Toggle(s); t {
	case MTLSAuto, MTLSOn, MTLSOff:
		return t, nil
	}
	return "", Inputf("unknown value %q for Istio mTLS; values are auto, on, off", s)
}

// Protocol is what the application speaks, in the words of Istio's port protocols.
type Protocol string

// The protocols of egress paths.
const (
	ProtocolHTTP Protocol = "HTTP"
	ProtocolTLS  Protocol = "TLS"
)

func join[T ~string](items []T) string {
	var b strings.Builder
	for i, it := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(it))
	}
	return b.String()
}
