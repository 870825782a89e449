package check

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// posture is what the checks of security look at: whether workloads can leave without the gateway, and who may use it (Istio egress
// gateway task, "Additional security considerations"). They are about no single path.
type posture struct {
	s     *snapshot.Snapshot
	paths []*trace.Path // those asked for that are meant to take a gateway
	all   []*trace.Path // those and the others of the mesh: policies are for all
	// routes are the objects that lead a path to its gateway.
	routes map[*trace.Path][]*snapshot.VirtualService
	net    *network
	// mesh are the namespaces in the mesh and those that want a path, but not Istio's own; namespaces are those of them whose workloads
	// are judged.
	mesh, namespaces []string
	workloads        map[string][]*snapshot.Workload // by namespace: those to be held
	hosts            []netip.Addr                    // at which gateways find the outside hosts of the paths
}

// guard is a check of security with what it does.
type guard struct {
	Check
	judge func(*posture) []Finding
}

// guards lists the checks of security by code.
func guards() []guard {
	return []guard{
		{identityNotSeen, (*posture).identities},    // EGR050
		{networkOpen, (*posture).openNamespaces},    // EGR059
		{networkTooTight, (*posture).cutOff},        // EGR060
		{unknownHostsPass, (*posture).unknownHosts}, // EGR061
		{withoutSidecar, (*posture).sidecarless},    // EGR062
		{pastSidecar, (*posture).excluded},          // EGR063
		{otherPortDirect, (*posture).otherPorts},    // EGR064
		{nodesShared, (*posture).nodes},             // EGR065
		{callerNotKnown, (*posture).anonymous},      // EGR066
		{everybodyAllowed, (*posture).unauthorized}, // EGR067
	}
}

// SecurityCodes are those of the checks that judge only where somebody asks for security.
func SecurityCodes() map[Code]bool {
	out := map[Code]bool{}
	for _, g := range guards() {
		out[g.Code] = true
	}
	return out
}

// Security judges whether workloads can go round the gateways of the paths, and who may use those. namespace narrows it to the
// workloads of one; empty: all.
func Security(s *snapshot.Snapshot, paths []trace.Path, namespace string) []Finding {
	p := &posture{s: s, paths: gatewayPaths(paths), routes: map[*trace.Path][]*snapshot.VirtualService{}}
	walker, asked := trace.New(s), map[string]bool{}
	for i := range paths {
		asked[paths[i].String()] = true
	}
	var others []trace.Path
	for _, path := range Paths(s) {
		if !asked[path.String()] {
			others = append(others, walker.Walk(path))
		}
	}
	p.all = slices.Concat(p.paths, gatewayPaths(others))
	for _, path := range p.all {
		for _, l := range path.Toward() {
			p.routes[path] = append(p.routes[path], l.VirtualService)
		}
	}
	if len(p.paths) == 0 { // what is asked for makes no path of its own: then the question is about those that it can take
		p.paths = p.all
		if namespace != "" {
			p.paths = p.seen(p.all, namespace)
		}
	}
	if s.Security != nil {
		p.net = newNetwork(s.Security.Namespaces, s.Security.NetworkPolicies)
		p.workloads = held(s.Security.Workloads)
		p.mesh = p.meshed()
		p.namespaces = slices.DeleteFunc(slices.Clone(p.mesh), func(n string) bool { return namespace != "" && n != namespace })
	}
	p.hosts = p.addresses()
	var out []Finding
	for _, g := range guards() {
		found := p.run(g)
		if len(found) == 0 {
			found = []Finding{{State: Pass}}
		}
		for _, f := range found {
			out = append(out, g.finding(nil, f))
		}
	}
	return out
}

// gatewayPaths are those that are meant to take a gateway: paths of mode direct have none, nor has a set that leaves open which of several.
func gatewayPaths(paths []trace.Path) []*trace.Path {
	var out []*trace.Path
	for i := range paths {
		if path := &paths[i]; path.Gateway != (egress.GatewayRef{}) {
			out = append(out, path)
		}
	}
	return out
}

func (p *posture) run(g guard) []Finding {
	for _, need := range g.Needs {
		st := p.s.State(need)
		switch {
		case p.s.Security == nil && st.Kind == snapshot.Failed:
			return []Finding{{
				State: Unknown, Message: "what tells who can go round the gateway was not gathered",
				Fix: "kubectl egress capture --security --output=egress.json",
			}}
		case !st.Known():
			return []Finding{notRead(need, st)}
		}
	}
	if len(p.paths) == 0 {
		return []Finding{{State: Skip, Message: "no path takes an egress gateway: there is none to go round"}}
	}
	return g.judge(p)
}

// system are the namespaces that hold Kubernetes itself.
var system = []string{"kube-system", "kube-public", "kube-node-lease"}

// meshed gives the namespaces in the mesh, and those that want a path.
func (p *posture) meshed() []string {
	in := map[string]bool{}
	for i := range p.s.Security.Namespaces {
		n := &p.s.Security.Namespaces[i]
		in[n.Name] = n.Labels["istio-injection"] == "enabled" || n.Labels["istio.io/rev"] != "" && n.Labels["istio-injection"] != "disabled"
	}
	for i := range p.s.Security.Workloads {
		if w := &p.s.Security.Workloads[i]; w.Sidecar {
			in[w.Namespace] = true
		}
	}
	for _, path := range p.all {
		if ns, _ := splitRef(path.Set); ns != "" {
			in[ns] = true
		}
		for _, v := range p.routes[path] {
			in[v.Namespace] = true
		}
	}
	var out []string
	for n := range in {
		if in[n] && n != p.s.RootNamespace() && !slices.Contains(system, n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// addresses gives those at which the gateways find the outside hosts.
func (p *posture) addresses() []netip.Addr {
	var out []netip.Addr
	for _, path := range p.all {
		for _, l := range path.At(egress.AtGateway) {
			for _, e := range l.Exits {
				for _, h := range e.Hosts {
					// what is no address, as a pipe, is the zero one here, which is in no block
					if a, _ := netip.ParseAddr(h.Address); !a.IsLoopback() {
						out = append(out, a.Unmap())
					}
				}
			}
		}
	}
	egress.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// held gives the workloads that are to be held: not the gateways, which are meant to leave, nor those that ztunnel serves, which are
// not judged.
func held(workloads []snapshot.Workload) map[string][]*snapshot.Workload {
	out := map[string][]*snapshot.Workload{}
	for i := range workloads {
		if w := &workloads[i]; !w.Router && !w.Ambient {
			out[w.Namespace] = append(out[w.Namespace], w)
		}
	}
	return out
}

// mayLeave says whether the network lets a pod out without the gateway, and what for example it may call.
func (p *posture) mayLeave(w *snapshot.Workload) (call, bool) {
	if found := p.net.leaks(w, p.hosts); len(found) > 0 {
		return found[0].to, true
	}
	return call{}, false
}

// gateways gives the first path of each gateway.
func gateways(paths []*trace.Path) []*trace.Path {
	var out []*trace.Path
	known := map[egress.GatewayRef]bool{}
	for _, path := range paths {
		if !known[path.Gateway] {
			known[path.Gateway] = true
			out = append(out, path)
		}
	}
	egress.SortFunc(out, func(a, b *trace.Path) int { return cmp.Compare(a.Gateway.String(), b.Gateway.String()) })
	return out
}

// seen gives those of paths with a route to the gateway that is exported to a namespace; a path without any route may be for everybody.
func (p *posture) seen(paths []*trace.Path, namespace string) []*trace.Path {
	return slices.DeleteFunc(slices.Clone(paths), func(path *trace.Path) bool {
		routes := p.routes[path]
		return len(routes) > 0 && !slices.ContainsFunc(routes, func(v *snapshot.VirtualService) bool { return v.VisibleTo(p.s, namespace) })
	})
}

// callers are the namespaces of the mesh that see a path of a gateway.
func (p *posture) callers(g *trace.Path) []string {
	return slices.DeleteFunc(slices.Clone(p.mesh), func(namespace string) bool {
		return !slices.ContainsFunc(p.seen(p.all, namespace), func(path *trace.Path) bool { return path.Gateway == g.Gateway })
	})
}

// byMaker gathers what is said of pods by what made them, in the order of the pods: ten replicas are one line.
type byMaker struct {
	makers []string
	says   map[string]string
	pods   map[string]int
}

func (b *byMaker) add(w *snapshot.Workload, says string) {
	if b.says == nil {
		b.says, b.pods = map[string]string{}, map[string]int{}
	}
	if b.pods[w.Maker()] == 0 {
		b.makers = append(b.makers, w.Maker())
		b.says[w.Maker()] = says
	}
	b.pods[w.Maker()]++
}

// names are the makers in a sentence.
func (b *byMaker) names() string {
	const most = 3
	if len(b.makers) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(b.makers[:most], ", "), len(b.makers)-most)
	}
	return strings.Join(b.makers, ", ")
}

func (b *byMaker) evidence() []string {
	var out []string
	for i, m := range b.makers {
		if i == maxEvidence {
			return append(out, fmt.Sprintf("and so do %d more", len(b.makers)-maxEvidence))
		}
		pods := ""
		if n := b.pods[m]; n > 1 {
			pods = fmt.Sprintf(" (%d pods)", n)
		}
		out = append(out, m+pods+": "+b.says[m])
	}
	return out
}
