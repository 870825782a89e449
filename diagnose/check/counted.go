package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var protocolNotSpoken = Check{
	Code:     "EGR039",
	Title:    "server may not speak HTTP/2",
	Severity: Warn,
	Hop:      egress.AtOutside,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		for _, l := range arrived(&p) {
			for _, e := range l.Exits {
				asked, bad := requests(e)
				name, ok := trace.ParseCluster(e.Cluster.Name)
				if !ok || asked == 0 || bad < asked {
					continue
				}
				if f, ok := http2Said(&p, name); ok {
					f.Evidence = append(f.Evidence, fmt.Sprintf("all %d requests that gateway pod %s has sent to %s have failed", asked, l.Proxy.Pod, e.Cluster.Name))
					return []Finding{f}
				}
			}
		}
		return nil
	},
	Why: "A port of protocol HTTP2 or GRPC makes the gateway speak HTTP/2 without asking first. A server that speaks HTTP/1.1 there does not " +
		"understand it, and closes the connection: 502 or 503, UPE or UC. That no request has succeeded is a sign of it, and no proof: the " +
		"server itself may fail.",
	Fix: "Give the port protocol HTTP, by which the gateway speaks HTTP/1.1.",
}

func requests(e trace.Exit) (asked, bad uint64) {
	for _, h := range e.Hosts {
		asked, bad = asked+h.Requests, bad+h.RequestsBad
	}
	return asked, bad
}

// http2Said finds the entry by which a host's port speaks HTTP/2.
func http2Said(p *trace.Path, name trace.ClusterName) (Finding, bool) {
	for _, e := range p.Wanted.Entries(name.Host) {
		i := entryPort(e, name.Port)
		if i < 0 || !slices.Contains([]string{"HTTP2", "GRPC"}, strings.ToUpper(e.Spec.Ports[i].Protocol)) {
			continue
		}
		at := fmt.Sprintf("/spec/ports/%d/protocol", i)
		f := Finding{Object: object("ServiceEntry", e.Meta, field(at))}
		f.Message = fmt.Sprintf("ServiceEntry %s says that port %d speaks %s, and no request that the gateway has sent there has succeeded", e, name.Port, e.Spec.Ports[i].Protocol)
		f.Fix = patch(f.Object, replace(at, "HTTP"))
		return f, true
	}
	return Finding{}, false
}

var neverReached = Check{
	Code:     "EGR041",
	Title:    "no connection to the server has succeeded",
	Severity: Warn,
	Hop:      egress.AtOutside,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		for _, l := range arrived(&p) {
			for _, e := range l.Exits {
				opened, failed := attempts(e.Hosts)
				if e.Cluster.TLS != nil || opened == 0 || failed < opened {
					continue // where TLS is begun EGR028 speaks
				}
				f := Finding{Message: fmt.Sprintf("every connection that gateway pod %s has tried to %s has failed (%d)", l.Proxy.Pod, e.Cluster.Name, failed)}
				var first string
				for _, h := range e.Hosts {
					f.Evidence = append(f.Evidence, fmt.Sprintf("%s port %d: %d connections, %d failed", h.Address, h.Port, h.Opened, h.Failed))
					if first == "" {
						first = fmt.Sprintf("telnet://%s:%d", h.Address, h.Port)
					}
				}
				if name, ok := trace.ParseCluster(e.Cluster.Name); ok {
					if entries := p.Wanted.Entries(name.Host); len(entries) > 0 {
						f.Object = object("ServiceEntry", entries[0].Meta, "spec")
					}
				}
				f.Fix = fmt.Sprintf("kubectl -n %s exec %s -c istio-proxy -- curl -sv --connect-timeout 3 %s", word(l.Proxy.Namespace), word(l.Proxy.Pod), word(first))
				return []Finding{f}
			}
		}
		return nil
	},
	Why: "The gateway's pods look the host up, try to connect and get no connection: a firewall or NetworkPolicy between them and the server " +
		"(timeouts, 10 s each), nothing that listens on that port (refused), or a wrong port or address in the ServiceEntry. Clients get a reset or 503 (UF).",
	Fix: "Try the same from the gateway's pod; let it through the firewall and the NetworkPolicies, or correct port, targetPort and endpoints of the ServiceEntry.",
}
