package plugin

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/probe"
)

// probeText says for people which way a request went. Parts of it are other people's words, which come out plain.
func probeText(r probe.Result, unicode bool) string {
	arrow := "->"
	if unicode {
		arrow = "─▶"
	}
	var lines []string
	lines = append(lines, r.Asked())
	name, from, to := 0, 0, 0
	for _, h := range r.Hops {
		name, from, to = max(name, len(h.Hop)), max(from, len(cmp.Or(h.Local, "-"))), max(to, len(cmp.Or(h.Remote, "-")))
	}
	for _, h := range r.Hops {
		lines = append(lines, fmt.Sprintf("  %-*s  %-*s %s %-*s  %s", name, h.Hop, from, cmp.Or(h.Local, "-"), arrow, to, cmp.Or(h.Remote, "-"), h.What()))
	}
	if r.Proof == probe.ByCounters {
		for _, g := range r.Grown {
			lines = append(lines, fmt.Sprintf("  %s  %s  +%d  %s", g.Hop, g.Pod, g.By, g.Cluster))
		}
	}
	if r.Leaves != "" {
		lines = append(lines, "  leaves from "+r.Leaves)
	}
	lines = append(lines, r.Says())
	for i, l := range lines {
		lines[i] = strings.TrimRight(plain(l), " ")
	}
	return strings.Join(lines, "\n") + "\n"
}
