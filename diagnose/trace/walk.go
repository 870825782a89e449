package trace

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// Walker follows paths through one snapshot. It keeps indexes, so that a thousand paths cost little more than the reading of the
// configuration once. It is not safe for use by more than one goroutine.
type Walker struct {
	walker
}

type walker struct {
	s       *snapshot.Snapshot
	indexes map[*snapshot.Proxy]*index
	chosen  map[*admin.FilterChain]*chainIndex // by the first chain: pods of one gateway may share their listeners' chains
	named   map[*admin.Cluster]namedClusters   // by the first cluster, in the same way
	places  map[string]int                     // in the Hosts of a proxy by cluster, as the last one had them
	pods    map[string]*snapshot.Proxy         // the gateway pods, by address
	wanted  *Wanted
}

// New makes a Walker for a snapshot, which must not change afterwards.
func New(s *snapshot.Snapshot) *Walker {
	w := walker{
		s: s, indexes: map[*snapshot.Proxy]*index{}, chosen: map[*admin.FilterChain]*chainIndex{}, named: map[*admin.Cluster]namedClusters{},
		places: map[string]int{}, pods: map[string]*snapshot.Proxy{}, wanted: Want(s),
	}
	for i := range s.Proxies {
		if p := &s.Proxies[i]; p.Role == snapshot.AtGateway {
			w.pods[p.IP] = p
		}
	}
	return &Walker{w}
}

// Walk follows one path. For more than one, make a Walker.
func Walk(s *snapshot.Snapshot, p egress.Path) Path { return New(s).Walk(p) }

// Walk follows one path: through the sidecars that it concerns, then through the gateway pods that they send to.
func (w *Walker) Walk(p egress.Path) Path {
	out := Path{Path: p, Wanted: w.wanted, Sample: w.sample(p.Host)}
	out.Want, _ = w.s.Facts.Gateway(p.Gateway)
	seen := map[string]int{} // where in onward
	var onward []Leg
	for i := range w.s.Proxies {
		proxy := &w.s.Proxies[i]
		if proxy.Role != snapshot.AtSidecar || !w.concerns(p, proxy) {
			continue
		}
		leg := w.sidecar(&out, proxy)
		for _, next := range w.gateways(&out, &leg) {
			key := next.Ask.key() // its address is the pod's
			i, known := seen[key]
			if !known {
				i = len(onward)
				seen[key], onward = i, append(onward, next)
			}
			if !slices.Contains(onward[i].From, proxy.Namespace) {
				onward[i].From = append(onward[i].From, proxy.Namespace)
			}
		}
		out.Legs = append(out.Legs, leg)
	}
	w.bystanders(&out, onward)
	if len(out.Legs) == 0 {
		none := &snapshot.Proxy{State: w.s.State(snapshot.Pods)} // why there is none may be that pods could not be read
		out.Legs = append(out.Legs, Leg{Hop: egress.AtSidecar, Proxy: none, Stop: w.nobody()})
	}
	out.Legs = append(out.Legs, onward...)
	return out
}

// bystanders tells clients for whom the path was made from those that only see its routes. The documents' objects work in the
// namespace of the routes, where their DestinationRule is too; elsewhere the gateway's subset is not found, or the gateway gets
// plain text where it ends Istio's TLS. The path works, and others are hit by it.
func (w *Walker) bystanders(p *Path, onward []Leg) {
	home := map[string]bool{}
	for _, l := range w.wanted.Own(p.Path) {
		home[l.VirtualService.Namespace] = true
	}
	if !slices.ContainsFunc(p.Legs, func(l Leg) bool { return l.Stop == nil && home[l.Proxy.Namespace] }) {
		return
	}
	for i := range p.Legs {
		l := &p.Legs[i]
		if l.Stop == nil || l.Stop.Kind != NoCluster || home[l.Proxy.Namespace] {
			continue
		}
		if name, _ := ParseCluster(l.Stop.Cluster); name.Subset != "" && w.isGateway(p, name.Host) {
			l.Stop.bystander()
		}
	}
	athome := func(l *Leg) bool { return slices.ContainsFunc(l.From, func(n string) bool { return home[n] }) }
	if !slices.ContainsFunc(onward, func(l Leg) bool { return l.Stop == nil && athome(&l) }) {
		return
	}
	for i := range onward {
		if l := &onward[i]; l.Stop != nil && !athome(l) && (l.Stop.Kind == NoChain || l.Stop.Kind == PlainToTLS) {
			l.Stop.bystander()
		}
	}
}

func (s *Stop) bystander() { s.Was, s.Kind = s.Kind, Bystander }

// nobody says why there is no sidecar to look at.
func (w *Walker) nobody() *Stop {
	if w.s.OnlyObjects() {
		return &Stop{Kind: NotSelected, Step: "workload", Says: "not looked at: only objects were given"}
	}
	if st := w.s.State(snapshot.Pods); !st.Known() {
		return &Stop{Kind: Unread, Step: "workload", Says: "pods could not be read: " + st.Detail}
	}
	for i := range w.s.Proxies {
		if p := &w.s.Proxies[i]; p.Role == snapshot.NoProxy {
			return &Stop{Kind: NoWorkload, Step: "workload", Says: fmt.Sprintf("%s has no sidecar: %s", p.Name(), cmp.Or(p.Unled, "what it sends is not Istio's to lead, and is not traced"))}
		}
	}
	if slices.ContainsFunc(w.s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtSidecar }) {
		return &Stop{Kind: NoWorkload, Step: "workload", Says: "the path is for none of the pods with a sidecar that were looked at"}
	}
	return &Stop{Kind: NoWorkload, Step: "workload", Says: "there is no running pod with a sidecar to look at"}
}

// key is the same for two connections that a proxy treats the same.
func (a Ask) key() string {
	var b strings.Builder
	b.WriteString(a.Address + ":" + strconv.Itoa(a.Port) + " " + a.Authority)
	for _, l := range a.TLS {
		b.WriteString(" " + l.SNI + string(l.Mode))
	}
	return b.String()
}

// concerns says whether the path is meant for the workload: a route for it and the ServiceEntry of its host can be seen from the
// workload's namespace. Where there is no route or no entry at all, every workload is concerned, and so is one that was named.
func (w *walker) concerns(p egress.Path, proxy *snapshot.Proxy) bool {
	if w.s.From != "" {
		return true
	}
	if entries := w.wanted.Entries(string(p.Host)); len(entries) > 0 &&
		!slices.ContainsFunc(entries, func(e *snapshot.ServiceEntry) bool { return e.VisibleTo(w.s, proxy.Namespace) }) {
		return false
	}
	toward := w.wanted.Own(p)
	if len(toward) == 0 || p.Mode == egress.Direct {
		return true
	}
	return slices.ContainsFunc(toward, func(l Line) bool {
		return l.VirtualService.VisibleTo(w.s, proxy.Namespace) && l.From(proxy)
	})
}

// application is what the workload sends.
func (p *Path) application() Ask {
	a := Ask{Port: p.Port}
	if p.Protocol == egress.ProtocolTLS {
		a.TLS = []Layer{{SNI: p.Sample, ALPN: []string{"h2", "http/1.1"}}}
	} else {
		a.Authority, a.Request = p.Sample, p.Wanted.request(string(p.Host), p.Port)
	}
	return a
}

// given is the address that Istio's DNS proxy tells the workload for the host; empty if the workload does not ask it, or it knows none.
func (w *walker) given(p *Path, proxy *snapshot.Proxy) string {
	if !proxy.DNSCapture {
		return ""
	}
	for _, e := range w.wanted.Entries(p.Sample) {
		if !e.VisibleTo(w.s, proxy.Namespace) {
			continue
		}
		for _, a := range e.Given(p.Sample) {
			if parsed, err := netip.ParseAddr(a); err == nil && parsed.Is4() { // what an application asks for first, and all that most have
				return a
			}
		}
	}
	return ""
}

// sidecar follows the path through one sidecar and judges where it leaves.
func (w *Walker) sidecar(p *Path, proxy *snapshot.Proxy) Leg {
	leg := Leg{Hop: egress.AtSidecar, Proxy: proxy, Ask: p.application(), Refused: w.index(proxy).refused}
	leg.Ask.Address = cmp.Or(w.given(p, proxy), w.destination(p, proxy))
	if proxy.State.Kind != snapshot.Read {
		leg.stop(Unread, "proxy", "the sidecar of %s could not be read: %s", proxy.Name(), proxy.State.Detail)
		return leg
	}
	if why := past(p, proxy); why != "" {
		leg.stop(NotCaptured, "workload", "what %s sends to %s goes past its sidecar: %s", proxy.Pod, p, why)
		return leg
	}
	w.envoy(&leg, leg.Ask)
	for i := range leg.Exits {
		w.judgeSidecar(p, &leg, &leg.Exits[i])
	}
	return leg
}

// gateways follows what leaves a sidecar into the gateway's pods.
func (w *Walker) gateways(p *Path, from *Leg) []Leg {
	if from.Stop != nil || p.Mode == egress.Direct {
		return nil
	}
	var legs []Leg
	for _, e := range from.Exits {
		legs = slices.Grow(legs, len(e.Hosts))
		for _, h := range e.Hosts {
			if h.Unhealthy {
				continue
			}
			ask := e.Ask
			ask.Address, ask.Port = h.Address, h.Port
			legs = append(legs, w.gateway(p, ask))
		}
	}
	return legs
}

func (w *Walker) gateway(p *Path, ask Ask) Leg {
	leg := Leg{Hop: egress.AtGateway, Ask: ask, Proxy: &snapshot.Proxy{IP: ask.Address}}
	if q := w.pods[ask.Address]; q != nil {
		leg.Proxy, leg.Refused = q, w.index(q).refused
	}
	switch {
	case leg.Proxy.Pod == "":
		leg.Stop = w.strange(p, ask.Address)
		return leg
	case leg.Proxy.State.Kind != snapshot.Read:
		leg.stop(Unread, "proxy", "gateway pod %s could not be read: %s", leg.Proxy.Name(), leg.Proxy.State.Detail)
		return leg
	}
	w.envoy(&leg, ask)
	for i := range leg.Exits {
		w.judgeGateway(p, &leg, &leg.Exits[i])
	}
	return leg
}

// strange says what is known of an endpoint whose configuration is not in the snapshot.
func (w *Walker) strange(p *Path, address string) *Stop {
	for _, g := range w.s.Facts.Gateways {
		for _, pod := range g.Pods {
			if pod.IP == address {
				return &Stop{Kind: NotSelected, Step: "endpoint", Says: fmt.Sprintf("gateway pod %s was not looked at", pod.Name)}
			}
		}
	}
	return &Stop{Kind: UnknownPod, Step: "endpoint", Says: fmt.Sprintf("endpoint %s is not a known pod of gateway %s", address, p.Gateway)}
}
