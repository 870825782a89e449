package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// changeMissed has no Run: like unexplained, it is about what the others leave.
var changeMissed = Check{
	Code:     "EGR055",
	Title:    "proxy has not got what was changed",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Why: "The objects want what the proxy does not do, no rule finds fault with them, and nothing that the proxy has is as new as they are. " +
		"What istiod made of them never came there: the proxy's agent has lost istiod (a NetworkPolicy, port 15012, an istiod that hangs " +
		"or is of another revision), while the old configuration goes on working, so that nothing looks broken (R55).",
	Fix: "See what `istioctl proxy-status` says of the pod, and the log of its istio-proxy container. Restarting it shows whether istiod can " +
		"be reached: a new pod becomes ready with the whole configuration, or not at all.",
}

// delivery is how long istiod may take to bring a change to a proxy, and how far the clocks of nodes may be apart. Istio waits up to
// 10 s for changes to settle.
const delivery = 15 * time.Second

// upToDate says of the legs that no check has explained whether their proxies have got the objects as they are, and explains those that
// have nothing as new.
func upToDate(s *snapshot.Snapshot, p *trace.Path, explained map[*trace.Leg]bool) Finding {
	var failed []*trace.Leg
	for i := range p.Legs {
		if l := &p.Legs[i]; l.Stop != nil && !l.Stop.Unknown() && !explained[l] {
			failed = append(failed, l)
		}
	}
	if len(failed) == 0 {
		return changeMissed.finding(p, Finding{State: Pass})
	}
	kind, meta, changed := lastChanged(s, p)
	var stale []*trace.Leg
	var had []string
	for _, l := range failed {
		newest := newestOf(&l.Proxy.Config)
		if newest.IsZero() || changed.Sub(newest) < delivery || s.Taken.Sub(changed) < delivery {
			continue
		}
		explained[l] = true
		stale = append(stale, l)
		had = append(had, fmt.Sprintf("the newest that %s %s has is of %s", l.Hop, l.Proxy.Pod, newest.Format(time.RFC3339)))
	}
	if len(stale) == 0 {
		return changeMissed.finding(p, Finding{State: Pass})
	}
	first := stale[0]
	f := because(stale)
	f.Hop = first.Hop
	f.Object = &Object{Kind: "Pod", Namespace: first.Proxy.Namespace, Name: first.Proxy.Pod}
	f.Message = fmt.Sprintf("%s %s seems not to have got %s %s as it was changed at %s", first.Hop, first.Proxy.Pod, kind, meta, changed.Format(time.RFC3339))
	f.Evidence = append(had[:min(len(had), maxEvidence)], f.Evidence...)
	if f.Fix = lookCloser(p, first); first.Proxy.Owner != "" {
		f.Fix = fmt.Sprintf("kubectl -n %s rollout restart %s", word(first.Proxy.Namespace), word(first.Proxy.Owner))
	}
	return changeMissed.finding(p, f)
}

// lastChanged is the object of the path that was changed last.
func lastChanged(s *snapshot.Snapshot, p *trace.Path) (kind string, meta snapshot.Meta, at time.Time) {
	see := func(k string, m snapshot.Meta) {
		if t := m.Changed(); t.After(at) {
			kind, meta, at = k, m, t
		}
	}
	for _, v := range routesFor(p) {
		see("VirtualService", v.Meta)
	}
	for _, o := range servers(p.Wanted, p.Host) {
		see("Gateway", o.Gateway.Meta)
	}
	for _, e := range p.Wanted.Entries(string(p.Host)) {
		see("ServiceEntry", e.Meta)
	}
	ruled := []string{string(p.Host), gatewayHost(s, p)}
	for i := range s.Objects.DestinationRules {
		if r := &s.Objects.DestinationRules[i]; slices.Contains(ruled, r.Spec.Host) {
			see("DestinationRule", r.Meta)
		}
	}
	return kind, meta, at
}

// newestOf is when Envoy took the newest of what it has from istiod; zero if that is not known.
func newestOf(c *admin.Config) time.Time {
	var newest time.Time
	see := func(at string) {
		if t, err := time.Parse(time.RFC3339, at); err == nil && t.After(newest) {
			newest = t
		}
	}
	for i := range c.Listeners {
		see(c.Listeners[i].Updated)
	}
	for i := range c.Routes {
		see(c.Routes[i].Updated)
	}
	for i := range c.Clusters {
		see(c.Clusters[i].Updated)
	}
	return newest
}
