package egress

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// maxName is the longest name of a set, so that "egress-" and the name together leave room in a label of 63.
const maxName = 50

// Set is what a user declares: which hosts leave the mesh, how, and through which gateway. The zero Set is not valid;
// ParseSet is the only way to one, so holders need not check again. Its slices are never written to.
type Set struct {
	Name      string     `json:"name"`
	Namespace string     `json:"namespace"`
	Hosts     []Host     `json:"hosts"`            // sorted, no duplicates
	Mode      Mode       `json:"mode"`             // as declared, may be Auto; Routes resolves it
	Gateway   GatewayRef `json:"gateway,omitzero"` // zero: to be discovered
	MTLS      Toggle     `json:"mtls"`             // Istio mTLS from sidecar to gateway; auto: to be discovered
	// CommonHost serves all hosts of mode common-host; empty in other modes.
	CommonHost Host `json:"commonHost,omitempty"`
	// Credential is the Secret in the gateway's namespace with the client certificate of mode mtls-origination.
	Credential string `json:"credential,omitempty"`
	// CASecret is the Secret in the gateway's namespace whose ca.crt the servers of mode tls-origination are verified by;
	// CA is the same as PEM, of which a Secret of the set is made. Both empty: the proxy's system CAs.
	CASecret string `json:"caSecret,omitempty"`
	CA       string `json:"ca,omitempty"`
	// ExportTo is who sees the set: "." its own namespace, "*" everybody, or names of namespaces; sorted. The gateway sees it in
	// any case. Empty: as the mesh does by default.
	ExportTo []string `json:"exportTo,omitempty"`
	// LegacyCerts uses the files in /etc/certs that Istio mounted up to 1.4, instead of ISTIO_MUTUAL.
	LegacyCerts bool `json:"legacyCerts,omitempty"`
}

// Route is what the set does for one host on one port.
type Route struct {
	Host     Host
	Mode     Mode // never Auto
	Port     int  // the port that the application uses
	Protocol Protocol
}

// DefaultName is the name of a set that was given none: its first host with dashes, without wildcard.
// Names that would be too long are cut and end in a hash of the host.
func DefaultName(hosts []Host) string {
	if len(hosts) == 0 {
		return ""
	}
	first := slices.Min(hosts)
	return Shorten(strings.ReplaceAll(first.Domain(), ".", "-"), string(first), maxName)
}

// Shorten cuts name to at most limit bytes, with a short hash of identity at the end where something had to be cut off, so
// that different identities keep different names.
func Shorten(name, identity string, limit int) string {
	if len(name) <= limit {
		return name
	}
	tail := "-" + Hash(identity)
	return strings.TrimRight(name[:limit-len(tail)], "-.") + tail
}

// Hash is a short name for identity: eight hexadecimal digits.
func Hash(identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return hex.EncodeToString(sum[:4])
}

// Resolved is the set with the gateway and the choice about Istio mTLS that discovery made.
func (s Set) Resolved(gw GatewayRef, mtls bool) Set {
	s.Gateway, s.MTLS = gw, MTLSOff
	if mtls && !s.Direct() {
		s.MTLS = MTLSOn
	}
	return s
}

// String is NAMESPACE/NAME.
func (s Set) String() string { return s.Namespace + "/" + s.Name }

// Routes says per host and port what becomes of it, sorted by host and port. Auto stands for passthrough on 443 and http on
// 80 where the host is exact, so that neither port goes round the gateway, and for sni-dynamic where it is a wildcard.
func (s Set) Routes() []Route {
	var routes []Route
	for _, h := range s.Hosts {
		switch {
		case s.Mode != Auto:
			routes = append(routes, s.Mode.route(h))
		case h.IsWildcard():
			routes = append(routes, SNIDynamic.route(h))
		default:
			routes = append(routes, HTTP.route(h), Passthrough.route(h))
		}
	}
	return routes
}

func (m Mode) route(h Host) Route {
	switch m {
	case HTTP, TLSOrigination, MTLSOrigination:
		return Route{Host: h, Mode: m, Port: 80, Protocol: ProtocolHTTP}
	default:
		return Route{Host: h, Mode: m, Port: 443, Protocol: ProtocolTLS}
	}
}

// Direct says that nothing of the set goes through a gateway.
func (s Set) Direct() bool { return s.Mode == Direct }

// Private says that only the set's own namespace (and the gateway) shall see it, so that it can be put there with rights in
// that namespace alone.
func (s Set) Private() bool { return len(s.ExportTo) == 1 && s.ExportTo[0] == "." }

// Paths are the set's routes as the reading side names them.
func (s Set) Paths() []Path {
	routes := s.Routes()
	paths := make([]Path, 0, len(routes))
	for _, r := range routes {
		gw := s.Gateway
		if r.Mode == Direct {
			gw = GatewayRef{}
		}
		paths = append(paths, Path{Host: r.Host, Port: r.Port, Protocol: r.Protocol, Set: s.String(), Mode: r.Mode, Gateway: gw})
	}
	return paths
}
