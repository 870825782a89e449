package gather

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
)

// strangers reads the gateways that routes lead to and that discovery did not take for egress gateways by their looks.
func (g *gatherer) strangers(ctx context.Context) error {
	wanted := map[egress.GatewayRef]bool{}
	for _, l := range trace.Want(g.s).Lines() {
		wanted[l.Gateway] = true
	}
	for _, set := range g.s.Sets {
		wanted[set.Gateway] = true
	}
	for ref := range wanted {
		if _, known := g.s.Facts.Gateway(ref); known || ref == (egress.GatewayRef{}) {
			continue
		}
		gw, err := discover.Gateway(ctx, g, ref)
		switch {
		case err == nil:
			g.s.Facts.Gateways = append(g.s.Facts.Gateways, gw)
		case fatal(ctx, err):
			return err
		default:
			g.note(err.Error())
			if err := g.sidecared(ctx, ref); err != nil {
				if fatal(ctx, err) {
					return err
				}
				g.note(err.Error())
			}
		}
	}
	egress.SortFunc(g.s.NotGateways, func(a, b snapshot.NotGateway) int {
		return strings.Compare(a.Gateway.String()+" "+a.Pod, b.Gateway.String()+" "+b.Pod)
	})
	egress.SortFunc(g.s.Facts.Gateways, func(a, b mesh.Gateway) int { return strings.Compare(a.Ref().String(), b.Ref().String()) })
	slices.Sort(g.s.Notes)
	return nil
}

// sidecared notes the pods behind a Service that is no gateway, and that have a sidecar.
func (g *gatherer) sidecared(ctx context.Context, ref egress.GatewayRef) error {
	i := slices.IndexFunc(g.s.Objects.Services, func(s snapshot.Service) bool { return s.Namespace == ref.Namespace && s.Name == ref.Service })
	if i < 0 || len(g.s.Objects.Services[i].Spec.Selector) == 0 {
		return nil
	}
	var labels []string
	for k, v := range g.s.Objects.Services[i].Spec.Selector {
		labels = append(labels, k+"="+v)
	}
	slices.Sort(labels)
	var found []snapshot.NotGateway
	o := kube.ListOptions{Labels: strings.Join(labels, ","), Restart: func() { found = nil }}
	err := g.List(ctx, podsResource, ref.Namespace, o, func(raw json.RawMessage) error {
		var p pod
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
		if p.ready() && p.meshed() && len(found) < g.o.MaxPods {
			found = append(found, snapshot.NotGateway{Gateway: ref, Pod: p.Metadata.Name, Owner: p.owner()})
		}
		return nil
	})
	g.s.NotGateways = append(g.s.NotGateways, found...)
	return err
}

// sample notes that only a part of some pods is looked at.
func (g *gatherer) sample(s snapshot.Sample) {
	g.s.Samples = append(g.s.Samples, s)
	g.note(s.String())
}
