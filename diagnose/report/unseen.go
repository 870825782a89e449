package report

import (
	"slices"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// unlooked says whether no proxy of the path was meant to be looked at: only objects were given.
func unlooked(p *trace.Path) bool {
	return len(p.Legs) > 0 && !slices.ContainsFunc(p.Legs, func(l trace.Leg) bool {
		return l.Stop == nil || l.Stop.Kind != trace.NotSelected || l.Proxy != nil && l.Proxy.Pod != ""
	})
}

// unseenHops are the stations of a path of which only objects are known: nothing is said of them.
func unseenHops(p *trace.Path) []Hop {
	names := []egress.Hop{egress.AtSidecar, egress.AtGateway, egress.AtOutside}
	switch p.Mode {
	case egress.Direct:
		names = []egress.Hop{egress.AtSidecar, egress.AtOutside}
	case egress.SNIProxy:
		names = []egress.Hop{egress.AtSidecar, egress.AtGateway, egress.AtSNIProxy, egress.AtOutside}
	}
	hops := make([]Hop, 0, len(names))
	for _, name := range names {
		hops = append(hops, Hop{Name: name, State: check.Skip, Detail: p.Legs[0].Stop.Says})
	}
	return hops
}

// blame marks the stations at which something is wrong that no trace shows: of such paths, and where a rule knows why nothing is known.
func (r *Report) blame() {
	byName := map[string]*Path{}
	for i := range r.Paths {
		byName[r.Paths[i].name()] = &r.Paths[i]
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		p := byName[f.Path]
		if p == nil {
			continue
		}
		at := slices.IndexFunc(p.Hops, func(h Hop) bool { return h.Name == f.Hop })
		if at >= 0 && f.State == check.Fail && p.Hops[at].State == check.Unknown {
			p.Hops[at].State, p.Hops[at].Detail = f.State, f.says()
			for i := at + 1; i < len(p.Hops); i++ {
				p.Hops[i].State, p.Hops[i].Detail = check.Skip, "not reached"
			}
		}
		if p.unseen && (f.State == check.Fail || f.State == check.Warn) {
			if at >= 0 && p.Hops[at].State != check.Fail {
				p.Hops[at].State, p.Hops[at].Detail = f.State, f.says()
			}
		}
	}
}
