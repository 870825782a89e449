package trace

import (
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

type namedClusters struct {
	clusters map[string]*admin.Cluster
	of       int // how many there are with those of the same name
}

// index finds parts of a proxy's configuration by name.
type index struct {
	clusters map[string]*admin.Cluster
	routes   map[string]*admin.RouteConfig
	hosts    map[string]int // places in the proxy's Hosts by cluster; nil until they are not where another pod has them
	refused  []Refusal
}

// chains gives the index of a listener's filter chains.
func (w *walker) chains(l *admin.Listener) *chainIndex {
	if len(l.Chains) == 0 {
		return newChainIndex(l)
	}
	x := w.chosen[&l.Chains[0]]
	if x == nil || len(x.listener.Chains) != len(l.Chains) {
		x = newChainIndex(l)
		w.chosen[&l.Chains[0]] = x
	}
	if x.listener != l {
		own := *x // its chains are the same, its default need not be
		own.listener = l
		return &own
	}
	return x
}

func (w *walker) index(p *snapshot.Proxy) *index {
	if x, ok := w.indexes[p]; ok {
		return x
	}
	x := &index{clusters: w.clusters(p.Config.Clusters), routes: map[string]*admin.RouteConfig{}}
	for i := range p.Config.Listeners {
		if l := &p.Config.Listeners[i]; l.Rejected != nil {
			x.refused = append(x.refused, Refusal{"listener", l.Name, l.Rejected})
		}
	}
	for i := range p.Config.Clusters {
		if c := &p.Config.Clusters[i]; c.Rejected != nil {
			x.refused = append(x.refused, Refusal{"cluster", c.Name, c.Rejected})
		}
	}
	for i := range p.Config.Routes {
		x.routes[p.Config.Routes[i].Name] = &p.Config.Routes[i]
	}
	w.indexes[p] = x
	return x
}

// clusters gives an index of clusters by name, the same for pods that share them.
func (w *walker) clusters(all []admin.Cluster) map[string]*admin.Cluster {
	if len(all) == 0 {
		return nil
	}
	known := w.named[&all[0]]
	if known.clusters != nil && known.of == len(all) {
		return known.clusters
	}
	byName := make(map[string]*admin.Cluster, len(all))
	for i := range all {
		// the active one comes first; a warming one of the same name is not in force yet
		if c := &all[i]; byName[c.Name] == nil || byName[c.Name].Warming {
			byName[c.Name] = c
		}
	}
	w.named[&all[0]] = namedClusters{byName, len(all)}
	return byName
}

// hosts gives the hosts of a cluster. The pods of a gateway tell of their clusters in the same order, so that one remembered place
// does for all of them.
func (w *walker) hosts(p *snapshot.Proxy, cluster string) []admin.HostStatus {
	if i, ok := w.places[cluster]; ok && i < len(p.Hosts) && p.Hosts[i].Cluster == cluster {
		return p.Hosts[i].Hosts
	}
	x := w.index(p)
	if x.hosts == nil {
		x.hosts = make(map[string]int, len(p.Hosts))
		for i := range p.Hosts {
			x.hosts[p.Hosts[i].Cluster] = i
			w.places[p.Hosts[i].Cluster] = i
		}
	}
	if i, ok := x.hosts[cluster]; ok {
		return p.Hosts[i].Hosts
	}
	return nil
}
