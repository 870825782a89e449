package check

import (
	"slices"

	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// requestElsewhere has no Run: it is about requests that were really sent, which package probe judges.
var requestElsewhere = Check{
	Code:     "EGR069",
	Title:    "request does not take the path",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Why: "A real request was sent along the path (check --probe), and what sidecar and gateway wrote about that very connection shows that it " +
		"went another way, or that it was stopped. The configuration of the sidecars that were looked at may be right all the same: " +
		"another workload may have another one, or its traffic may not pass its sidecar. Where another check has found the cause, " +
		"the request is told there as evidence.",
	Fix: "Look at the workload that asked: check --from-pod=NAMESPACE/POD follows the path through its own sidecar. probe sends the request again and " +
		"prints each hop.",
}

// Probed makes a finding of what a request along a path has shown; without a state it is a failure.
func Probed(p *trace.Path, f Finding) Finding { return requestElsewhere.finding(p, f) }

// WithProbes adds what requests have shown. A request that fails where the path is known to fail shows no other fault: it is told as
// evidence there.
func WithProbes(findings, probed []Finding) []Finding {
	out := slices.Clone(findings)
	for _, f := range probed {
		at := slices.IndexFunc(out, func(o Finding) bool { return o.Path == f.Path && o.State == Fail && o.Code != f.Code })
		if f.State == Fail && at >= 0 {
			out[at].Evidence = append(slices.Clone(out[at].Evidence), "a request: "+f.Message)
			continue
		}
		out = append(out, f)
	}
	return out
}
