package plugin

import (
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// resolve settles what a set leaves to discovery: the gateway, if there is just one, and Istio mTLS, as the mesh does it.
func resolve(set egress.Set, facts mesh.Facts) (egress.Set, error) {
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

func noGateway(facts mesh.Facts) error {
	for _, u := range facts.Unread {
		if u.Kind == "forbidden" {
			return fmt.Errorf("no egress gateway was found, but %s could not be read (%s); name the gateway with --gateway=NAMESPACE/SERVICE", u.Source, u.Detail)
		}
	}
	return fmt.Errorf("this mesh has no egress gateway; install one, for example: istioctl install --set 'components.egressGateways[0].name=istio-egressgateway' --set 'components.egressGateways[0].enabled=true', or name its Service with --gateway=NAMESPACE/SERVICE")
}
