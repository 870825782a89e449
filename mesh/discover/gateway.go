package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// found is a gateway with its pods.
type found struct {
	gateway mesh.Gateway
	pods    []pod
}

// Gateway reads one gateway, whatever its name: one that --gateway names need not look like an egress gateway. The
// error says so if there is no such Service or no Envoy of type router behind it.
func Gateway(ctx context.Context, c Reader, ref egress.GatewayRef) (mesh.Gateway, error) {
	f := &finder{Reader: c}
	var s service
	if err := f.Get(ctx, servicesResource, ref.Namespace, ref.Service, &s); err != nil {
		return mesh.Gateway{}, fmt.Errorf("gateway %s: %w", ref, err)
	}
	if len(s.Spec.Selector) == 0 {
		return mesh.Gateway{}, fmt.Errorf("gateway %s: its Service selects no pods", ref)
	}
	g, ok, err := f.gateway(ctx, s)
	if err != nil {
		return mesh.Gateway{}, fmt.Errorf("gateway %s: %w", ref, err)
	}
	if !ok {
		return mesh.Gateway{}, fmt.Errorf("gateway %s: no pod behind it runs Envoy as a gateway (container istio-proxy, \"proxy router\")", ref)
	}
	return g.gateway, nil
}

// gateways finds the egress gateways, sorted by namespace and Service. Who may not list Services everywhere may perhaps
// in Istio's namespace.
func (f *finder) gateways(ctx context.Context) ([]found, error) {
	all, err := kube.ListOf[service](ctx, f, servicesResource, "", kube.ListOptions{})
	if errors.Is(err, kube.ErrForbidden) {
		f.note("services in all namespaces", kindForbidden, err.Error())
		all, err = kube.ListOf[service](ctx, f, servicesResource, defaultRoot, kube.ListOptions{})
	}
	if err != nil {
		return nil, f.soften(ctx, "services", err)
	}
	all = slices.DeleteFunc(all, func(s service) bool { return !looksLikeEgress(s) })
	egress.SortFunc(all, func(a, b service) int { return byName(a.Metadata, b.Metadata) })

	results := make([]*found, len(all))
	group := new(errgroup.Group)
	group.SetLimit(parallelReads)
	for i, s := range all {
		group.Go(func() error {
			g, ok, err := f.gateway(ctx, s)
			if err != nil {
				return f.soften(ctx, fmt.Sprintf("pods of service %s/%s", s.Metadata.Namespace, s.Metadata.Name), err)
			}
			if ok {
				results[i] = &g
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var gateways []found
	for _, g := range results {
		if g != nil {
			gateways = append(gateways, *g)
		}
	}
	return gateways, nil
}

// looksLikeEgress: Istio's charts and documents all have "egress" in the Service's name or its label istio. Whether
// there is Envoy behind it is asked next.
func looksLikeEgress(s service) bool {
	if len(s.Spec.Selector) == 0 || s.Spec.Type == "ExternalName" {
		return false
	}
	for _, name := range []string{
		s.Metadata.Name, s.Metadata.Labels["istio"], s.Metadata.Labels["app"], s.Spec.Selector["istio"], s.Spec.Selector["app"],
		s.Metadata.Labels[labelGatewayName],
	} {
		if strings.Contains(name, "egress") {
			return true
		}
	}
	return false
}

// labelGatewayName is on what istiod deploys for a Gateway of the Gateway API.
const labelGatewayName = "gateway.networking.k8s.io/gateway-name"

// gateway reads what is behind a Service; ok is false if that is no gateway. A Service that Istio's own label calls an
// egress gateway is one even while it has no pods.
func (f *finder) gateway(ctx context.Context, s service) (g found, ok bool, err error) {
	ns := s.Metadata.Namespace
	pods, err := kube.ListOf[pod](ctx, f, podsResource, ns, kube.ListOptions{Labels: selectorString(s.Spec.Selector)})
	if err != nil {
		return found{}, false, err
	}
	pods = slices.DeleteFunc(pods, func(p pod) bool { return !p.serving() })
	egress.SortFunc(pods, func(a, b pod) int { return byName(a.Metadata, b.Metadata) })
	if !slices.ContainsFunc(pods, pod.router) && (len(pods) > 0 || !strings.Contains(s.Spec.Selector["istio"], "egress")) {
		return found{}, false, nil
	}
	pods = slices.DeleteFunc(pods, func(p pod) bool { return !p.router() })

	g = found{pods: pods, gateway: mesh.Gateway{Namespace: ns, Service: s.Metadata.Name, Ports: resolvePorts(s, pods)}}
	for _, p := range pods {
		g.gateway.ServiceAccount = cmp.Or(g.gateway.ServiceAccount, p.Spec.ServiceAccountName)
		g.gateway.Pods = append(g.gateway.Pods, mesh.Pod{
			Name: p.Metadata.Name, IP: p.Status.PodIP, IPs: p.ips(), Node: p.Spec.NodeName, Ready: p.ready(), Labels: p.Metadata.Labels,
		})
	}
	if g.gateway.SNIProxy, err = f.sniProxy(ctx, ns, pods); err != nil {
		return found{}, false, err
	}
	g.gateway.Selector, err = f.selector(ctx, s, pods)
	return g, true, err
}

// resolvePorts finds the pods' port behind each TCP port of a Service.
func resolvePorts(s service, pods []pod) []mesh.Port {
	ports := make([]mesh.Port, 0, len(s.Spec.Ports))
	for _, p := range s.Spec.Ports {
		if p.Protocol != "" && p.Protocol != "TCP" {
			continue
		}
		ports = append(ports, mesh.Port{Name: p.Name, Number: p.Port, Target: p.target(pods)})
	}
	egress.SortFunc(ports, func(a, b mesh.Port) int { return cmp.Compare(a.Number, b.Number) })
	return ports
}

// target is the pods' port behind a Service port; 0 if its name is not found in any pod.
func (p servicePort) target(pods []pod) int {
	if p.TargetPort == (targetPort{}) {
		return p.Port
	}
	if p.TargetPort.name == "" {
		return p.TargetPort.number
	}
	for _, candidate := range pods {
		if n, ok := candidate.port(p.TargetPort.name); ok {
			return n
		}
	}
	return 0
}

// selector finds the smallest labels that select the gateway's pods and no others of the cluster, since istiod looks
// for a Gateway's pods in all namespaces: the documents' label istio if it will do, else it and app, else the label of
// the Gateway API, else what the Service selects by.
func (f *finder) selector(ctx context.Context, s service, pods []pod) (map[string]string, error) {
	if len(pods) == 0 {
		if v := s.Spec.Selector["istio"]; v != "" {
			return map[string]string{"istio": v}, nil
		}
		return s.Spec.Selector, nil
	}
	for _, keys := range [][]string{{"istio"}, {"istio", "app"}, {labelGatewayName}} {
		candidate := common(pods, keys)
		if len(candidate) < len(keys) {
			continue
		}
		exact, err := f.selectsOnly(ctx, candidate, s.Metadata.Namespace, pods)
		if err != nil {
			return nil, err
		}
		if exact {
			return candidate, nil
		}
	}
	return s.Spec.Selector, nil
}

// common gives those of the labels that all pods have with the same value.
func common(pods []pod, keys []string) map[string]string {
	labels := map[string]string{}
	for _, key := range keys {
		value := pods[0].Metadata.Labels[key]
		if value != "" && !slices.ContainsFunc(pods, func(p pod) bool { return p.Metadata.Labels[key] != value }) {
			labels[key] = value
		}
	}
	return labels
}

// selectsOnly asks the cluster whether labels select the same pods and no more.
func (f *finder) selectsOnly(ctx context.Context, labels map[string]string, namespace string, pods []pod) (bool, error) {
	options := kube.ListOptions{Labels: selectorString(labels)}
	all, err := kube.ListOf[pod](ctx, f, podsResource, "", options)
	if errors.Is(err, kube.ErrForbidden) {
		f.note("pods in all namespaces", kindForbidden, err.Error())
		all, err = kube.ListOf[pod](ctx, f, podsResource, namespace, options)
	}
	if err != nil {
		return false, err
	}
	count := 0
	for _, p := range all {
		if !p.serving() {
			continue
		}
		if !slices.ContainsFunc(pods, func(known pod) bool { return byName(known.Metadata, p.Metadata) == 0 }) {
			return false, nil
		}
		count++
	}
	return count == len(pods), nil
}

// selectorString writes labels as a label selector, always in the same order.
func selectorString(labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, key+"="+labels[key])
	}
	return strings.Join(parts, ",")
}

// domainOfGateways reads the cluster domain from what a gateway's Envoy was started with; empty if it does not say.
func domainOfGateways(gateways []found) string {
	for _, g := range gateways {
		for _, p := range g.pods {
			c, ok := p.Spec.proxy()
			if !ok {
				continue
			}
			if _, domain, ok := strings.Cut(argument(c.Args, "--domain"), ".svc."); ok {
				return domain
			}
		}
	}
	return ""
}
