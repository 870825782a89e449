package plugin

import (
	"context"
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
)

// settle finds out what a set leaves to discovery. The selector is for a gateway that may not be looked at; empty: as Istio's charts
// have it.
func (t *tool) settle(ctx context.Context, client *kube.Client, set egress.Set, selector string) (egress.Set, mesh.Facts, error) {
	done := t.status("looking at the mesh")
	defer done()
	facts, err := discover.Discover(ctx, client)
	if err != nil {
		return set, facts, err
	}
	known, err := knowGateway(ctx, client, facts, set.Gateway)
	if errors.Is(err, kube.ErrForbidden) && set.Private() {
		// Who may do nothing outside a namespace of their own can still send its traffic to a gateway that others look after.
		gateway, bad := assumedGatewayAt(set.Gateway, selector)
		if bad != nil {
			return set, facts, bad
		}
		done()
		t.note("gateway %s may not be looked at: assumed to have labels %s and ports 80 and 443 (--gateway-selector)",
			set.Gateway, labels.FormatLabels(gateway.Selector))
		known, err = facts, nil
		known.Gateways = append(slices.Clone(facts.Gateways), gateway)
	}
	if err != nil {
		return set, facts, err
	}
	if set, err = resolve(set, known); err != nil {
		return set, known, err
	}
	return set, known, t.haveSecrets(ctx, client, set)
}

// haveSecrets refuses a set whose Secrets are not there: the gateway would have no cluster for its hosts until they come, and what it
// is sent would fail (rule R31). Who may not look is believed.
func (t *tool) haveSecrets(ctx context.Context, client *kube.Client, set egress.Set) error {
	makes := map[string]string{ // by the Secret's name
		set.Credential: t.name + " credential create " + set.Credential,
		set.CASecret:   "kubectl -n " + set.Gateway.Namespace + " create secret generic " + set.CASecret + " --from-file=ca.crt=FILE",
	}
	for _, name := range []string{set.Credential, set.CASecret} {
		if name == "" {
			continue
		}
		var ignored struct{} // nobody needs what is in it
		err := client.Get(ctx, kube.Resource{Version: "v1", Resource: "secrets"}, set.Gateway.Namespace, name, &ignored)
		switch {
		case errors.Is(err, kube.ErrAbsent):
			return egress.Inputf("there is no Secret %s in namespace %s, where gateway %s looks for it; make it with '%s'",
				name, set.Gateway.Namespace, set.Gateway, makes[name])
		case err != nil && !errors.Is(err, kube.ErrForbidden):
			return err
		}
	}
	return nil
}

// assumedGatewayAt is a gateway that nobody looked at, as Istio's charts make it: the pods' label istio is the Service's name
// without "istio-", unless a selector says otherwise.
func assumedGatewayAt(ref egress.GatewayRef, selector string) (mesh.Gateway, error) {
	if selector == "" {
		selector = "istio=" + strings.TrimPrefix(ref.Service, "istio-")
	}
	chosen, err := labels.ConvertSelectorToLabelsMap(selector)
	if err != nil || len(chosen) == 0 {
		return mesh.Gateway{}, egress.Inputf("--gateway-selector: %q is not LABEL=VALUE[,LABEL=VALUE...]", selector)
	}
	return mesh.Gateway{
		Namespace:      ref.Namespace,
		Service:        ref.Service,
		Selector:       chosen,
		ServiceAccount: ref.Service + assumedAccount,
		Ports:          []mesh.Port{{Name: "http2", Number: 80, Target: 8080}, {Name: "https", Number: 443, Target: 8443}},
	}, nil
}
