package gather

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

var podsResource = kube.Resource{Version: "v1", Resource: "pods"}

const proxyContainer = "istio-proxy"

// meshedPods is the label that Istio's injection puts on every pod with a sidecar and on no gateway.
const meshedPods = "security.istio.io/tlsMode=istio"

// pod is what is read of a pod.
type pod struct {
	Metadata struct {
		Namespace   string            `json:"namespace"`
		Name        string            `json:"name"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		Owners      []struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"ownerReferences"`
		Deleted string `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		ServiceAccount string      `json:"serviceAccountName"`
		HostNetwork    bool        `json:"hostNetwork"`
		Containers     []container `json:"containers"`
		Init           []container `json:"initContainers"` // native sidecars are among them
	} `json:"spec"`
	Status struct {
		IP         string `json:"podIP"`
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

type container struct {
	Name    string   `json:"name"`
	Args    []string `json:"args"`
	Restart string   `json:"restartPolicy"` // of init containers: Always makes one stay
	Env     []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"env"`
}

// capturesDNS says whether the pod's names are looked up by Istio's DNS proxy: the injection writes what annotation, ProxyConfig and mesh
// configuration say of it into the proxy's environment.
func (p *pod) capturesDNS() bool {
	for _, c := range slices.Concat(p.Spec.Containers, p.Spec.Init) {
		for _, e := range c.Env {
			if c.Name == proxyContainer && e.Name == "ISTIO_META_DNS_CAPTURE" {
				return strings.EqualFold(e.Value, "true")
			}
		}
	}
	return false
}

func (p *pod) ready() bool {
	return p.Metadata.Deleted == "" && slices.ContainsFunc(p.Status.Conditions, func(c struct {
		Type   string `json:"type"`
		Status string `json:"status"`
	},
	) bool {
		return c.Type == "Ready" && c.Status == "True"
	})
}

// meshed says whether the pod has a sidecar.
func (p *pod) meshed() bool {
	return slices.ContainsFunc(slices.Concat(p.Spec.Containers, p.Spec.Init), func(c container) bool {
		return c.Name == proxyContainer && !slices.Contains(c.Args, "router")
	})
}

// unled says what becomes of what a pod without a sidecar sends.
func (p *pod) unled() string {
	switch {
	case p.Metadata.Annotations["ambient.istio.io/redirection"] == "enabled": // by Istio's CNI agent, once ztunnel has it
		return "it is of the ambient mesh, and what ztunnel and waypoints make of what it sends is not traced"
	case p.Spec.HostNetwork:
		return "it uses its node's network, where Istio leads nothing; what it sends goes straight out and is not traced"
	}
	return "what it sends goes straight out and is not traced"
}

// owner is what to change to change the pod: a ReplicaSet stands for its Deployment.
func (p *pod) owner() string {
	if len(p.Metadata.Owners) == 0 {
		return ""
	}
	o := p.Metadata.Owners[0]
	if hash := p.Metadata.Labels["pod-template-hash"]; o.Kind == "ReplicaSet" && hash != "" {
		return "deployment/" + strings.TrimSuffix(o.Name, "-"+hash)
	}
	return strings.ToLower(o.Kind) + "/" + o.Name
}

func (p *pod) proxy(role snapshot.Role) snapshot.Proxy {
	var containers []string
	past := annotated(p.Metadata.Annotations)
	for _, c := range p.Spec.Init {
		if c.Name == initContainer {
			past = redirected(c.Args, past)
		}
		if c.Restart == "Always" {
			containers = append(containers, c.Name)
		}
	}
	for _, c := range p.Spec.Containers {
		containers = append(containers, c.Name)
	}
	return snapshot.Proxy{
		Containers: containers,
		Namespace:  p.Metadata.Namespace, Pod: p.Metadata.Name, Role: role, IP: p.Status.IP, ServiceAccount: p.Spec.ServiceAccount,
		Labels: p.Metadata.Labels, Owner: p.owner(), ProxyConfig: p.Metadata.Annotations["proxy.istio.io/config"],
		Past: past, DNSCapture: p.capturesDNS(),
	}
}

// gatewayPods takes the ready pods of each gateway, up to a bound.
func (g *gatherer) gatewayPods(ctx context.Context) ([]snapshot.Proxy, error) {
	var out []snapshot.Proxy
	for _, gw := range g.s.Facts.Gateways {
		taken := 0
		for _, p := range gw.Pods {
			if !p.Ready {
				continue
			}
			taken++
			if taken > g.o.MaxPods {
				continue
			}
			proxy := snapshot.Proxy{Namespace: gw.Namespace, Pod: p.Name, Role: snapshot.AtGateway, IP: p.IP, Labels: p.Labels, ServiceAccount: gw.ServiceAccount}
			var read pod
			if err := g.Get(ctx, podsResource, gw.Namespace, p.Name, &read); err == nil {
				proxy = read.proxy(snapshot.AtGateway)
			} else if fatal(ctx, err) {
				return nil, err
			}
			proxy.Gateway = gw.Ref()
			out = append(out, proxy)
		}
		if taken > g.o.MaxPods {
			g.sample(snapshot.Sample{Gateway: gw.Ref(), Looked: g.o.MaxPods, Total: taken})
		}
	}
	return out, nil
}

// workloads picks the pods whose sidecars are looked at.
func (g *gatherer) workloads(ctx context.Context) ([]snapshot.Proxy, error) {
	if g.o.From != "" {
		p, err := g.named(ctx, g.o.From)
		if err != nil {
			return nil, err
		}
		role := snapshot.AtSidecar
		if !p.meshed() {
			role = snapshot.NoProxy
			g.note(fmt.Sprintf("pod %s/%s has no sidecar: %s", p.Metadata.Namespace, p.Metadata.Name, p.unled()))
		}
		proxy := p.proxy(role)
		if role == snapshot.NoProxy {
			proxy.Unled = p.unled()
		}
		return []snapshot.Proxy{proxy}, nil
	}
	routes := g.clients()
	byNamespace, total, err := g.firstOfEach(ctx, routes)
	if err != nil {
		return nil, err
	}
	first := g.busyNamespaces(routes)
	names := make([]string, 0, len(byNamespace))
	for n := range byNamespace {
		names = append(names, n)
	}
	rank := func(n string) int {
		if i := slices.Index(first, n); i >= 0 {
			return i
		}
		return len(first)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b)) })
	if len(names) > g.o.MaxNamespaces {
		g.note(fmt.Sprintf("%d of %d namespaces with meshed pods looked at", g.o.MaxNamespaces, len(names)))
		names = names[:g.o.MaxNamespaces]
	}
	slices.Sort(names)
	var out []snapshot.Proxy
	for _, n := range names {
		for _, p := range byNamespace[n].some(g.o.MaxPods) {
			out = append(out, *p)
		}
	}
	if total > len(out) {
		g.sample(snapshot.Sample{Looked: len(out), Total: total})
	}
	return out, nil
}

// busyNamespaces are those with sets and VirtualServices, and those that routes name as that of their clients.
func (g *gatherer) busyNamespaces(routes []trace.Line) []string {
	var out []string
	for _, set := range g.s.Sets {
		out = append(out, set.Namespace)
	}
	for i := range g.s.Objects.VirtualServices {
		out = append(out, g.s.Objects.VirtualServices[i].Namespace)
	}
	for i := range routes {
		out = append(out, routes[i].Match.SourceNamespace)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// firstOfEach takes one ready meshed pod of every namespace, the first by name, and the first for whom each kind of routes is, and
// counts them all. Who may not list all may perhaps list in one.
func (g *gatherer) firstOfEach(ctx context.Context, routes []trace.Line) (out map[string]sampled, total int, err error) {
	out = map[string]sampled{}
	read := func(namespace string) error {
		total = 0
		o := kube.ListOptions{Labels: meshedPods, Restart: func() { clear(out); total = 0 }}
		return g.List(ctx, podsResource, namespace, o, func(raw json.RawMessage) error {
			var p pod
			if err := json.Unmarshal(raw, &p); err != nil {
				return err
			}
			if !p.ready() || !p.meshed() || !g.concerned(p.Metadata.Namespace) {
				return nil
			}
			total++
			if out[p.Metadata.Namespace] == nil {
				out[p.Metadata.Namespace] = make(sampled, 1+len(routes))
			}
			out[p.Metadata.Namespace].take(&p, routes)
			return nil
		})
	}
	err = read("")
	if errors.Is(err, kube.ErrForbidden) && g.o.Namespace != "" {
		if inOne := read(g.o.Namespace); inOne == nil {
			g.note(fmt.Sprintf("only pods of namespace %s may be listed", g.o.Namespace))
			err = nil
		}
	}
	if err != nil && fatal(ctx, err) {
		return nil, 0, err
	}
	g.state(snapshot.Pods, stateOf(err))
	return out, total, nil
}

// concerned says whether workloads of a namespace see the set that is looked for.
func (g *gatherer) concerned(namespace string) bool {
	set := g.o.Set
	if set == nil {
		return true
	}
	return snapshot.Visible(set.ExportTo, g.s.Facts.Config.DefaultVirtualServiceExportTo, set.Namespace, namespace) &&
		(namespace == set.Namespace || g.s.Imports(namespace, set.Namespace))
}
