package trace

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// chainIndex finds the filter chains of a listener by what Envoy looks at first: a gateway has a chain for each host, and to go
// through a thousand of them for each of a thousand paths and on each of a hundred pods takes minutes.
type chainIndex struct {
	listener *admin.Listener
	groups   []*chainGroup
}

// chainGroup are the chains that ask for the same port and networks. Positions are those in the listener, ascending.
type chainGroup struct {
	match    *admin.Match
	anyName  []int
	exact    map[string][]int // by server name
	wildcard map[string][]int // by what comes after the *
	lengths  []int            // of the keys of wildcard, each once
}

func newChainIndex(l *admin.Listener) *chainIndex {
	x := &chainIndex{listener: l}
	groups := map[string]*chainGroup{}
	for i := range l.Chains {
		m := &l.Chains[i].Match
		key := strings.Join(m.Prefixes, " ") + ":" + strconv.Itoa(m.Port)
		g := groups[key]
		if g == nil {
			g = &chainGroup{match: m, exact: map[string][]int{}, wildcard: map[string][]int{}}
			groups[key] = g
			x.groups = append(x.groups, g)
		}
		g.add(i, m.ServerNames)
	}
	return x
}

func (g *chainGroup) add(position int, names []string) {
	if len(names) == 0 {
		g.anyName = append(g.anyName, position)
	}
	for _, name := range names {
		suffix, wild := strings.CutPrefix(strings.ToLower(name), "*")
		if !wild {
			g.exact[suffix] = append(g.exact[suffix], position)
			continue
		}
		g.wildcard[suffix] = append(g.wildcard[suffix], position)
		if !slices.Contains(g.lengths, len(suffix)) {
			g.lengths = append(g.lengths, len(suffix))
		}
	}
}

// named gives the positions of the chains that take a server name, those among them that take any.
func (g *chainGroup) named(sni string) []int {
	out := slices.Clone(g.anyName)
	if sni == "" {
		return out
	}
	out = append(out, g.exact[sni]...)
	for _, n := range g.lengths {
		if n < len(sni) {
			out = append(out, g.wildcard[sni[len(sni)-n:]]...)
		}
	}
	return out
}

// choose takes the filter chain that Envoy takes. Envoy goes through the criteria in a fixed order and keeps, at each, only the
// chains that fit best; it never goes back, even if a later criterion then fits none of them.
func (x *chainIndex) choose(c connection) (chain *admin.FilterChain, decided bool) {
	groups := x.groups
	for _, fit := range []func(*admin.Match) int{c.fitPort, c.fitAddress} {
		groups = best(groups, func(g *chainGroup) int { return fit(g.match) })
	}
	var positions []int
	for _, g := range groups {
		positions = append(positions, g.named(c.sni)...)
	}
	slices.Sort(positions)
	chains := make([]*admin.FilterChain, 0, len(positions))
	for _, i := range slices.Compact(positions) {
		chains = append(chains, &x.listener.Chains[i])
	}
	for _, fit := range []func(*admin.Match) int{c.fitName, c.fitTransport, c.fitApplication} {
		chains = best(chains, func(f *admin.FilterChain) int { return fit(&f.Match) })
	}
	for _, f := range chains {
		if !f.Match.Sourced {
			return f, true
		}
	}
	if len(chains) > 0 {
		return nil, false // it depends on where the connection comes from
	}
	return x.listener.Default, true
}

// best gives what has the highest score; below zero does not fit at all.
func best[T any](all []T, fit func(T) int) []T {
	var kept []T
	top := 0
	for _, one := range all {
		switch score := fit(one); {
		case score < top:
		case score > top:
			top = score
			kept = append(kept[:0], one)
		default:
			kept = append(kept, one)
		}
	}
	return kept
}
