package check

import (
	"fmt"
	"maps"
	"slices"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// Where only objects were given, as in a repository that is checked before it is applied, there is no Envoy to follow. Some rules
// decide by objects alone once the trace has shown a stop: these are asked whether they would explain it, had the path stopped there.
// What they find is wrong whatever the proxies have; all others are skipped.

// supposed is the stop at which each of those rules looks.
var supposed = map[Code]trace.Kind{
	"EGR001": trace.Bypass,
	"EGR002": trace.Bypass,
	"EGR003": trace.Bypass,
	"EGR011": trace.NoListener,
	"EGR012": trace.NoListener,
	"EGR013": trace.NoListener,
	"EGR014": trace.NoListener,
	"EGR015": trace.NoListener,
	"EGR017": trace.NoChain,
	"EGR018": trace.NoListener,
	"EGR019": trace.NoListener,
	"EGR020": trace.NoListener,
	"EGR023": trace.NoCluster,
	"EGR024": trace.NoChain,
	"EGR035": trace.NoEndpoint,
	"EGR037": trace.NoCluster,
}

// ByObjects lists the rules that objects alone decide.
func ByObjects() []Code { return slices.Sorted(maps.Keys(supposed)) }

// onlyObjects is told by the checks that are skipped.
const onlyObjects = "it needs the configuration of proxies, and only objects were given"

// judgeObjects judges a path by its objects.
func judgeObjects(s *snapshot.Snapshot, p *trace.Path, table []Check) []Finding {
	ways := suppose(s, p)
	var out []Finding
	for _, c := range table {
		if c.Run == nil || p.Mode == egress.Direct && !c.Direct {
			continue
		}
		out = append(out, c.byObjects(s, p, ways)...)
	}
	return append(out, unexplained.finding(p, Finding{State: Skip, Message: onlyObjects}))
}

func (c Check) byObjects(s *snapshot.Snapshot, p *trace.Path, ways []way) []Finding {
	kind, decides := supposed[c.Code]
	if c.Code == "EGR011" && madeUp(p) {
		decides = false // its pods have the labels that the Gateway selects, for nothing else is known of them
	}
	if !decides {
		return []Finding{c.finding(p, Finding{State: Skip, Message: onlyObjects})}
	}
	var out []Finding
	seen := map[string]bool{}
	for _, w := range ways {
		if kind == trace.NoChain && !w.arrives(s) {
			continue // what is sent is decided by a route or a subset that is not there: that is the fault, and not what would be sent
		}
		for _, f := range c.run(s, w.stopping(s, c.Hop, kind)) {
			if key := f.Message + f.Fix; f.State != Pass && !seen[key] {
				seen[key] = true
				f.Evidence, f.explains = nil, nil // nothing was seen
				out = append(out, f)
			}
		}
	}
	if len(out) == 0 {
		return []Finding{c.finding(p, Finding{State: Pass})}
	}
	return out
}

// madeUp says whether the pods of the path's gateway are only supposed.
func madeUp(p *trace.Path) bool {
	return slices.ContainsFunc(p.Want.Pods, func(q mesh.Pod) bool { return q.Name == "" })
}

// way is a path as the objects lead it: along one route from sidecars of one namespace to the gateway.
type way struct {
	path   *trace.Path
	client string // namespace of the sidecar
	toward *trace.Line
	onward string // the cluster to which the gateway's route leads
	tls    []trace.Layer
}

// suppose gives a way for each route to the gateway; without one, that of sidecars in the namespace of whatever is about the host.
func suppose(s *snapshot.Snapshot, p *trace.Path) []way {
	base := way{path: p, client: clientOf(p), onward: onwardCluster(p), tls: application(p)}
	var out []way
	for _, l := range p.Toward() {
		w := base
		w.toward, w.client = &l, l.VirtualService.Namespace
		if _, _, tls := settings(s, p, w.client, l.Subset, l.ToPort); tls != nil && tls.Mode == "ISTIO_MUTUAL" {
			sni := tls.SNI
			if sni == "" {
				sni = fmt.Sprintf("outbound_.%d_.%s_.%s", l.ToPort, l.Subset, gatewayHost(s, p)) // as istiod makes it
			}
			w.tls = append([]trace.Layer{{SNI: sni, Mode: admin.IstioMutual, ALPN: []string{"istio"}}}, base.tls...)
		}
		out = append(out, w)
	}
	if len(out) == 0 {
		out = append(out, base)
	}
	return out
}

// arrives says whether there is a route to the gateway, and the subset that it names.
func (w way) arrives(s *snapshot.Snapshot) bool {
	return w.toward != nil && (w.toward.Subset == "" || found(s, w.path, w.client, w.toward.Subset))
}

func application(p *trace.Path) []trace.Layer {
	if p.Protocol == egress.ProtocolTLS {
		return []trace.Layer{{SNI: p.Sample}}
	}
	return nil
}

// clientOf is a namespace from which the host is asked for: of its set, of its routes, of its ServiceEntry.
func clientOf(p *trace.Path) string {
	if p.Set != "" {
		namespace, _ := splitRef(p.Set)
		return namespace
	}
	if routes := routesFor(p); len(routes) > 0 {
		return routes[0].Namespace
	}
	if entries := p.Wanted.Entries(string(p.Host)); len(entries) > 0 {
		return entries[0].Namespace
	}
	return "default"
}

func onwardCluster(p *trace.Path) string {
	for _, l := range p.Wanted.Onward(string(p.Host)) {
		return fmt.Sprintf("outbound|%d|%s|%s", l.ToPort, l.Subset, l.To)
	}
	return fmt.Sprintf("outbound|%d||%s", p.Port, p.Host)
}

// stopping is the path with the legs that a trace would have shown, had it stopped at a hop.
func (w way) stopping(s *snapshot.Snapshot, at egress.Hop, kind trace.Kind) *trace.Path {
	p := *w.path
	port, subset := p.Port, ""
	if w.toward != nil {
		port, subset = w.toward.ToPort, w.toward.Subset
		if port == 0 {
			port = p.Port
		}
	}
	to := fmt.Sprintf("outbound|%d|%s|%s", port, subset, gatewayHost(s, &p))
	ask := trace.Ask{Port: target(p.Want, port), TLS: w.tls}
	sidecar := trace.Leg{
		Hop: egress.AtSidecar, Proxy: &snapshot.Proxy{Namespace: w.client, Pod: "a sidecar"},
		Exits: []trace.Exit{{Cluster: &admin.Cluster{Name: to}, Weight: 100, Ask: ask}},
	}
	stop := &trace.Stop{Kind: kind, Cluster: to}
	if at == egress.AtSidecar {
		if kind == trace.Bypass {
			stop.Cluster = trace.Passthrough
		}
		sidecar.Exits, sidecar.Stop = nil, stop
		p.Legs = []trace.Leg{sidecar}
		return &p
	}
	stop.Cluster, stop.Step = w.onward, "endpoint"
	gateway := trace.Leg{Hop: egress.AtGateway, Proxy: &snapshot.Proxy{Namespace: p.Gateway.Namespace, Pod: "the gateway"}, Ask: ask, From: []string{w.client}, Stop: stop}
	p.Legs = []trace.Leg{sidecar, gateway}
	return &p
}
