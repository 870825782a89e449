package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var gatewayIsSidecar = Check{
	Code:     "EGR048",
	Title:    "gateway's pods run Envoy as a sidecar",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		i := slices.IndexFunc(s.NotGateways, func(n snapshot.NotGateway) bool { return n.Gateway == p.Gateway })
		legs := stopped(&p, egress.AtGateway, trace.UnknownPod)
		if i < 0 || len(legs) == 0 {
			return nil
		}
		n := s.NotGateways[i]
		f := Finding{explains: legs, Object: &Object{Kind: "Pod", Namespace: n.Gateway.Namespace, Name: n.Pod, Field: "spec.containers"}}
		f.Message = fmt.Sprintf("pod %s/%s stands behind Service %s and has a sidecar: it takes no configuration of Gateway objects", n.Gateway.Namespace, n.Pod, p.Gateway)
		f.Evidence = []string{"its container istio-proxy does not run as \"proxy router\"", legs[0].Stop.Says}
		owner := n.Owner
		if owner == "" {
			owner = "pod/" + n.Pod
		}
		value := fields{"spec": fields{"template": fields{"metadata": fields{"annotations": fields{"inject.istio.io/templates": "gateway"}}}}}
		f.Fix = fmt.Sprintf("kubectl -n %s patch %s --type=merge -p %s", word(n.Gateway.Namespace), word(owner), word(oneLine(value)))
		if !strings.Contains(owner, "/") || strings.HasPrefix(owner, "pod/") {
			f.Fix = fmt.Sprintf("kubectl -n %s get pod %s -o yaml", word(n.Gateway.Namespace), word(n.Pod))
		}
		return []Finding{f}
	},
	Why: "Injection has two templates. Without the annotation inject.istio.io/templates: gateway a pod gets a sidecar, which passes what arrives " +
		"on to the application beside it (InboundPassthroughCluster), where there is none: connections are refused (UF), and no Gateway " +
		"object ever reaches it.",
	Fix: "Put the annotation inject.istio.io/templates: gateway on the pod template, with one container istio-proxy of image auto; or install a gateway with its chart.",
}
