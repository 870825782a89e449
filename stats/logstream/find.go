package logstream

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// Labels and containers by which the logs' writers are known.
const (
	meshedPods     = "security.istio.io/tlsMode=istio" // since Istio 1.4, on every pod with a sidecar and on no gateway
	mixerPods      = "istio-mixer-type=telemetry"      // Istio 1.0 to 1.7
	proxyContainer = "istio-proxy"
	sniContainer   = "sni-proxy"
	mixerContainer = "mixer"
)

// Gateway is an egress gateway as far as its logs go.
type Gateway struct {
	Namespace, Service string
	Selector           map[string]string // labels of its pods
	SNIProxy           string            // container of the SNI proxy beside Envoy; default "sni-proxy"
}

// Finder finds the containers whose logs are wanted. It is not safe for concurrent use.
type Finder struct {
	Client   Client
	Gateways []Gateway // their pods, Envoy and the SNI proxy beside it
	Mixer    bool      // the mixer of Istio up to 1.7 too
	Sidecars bool      // the sidecars of workloads too

	Namespace   string // of the sidecars; empty: all
	Workload    string // only the sidecars of this pod, or of the pods of this Deployment; empty: all
	MaxSidecars int    // of the first so many, by namespace and name; 0: all

	old    bool // no pod has the label: the mesh is from before 1.4
	Missed int  // sidecars over MaxSidecars at the last Find
}

// Find lists them as they are now, sorted by kind, namespace and name. A pod that is being deleted is one of them: it may still have
// something to say.
func (f *Finder) Find(ctx context.Context) ([]Source, error) {
	var all []Source
	for _, g := range f.Gateways {
		found, err := f.gateway(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("pods of gateway %s/%s: %w", g.Namespace, g.Service, err)
		}
		all = append(all, found...)
	}
	if f.Sidecars {
		found, err := f.sidecars(ctx)
		if err != nil {
			return nil, fmt.Errorf("pods with sidecars: %w", err)
		}
		all = append(all, found...)
	}
	if f.Mixer {
		found, err := f.pods(ctx, "", mixerPods)
		if err != nil {
			return nil, fmt.Errorf("pods of mixer: %w", err)
		}
		for _, p := range found {
			if p.has(mixerContainer) {
				all = append(all, p.source(accesslog.Mixer, mixerContainer))
			}
		}
	}
	return once(all), nil
}

// once leaves out what is there a second time: two Services may stand before the same pods.
func once(all []Source) []Source {
	seen := make(map[Source]bool, len(all))
	return slices.DeleteFunc(all, func(s Source) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
}

func (f *Finder) gateway(ctx context.Context, g Gateway) ([]Source, error) {
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(g.Selector)) {
		labels = append(labels, key+"="+g.Selector[key])
	}
	found, err := f.pods(ctx, g.Namespace, strings.Join(labels, ","))
	if err != nil {
		return nil, err
	}
	var all []Source
	for _, p := range found {
		if envoy := p.router(); envoy != "" {
			all = append(all, p.source(accesslog.Gateway, envoy))
		}
		if proxy := cmp.Or(g.SNIProxy, sniContainer); p.has(proxy) {
			all = append(all, p.source(accesslog.SNIProxy, proxy))
		}
	}
	return all, nil
}

func (f *Finder) sidecars(ctx context.Context) ([]Source, error) {
	old := f.old
	labels := meshedPods
	if old {
		labels = ""
	}
	found, err := f.pods(ctx, f.Namespace, labels)
	if err == nil && len(found) == 0 && !old {
		found, err = f.pods(ctx, f.Namespace, "")
		f.old = slices.ContainsFunc(found, func(p pod) bool { return p.sidecar() })
	}
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(p pod) bool { return !p.sidecar() || f.Workload != "" && !p.of(f.Workload) })
	missed := 0
	if f.MaxSidecars > 0 && len(found) > f.MaxSidecars {
		missed = len(found) - f.MaxSidecars
		found = found[:f.MaxSidecars]
	}
	f.Missed = missed
	all := make([]Source, 0, len(found))
	for _, p := range found {
		all = append(all, p.source(accesslog.Sidecar, proxyContainer))
	}
	return all, nil
}

// pods lists pods by namespace and name.
func (f *Finder) pods(ctx context.Context, namespace, labels string) ([]pod, error) {
	found, err := kube.ListOf[pod](ctx, f.Client, podsResource, namespace, kube.ListOptions{Labels: labels})
	if err != nil {
		return nil, err
	}
	egress.SortFunc(found, func(a, b pod) int {
		return cmp.Or(cmp.Compare(a.Metadata.Namespace, b.Metadata.Namespace), cmp.Compare(a.Metadata.Name, b.Metadata.Name))
	})
	return found, nil
}

func (p *pod) source(kind accesslog.Source, container string) Source {
	return Source{Kind: kind, Namespace: p.Metadata.Namespace, Pod: p.Metadata.Name, Container: container, UID: p.Metadata.UID}
}

func (p *pod) has(name string) bool {
	return slices.ContainsFunc(slices.Concat(p.Spec.Containers, p.Spec.Init), func(c container) bool { return c.Name == name })
}

// router is the container that runs Envoy as a gateway; empty if there is none. Istio 0.8 called it after the gateway.
func (p *pod) router() string {
	for _, c := range p.Spec.Containers {
		if slices.Contains(c.Args, "router") {
			return c.Name
		}
	}
	return ""
}

// sidecar says whether Envoy runs in the pod beside a workload.
func (p *pod) sidecar() bool { return p.router() == "" && p.has(proxyContainer) }

// of says whether the pod has that name, or is of the Deployment of that name.
func (p *pod) of(workload string) bool {
	if p.Metadata.Name == workload {
		return true
	}
	for _, o := range p.Metadata.Owners {
		name := o.Name
		if o.Kind == "ReplicaSet" {
			if dash := strings.LastIndexByte(name, '-'); dash > 0 {
				name = name[:dash]
			}
		}
		if name == workload {
			return true
		}
	}
	return false
}
