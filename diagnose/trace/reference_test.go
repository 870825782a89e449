package trace

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// The reference is Envoy's way told in another form: maps within maps, one level for each criterion, where a level that has been
// entered is never left again. choose filters a list instead, and must always come to the same chain.

// levels orders the criteria. For each: what a chain asks for, and in which order a connection looks it up.
var levels = []struct {
	asks  func(*admin.Match) []string
	looks func(connection) []string
}{
	{
		func(m *admin.Match) []string { return []string{fmt.Sprint(m.Port)} },
		func(c connection) []string { return []string{fmt.Sprint(c.port), "0"} },
	},
	{
		func(m *admin.Match) []string { return orAny(m.ServerNames) },
		func(c connection) []string {
			if c.sni == "" {
				return []string{""}
			}
			names := []string{c.sni}
			for rest := c.sni; ; {
				_, after, ok := strings.Cut(rest, ".")
				if !ok {
					return append(names, "")
				}
				names = append(names, "*."+after)
				rest = after
			}
		},
	},
	{
		func(m *admin.Match) []string { return []string{m.Transport} },
		func(c connection) []string { return []string{c.transport, ""} },
	},
	{
		func(m *admin.Match) []string { return orAny(m.Applications) },
		func(c connection) []string { return append(slices.Clone(c.applications), "") },
	},
}

func orAny(values []string) []string {
	if len(values) == 0 {
		return []string{""}
	}
	return values
}

func reference(l *admin.Listener, c connection) *admin.FilterChain {
	left := make([]*admin.FilterChain, 0, len(l.Chains))
	for i := range l.Chains {
		left = append(left, &l.Chains[i])
	}
	for _, level := range levels {
		table := map[string][]*admin.FilterChain{}
		for _, f := range left {
			for _, key := range level.asks(&f.Match) {
				table[key] = append(table[key], f)
			}
		}
		left = nil
		for _, key := range level.looks(c) {
			if found, ok := table[key]; ok {
				left = found
				break
			}
		}
	}
	if len(left) == 0 {
		return l.Default
	}
	return left[0]
}

func TestChooseAsTheReference(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2)) // the same tables every time
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	some := func(from ...string) []string {
		var out []string
		for _, f := range from {
			if r.IntN(4) == 0 {
				out = append(out, f)
			}
		}
		return out
	}
	names := []string{"en.wikipedia.org", "de.wikipedia.org", "*.wikipedia.org", "*.org", "edition.cnn.com", "*.com"}
	for range 5000 {
		l := &admin.Listener{Filters: []string{"tls_inspector"}, Default: &admin.FilterChain{Name: "default"}}
		for i := range 1 + r.IntN(8) {
			l.Chains = append(l.Chains, admin.FilterChain{Name: fmt.Sprint(i), Match: admin.Match{
				Port: []int{0, 0, 443, 80}[r.IntN(4)], ServerNames: some(names...), Transport: pick("", "", "tls", "raw_buffer"), Applications: some("h2", "http/1.1"),
			}})
		}
		c := connection{port: []int{443, 80, 8443}[r.IntN(3)], transport: pick("tls", "raw_buffer")}
		if c.transport == "tls" {
			c.sni = pick("", "en.wikipedia.org", "fr.wikipedia.org", "a.b.wikipedia.org", "edition.cnn.com", "org")
			c.applications = [][]string{nil, {"h2"}, {"h2", "http/1.1"}, {"http/1.1", "h2"}, {"istio"}}[r.IntN(5)]
		}
		got, _ := choose(l, c)
		if want := reference(l, c); got != want {
			t.Fatalf("%+v\nof %+v\nchose %s, Envoy's way leads to %s", c, l.Chains, got.Name, want.Name)
		}
	}
}

// TestVirtualHostAsTheReference does the same for Envoy's order of domains.
func TestVirtualHostAsTheReference(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	domains := []string{"*", "en.wikipedia.org", "*.wikipedia.org", "*.org", "*wikipedia.org", "en.*", "en.wikipedia.*", "*.com", "edition.cnn.com", "edition.cnn.com:80"}
	for range 3000 {
		rc := &admin.RouteConfig{}
		for _, i := range r.Perm(len(domains))[:r.IntN(len(domains))] {
			rc.Hosts = append(rc.Hosts, admin.VirtualHost{Name: domains[i], Domains: []string{domains[i]}})
		}
		for _, authority := range []string{"en.wikipedia.org", "de.wikipedia.org", "wikipedia.org", "en.example.com", "edition.cnn.com", "edition.cnn.com:80", "localhost"} {
			got, want := "", referenceHost(rc, authority)
			if vh := virtualHost(rc, authority); vh != nil {
				got = vh.Name
			}
			if got != want {
				t.Fatalf("%s among %v: %q, Envoy's way leads to %q", authority, rc.Hosts, got, want)
			}
		}
	}
}

func referenceHost(rc *admin.RouteConfig, authority string) string {
	var exact, suffix, prefix, all string
	for _, vh := range rc.Hosts {
		d := vh.Domains[0]
		switch {
		case d == authority:
			exact = d
		case d == "*":
			all = d
		case strings.HasPrefix(d, "*") && strings.HasSuffix(authority, d[1:]) && len(authority) >= len(d) && len(d) > len(suffix):
			suffix = d
		case strings.HasSuffix(d, "*") && strings.HasPrefix(authority, d[:len(d)-1]) && len(d) > len(prefix):
			prefix = d
		}
	}
	for _, d := range []string{exact, suffix, prefix, all} {
		if d != "" {
			return d
		}
	}
	return ""
}
