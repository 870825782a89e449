package gather

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// security reads what tells who can go round the gateway.
func (g *gatherer) security(ctx context.Context) error {
	s := &snapshot.Security{}
	g.s.Security = s
	group, ctx := errgroup.WithContext(ctx)
	for source, read := range map[snapshot.Source]func() error{
		snapshot.Namespaces: func() error { return list(ctx, g, kube.Resource{Version: "v1", Resource: "namespaces"}, &s.Namespaces) },
		snapshot.Nodes:      func() error { return list(ctx, g, kube.Resource{Version: "v1", Resource: "nodes"}, &s.Nodes) },
		snapshot.NetworkPolicies: func() error {
			return list(ctx, g, kube.Resource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}, &s.NetworkPolicies)
		},
		snapshot.AuthorizationPolicies: func() error { return g.authorizations(ctx, s) },
		snapshot.Workloads:             func() error { return g.everyPod(ctx, s) },
	} {
		group.Go(func() error {
			err := read()
			if err != nil && fatal(ctx, err) {
				return err
			}
			g.state(source, stateOf(err))
			return nil
		})
	}
	return group.Wait()
}

// authorizations reads by v1, which Istio has since 1.22, or by v1beta1.
func (g *gatherer) authorizations(ctx context.Context, s *snapshot.Security) error {
	const group = "security.istio.io"
	version := "v1"
	if served, err := g.ServedVersions(ctx, group); err == nil && !slices.Contains(served, version) {
		version = "v1beta1" // where it cannot be known either, the list will say what is wrong
	}
	return list(ctx, g, kube.Resource{Group: group, Version: version, Resource: "authorizationpolicies"}, &s.AuthorizationPolicies)
}

// placedPod is what a pod says about its place, on top of what is read of every pod.
type placedPod struct {
	pod
	Spec struct {
		Node         string            `json:"nodeName"`
		HostNetwork  bool              `json:"hostNetwork"`
		NodeSelector map[string]string `json:"nodeSelector"`
		Affinity     struct {
			Node struct {
				Required json.RawMessage `json:"requiredDuringSchedulingIgnoredDuringExecution"`
			} `json:"nodeAffinity"`
		} `json:"affinity"`
		Containers []placedContainer `json:"containers"`
		Init       []placedContainer `json:"initContainers"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
		IPs   []struct {
			IP string `json:"ip"`
		} `json:"podIPs"`
	} `json:"status"`
}

type placedContainer struct {
	container
	Ports []struct {
		Name   string `json:"name"`
		Number int    `json:"containerPort"`
	} `json:"ports"`
}

// everyPod reads the pods of all namespaces, but for those that have ended.
func (g *gatherer) everyPod(ctx context.Context, s *snapshot.Security) error {
	var out []snapshot.Workload
	o := kube.ListOptions{Restart: func() { out = nil }}
	err := g.List(ctx, podsResource, "", o, func(raw json.RawMessage) error {
		var p placedPod
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
		if p.Status.Phase != "Succeeded" && p.Status.Phase != "Failed" {
			out = append(out, p.workload())
		}
		return nil
	})
	if err != nil {
		return err
	}
	egress.SortFunc(out, func(a, b snapshot.Workload) int { return cmp.Compare(a.Name(), b.Name()) })
	s.Workloads = out
	return nil
}

// The annotations by which Istio's injection is told what to leave out of the sidecar's sight, and how ztunnel marks its pods.
const (
	traffic     = "traffic.sidecar.istio.io/"
	injectLabel = "sidecar.istio.io/inject"
	redirection = "ambient.istio.io/redirection"
)

func (p *placedPod) workload() snapshot.Workload {
	m := &p.Metadata
	w := snapshot.Workload{
		Namespace: m.Namespace, Pod: m.Name, Owner: p.owner(), Labels: m.Labels, Node: p.Spec.Node, HostNetwork: p.Spec.HostNetwork,
		Ambient:   m.Annotations[redirection] == "enabled",
		Injection: cmp.Or(m.Labels[injectLabel], m.Annotations[injectLabel]),
		Pinned:    len(p.Spec.NodeSelector) > 0 || len(p.Spec.Affinity.Node.Required) > 0 && string(p.Spec.Affinity.Node.Required) != "null",
		Past:      annotated(m.Annotations),
	}
	for _, ip := range p.Status.IPs {
		w.IPs = append(w.IPs, ip.IP)
	}
	for _, c := range slices.Concat(p.Spec.Containers, p.Spec.Init) {
		switch {
		case c.Name == proxyContainer && slices.Contains(c.Args, "router"):
			w.Router = true
		case c.Name == proxyContainer:
			w.Sidecar = true
		case c.Name == initContainer:
			w.Past = redirected(c.Args, w.Past)
		}
		for _, port := range c.Ports {
			if port.Name == "" {
				continue
			}
			if w.Ports == nil {
				w.Ports = map[string]int{}
			}
			w.Ports[port.Name] = port.Number
		}
	}
	return w
}

// initContainer is the one of Istio's injection that leads a pod's traffic to its sidecar.
const initContainer = "istio-init"

// annotated is what a pod's annotations leave out of the sidecar's sight.
func annotated(have map[string]string) snapshot.Past {
	past := snapshot.Past{ExcludedPorts: have[traffic+"excludeOutboundPorts"], ExcludedRanges: have[traffic+"excludeOutboundIPRanges"]}
	if ranges, ok := have[traffic+"includeOutboundIPRanges"]; ok {
		past.IncludedRanges = cmp.Or(strings.TrimSpace(ranges), snapshot.NoRanges)
	}
	return past
}

// redirected reads the arguments of istio-iptables, which hold what the whole mesh leaves out as well. They are what is in force, so
// that they win over the annotations, which may have been changed since.
func redirected(args []string, past snapshot.Past) snapshot.Past {
	for i := 0; i+1 < len(args); i++ {
		value := strings.TrimSpace(args[i+1])
		switch args[i] {
		case "-o":
			past.ExcludedPorts = value
		case "-x":
			past.ExcludedRanges = value
		case "-i":
			past.IncludedRanges = cmp.Or(value, snapshot.NoRanges)
		}
	}
	return past
}
