package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

var catchAll = Check{
	Code:     "EGR004",
	Title:    "ServiceEntry of protocol TCP takes all other TLS",
	Severity: Warn,
	Hop:      egress.AtSidecar,
	Direct:   true,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		if p.Protocol != egress.ProtocolTLS {
			return nil
		}
		for i := range s.Objects.ServiceEntries {
			e := &s.Objects.ServiceEntries[i]
			port := entryPort(e, p.Port)
			if port < 0 || len(e.Spec.Addresses) > 0 || !strings.EqualFold(e.Spec.Ports[port].Protocol, "TCP") || len(e.Spec.Hosts) == 0 {
				continue
			}
			f, caught := taken(&p, e)
			if !caught {
				continue
			}
			f.Object = object("ServiceEntry", e.Meta, fmt.Sprintf("spec.ports[%d].protocol", port))
			f.Fix = patch(f.Object, replace(fmt.Sprintf("/spec/ports/%d/protocol", port), "TLS"))
			return []Finding{f}
		}
		return nil
	},
	Why: "A port of protocol TCP has no server names to tell hosts apart. Without addresses its ServiceEntry takes everything on that port " +
		"for which sidecars have no chain of its own: connections to all other hosts end at this one, and clients see its certificate. Hosts " +
		"with a tls route of their own are not touched, so that the path itself may work.",
	Fix: "Give the port protocol TLS, so that it is told by the server name; or give the ServiceEntry the addresses that it is about.",
}

// taken says whether sidecars of the path send to an entry's host what is not its own: the path itself, or all hosts without a
// chain. What the path is itself is no stranger.
func taken(p *trace.Path, e *snapshot.ServiceEntry) (Finding, bool) {
	cluster := fmt.Sprintf("outbound|%d||%s", p.Port, e.Spec.Hosts[0])
	if slices.ContainsFunc(e.Spec.Hosts, func(h string) bool { return strings.EqualFold(h, string(p.Host)) }) {
		return Finding{}, false
	}
	legs := slices.DeleteFunc(stopped(p, egress.AtSidecar, trace.Elsewhere), func(l *trace.Leg) bool { return l.Stop.Cluster != cluster })
	if len(legs) > 0 {
		f := because(legs)
		f.State = Fail
		f.Message = fmt.Sprintf("ServiceEntry %s has port %d as TCP and no addresses: it takes %s as well", e, p.Port, p)
		return f, true
	}
	for _, l := range p.At(egress.AtSidecar) {
		for i := range l.Proxy.Config.Listeners {
			li := &l.Proxy.Config.Listeners[i]
			if li.Port != p.Port || li.Warming || li.Address != "0.0.0.0" && li.Address != "::" || !endsAt(li.Chains, li.Default, cluster) {
				continue
			}
			return Finding{
				Message: fmt.Sprintf("ServiceEntry %s has port %d as TCP and no addresses: every host without a chain of its own is sent to %s",
					e, p.Port, e.Spec.Hosts[0]),
				Evidence: []string{fmt.Sprintf("listener %s of %s sends TLS of unknown server names to %s", li.Name, l.Proxy.Pod, cluster)},
			}, true
		}
	}
	return Finding{}, false
}

// endsAt says whether a listener's chain without any server name sends to the cluster.
func endsAt(chains []admin.FilterChain, last *admin.FilterChain, cluster string) bool {
	if last != nil {
		chains = append(slices.Clone(chains), *last)
	}
	return slices.ContainsFunc(chains, func(c admin.FilterChain) bool {
		return len(c.Match.ServerNames) == 0 && slices.ContainsFunc(c.Filters, func(f admin.Filter) bool { return f.TCP != nil && f.TCP.Cluster == cluster })
	})
}

var addressUnasked = Check{
	Code:     "EGR005",
	Title:    "ServiceEntry has addresses of its own",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Direct:   true,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := slices.DeleteFunc(stopped(&p, egress.AtSidecar, past...), func(l *trace.Leg) bool {
			return l.Stop.Cluster != trace.Passthrough && l.Stop.Cluster != trace.BlackHole
		})
		if len(legs) == 0 {
			return nil
		}
		for _, e := range p.Wanted.Entries(string(p.Host)) {
			if len(e.Spec.Addresses) == 0 || legs[0].Ask.Address != "" || entryPort(e, p.Port) < 0 || !e.VisibleTo(s, legs[0].Proxy.Namespace) {
				continue
			}
			f := because(legs)
			f.Object = object("ServiceEntry", e.Meta, "spec.addresses")
			f.Message = fmt.Sprintf("ServiceEntry %s has addresses (%s): sidecars look for %s only there, and clients go to what DNS tells them",
				e, strings.Join(e.Spec.Addresses, ", "), p.Host)
			f.Fix = patch(f.Object, remove("/spec/addresses"))
			return []Finding{f}
		}
		return nil
	},
	Why: "With addresses in a ServiceEntry sidecars listen for its ports at those addresses alone. Clients look the host up and connect to its " +
		"real address, which no listener is for: the connection goes straight out (or nowhere with REGISTRY_ONLY). Only where Istio's DNS " +
		"proxy answers clients with those addresses are they of use.",
	Fix: "Leave spec.addresses out; or turn DNS capture on in the clients' sidecars (ISTIO_META_DNS_CAPTURE).",
}

var addressMadeUp = Check{
	Code:     "EGR045",
	Title:    "wildcard is sent to an address of Istio's DNS proxy",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Direct:   true,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtSidecar, trace.MadeUp)
		if len(legs) == 0 {
			return nil
		}
		for _, e := range p.Wanted.Entries(p.Sample) {
			if !slices.Contains(e.Given(p.Sample), legs[0].Ask.Address) || !e.VisibleTo(s, legs[0].Proxy.Namespace) {
				continue
			}
			f := because(legs)
			f.Object = object("ServiceEntry", e.Meta, "spec.addresses")
			f.Message = fmt.Sprintf("ServiceEntry %s has address %s, which Istio's DNS proxy tells clients for %s, and resolution NONE, by which sidecars send there: nobody has that address",
				e, legs[0].Ask.Address, p.Host)
			f.Fix = patch(f.Object, remove("/spec/addresses"))
			return []Finding{f}
		}
		return nil
	},
	Why: "Where DNS capture is on, Istio's DNS proxy answers with the addresses of a ServiceEntry, for every name of a wildcard. Resolution NONE " +
		"has the sidecar send a connection to the address that the client asked for. Together they send it to an address that was made " +
		"up: it times out, or comes round in circles.",
	Fix: "Leave spec.addresses out, so that clients get the real addresses; or use resolution DYNAMIC_DNS (Istio 1.30), by which the sidecar looks up the name itself.",
}
