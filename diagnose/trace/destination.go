package trace

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
)

// destination is the address that clients connect to, where the objects are about certain addresses: those that the routes to the
// gateway match, or those of the ServiceEntry. Where the host's own addresses are none of them clients go elsewhere, and it is empty.
func (w *Walker) destination(p *Path, proxy *snapshot.Proxy) string {
	var nets []netip.Prefix
	for _, l := range w.wanted.Own(p.Path) {
		if l.ForMesh() && l.Match != nil {
			nets = append(nets, networks(l.Match.Subnets)...)
		}
	}
	own := known(p, proxy)
	looked := false // clients learn the addresses of a host that is looked up, or whose endpoints are written down
	for _, e := range w.wanted.Entries(string(p.Host)) {
		if !e.VisibleTo(w.s, proxy.Namespace) {
			continue
		}
		nets = append(nets, networks(e.Spec.Addresses)...)
		looked = looked || e.Spec.Resolution != "" && !strings.EqualFold(e.Spec.Resolution, "NONE")
	}
	if i := slices.IndexFunc(own, func(a netip.Addr) bool { return within(nets, a) }); i >= 0 {
		return own[i].String()
	}
	if len(nets) > 0 && len(own) == 0 && !looked {
		return nets[0].Addr().String()
	}
	return ""
}

// networks reads addresses and networks; an address is a network of itself.
func networks(texts []string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
		} else if n, err := netip.ParsePrefix(text); err == nil {
			out = append(out, n)
		}
	}
	return out
}
