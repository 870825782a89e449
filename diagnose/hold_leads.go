package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// leads says what the set's paths lack to lead outside in the way that the set says; empty if nothing. What Envoy refuses is told
// with it: waiting will not help then.
func leads(s *snapshot.Snapshot, set egress.Set) string {
	walker := trace.New(s)
	blind := !set.Direct() && !has(s, snapshot.AtGateway)
	for _, p := range set.Paths() {
		walked := walker.Walk(p)
		for i := range walked.Legs {
			leg := &walked.Legs[i]
			if leg.Hop == egress.AtGateway && blind {
				continue
			}
			if says := undone(set, p, leg); says != "" {
				return says + refusals(s)
			}
		}
	}
	return ""
}

// undone says what a leg lacks; empty if nothing.
func undone(set egress.Set, p egress.Path, leg *trace.Leg) string {
	if leg.Stop != nil {
		if leg.Stop.Kind == trace.NotSelected {
			return ""
		}
		if !strings.Contains(leg.Stop.Says, leg.Proxy.Pod) {
			return leg.Proxy.Name() + ": " + leg.Stop.Says // one of many may lack what the others have
		}
		return leg.Stop.Says
	}
	for i := range leg.Exits {
		e := &leg.Exits[i]
		says := ""
		switch {
		case leg.Hop == egress.AtGateway:
			says = asDeclared(set, p, leg, e)
		case !set.Direct():
			says = asResolved(set, e)
		}
		if says != "" {
			return fmt.Sprintf("%s %s for %s", leg.Proxy.Pod, says, p)
		}
	}
	return ""
}

// asResolved compares what a sidecar sends to the gateway with the choice about Istio mTLS: before a change of it has arrived, the
// old way leads outside as well.
func asResolved(set egress.Set, e *trace.Exit) string {
	switch {
	case set.MTLS == egress.MTLSOn && e.Cluster.TLS == nil:
		return "does not begin Istio's TLS to the gateway"
	case set.MTLS == egress.MTLSOff && e.Cluster.TLS != nil:
		return "still begins TLS to the gateway"
	}
	return ""
}

// asDeclared compares what a gateway's pod does with the mode: before a change of it has arrived, the old way leads outside as well.
func asDeclared(set egress.Set, p egress.Path, leg *trace.Leg, e *trace.Exit) string {
	c := e.Cluster
	name, _ := trace.ParseCluster(c.Name)
	itself := strings.EqualFold(name.Host, string(p.Host))
	switch p.Mode {
	case egress.HTTP:
		if c.TLS != nil {
			return "still begins TLS"
		}
	case egress.CommonHost:
		if !strings.EqualFold(name.Host, string(set.CommonHost)) {
			return fmt.Sprintf("sends to %s and not to %s", c.Name, set.CommonHost)
		}
	case egress.SNIProxy:
		if !slices.ContainsFunc(e.Hosts, func(h admin.HostStatus) bool { return trace.IsLoopback(h.Address) }) {
			return "does not send to the SNI proxy"
		}
	case egress.SNIDynamic:
		inner := set.MTLS == egress.MTLSOn
		switch {
		case !inner && !p.Host.IsWildcard():
			// an exact host needs nothing to be looked up
		case c.Type != admin.DynamicForward, inner && leg.Internal == 0:
			return "does not look up the server name"
		}
	case egress.Passthrough:
		if !itself {
			return fmt.Sprintf("sends to %s", c.Name)
		}
	}
	return ""
}

// refusals tells what the proxies refuse, to be added to what is missing.
func refusals(s *snapshot.Snapshot) string {
	for i := range s.Proxies {
		p := &s.Proxies[i]
		for _, l := range p.Config.Listeners {
			if l.Rejected != nil {
				return fmt.Sprintf("; %s refuses listener %s: %s", p.Pod, l.Name, l.Rejected.Detail)
			}
		}
		for _, c := range p.Config.Clusters {
			if c.Rejected != nil {
				return fmt.Sprintf("; %s refuses cluster %s: %s", p.Pod, c.Name, c.Rejected.Detail)
			}
			if c.Warming && c.TLS != nil {
				return fmt.Sprintf("; cluster %s of %s waits for its Secret (%s)", c.Name, p.Pod, firstSecret(c.TLS))
			}
		}
	}
	return ""
}

func firstSecret(t *admin.TLS) string {
	for _, name := range []string{t.Certificate, t.Validation} {
		if name != "" {
			return name
		}
	}
	return "no name"
}
