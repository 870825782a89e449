package check

import (
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var notCaptured = Check{
	Code:     "EGR009",
	Title:    "traffic goes past the client's sidecar",
	Severity: Fail,
	Hop:      egress.AtWorkload,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtSidecar, trace.NotCaptured)
		if len(legs) == 0 {
			return nil
		}
		pod := legs[0].Proxy
		kind, name, ok := strings.Cut(pod.Owner, "/")
		if !ok {
			kind, name = "pod", pod.Pod
		}
		f := because(legs)
		f.Object = &Object{Kind: kindOf(kind), Namespace: pod.Namespace, Name: name, Field: "spec.template.metadata.annotations"}
		f.Message = legs[0].Stop.Says
		f.Fix = fmt.Sprintf("kubectl -n %s patch %s --type=merge -p %s", word(pod.Namespace), word(kind+"/"+name), word(oneLine(withoutPast(pod.Past))))
		return []Finding{f}
	},
	Why: "The annotations traffic.sidecar.istio.io/excludeOutboundPorts, excludeOutboundIPRanges and includeOutboundIPRanges, or the settings " +
		"of the same name in the injection's values, take traffic past the sidecar. It goes straight out: no route, no gateway, no log.",
	Fix: "Take the annotation away and let the pods restart; or correct the injection's values where the pods have no annotation.",
}

// withoutPast takes away those annotations that leave traffic out.
func withoutPast(past snapshot.Past) fields {
	gone := fields{}
	for annotation, value := range map[string]string{
		"excludeOutboundPorts": past.ExcludedPorts, "excludeOutboundIPRanges": past.ExcludedRanges, "includeOutboundIPRanges": past.IncludedRanges,
	} {
		if value != "" && value != "*" {
			gone["traffic.sidecar.istio.io/"+annotation] = nil
		}
	}
	return fields{"spec": fields{"template": fields{"metadata": fields{"annotations": gone}}}}
}
