package check

import (
	"fmt"
	"slices"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var sniProxyNotThere = Check{
	Code:     "EGR047",
	Title:    "no SNI proxy where the gateway sends to",
	Severity: Fail,
	Hop:      egress.AtSNIProxy,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := slices.DeleteFunc(stopped(&p, egress.AtGateway, trace.Elsewhere, trace.NoEndpoint), func(l *trace.Leg) bool { return l.Stop.Step != "endpoint" || !loopback(l) })
		if len(legs) == 0 {
			return nil
		}
		name, ok := trace.ParseCluster(legs[0].Stop.Cluster)
		if !ok {
			return nil
		}
		f := because(legs)
		f.Message = legs[0].Stop.Says
		f.Fix = fmt.Sprintf("kubectl -n %s edit %s", word(legs[0].Proxy.Namespace), word(owner(&p, legs[0])))
		for _, e := range p.Wanted.Entries(name.Host) {
			i := entryPort(e, name.Port)
			if i < 0 {
				continue
			}
			f.Object = object("ServiceEntry", e.Meta, fmt.Sprintf("spec.ports[%d]", i))
			if proxy := p.Want.SNIProxy; proxy != nil && legs[0].Stop.Kind == trace.Elsewhere {
				f.Fix = patch(f.Object, add(fmt.Sprintf("/spec/ports/%d/targetPort", i), proxy.Port))
			}
			break
		}
		return []Finding{f}
	},
	Why: "The gateway hands the connections to an SNI proxy in its own pod, on 127.0.0.1. If that container is not in the pod, or if the port " +
		"is one on which Envoy itself listens, as 8443 is since Istio 1.6, nobody looks the server name up: connections are refused, or " +
		"go round in circles.",
	Fix: "Add the SNI proxy's container to the gateway's Deployment, and let it listen on a port of its own such as 18443.",
}

// loopback says whether a leg sends to its own pod.
func loopback(l *trace.Leg) bool {
	return slices.ContainsFunc(l.Exits, func(e trace.Exit) bool { return len(e.Hosts) > 0 && trace.IsLoopback(e.Hosts[0].Address) })
}

// owner is what to change to change a gateway pod.
func owner(p *trace.Path, l *trace.Leg) string {
	if l.Proxy.Owner != "" {
		return l.Proxy.Owner
	}
	return "deployment/" + p.Gateway.Service
}
