package probe

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
	"github.com/kubectl-egress/kubectl-egress/stats/ask"
)

// Grown is a cluster of a proxy that carried something between the moment before the request and the one after it.
type Grown struct {
	Hop     string `json:"hop"` // sidecar or gateway
	Pod     string `json:"pod"` // NAMESPACE/POD
	Cluster string `json:"cluster"`
	By      uint64 `json:"by"` // connections or requests, whichever are more

	gateway string // whose pod it is, or to whom the sidecar's cluster leads
}

// place is one cluster of one proxy.
type place struct{ hop, pod, cluster, gateway string }

// counts reads what the proxies counted of their hosts, which Envoy always does.
type counts struct {
	asker  *ask.Asker
	pods   []place // without a cluster
	known  []mesh.Gateway
	failed string // why one of them could not be asked
}

func newCounts(c Client, gateways []mesh.Gateway) *counts {
	n := &counts{asker: ask.New(c, ask.Auto), known: gateways}
	for _, g := range gateways {
		for _, p := range g.Pods {
			if p.Ready {
				n.pods = append(n.pods, place{hop: string(accesslog.Gateway), pod: g.Namespace + "/" + p.Name, gateway: g.Ref().String()})
			}
		}
	}
	return n
}

// atOnce is how many proxies are asked at the same time.
const atOnce = 8

// read asks every proxy. One that does not answer is missing in what comes back, and told in failed; one that does is there without a
// cluster too.
func (n *counts) read(ctx context.Context) map[place]uint64 {
	var (
		all   = map[place]uint64{}
		mu    sync.Mutex
		group sync.WaitGroup
		slots = make(chan struct{}, atOnce)
	)
	for _, p := range n.pods {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			namespace, pod, _ := strings.Cut(p.pod, "/")
			hosts, err := ask.Read(ctx, n.asker, namespace, pod, "/clusters?format=json", admin.ReadHosts)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				n.failed = err.Error()
				return
			}
			all[place{pod: p.pod}] = 0
			n.add(all, p, hosts)
		})
	}
	group.Wait()
	return all
}

// add adds what one proxy counted.
func (n *counts) add(all map[place]uint64, p place, clusters []admin.HostCounters) {
	for _, c := range clusters {
		at := place{p.hop, p.pod, c.Cluster, p.gateway}
		if p.hop == string(accesslog.Sidecar) {
			at.gateway = leadsTo(c.Cluster, n.known)
		}
		for _, h := range c.Hosts {
			all[at] += max(h.Opened, h.Requests)
		}
	}
}

// leadsTo names the gateway that a sidecar's cluster is of; empty if it is of none.
func leadsTo(cluster string, known []mesh.Gateway) string {
	line := accesslog.Line{UpstreamCluster: []byte(cluster)}
	namespace, name := line.Service()
	for _, g := range known {
		if g.Namespace == string(namespace) && g.Service == string(name) {
			return g.Ref().String()
		}
	}
	return ""
}

// grown lists what is more than before, the sidecar's first. What is less began anew, and tells nothing; neither does a proxy that
// did not answer before.
func grown(before, after map[place]uint64) []Grown {
	var all []Grown
	for at, n := range after {
		if _, asked := before[place{pod: at.pod}]; asked && n > before[at] {
			all = append(all, Grown{Hop: at.hop, Pod: at.pod, Cluster: at.cluster, By: n - before[at], gateway: at.gateway})
		}
	}
	egress.SortFunc(all, func(a, b Grown) int {
		return cmp.Or(-strings.Compare(a.Hop, b.Hop), strings.Compare(a.Pod, b.Pod), strings.Compare(a.Cluster, b.Cluster))
	})
	return all
}

// counted judges by counters: only what is unambiguous counts. The sidecar's clusters that can have carried the request either all
// lead to one gateway, one of whose own clusters for the host grew too, or all lead outside, and no gateway's grew. A service that is no
// gateway that is known may be one.
func counted(all []Grown, host egress.Host) (verdict Verdict, gateway string) {
	straight, elsewhere, through := false, false, []string{}
	left := map[string]bool{} // gateways that carried something to the host
	for _, g := range all {
		switch {
		case g.Hop == string(accesslog.Gateway):
			if carries(g.Cluster, host) {
				left[g.gateway] = true
			}
		case g.gateway != "":
			through = append(through, g.gateway)
		case carries(g.Cluster, host):
			straight = true
		case (&accesslog.Line{UpstreamCluster: []byte(g.Cluster)}).Way() == accesslog.ToService:
			elsewhere = true
		}
	}
	through = slices.Compact(through)
	switch {
	case elsewhere:
		return Unknown, ""
	case straight && len(through) == 0 && len(left) == 0:
		return Round, ""
	case !straight && len(through) == 1 && left[through[0]]:
		return Through, through[0]
	}
	return Unknown, ""
}

// carries says whether a cluster leads outside and may lead to the host.
func carries(cluster string, host egress.Host) bool {
	line := accesslog.Line{UpstreamCluster: []byte(cluster)}
	switch line.Way() {
	case accesslog.Passthrough, accesslog.ToDynamic:
		return true
	case accesslog.ToOutside:
		parts, _ := accesslog.SplitCluster([]byte(cluster))
		to, err := egress.ParseHost(string(parts.Host))
		return err == nil && to.Covers(host)
	}
	return false
}
