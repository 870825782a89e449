package trace

import (
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// short drops what all names of Envoy's filters have in common.
func short(filter string) string {
	return filter[strings.LastIndexByte(filter, '.')+1:]
}

// named shows a server name, or that there is none.
func named(sni string) string {
	if sni == "" {
		return "(none)"
	}
	return sni
}

// describe says by what Envoy would choose a chain for the connection.
func (c connection) describe() string {
	if c.transport == "tls" {
		return "TLS with server name " + named(c.sni)
	}
	return "plain text (no server name)"
}

// chainName tells chains apart by what they are for; few have a name.
func chainName(c *admin.FilterChain) string {
	switch {
	case len(c.Match.ServerNames) > 0:
		return "server name " + list(c.Match.ServerNames)
	case c.Name != "":
		return c.Name
	case len(c.Match.Applications) > 0:
		return "application " + list(c.Match.Applications)
	}
	return "any"
}

// offered lists the server names that a listener has chains for.
func offered(l *admin.Listener) string {
	var names []string
	for i := range l.Chains {
		names = append(names, l.Chains[i].Match.ServerNames...)
	}
	if len(names) == 0 {
		return "no server name"
	}
	return list(names)
}

// maxListed is how many names people are shown before the rest is only counted.
const maxListed = 5

func list(names []string) string {
	if len(names) > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	return strings.Join(names, ", ")
}
