package check

import (
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var withoutSidecar = Check{
	Code:     "EGR062",
	Title:    "pods without a sidecar may leave",
	Severity: Fail,
	Hop:      egress.AtWorkload,
	Needs:    []snapshot.Source{snapshot.Namespaces, snapshot.NetworkPolicies, snapshot.Workloads},
	Why: "In a namespace that is in the mesh or has egress paths, a pod without a sidecar follows no route to the gateway: it goes straight out " +
		"where the network lets it. Pods have none that are older than the namespace's label, that say sidecar.istio.io/inject: \"false\", or " +
		"that use the node's network, which Istio never takes part in and which NetworkPolicies do not hold either. Pods that NetworkPolicies hold are not " +
		"reported. Pods that ztunnel serves (ambient mode) are not judged.",
	Fix: "Restart the workload where the namespace is labelled for injection; take sidecar.istio.io/inject: \"false\" away; give up hostNetwork, or " +
		"move the workload to a namespace that is not meant to be held. Where a pod is to stay without a sidecar, hold it with a NetworkPolicy.",
}

// sidecarless finds the pods without a sidecar that may leave, and tells of those that are not judged.
func (p *posture) sidecarless() []Finding {
	var out []Finding
	for _, namespace := range p.namespaces {
		for _, kind := range []struct {
			hostNetwork bool
			why         string
		}{{true, "it uses the node's network, which NetworkPolicies do not hold"}, {false, "it has no sidecar"}} {
			var open byMaker
			var first *snapshot.Workload
			for _, w := range p.workloads[namespace] {
				to, ok := p.mayLeave(w)
				if w.Sidecar && !w.HostNetwork || w.HostNetwork != kind.hostNetwork || !ok {
					continue
				}
				if first == nil {
					first = w
				}
				open.add(w, kind.why+notInjected(w)+fmt.Sprintf(", and may reach %s", to))
			}
			if first != nil {
				out = append(out, p.bare(namespace, first, &open))
			}
		}
	}
	return append(out, p.ambient()...)
}

// notInjected says why, if the pod says so itself.
func notInjected(w *snapshot.Workload) string {
	if w.Injection == "false" {
		return " (sidecar.istio.io/inject is false)"
	}
	return ""
}

func (p *posture) bare(namespace string, first *snapshot.Workload, open *byMaker) Finding {
	kind, name, _ := strings.Cut(first.Maker(), "/")
	f := Finding{
		Object:   &Object{Kind: kindOf(kind), Namespace: namespace, Name: name, Field: "spec.template.metadata.labels"},
		Message:  fmt.Sprintf("pods without a sidecar in namespace %s may leave without the gateway: %s", namespace, open.names()),
		Evidence: open.evidence(),
	}
	inject := fields{"metadata": fields{"labels": fields{injectLabel: "true"}, "annotations": fields{injectLabel: nil}}}
	change := fields{"spec": fields{"template": inject}}
	switch {
	case first.HostNetwork:
		f.Message = fmt.Sprintf("pods in the node's network in namespace %s may leave without the gateway: %s", namespace, open.names())
		f.Object.Field = "spec.template.spec.hostNetwork"
		change = fields{"spec": fields{"template": fields{"metadata": inject["metadata"], "spec": fields{"hostNetwork": false}}}}
	case first.Owner == "":
		f.Object.Field = "metadata.labels" // injection is when a pod is made: this one has to be made anew
	}
	var commands []string
	for _, m := range open.makers {
		kind, name, _ := strings.Cut(m, "/")
		if kind == "pod" || kind == "job" || kind == "replicaset" {
			commands = append(commands, fmt.Sprintf("kubectl -n %s delete %s %s", word(namespace), word(kind), word(name)))
			continue
		}
		commands = append(commands, fmt.Sprintf("kubectl -n %s patch %s --type=merge -p %s", word(namespace), word(m), word(oneLine(change))))
	}
	f.Fix = strings.Join(commands, "\n")
	return f
}

const injectLabel = "sidecar.istio.io/inject"

// kindOf writes a kind as objects do.
func kindOf(resource string) string {
	kinds := map[string]string{"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet", "replicaset": "ReplicaSet", "job": "Job", "pod": "Pod"}
	if k := kinds[resource]; k != "" {
		return k
	}
	return resource
}

// ambient tells of pods that are not judged.
func (p *posture) ambient() []Finding {
	var served byMaker
	for i := range p.s.Security.Workloads {
		if w := &p.s.Security.Workloads[i]; w.Ambient && !w.Router {
			served.add(w, "served by ztunnel")
		}
	}
	if len(served.makers) == 0 {
		return nil
	}
	return []Finding{{State: Skip, Message: "pods in ambient mode are not judged: " + served.names(), Evidence: served.evidence()}}
}
