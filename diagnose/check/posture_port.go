package check

import (
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var otherPortDirect = Check{
	Code:     "EGR064",
	Title:    "another port of the host goes round the gateway",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Needs:    []snapshot.Source{snapshot.ServiceEntries, snapshot.VirtualServices, snapshot.Namespaces, snapshot.NetworkPolicies, snapshot.Workloads},
	Why: "A ServiceEntry opens each of its ports to the sidecars. Where one port of a host is led to the gateway and another is not, whoever is " +
		"held on the first uses the second: port 443 through the gateway and port 80 straight out, as in the first listing of Istio's egress gateway " +
		"task. The sidecars' real configuration is followed for each such port. It fails where the network lets workloads out, and is a warning where " +
		"NetworkPolicies hold them.",
	Fix: "Lead the port through the gateway as well (enable does so for 80 and 443 unless told otherwise), or take it out of the ServiceEntry and have " +
		"sidecars refuse what they do not know (EGR061).",
}

// otherPorts follows the ports of the paths' hosts for which nobody wants a path.
func (p *posture) otherPorts() []Finding {
	var out []Finding
	walker := trace.New(p.s)
	wanted := map[string]bool{}
	for _, path := range p.all {
		wanted[path.Name()] = true
	}
	for _, path := range p.paths {
		for _, e := range path.Wanted.Entries(string(path.Host)) {
			for j, port := range e.Spec.Ports {
				other := egress.Path{Host: path.Host, Port: port.Number, Protocol: protocolOfPort(port), Gateway: path.Gateway, Mode: path.Mode}
				if wanted[other.Name()] || !speaks(port) {
					continue
				}
				wanted[other.Name()] = true // told once, however many objects name it
				walked := walker.Walk(other)
				if round := stopped(&walked, egress.AtSidecar, trace.Bypass); len(round) > 0 {
					out = append(out, p.round(path, &walked, round, e, j))
				}
			}
		}
	}
	return out
}

// speaks says whether a port carries something that the gateway can be used for.
func speaks(port snapshot.ServicePort) bool {
	switch strings.ToUpper(port.Protocol) {
	case "HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TLS":
		return true
	}
	return false
}

func protocolOfPort(port snapshot.ServicePort) egress.Protocol {
	switch strings.ToUpper(port.Protocol) {
	case "HTTPS", "TLS":
		return egress.ProtocolTLS
	}
	return egress.ProtocolHTTP
}

func (p *posture) round(path, other *trace.Path, legs []*trace.Leg, e *snapshot.ServiceEntry, port int) Finding {
	f := Finding{
		State:    Warn,
		Object:   object("ServiceEntry", e.Meta, fmt.Sprintf("spec.ports[%d]", port)),
		Message:  fmt.Sprintf("%s is meant to take gateway %s, and port %d of the same host goes round it", path, path.Gateway, other.Port),
		Evidence: evidence(legs),
		Fix:      p.leadToo(path, other, e, port),
	}
	for _, l := range legs {
		w := p.pod(func(w *snapshot.Workload) bool { return w.Namespace == l.Proxy.Namespace && w.Pod == l.Proxy.Pod })
		if w == nil {
			f.State = Fail
		} else if _, open := p.mayLeave(w); open {
			f.State = Fail
		}
	}
	if f.State == Warn {
		f.Evidence = append(f.Evidence, "NetworkPolicies hold the workloads; "+enforcement)
	}
	return f
}

// leadToo is what leads HTTP on the port that the gateway has for it to the gateway: for a set, its declaration with mode auto, which is
// about both ports. Elsewhere the port is closed.
func (p *posture) leadToo(path, other *trace.Path, e *snapshot.ServiceEntry, port int) string {
	both := map[egress.Mode]int{egress.Passthrough: 80, egress.HTTP: tlsPort}
	if path.Set != "" && both[path.Mode] == other.Port {
		ns, name := splitRef(path.Set)
		return redeclare(ns, name, "mode", string(egress.Auto))
	}
	if _, ok := other.Want.Target(other.Port); !ok || other.Protocol != egress.ProtocolHTTP || other.Host.IsWildcard() {
		if len(e.Spec.Ports) == 1 {
			return fmt.Sprintf("kubectl -n %s delete serviceentry %s", word(e.Namespace), word(e.Name))
		}
		return patch(object("ServiceEntry", e.Meta, ""), remove(fmt.Sprintf("/spec/ports/%d", port)))
	}
	name := fmt.Sprintf("%s-%d", named(string(other.Host)), other.Port)
	gateway := networking(p.s.Facts.Networking, "Gateway", e.Namespace, name, fields{
		"selector": other.Want.Selector,
		"servers": []any{fields{
			"port":  fields{"number": other.Port, "name": fmt.Sprintf("http-%d", other.Port), "protocol": "HTTP"},
			"hosts": []string{string(other.Host)},
		}},
	})
	spec := fields{
		"hosts": []string{string(other.Host)}, "gateways": []string{snapshot.Mesh, name},
		"http": []any{
			fields{
				"match": []any{matchFor(other, snapshot.Mesh)},
				"route": []any{fields{"destination": fields{"host": gatewayHost(p.s, other), "port": fields{"number": other.Port}}}},
			},
			onwardRoute(other, name, other.Port, trace.HTTPList),
		},
	}
	if len(e.Spec.ExportTo) > 0 {
		spec["exportTo"] = e.Spec.ExportTo // who does not see the host needs no route for it
	}
	routes := networking(p.s.Facts.Networking, "VirtualService", e.Namespace, name, spec)
	return applyText(gateway) + "\n" + applyText(routes)
}
