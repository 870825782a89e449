package discover

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
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

// routers makes ready gateway pods of namespace "out", each with labels.
func routers(names map[string]map[string]string) []pod {
	var pods []pod
	for _, name := range slices.Sorted(maps.Keys(names)) {
		var p pod
		p.Metadata = meta{Namespace: "out", Name: name, Labels: names[name]}
		pods = append(pods, p)
	}
	return pods
}

func TestSelector(t *testing.T) {
	t.Parallel()
	const other = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: other, namespace: elsewhere, labels: {LABELS}}\nstatus: {phase: PHASE}\n"
	both := map[string]string{"istio": "egressgateway", "app": "egress"}
	for _, test := range []struct {
		name          string
		pods          map[string]map[string]string
		labels, phase string // of a pod in another namespace
		want          map[string]string
	}{
		{"the documents' label", map[string]map[string]string{"a": both, "b": both}, "istio: ingressgateway", "Running", map[string]string{"istio": "egressgateway"}},
		{"another gateway has it too", map[string]map[string]string{"a": both}, "istio: egressgateway", "Running", both},
		{"another gateway had it", map[string]map[string]string{"a": both}, "istio: egressgateway", "Failed", map[string]string{"istio": "egressgateway"}},
		{"another gateway has both", map[string]map[string]string{"a": both}, "istio: egressgateway, app: egress", "Running", map[string]string{"of": "service"}},
		{"canary with another app", map[string]map[string]string{"a": both, "b": {"istio": "egressgateway", "app": "canary"}}, "istio: egressgateway", "Running", map[string]string{"of": "service"}},
		{"pods that differ", map[string]map[string]string{"a": both, "b": {"app": "egress"}}, "a: b", "Running", map[string]string{"of": "service"}},
		{"Gateway API", map[string]map[string]string{"a": {labelGatewayName: "g"}}, "a: b", "Running", map[string]string{labelGatewayName: "g"}},
		{"none of these", map[string]map[string]string{"a": {"x": "y"}}, "a: b", "Running", map[string]string{"of": "service"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pods := routers(test.pods)
			text := "kind: Cluster\n" + strings.NewReplacer("LABELS", test.labels, "PHASE", test.phase).Replace(other)
			c := parse(t, []byte(text))
			for _, p := range pods {
				labels := map[string]any{}
				for key, value := range p.Metadata.Labels {
					labels[key] = value
				}
				c.objects = append(c.objects, map[string]any{
					"apiVersion": "v1", "kind": "Pod",
					"metadata": map[string]any{"name": p.Metadata.Name, "namespace": p.Metadata.Namespace, "labels": labels},
				})
			}
			s := svc("egress", nil, map[string]string{"of": "service"})
			s.Metadata.Namespace = "out"
			got, err := (&finder{Reader: c}).selector(t.Context(), s, pods)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResolvePorts(t *testing.T) {
	t.Parallel()
	var withNames pod
	if err := json.Unmarshal([]byte(`{"spec":{"initContainers":[{"ports":[{"name":"sni","containerPort":18443}]}],
		"containers":[{"ports":[{"containerPort":15090},{"name":"tls","containerPort":8443}]}]}}`), &withNames); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, ports string
		pods        []pod
		want        []mesh.Port
	}{
		{"numbers, sorted", `[{"port":443,"targetPort":8443},{"port":80,"targetPort":8080}]`, nil, []mesh.Port{{Number: 80, Target: 8080}, {Number: 443, Target: 8443}}},
		{"none given", `[{"port":443}]`, nil, []mesh.Port{{Number: 443, Target: 443}}},
		{"names", `[{"name":"a","port":443,"targetPort":"tls"},{"name":"b","port":444,"targetPort":"sni"}]`, []pod{{}, withNames}, []mesh.Port{{Name: "a", Number: 443, Target: 8443}, {Name: "b", Number: 444, Target: 18443}}},
		{"a name without pods", `[{"port":443,"targetPort":"tls"}]`, nil, []mesh.Port{{Number: 443, Target: 0}}},
		{"a name that no pod has", `[{"port":443,"targetPort":"none"}]`, []pod{withNames}, []mesh.Port{{Number: 443, Target: 0}}},
		{"not TCP", `[{"port":53,"protocol":"UDP"},{"port":54,"protocol":"TCP"},{"port":55,"protocol":"SCTP"}]`, nil, []mesh.Port{{Number: 54, Target: 54}}},
		{"no ports", `[]`, nil, []mesh.Port{}},
	} {
		var s service
		if err := json.Unmarshal([]byte(`{"spec":{"ports":`+test.ports+`}}`), &s); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, resolvePorts(s, test.pods)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}
