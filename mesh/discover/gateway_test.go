package discover

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

func TestGateway(t *testing.T) {
	t.Parallel()
	// An ingress gateway is not found by itself, but may be named.
	got, err := Gateway(t.Context(), load(t, "testdata/helm.yaml"), egress.GatewayRef{Namespace: "istio-ingress", Service: "ingress"})
	if err != nil {
		t.Fatal(err)
	}
	want := mesh.Gateway{
		Namespace: "istio-ingress", Service: "ingress", Selector: map[string]string{"istio": "ingress"}, ServiceAccount: "ingress",
		Ports: []mesh.Port{{Name: "https", Number: 443, Target: 443}},
		Pods:  []mesh.Pod{{Name: "ingress-1", IP: "10.1.0.20", Ready: true, Labels: map[string]string{"app": "ingress", "istio": "ingress"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestGatewayIsNone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ref  egress.GatewayRef
		kind error
		want string
	}{
		{egress.GatewayRef{Namespace: "shop", Service: "nowhere"}, kube.ErrAbsent, "gateway shop/nowhere: get services shop/nowhere: nowhere not found"},
		{egress.GatewayRef{Namespace: "shop", Service: "egress-without-selector"}, nil, "gateway shop/egress-without-selector: its Service selects no pods"},
		{egress.GatewayRef{Namespace: "shop", Service: "egress-reports"}, nil, `gateway shop/egress-reports: no pod behind it runs Envoy as a gateway (container istio-proxy, "proxy router")`},
	} {
		_, err := Gateway(t.Context(), load(t, "testdata/helm.yaml"), test.ref)
		if err == nil || err.Error() != test.want || test.kind != nil && !errors.Is(err, test.kind) {
			t.Errorf("Gateway(%s): %v, want %q", test.ref, err, test.want)
		}
	}
}

func TestGatewayForbidden(t *testing.T) {
	t.Parallel()
	for _, question := range []string{"get services istio-egress/egress", "list pods in istio-egress"} {
		c := load(t, "testdata/helm.yaml")
		c.Fail = map[string]string{question: "forbidden"}
		_, err := Gateway(t.Context(), c, egress.GatewayRef{Namespace: "istio-egress", Service: "egress"})
		if !errors.Is(err, kube.ErrForbidden) {
			t.Errorf("without the right to %s: %v, want ErrForbidden", question, err)
		}
	}
	// Without the right to look into other namespaces the labels are compared within the gateway's own.
	c := load(t, "testdata/helm.yaml")
	c.Fail = map[string]string{"list pods in all namespaces": "forbidden"}
	got, err := Gateway(t.Context(), c, egress.GatewayRef{Namespace: "istio-egress", Service: "egress"})
	if err != nil || got.Selector["istio"] != "egress" {
		t.Errorf("Gateway: %v, %v", got.Selector, err)
	}
}

func TestLooksLikeEgress(t *testing.T) {
	t.Parallel()
	some := map[string]string{"a": "b"}
	for name, test := range map[string]struct {
		service service
		want    bool
	}{
		"by name":           {svc("istio-egressgateway", nil, some), true},
		"by label istio":    {svc("gw", map[string]string{"istio": "egressgateway"}, some), true},
		"by label app":      {svc("gw", map[string]string{"app": "team-egress"}, some), true},
		"by selector":       {svc("gw", nil, map[string]string{"istio": "egress"}), true},
		"by Gateway API":    {svc("gw-istio", map[string]string{labelGatewayName: "my-egress"}, some), true},
		"ingress":           {svc("istio-ingressgateway", map[string]string{"istio": "ingressgateway"}, some), false},
		"without selector":  {svc("egress", nil, nil), false},
		"some other label":  {svc("gw", map[string]string{"team": "egress"}, some), false},
		"nothing of egress": {svc("web", nil, some), false},
	} {
		if got := looksLikeEgress(test.service); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func svc(name string, labels, selector map[string]string) service {
	var s service
	s.Metadata = meta{Name: name, Labels: labels}
	s.Spec.Selector = selector
	return s
}
