package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	clientnetworking "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// gatewayObject is what of a networking.istio.io Gateway decides about clashes.
type gatewayObject struct {
	Metadata struct {
		Namespace string            `json:"namespace"`
		Name      string            `json:"name"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Selector map[string]string `json:"selector"`
		Servers  []server          `json:"servers"`
	} `json:"spec"`
}

type server struct {
	Port struct {
		Number   int    `json:"number"`
		Protocol string `json:"protocol"`
	} `json:"port"`
	Bind  string   `json:"bind"`
	Hosts []string `json:"hosts"`
	TLS   *struct {
		Mode string `json:"mode"`
	} `json:"tls"`
}

func (g gatewayObject) ref() Ref {
	return Ref{Kind: "Gateway", Namespace: g.Metadata.Namespace, Name: g.Metadata.Name}
}

// refuseClash looks at all Gateways of the cluster for one on the same pods that has the same host on the same port, or another
// protocol there (rule R20): Istio silently skips one of the two, with all its other hosts. A set without a Gateway clashes with
// none.
func (p *Plan) refuseClash(ctx context.Context, facts mesh.Facts, objs []recipe.Object) error {
	mine := serversOf(objs)
	if len(mine) == 0 {
		return nil
	}
	gw, _ := facts.Gateway(p.Set.Gateway)
	var others []gatewayObject
	err := p.wide(func(namespace string) (err error) {
		others, err = kube.ListOf[gatewayObject](ctx, p.client, p.api.resource("Gateway"), namespace, kube.ListOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("look for Gateways on the pods of %s: %w", p.Set.Gateway, err)
	}
	egress.SortFunc(others, func(x, y gatewayObject) int { return byWriting(x.ref(), y.ref()) })
	for _, o := range others {
		if o.Metadata.Labels[egress.LabelPartOf] == p.id || writes(objs, o.ref()) || !selects(o.Spec.Selector, gw) {
			continue
		}
		for _, theirs := range o.Spec.Servers {
			for _, ours := range mine {
				if msg := clash(ours, theirs, gw); msg != "" {
					return &RefusedError{Reason: Clash, Refs: []Ref{o.ref()}, Msg: explain(msg, o, p.Set)}
				}
			}
		}
	}
	return nil
}

func serversOf(objs []recipe.Object) []*networking.Server {
	var servers []*networking.Server
	for _, o := range objs {
		if g, ok := o.(*clientnetworking.Gateway); ok {
			servers = append(servers, g.Spec.Servers...)
		}
	}
	return servers
}

// writes says whether an object is one of those that are about to be written: what is adopted is no rival.
func writes(objs []recipe.Object, ref Ref) bool {
	return slices.ContainsFunc(objs, func(o recipe.Object) bool {
		return o.GetName() == ref.Name && o.GetNamespace() == ref.Namespace && o.GetObjectKind().GroupVersionKind().Kind == ref.Kind
	})
}

// selects says whether a selector takes a pod of the gateway. Of a gateway without pods at this moment the labels that are known
// to select them have to do. An empty selector takes every workload.
func selects(selector map[string]string, gw mesh.Gateway) bool {
	matches := func(labels map[string]string) bool {
		for k, v := range selector {
			if labels[k] != v {
				return false
			}
		}
		return true
	}
	if len(gw.Pods) == 0 {
		return matches(gw.Selector)
	}
	return slices.ContainsFunc(gw.Pods, func(p mesh.Pod) bool { return matches(p.Labels) })
}

// clash tells what two servers quarrel about, or nothing. Istio takes a port number for one of the Service if the Service has
// it, else for the pod's own: 443 and 8443 can be one listener.
func clash(ours *networking.Server, theirs server, gw mesh.Gateway) string {
	number, target := int(ours.Port.Number), listener(gw, int(ours.Port.Number))
	if listener(gw, theirs.Port.Number) != target || theirs.Bind != "" && theirs.Bind != "0.0.0.0" {
		return ""
	}
	if got, want := family(theirs.Port.Protocol), family(ours.Port.Protocol); got != want || got == rawTCP {
		return fmt.Sprintf("has %s on port %d%s, where this set needs %s, and one listener cannot do both",
			theirs.Port.Protocol, theirs.Port.Number, onPods(theirs.Port.Number, number, target), ours.Port.Protocol)
	}
	for _, h := range theirs.Hosts {
		_, host, qualified := strings.Cut(h, "/")
		if !qualified {
			host = h
		}
		if slices.Contains(ours.Hosts, strings.ToLower(host)) {
			return fmt.Sprintf("has %s on port %d%s already", host, theirs.Port.Number, onPods(theirs.Port.Number, number, target))
		}
	}
	return ""
}

func listener(gw mesh.Gateway, number int) int {
	if target, ok := gw.Target(number); ok {
		return target
	}
	return number
}

func onPods(theirs, ours, target int) string {
	if theirs == ours {
		return ""
	}
	return fmt.Sprintf(" (the pods' port %d, as our port %d)", target, ours)
}

const rawTCP = "TCP"

// family is what decides which servers can share a listener: those that are told apart by Host header, by SNI, or not at all.
func family(protocol string) string {
	switch strings.ToUpper(protocol) {
	case "HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY":
		return "HTTP"
	case "HTTPS", "TLS":
		return "TLS"
	}
	return rawTCP
}

func explain(msg string, o gatewayObject, set egress.Set) string {
	remedy := "change or remove it first, or use another gateway with --gateway"
	if o.Metadata.Labels[egress.LabelManagedBy] == egress.ManagedBy {
		remedy = fmt.Sprintf("it belongs to a set too: give both sets the same --mtls (this one has %s), or use another gateway with --gateway", set.MTLS)
	}
	return fmt.Sprintf("%s, which selects the same pods as gateway %s, %s; %s", o.ref(), set.Gateway, msg, remedy)
}
