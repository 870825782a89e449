package plugin

import (
	"errors"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	one := []mesh.Gateway{{Namespace: "istio-system", Service: "istio-egressgateway"}}
	two := append([]mesh.Gateway{{Namespace: "egress", Service: "team"}}, one...)
	for name, tt := range map[string]struct {
		gateway, mtls string
		facts         mesh.Facts
		wantGateway   string
		wantMTLS      egress.Toggle
		err           string
		input         bool
	}{
		"the only one, as the mesh": {"", "auto", mesh.Facts{Gateways: one, MTLS: mesh.MTLS{On: true}}, "istio-system/istio-egressgateway", egress.MTLSOn, "", false},
		"mesh without mTLS":         {"", "", mesh.Facts{Gateways: one}, "istio-system/istio-egressgateway", egress.MTLSOff, "", false},
		"on although the mesh":      {"", "on", mesh.Facts{Gateways: one}, "istio-system/istio-egressgateway", egress.MTLSOn, "", false},
		"off although the mesh":     {"", "off", mesh.Facts{Gateways: one, MTLS: mesh.MTLS{On: true}}, "istio-system/istio-egressgateway", egress.MTLSOff, "", false},
		"named among several":       {"egress/team", "on", mesh.Facts{Gateways: two}, "egress/team", egress.MTLSOn, "", false},
		"several":                   {"", "on", mesh.Facts{Gateways: two}, "", "", "choose one with --gateway: egress/team, istio-system/istio-egressgateway", true},
		"none":                      {"", "on", mesh.Facts{}, "", "", "this mesh has no egress gateway", false},
		"none that could be seen": {"", "on", mesh.Facts{Unread: []mesh.Unread{
			{Source: "configmap istio-system/istio", Kind: "forbidden", Detail: "not this"},
			{Source: "services", Kind: "forbidden", Detail: "list services in all namespaces: forbidden"},
		}}, "", "", "egress gateways could not be looked for: list services in all namespaces: forbidden", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := egress.ParseSet(egress.Declaration{Domains: []string{"edition.cnn.com"}, Gateway: tt.gateway, MTLS: tt.mtls})
			if err != nil {
				t.Fatal(err)
			}
			got, err := resolve(set, tt.facts)
			if tt.err != "" {
				var input *egress.InputError
				if err == nil || !strings.Contains(err.Error(), tt.err) || errors.As(err, &input) != tt.input {
					t.Errorf("error %v (input %v), want %q", err, errors.As(err, &input), tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Gateway.String() != tt.wantGateway || got.MTLS != tt.wantMTLS {
				t.Errorf("through %s with mTLS %s, want %s, %s", got.Gateway, got.MTLS, tt.wantGateway, tt.wantMTLS)
			}
		})
	}
}
