package check

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// leak is a way out that is open to a pod.
type leak struct {
	policy     *snapshot.NetworkPolicy // that leaves it open; nil: none selects the pod
	rule, peer int                     // peer is -1 where the rule names none
	to         call                    // for example
}

// leaks gives the ways by which a pod may leave the cluster without the gateway: to an address of an outside host that the gateway is
// used for, or to any public one, on any port but that of DNS.
func (n *network) leaks(w *snapshot.Workload, hosts []netip.Addr) []leak {
	anywhere := example(&snapshot.IPBlock{CIDR: "0.0.0.0/0"}, hosts)
	selecting := n.selecting(w, egressType)
	if len(selecting) == 0 {
		return []leak{{to: call{addr: anywhere, protocol: "TCP", port: tlsPort}}}
	}
	var out []leak
	for _, p := range selecting {
		for i, r := range p.Spec.Egress {
			c, ok := examplePort(r.Ports)
			if !ok {
				continue
			}
			if len(r.To) == 0 {
				c.addr = anywhere
				out = append(out, leak{policy: p, rule: i, peer: -1, to: c})
			}
			for j := range r.To {
				if r.To[j].IPBlock == nil {
					continue
				}
				if c.addr = example(r.To[j].IPBlock, hosts); c.addr.IsValid() {
					out = append(out, leak{policy: p, rule: i, peer: j, to: c})
				}
			}
		}
	}
	return out
}

const (
	tlsPort = 443
	dnsPort = 53
)

// examplePort gives a port that a rule lets through to addresses outside. What is only for DNS does not count: names are looked up
// outside as well, and what can be smuggled out that way is no question of the gateway.
func examplePort(ports []snapshot.PolicyPort) (call, bool) {
	if len(ports) == 0 {
		return call{protocol: "TCP", port: tlsPort}, true
	}
	for _, p := range ports {
		c := call{protocol: protocolOf(p), port: p.Port.Number}
		last := max(p.Port.Number, p.EndPort)
		switch {
		case p.Port.Name != "": // addresses outside have no names for their ports
			continue
		case p.Port.Number == 0, last >= tlsPort:
			c.port = max(c.port, tlsPort)
		case c.port == dnsPort && last == dnsPort:
			continue
		case c.port == dnsPort:
			c.port++
		}
		return c, true
	}
	return call{}, false
}

// notPublic are the ranges that lead nowhere outside: of the registry of special-purpose addresses (RFC 6890) and, for IPv6, all that
// is not global unicast.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/3"), netip.MustParsePrefix("4000::/2"), netip.MustParsePrefix("8000::/1"), netip.MustParsePrefix("2001:db8::/32"),
}

// example gives an address of a block that is outside: one of the hosts', or else the lowest public one. It is not valid if there is
// none. The lowest address that is in no exception is the block's first, or follows the end of an exception.
func example(b *snapshot.IPBlock, hosts []netip.Addr) netip.Addr {
	for _, a := range hosts {
		if holds(b, a) {
			return a
		}
	}
	block, _ := netip.ParsePrefix(b.CIDR) // what is no block holds nothing
	not := slices.Clone(notPublic)
	for _, e := range b.Except {
		if p, err := netip.ParsePrefix(e); err == nil {
			not = append(not, p)
		}
	}
	candidates := []netip.Addr{block.Masked().Addr()}
	for _, p := range not {
		candidates = append(candidates, last(p).Next())
	}
	egress.SortFunc(candidates, netip.Addr.Compare)
	for _, a := range candidates {
		if block.Contains(a) && !within(not, a) {
			return a
		}
	}
	return netip.Addr{}
}

func within(ranges []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}

// last is the highest address of a range.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// ranges reads a list of ranges as Istio's annotations have it; words that are no range are left out.
func ranges(list string) []netip.Prefix {
	var out []netip.Prefix
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		if a, err := netip.ParseAddr(word); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
		if p, err := netip.ParsePrefix(word); err == nil {
			out = append(out, p)
		}
	}
	return out
}
