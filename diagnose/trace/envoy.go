package trace

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// maxInternal bounds how many internal listeners of one Envoy a connection is followed through: istiod and the SNI dynamic
// forward proxy use one; a configuration that goes in circles has no end.
const maxInternal = 4

// envoy follows what arrives through the proxy of the leg, to its exits or to a stop.
func (w *walker) envoy(leg *Leg, ask Ask) {
	leg.lookup = nil
	l := w.listener(leg, ask)
	if l == nil {
		return
	}
	leg.step("listener", l.Name, "")
	leg.taken(l.Updated)
	if l.Matcher {
		leg.stop(Undecided, "chain", "listener %s chooses its chains by filter_chain_matcher, which is not followed here", l.Name)
		return
	}
	c := inspect(l, ask)
	chain, decided := w.chains(l).choose(c)
	switch {
	case !decided:
		leg.stop(Undecided, "chain", "listener %s chooses its chain by the source address", l.Name)
		return
	case chain == nil:
		leg.stop(NoChain, "chain", "listener %s has no filter chain for %s", l.Name, c.describe())
		leg.Stop.Detail = append(leg.Stop.Detail, "it has chains for "+offered(l))
		return
	}
	leg.step("chain", chainName(chain), chain.Origin)
	if chain.TLS != nil {
		switch outer := ask.outer(); {
		case outer == nil:
			leg.stop(PlainToTLS, "chain", "plain text arrives at a chain of listener %s that ends TLS (%s)", l.Name, chain.TLS.Mode)
			return
		case outer.Mode == "" && chain.TLS.Mode == admin.IstioMutual:
			leg.stop(PlainToTLS, "chain", "the application's own TLS arrives at a chain of listener %s that ends Istio's (%s): it has no certificate of the mesh", l.Name, chain.TLS.Mode)
			return
		}
		ask = ask.unwrap()
		if name := leg.lacks(chain.TLS); name != "" {
			leg.stop(NoSecret, "chain", "listener %s ends TLS with %s, which %s has not got", l.Name, name, leg.Proxy.Name())
			return
		}
	}
	w.filters(leg, ask, l, chain, c.sni)
}

// listener finds where the connection comes in.
func (w *walker) listener(leg *Leg, ask Ask) *admin.Listener {
	listeners := leg.Proxy.Config.Listeners
	if ask.Listener != "" {
		for i := range listeners {
			if listeners[i].Internal && listeners[i].Name == ask.Listener {
				return &listeners[i]
			}
		}
		leg.stop(NoListener, "listener", "there is no internal listener %s", ask.Listener)
		return nil
	}
	if leg.Hop == egress.AtGateway {
		if l := w.at(leg, ask, func(l *admin.Listener) bool { return !l.Unbound }); l != nil {
			return l
		}
		leg.stop(NoListener, "listener", "nothing listens on port %d of gateway pod %s", ask.Port, leg.Proxy.Name())
		return nil
	}
	var entrance *admin.Listener
	for i := range listeners {
		if listeners[i].UseOriginalDst && listeners[i].Direction != "INBOUND" {
			entrance = &listeners[i]
		}
	}
	if entrance == nil {
		leg.stop(NoListener, "listener", "sidecar %s has no listener for outbound traffic", leg.Proxy.Name())
		return nil
	}
	outbound := func(l *admin.Listener) bool { return l.Unbound && l.Direction != "INBOUND" }
	if l := w.at(leg, ask, outbound); l != nil {
		return l
	}
	return entrance
}

// at finds the listener for the address and port, the address itself before the wildcard.
func (w *walker) at(leg *Leg, ask Ask, want func(*admin.Listener) bool) *admin.Listener {
	var wildcard *admin.Listener
	for i := range leg.Proxy.Config.Listeners {
		l := &leg.Proxy.Config.Listeners[i]
		if l.Warming || l.Internal || !want(l) {
			continue
		}
		for _, a := range append([]admin.Address{{Address: l.Address, Port: l.Port}}, l.More...) {
			switch {
			case a.Port != ask.Port:
			case ask.Address != "" && a.Address == ask.Address:
				return l
			case a.Address == "0.0.0.0" || a.Address == "::":
				wildcard = l
			}
		}
	}
	return wildcard
}

// filters goes to the filter that sends the traffic on. Sni is what the filters see as the connection's server name.
func (w *walker) filters(leg *Leg, ask Ask, l *admin.Listener, chain *admin.FilterChain, sni string) {
	for i := range chain.Filters {
		f := &chain.Filters[i]
		switch {
		case f.SNI != nil:
			leg.lookup = &Lookup{Name: sni, Port: f.SNI.Port}
			leg.step("filter", fmt.Sprintf("%s (looks up the server name, port %d)", short(f.Name), f.SNI.Port), "")
		case f.TCP != nil:
			leg.Log = f.TCP.AccessLog
			leg.step("filter", short(f.Name), "")
			w.exits(leg, ask, f.TCP.Cluster, f.TCP.Weighted, "filter "+short(f.Name))
			return
		case f.HTTP != nil:
			leg.Log = f.HTTP.AccessLog
			leg.step("filter", short(f.Name), "")
			w.http(leg, ask, l, f.HTTP)
			return
		}
	}
	leg.stop(NoFilter, "filter", "a filter chain of listener %s has no filter that sends the traffic on", l.Name)
}

// http goes from the connection manager through virtual host and route.
func (w *walker) http(leg *Leg, ask Ask, l *admin.Listener, h *admin.HTTP) {
	if outer := ask.outer(); outer != nil {
		leg.stop(TLSToPlain, "filter", "TLS with server name %s arrives at a plain HTTP chain of listener %s", named(outer.SNI), l.Name)
		return
	}
	if ask.Authority == "" {
		leg.stop(Undecided, "filter", "listener %s takes the bytes for HTTP", l.Name)
		return
	}
	rc := h.Inline
	if rc == nil {
		var ok bool
		if rc, ok = w.index(leg.Proxy).routes[h.Routes]; !ok {
			leg.stop(NoRoute, "route", "route configuration %s is not there", h.Routes)
			return
		}
	}
	leg.taken(rc.Updated)
	r := request{authority: strings.ToLower(ask.Authority), Request: ask.Request}
	if r.Unsampled != "" {
		leg.stop(Undecided, "route", "%s, for which no request is known that could be followed", r.Unsampled)
		return
	}
	vh := virtualHost(rc, r.authority)
	if vh == nil {
		leg.stop(NoRoute, "route", "route configuration %s has no virtual host for %s", rc.Name, ask.Authority)
		return
	}
	route := firstRoute(vh, r)
	if route == nil {
		leg.stop(NoRoute, "route", "virtual host %s of route configuration %s has no route for %s %s", vh.Name, rc.Name, r.Method, r.Path)
		return
	}
	leg.step("route", strings.Trim(rc.Name+" / "+vh.Name, " /"), route.Origin)
	switch {
	case route.Redirect:
		leg.stop(Answered, "route", "virtual host %s answers with a redirect", vh.Name)
	case route.Status != 0:
		leg.stop(Answered, "route", "virtual host %s answers %d by itself", vh.Name, route.Status)
	default:
		w.exits(leg, ask, route.Cluster, route.Weighted, "virtual host "+vh.Name)
	}
}

// weight is that of a share as Envoy can have it, in 32 bits: a file may hold any number, such as those that add up to nothing.
func weight(share admin.Weighted) int { return min(max(share.Weight, 0), math.MaxUint32) }

// exits finds the clusters, and goes on inside the same Envoy where they lead to an internal listener.
func (w *walker) exits(leg *Leg, ask Ask, cluster string, weighted []admin.Weighted, from string) {
	if len(weighted) == 0 {
		weighted = []admin.Weighted{{Cluster: cluster, Weight: 100}}
	}
	total := 0
	for _, c := range weighted {
		total += weight(c)
	}
	if total == 0 {
		leg.stop(Undecided, "cluster", "%s gives none of its clusters any weight, which no Envoy takes", from)
		return
	}
	for _, share := range weighted {
		if weight(share) == 0 {
			continue
		}
		c, ok := w.index(leg.Proxy).clusters[share.Cluster]
		switch {
		case share.Cluster == "":
			leg.stop(Undecided, "cluster", "%s chooses its cluster by a header", from)
			return
		case !ok, c.Warming:
			leg.stop(NoCluster, "cluster", "%s sends to cluster %s, which does not exist", from, share.Cluster)
			leg.Stop.Cluster = share.Cluster
			return
		}
		leg.step("cluster", c.Name, c.Origin)
		leg.taken(c.Updated)
		e := Exit{Cluster: c, Weight: weight(share) * 100 / total, Hosts: w.hosts(leg.Proxy, c.Name), Ask: ask, Lookup: leg.lookup}
		if c.TLS != nil {
			e.Ask = ask.wrap(Layer{SNI: c.TLS.SNI, ALPN: c.TLS.ALPN, Mode: c.TLS.Mode})
			if name := leg.lacks(c.TLS); name != "" {
				leg.stop(NoSecret, "cluster", "cluster %s begins TLS with %s, which %s has not got", c.Name, name, leg.Proxy.Name())
				leg.Stop.Cluster = c.Name
				return
			}
		}
		if name := internal(c); name != "" {
			leg.Internal++
			if leg.Internal > maxInternal {
				leg.stop(Undecided, "cluster", "internal listeners lead to each other without end")
				return
			}
			e.Ask.Listener = name
			w.envoy(leg, e.Ask)
			continue
		}
		leg.Exits = append(leg.Exits, e)
	}
}

// lacks names a secret that TLS needs and Envoy still waits for. A listener or cluster in force may do so all the same: Envoy waits
// for secrets of the proxy's own agent, which are those of files, no longer than 15 seconds.
func (l *Leg) lacks(t *admin.TLS) string {
	for _, s := range l.Proxy.Config.Secrets {
		if s.Warming && s.Name != "" && (s.Name == t.Certificate || s.Name == t.Validation) {
			return s.Name
		}
	}
	return ""
}

func internal(c *admin.Cluster) string {
	for _, e := range c.Endpoints {
		if e.Listener != "" {
			return e.Listener
		}
	}
	return ""
}

func (l *Leg) step(name, value, origin string) {
	if l.Steps == nil {
		l.Steps = make([]Step, 0, 4) // listener, chain, filter, cluster
	}
	l.Steps = append(l.Steps, Step{Name: name, Value: value, Origin: origin})
}

// taken notes when Envoy took a part of the configuration.
func (l *Leg) taken(at string) {
	if t, err := time.Parse(time.RFC3339, at); err == nil && t.After(l.Updated) {
		l.Updated = t
	}
}

// stop ends the leg; what was found first stands.
func (l *Leg) stop(kind Kind, step, format string, args ...any) {
	if l.Stop == nil {
		l.Stop = &Stop{Kind: kind, Step: step, Says: fmt.Sprintf(format, args...)}
	}
}
