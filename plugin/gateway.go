package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
)

// resolve settles what a set leaves to discovery: the gateway, if there is just one, and Istio mTLS, as the mesh does it.
func resolve(set egress.Set, facts mesh.Facts) (egress.Set, error) {
	if set.Direct() {
		return set.Resolved(egress.GatewayRef{}, false), nil
	}
	gateway := set.Gateway
	if gateway == (egress.GatewayRef{}) {
		found, err := onlyGateway(facts)
		if err != nil {
			return egress.Set{}, err
		}
		gateway = found
	}
	mtls := set.MTLS == egress.MTLSOn
	if set.MTLS == egress.MTLSAuto {
		mtls = facts.MTLS.On
	}
	return set.Resolved(gateway, mtls), nil
}

// onlyGateway gives the egress gateway of a mesh that has one, and says what to do where it has none or several.
func onlyGateway(facts mesh.Facts) (egress.GatewayRef, error) {
	switch len(facts.Gateways) {
	case 1:
		return facts.Gateways[0].Ref(), nil
	case 0:
		return egress.GatewayRef{}, noGateway(facts)
	}
	names := make([]string, len(facts.Gateways))
	for i, g := range facts.Gateways {
		names[i] = g.Ref().String()
	}
	return egress.GatewayRef{}, egress.Inputf("this mesh has several egress gateways; choose one with --gateway: %s", strings.Join(names, ", "))
}

// noGateway says why none was found: because there is none, or because nobody was let look.
func noGateway(facts mesh.Facts) error {
	for _, u := range facts.Unread {
		if strings.HasPrefix(u.Source, "services") || strings.HasPrefix(u.Source, "pods") {
			return fmt.Errorf("egress gateways could not be looked for: %s; name one with --gateway=NAMESPACE/SERVICE", u.Detail)
		}
	}
	return errors.New("this mesh has no egress gateway; Istio's profile demo and its chart gateway install one; " +
		"name a gateway of another kind by its Service with --gateway=NAMESPACE/SERVICE")
}

// knowGateway adds a gateway that was named and does not look like an egress gateway, so that discovery passed it by.
func knowGateway(ctx context.Context, client discover.Reader, facts mesh.Facts, ref egress.GatewayRef) (mesh.Facts, error) {
	if ref == (egress.GatewayRef{}) {
		return facts, nil
	}
	if _, known := facts.Gateway(ref); known {
		return facts, nil
	}
	gateway, err := discover.Gateway(ctx, client, ref)
	if errors.Is(err, kube.ErrAbsent) && len(facts.Gateways) > 0 {
		names := make([]string, len(facts.Gateways))
		for i, g := range facts.Gateways {
			names[i] = g.Ref().String()
		}
		return facts, fmt.Errorf("%w; the mesh's egress gateways are %s", err, strings.Join(names, ", "))
	}
	if err != nil {
		return facts, err
	}
	facts.Gateways = append(slices.Clone(facts.Gateways), gateway)
	return facts, nil
}
