package gather

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// clients are routes that are for pods with certain labels, or of a certain namespace; one for each kind of such pods. Of those a pod is
// looked at as well: the first of a namespace may be one for whom the routes are not.
func (g *gatherer) clients() []trace.Line {
	var out []trace.Line
	seen := map[string]bool{}
	for _, l := range trace.Want(g.s).Lines() {
		if l.Match == nil || l.Match.SourceNamespace == "" && len(l.Match.SourceLabels) == 0 {
			continue
		}
		if key := fmt.Sprint(l.Match.SourceNamespace, l.Match.SourceLabels); !seen[key] {
			seen[key] = true
			out = append(out, l)
		}
	}
	return out
}

// sampled are the pods of a namespace that are looked at: the first by name, and the first for whom each of the routes is; nil where there
// is none.
type sampled []*snapshot.Proxy

func (s sampled) take(p *pod, routes []trace.Line) {
	proxy := p.proxy(snapshot.AtSidecar)
	for i, have := range s {
		if (i == 0 || routes[i-1].From(&proxy)) && (have == nil || proxy.Pod < have.Pod) {
			s[i] = &proxy
		}
	}
}

// some gives the pods, each once, and no more than a bound.
func (s sampled) some(most int) []*snapshot.Proxy {
	var out []*snapshot.Proxy
	for _, p := range s {
		if p != nil && len(out) < most && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	egress.SortFunc(out, func(a, b *snapshot.Proxy) int { return strings.Compare(a.Pod, b.Pod) })
	return out
}
