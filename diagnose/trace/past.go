package trace

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
)

// past says why the path's traffic does not go through the pod's sidecar; empty if it does, or if that depends on addresses that
// are not known.
func past(p *Path, proxy *snapshot.Proxy) string {
	have := proxy.Past
	for word := range strings.SplitSeq(have.ExcludedPorts, ",") {
		if n, err := strconv.Atoi(strings.TrimSpace(word)); err == nil && n == p.Port {
			return "port " + strconv.Itoa(n) + " is among excludeOutboundPorts"
		}
	}
	if have.IncludedRanges == snapshot.NoRanges {
		return "includeOutboundIPRanges is empty"
	}
	addresses := known(p, proxy)
	excluded := prefixes(have.ExcludedRanges)
	if outside(addresses, func(a netip.Addr) bool { return !within(excluded, a) }) {
		return "its address is among excludeOutboundIPRanges (" + have.ExcludedRanges + ")"
	}
	if slices.ContainsFunc(excluded, func(r netip.Prefix) bool { return r.Bits() == 0 }) {
		return "excludeOutboundIPRanges is " + have.ExcludedRanges
	}
	included := prefixes(have.IncludedRanges)
	if len(included) > 0 && outside(addresses, func(a netip.Addr) bool { return within(included, a) }) {
		return "its address is not among includeOutboundIPRanges (" + have.IncludedRanges + ")"
	}
	return ""
}

// outside says whether there are addresses, and none of them passes.
func outside(addresses []netip.Addr, captured func(netip.Addr) bool) bool {
	return len(addresses) > 0 && !slices.ContainsFunc(addresses, captured)
}

// known gives the addresses of the path's host, as far as the sidecar itself has looked them up.
func known(p *Path, proxy *snapshot.Proxy) []netip.Addr {
	var out []netip.Addr
	for _, c := range proxy.Hosts {
		if name, ok := ParseCluster(c.Cluster); !ok || name.Subset != "" || name.Host != string(p.Host) {
			continue
		}
		for _, h := range c.Hosts {
			if a, err := netip.ParseAddr(h.Address); err == nil {
				out = append(out, a.Unmap())
			}
		}
	}
	return out
}

// prefixes reads a list of networks; what is none, such as "*", is left out.
func prefixes(list string) []netip.Prefix {
	var out []netip.Prefix
	for word := range strings.SplitSeq(list, ",") {
		if r, err := netip.ParsePrefix(strings.TrimSpace(word)); err == nil {
			out = append(out, r)
		}
	}
	return out
}

func within(ranges []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return r.Contains(a) })
}
