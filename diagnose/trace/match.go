package trace

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// connection is what Envoy knows of a connection when it chooses a filter chain.
type connection struct {
	port         int
	address      netip.Addr // zero: an address that no network of the configuration names
	sni          string
	transport    string // tls or raw_buffer
	applications []string
}

// Names of the listener filters that find out about a connection.
const (
	tlsInspector  = "tls_inspector"
	httpInspector = "http_inspector"
)

// inspect finds out what the listener's filters can tell Envoy about what arrives.
func inspect(l *admin.Listener, ask Ask) connection {
	c := connection{port: ask.Port, transport: "raw_buffer"}
	if a, err := netip.ParseAddr(ask.Address); err == nil {
		c.address = a.Unmap()
	}
	outer := ask.outer()
	switch {
	case outer != nil && looksAtTLS(l):
		c.transport, c.sni, c.applications = "tls", strings.ToLower(outer.SNI), outer.ALPN
	case outer == nil && ask.Authority != "" && hasFilter(l, httpInspector):
		c.applications = []string{"http/1.1"}
	}
	return c
}

// looksAtTLS is true as well where a chain asks for TLS's properties: Envoy puts the inspector in by itself then.
func looksAtTLS(l *admin.Listener) bool {
	return hasFilter(l, tlsInspector) || slices.ContainsFunc(l.Chains, func(c admin.FilterChain) bool {
		return len(c.Match.ServerNames) > 0 || c.Match.Transport == "tls"
	})
}

func hasFilter(l *admin.Listener, name string) bool {
	return slices.ContainsFunc(l.Filters, func(f string) bool { return strings.HasSuffix(f, name) })
}

const unfit = -1

func (c connection) fitPort(m *admin.Match) int {
	switch m.Port {
	case 0:
		return 0
	case c.port:
		return 1
	}
	return unfit
}

// fitAddress prefers the narrowest network.
func (c connection) fitAddress(m *admin.Match) int {
	if len(m.Prefixes) == 0 {
		return 0
	}
	score := unfit
	for _, text := range m.Prefixes {
		p, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
		case p.Bits() == 0, p.Contains(c.address):
			score = max(score, 1+p.Bits())
		}
	}
	return score
}

// fitName prefers the name itself, then the wildcard with the longest suffix.
func (c connection) fitName(m *admin.Match) int {
	if len(m.ServerNames) == 0 {
		return 0
	}
	score := unfit
	for _, name := range m.ServerNames {
		suffix, wild := strings.CutPrefix(strings.ToLower(name), "*")
		switch {
		case c.sni == "":
		case !wild && suffix == c.sni:
			return 1 << 16
		case wild && strings.HasSuffix(c.sni, suffix) && len(c.sni) > len(suffix):
			score = max(score, 1+len(suffix))
		}
	}
	return score
}

func (c connection) fitTransport(m *admin.Match) int {
	switch m.Transport {
	case "":
		return 0
	case c.transport:
		return 1
	}
	return unfit
}

// fitApplication goes by the client's order of preference.
func (c connection) fitApplication(m *admin.Match) int {
	if len(m.Applications) == 0 {
		return 0
	}
	for i, a := range c.applications {
		if slices.Contains(m.Applications, a) {
			return len(c.applications) - i
		}
	}
	return unfit
}
