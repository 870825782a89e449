package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var pastSidecar = Check{
	Code:     "EGR063",
	Title:    "traffic is kept out of the sidecar's sight",
	Severity: Fail,
	Hop:      egress.AtWorkload,
	Needs:    []snapshot.Source{snapshot.Namespaces, snapshot.NetworkPolicies, snapshot.Workloads},
	Why: "The annotations traffic.sidecar.istio.io/excludeOutboundPorts, excludeOutboundIPRanges and includeOutboundIPRanges, and the settings of " +
		"the same name in the injection's values, take traffic past the sidecar: no route, no gateway, no log (R9). It fails where that is so " +
		"for a path's port, for an outside host's address or for public addresses, and the network lets the pod out. Where NetworkPolicies " +
		"hold the pod, and for other ports of a pod that they do not hold, it is a warning.",
	Fix: "Take the annotation away and let the pods restart, or narrow it to addresses inside the cluster.",
}

// excluded finds pods with traffic that does not go through their sidecar.
func (p *posture) excluded() []Finding {
	var out []Finding
	for _, namespace := range p.namespaces {
		told := map[string]bool{} // ten replicas are one finding
		for _, w := range p.workloads[namespace] {
			if !w.Sidecar || w.HostNetwork || told[w.Maker()] {
				continue
			}
			f, ok := p.past(w)
			_, open := p.mayLeave(w)
			if !ok || !open && f.State == Warn {
				continue
			}
			if !open {
				f.State = Warn
				f.Evidence = append(f.Evidence, "NetworkPolicies hold it, so that it does not get out at all; "+enforcement)
			}
			told[w.Maker()] = true
			out = append(out, f)
		}
	}
	return out
}

func (p *posture) past(w *snapshot.Workload) (Finding, bool) {
	kind, name, _ := strings.Cut(w.Maker(), "/")
	f := Finding{Object: &Object{Kind: kindOf(kind), Namespace: w.Namespace, Name: name}}
	var annotation string
	for _, try := range []func(*snapshot.Workload, *Finding) string{p.excludedPorts, p.excludedRanges, p.includedRanges} {
		if annotation = try(w, &f); annotation != "" {
			break
		}
	}
	if annotation == "" {
		return f, false
	}
	f.Object.Field = "spec.template.metadata.annotations"
	f.Evidence = append(f.Evidence, "pod "+w.Name())
	gone := fields{"spec": fields{"template": fields{"metadata": fields{"annotations": fields{"traffic.sidecar.istio.io/" + annotation: nil}}}}}
	f.Fix = fmt.Sprintf("kubectl -n %s patch %s --type=merge -p %s", word(w.Namespace), word(w.Maker()), word(oneLine(gone)))
	return f, true
}

func (p *posture) excludedPorts(w *snapshot.Workload, f *Finding) string {
	var ports []int
	for word := range strings.SplitSeq(w.Past.ExcludedPorts, ",") {
		if n, err := strconv.Atoi(strings.TrimSpace(word)); err == nil {
			ports = append(ports, n)
		}
	}
	if len(ports) == 0 {
		return ""
	}
	f.State = Warn
	f.Message = fmt.Sprintf("what %s of namespace %s sends to port %s goes past its sidecar", w.Maker(), w.Namespace, w.Past.ExcludedPorts)
	for _, path := range p.paths {
		if !slices.Contains(ports, path.Port) {
			continue
		}
		f.State = Fail
		if len(f.Evidence) < maxEvidence {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s is meant to take gateway %s", path, path.Gateway))
		}
	}
	return "excludeOutboundPorts"
}

func (p *posture) excludedRanges(w *snapshot.Workload, f *Finding) string {
	for _, r := range ranges(w.Past.ExcludedRanges) {
		if a := example(&snapshot.IPBlock{CIDR: r.String()}, p.hosts); a.IsValid() {
			f.Message = fmt.Sprintf("what %s of namespace %s sends to %s goes past its sidecar", w.Maker(), w.Namespace, r)
			f.Evidence = []string{fmt.Sprintf("such as %s%s", a, p.known(a))}
			return "excludeOutboundIPRanges"
		}
	}
	return ""
}

func (p *posture) includedRanges(w *snapshot.Workload, f *Finding) string {
	list := strings.TrimSpace(w.Past.IncludedRanges)
	if list == "" || slices.Contains(strings.Split(list, ","), "*") {
		return ""
	}
	var in []string
	for _, r := range ranges(list) {
		in = append(in, r.String())
	}
	if a := example(&snapshot.IPBlock{CIDR: "0.0.0.0/0", Except: in}, p.hosts); a.IsValid() {
		f.Message = fmt.Sprintf("what %s of namespace %s sends to addresses other than %s goes past its sidecar", w.Maker(), w.Namespace, list)
		f.Evidence = []string{fmt.Sprintf("such as %s%s", a, p.known(a))}
		return "includeOutboundIPRanges"
	}
	return ""
}

func (p *posture) known(a netip.Addr) string {
	if slices.Contains(p.hosts, a) {
		return ", at which the gateway finds an outside host"
	}
	return ""
}
