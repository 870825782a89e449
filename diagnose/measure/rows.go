package measure

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// rows counts every point, sorted as paths are: by host and port, then the hops in their order, then pods.
func (m *Meter) rows(told []counter.Proxy) []counter.Row {
	var rows []counter.Row
	for _, p := range m.points {
		one := &told[p.proxy]
		at := m.proxies[p.proxy].asked
		if at.Failed != "" {
			continue
		}
		row := counter.Row{
			Host: string(p.path.Host), Port: p.path.Port, Path: p.path.String(), Set: p.path.Set, Hop: at.Hop,
			Namespace: at.Namespace, Pod: at.Pod, Cluster: p.dest.Cluster,
		}
		if !p.dest.Lookup {
			row.Counts = one.Count(p.dest)
			rows = append(rows, row)
			continue
		}
		for _, name := range m.looked(one, p) {
			d := p.dest
			d.Hostname, d.Service = name, name
			row.Host, row.Counts = name, one.Count(d)
			rows = append(rows, row)
		}
	}
	egress.SortFunc(rows, func(a, b counter.Row) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Host, b.Host), cmp.Compare(order(a.Hop), order(b.Hop)),
			strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Pod, b.Pod), strings.Compare(a.Cluster, b.Cluster))
	})
	return rows
}

func order(h egress.Hop) int {
	return slices.Index([]egress.Hop{egress.AtSidecar, egress.AtGateway}, h)
}

// looked gives the names that a proxy looked up for a path, of those that were asked for. Where there is none yet it is the path's
// host, or what was asked for, so that there is a row that says so.
func (m *Meter) looked(p *counter.Proxy, at point) []string {
	names := p.Looked(at.dest.Cluster, at.path.Host)
	var wanted []string
	for _, t := range m.targets {
		if at.path.Host == t || at.path.Host.Covers(t) {
			wanted = append(wanted, string(t))
		}
	}
	if len(wanted) > 0 {
		return wanted
	}
	if len(names) == 0 {
		return []string{string(at.path.Host)}
	}
	slices.Sort(names)
	return slices.Compact(names)
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
