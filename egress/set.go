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
}

// Route is what the set does for one host on one port.
type Route struct {
	Host     Host
	Mode     Mode // never Auto
	Port     int  // the port that the application uses
	Protocol Protocol
}

// ParseSet checks a declaration. Empty fields take their defaults: the name comes from the first host, namespace is
// "default", mode and mTLS are auto, the gateway is to be discovered. Every error is an *InputError.
func ParseSet(d Declaration) (Set, error) {
	hosts, err := ParseHosts(d.Domains)
	if err != nil {
		return Set{}, err
	}
	s := Set{Name: d.Name, Namespace: d.Namespace, Hosts: hosts, Mode: Auto, MTLS: MTLSAuto}
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
	return s, s.check()
}

func (s Set) check() error {
	if !isLabel(s.Name) || len(s.Name) > maxName {
		return Inputf("%q cannot name a set; use at most %d lower case letters, digits and -, beginning and ending with a letter or digit", s.Name, maxName)
	}
	if !isLabel(s.Namespace) || len(s.Namespace) > maxLabel {
		return Inputf("%q is not a namespace", s.Namespace)
	}
	if !s.Mode.exactOnly() {
		return nil
	}
	for _, h := range s.Hosts {
		if h.IsWildcard() {
			return Inputf("mode %s routes by whole host names and cannot take %s; name the hosts one by one, or use mode %s", s.Mode, h, SNIDynamic)
		}
	}
	return nil
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
	if mtls {
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
