package measure

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// rows counts every point, sorted as paths are: by host and port, then the hops in their order, then pods.
func (m *Meter) rows(told []counter.Proxy) []counter.Row {
	var rows []counter.Row
	for _, p := range m.points {
		one := &told[p.proxy]
		at := m.proxies[p.proxy].asked
		if at.Failed != "" {
			continue
		}
		row := counter.Row{
			Host: string(p.path.Host), Port: p.path.Port, Path: p.path.String(), Set: p.path.Set, Hop: at.Hop,
			Namespace: at.Namespace, Pod: at.Pod, Cluster: p.dest.Cluster,
		}
		if !p.dest.Lookup {
			row.Counts = one.Count(p.dest)
			rows = append(rows, row)
			continue
		}
		for _, name := range m.looked(one, p) {
			d := p.dest
			d.Hostname, d.Service = name, name
			row.Host, row.Counts = name, one.Count(d)
			rows = append(rows, row)
		}
	}
	egress.SortFunc(rows, func(a, b counter.Row) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Host, b.Host), cmp.Compare(order(a.Hop), order(b.Hop)),
			strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Pod, b.Pod), strings.Compare(a.Cluster, b.Cluster))
	})
	return rows
}

func order(h egress.Hop) int {
	return slices.Index([]egress.Hop{egress.AtSidecar, egress.AtGateway}, h)
}

// looked gives the names that a proxy looked up for a path, of those that were asked for. Where there is none yet it is the path's
// host, or what was asked for, so that there is a row that says so.
func (m *Meter) looked(p *counter.Proxy, at point) []string {
	names := p.Looked(at.dest.Cluster, at.path.Host)
	var wanted []string
	for _, t := range m.targets {
		if at.path.Host == t || at.path.Host.Covers(t) {
			wanted = append(wanted, string(t))
		}
	}
	if len(wanted) > 0 {
		return wanted
	}
	if len(names) == 0 {
		return []string{string(at.path.Host)}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
