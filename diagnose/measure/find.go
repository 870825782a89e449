package measure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// finding is a Meter in the making.
type finding struct {
	*Meter
	s     *snapshot.Snapshot
	index map[string]int // of proxies, by NAMESPACE/POD
	have  map[point]bool
}

// at gives the index of a proxy, which is added when it is new.
func (f *finding) at(p *snapshot.Proxy, hop egress.Hop) int {
	if i, ok := f.index[p.Name()]; ok {
		return i
	}
	one := proxy{
		asked:   counter.Asked{Namespace: p.Namespace, Pod: p.Pod, Hop: hop, Gateway: p.Gateway},
		matcher: p.Config.Stats, known: p.Config.Stats != nil,
	}
	if p.State.Kind != snapshot.Read && p.State.Kind != "" {
		one.asked.Failed = p.State.Detail
	}
	f.index[p.Name()] = len(f.proxies)
	f.proxies = append(f.proxies, one)
	return len(f.proxies) - 1
}

// add adds a point once.
func (f *finding) add(p point) {
	if !f.have[p] {
		f.have[p] = true
		f.points = append(f.points, p)
	}
}

// gateways adds what a path uses at the gateway's pods: what the path was followed through, or what by its name is meant for the host
// where it could not be followed that far.
func (f *finding) gateways(p *trace.Path) {
	followed := map[string]bool{}
	for _, leg := range p.At(egress.AtGateway) {
		if leg.Proxy == nil || leg.Proxy.Pod == "" || len(leg.Exits) == 0 {
			continue
		}
		followed[leg.Proxy.Name()] = true
		for _, e := range leg.Exits {
			f.add(point{f.at(leg.Proxy, egress.AtGateway), p.Path, destination(p.Path, leg.Proxy, e.Cluster, egress.AtGateway)})
		}
	}
	if p.Mode == egress.Direct {
		return
	}
	for i := range f.s.Proxies {
		proxy := &f.s.Proxies[i]
		if proxy.Role != snapshot.AtGateway || proxy.Gateway != p.Gateway || followed[proxy.Name()] {
			continue
		}
		at := f.at(proxy, egress.AtGateway)
		for _, c := range byName(proxy, p.Path) {
			f.add(point{at, p.Path, destination(p.Path, proxy, c, egress.AtGateway)})
		}
	}
}

// byName gives the clusters that are the host's by their name: those of the path's port or, where TLS is begun on the way, of any.
func byName(proxy *snapshot.Proxy, p egress.Path) []*admin.Cluster {
	var of []*admin.Cluster
	for i := range proxy.Config.Clusters {
		c := &proxy.Config.Clusters[i]
		name, ok := trace.ParseCluster(c.Name)
		if !ok || !strings.EqualFold(name.Host, string(p.Host)) {
			continue
		}
		if name.Port == p.Port || p.Mode == egress.TLSOrigination || p.Mode == egress.MTLSOrigination {
			of = append(of, c)
		}
	}
	return of
}

// destination is what a proxy's counters say of a path that leaves by a cluster.
func destination(p egress.Path, proxy *snapshot.Proxy, c *admin.Cluster, hop egress.Hop) counter.Destination {
	d := counter.Destination{
		Cluster: c.Name, Service: string(p.Host), HTTP: p.Protocol == egress.ProtocolHTTP, TLS: c.TLS != nil,
		Lookup: c.Type == admin.DynamicForward,
	}
	if hop == egress.AtSidecar && p.Mode != egress.Direct {
		d.Service = "" // Istio's metrics count all that goes to the gateway together
	}
	if !d.Lookup {
		return d
	}
	if name, ok := trace.ParseCluster(c.Name); ok {
		d.Cache = name.Host + "_dfp_dns_cache" // as istiod names it
		return d
	}
	for _, l := range proxy.Config.Listeners {
		for _, chain := range l.Chains {
			for _, filter := range chain.Filters {
				if filter.SNI != nil && filter.SNI.Cache != "" {
					d.Cache = filter.SNI.Cache
				}
			}
		}
	}
	return d
}

// client is what a path uses at the sidecars of a namespace.
type client struct {
	namespace string
	path      egress.Path
	dest      counter.Destination
}

// clients adds what the paths use at the sidecars that were looked at, and gives it for all others of the same namespaces.
func (f *finding) clients(paths []trace.Path, all bool) []client {
	var sent []client
	for i := range paths {
		p := &paths[i]
		if !all && p.Mode != egress.Direct {
			continue
		}
		for _, leg := range p.At(egress.AtSidecar) {
			if leg.Proxy == nil || leg.Proxy.Pod == "" {
				continue
			}
			at := f.at(leg.Proxy, egress.AtSidecar)
			for _, e := range leg.Exits {
				d := destination(p.Path, leg.Proxy, e.Cluster, egress.AtSidecar)
				f.add(point{at, p.Path, d})
				sent = append(sent, client{leg.Proxy.Namespace, p.Path, d})
			}
		}
	}
	return sent
}

var podsOf = kube.Resource{Version: "v1", Resource: "pods"}

// meshed is the label that Istio's injection puts on every pod with a sidecar.
const meshed = "security.istio.io/tlsMode=istio"

// wirePod is what is read of a pod.
type wirePod struct {
	Metadata struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
		Deleted   string `json:"deletionTimestamp"`
	} `json:"metadata"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

// spread adds all clients of the namespaces whose sidecars were looked at: what one sends, by Istio's configuration for its namespace,
// the others send as well. only leaves it at the one that was named.
func (f *finding) spread(ctx context.Context, c Client, sent []client, only bool) error {
	var namespaces []string
	for _, s := range sent {
		namespaces = append(namespaces, s.namespace)
	}
	slices.Sort(namespaces)
	if only {
		return nil
	}
	for _, ns := range slices.Compact(namespaces) {
		pods, err := clientsIn(ctx, c, ns)
		switch {
		case errors.Is(err, kube.ErrForbidden):
			f.notes = append(f.notes, fmt.Sprintf("clients in namespace %s could not be listed, one is shown: %v", ns, err))
			continue
		case err != nil:
			return fmt.Errorf("find the clients in namespace %s: %w", ns, err)
		}
		if len(pods) > maxClients {
			f.notes = append(f.notes, fmt.Sprintf("namespace %s: %d of %d clients asked", ns, maxClients, len(pods)))
			pods = pods[:maxClients]
		}
		for _, name := range pods {
			f.client(ns, name, sent)
		}
	}
	return nil
}

func (f *finding) client(namespace, pod string, sent []client) {
	at, ok := f.index[namespace+"/"+pod]
	if !ok {
		at = len(f.proxies)
		f.index[namespace+"/"+pod] = at
		f.proxies = append(f.proxies, proxy{asked: counter.Asked{Namespace: namespace, Pod: pod, Hop: egress.AtSidecar}})
	}
	for _, s := range sent {
		if s.namespace == namespace {
			f.add(point{at, s.path, s.dest})
		}
	}
}

func clientsIn(ctx context.Context, c Client, namespace string) ([]string, error) {
	var names []string
	o := kube.ListOptions{Labels: meshed, Restart: func() { names = nil }}
	err := c.List(ctx, podsOf, namespace, o, func(raw json.RawMessage) error {
		var p wirePod
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
		if p.Metadata.Deleted == "" && p.Status.Phase == "Running" {
			names = append(names, p.Metadata.Name)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}
