package check

import (
	"slices"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
)

// from has an object's first route hold for pods of a namespace with labels.
func from(namespace string, labels map[string]string) func(*snapshot.VirtualService) {
	return func(v *snapshot.VirtualService) {
		v.Spec.TLS[0].Match[0].SourceNamespace, v.Spec.TLS[0].Match[0].SourceLabels = namespace, labels
	}
}

// TestRoutesForOthers: a pod is told for whom the routes are, if each that it sees is for others.
func TestRoutesForOthers(t *testing.T) {
	t.Parallel()
	cart, two := map[string]string{"app": "cart"}, map[string]string{"app": "shop", "tier": "front"}
	mine := from("default", map[string]string{"app": "shop"})
	for name, tt := range map[string]struct {
		routes []snapshot.VirtualService
		says   []string // none: nothing is found
		fix    string
	}{
		"other labels": {
			[]snapshot.VirtualService{routed("a", "", toGateway, from("", cart))},
			[]string{"VirtualService default/a leads edition.cnn.com:443 to the gateway only for pods with app=cart, and client has app=shop"},
			`[{"op":"remove","path":"/spec/tls/0/match/0/sourceLabels"}]`,
		},
		"one of two labels is not there": {
			[]snapshot.VirtualService{routed("a", "", toGateway, from("", two))},
			[]string{"for pods with app=shop,tier=front, and client has app=shop,tier=not set"},
			`/sourceLabels"}]`,
		},
		"another namespace": {
			[]snapshot.VirtualService{routed("a", "", toGateway, from("b", nil))},
			[]string{"for pods with namespace b, and client has namespace default"},
			`[{"op":"remove","path":"/spec/tls/0/match/0/sourceNamespace"}]`,
		},
		"both": {
			[]snapshot.VirtualService{routed("a", "", toGateway, from("b", cart))},
			[]string{"for pods with app=cart in namespace b, and client has app=shop in namespace default"},
			`[{"op":"remove","path":"/spec/tls/0/match/0/sourceLabels"},{"op":"remove","path":"/spec/tls/0/match/0/sourceNamespace"}]`,
		},
		"of two the first is told": {
			[]snapshot.VirtualService{routed("a", "", toGateway, from("", cart)), routed("b", "", toGateway, from("b", nil))},
			[]string{"VirtualService default/a "},
			`patch virtualservice a `,
		},
		"it has them":            {[]snapshot.VirtualService{routed("a", "", toGateway, mine)}, nil, ""},
		"another is for it":      {[]snapshot.VirtualService{routed("a", "", toGateway, from("", cart)), routed("b", "", toGateway, mine)}, nil, ""},
		"another is for all":     {[]snapshot.VirtualService{routed("a", "", toGateway, from("", cart)), routed("b", "", toGateway)}, nil, ""},
		"it does not see it":     {[]snapshot.VirtualService{routed("a", "", toGateway, from("", cart), exportedTo("b"))}, nil, ""},
		"it is not for the mesh": {[]snapshot.VirtualService{routed("a", "", toGateway, from("", cart), func(v *snapshot.VirtualService) { v.Spec.Gateways = []string{"g"} })}, nil, ""},
		"it leads elsewhere":     {[]snapshot.VirtualService{routed("a", "", "edition.cnn.com", from("", cart))}, nil, ""},
	} {
		for _, kind := range []trace.Kind{trace.Bypass, trace.Blocked, trace.NoWorkload, trace.NoCluster} {
			s, p := withRoutes(t, tt.routes...)
			p.Legs[0].Stop.Kind = kind
			p.Legs[0].Proxy.Labels = map[string]string{"app": "shop"}
			s.Proxies = []snapshot.Proxy{{Namespace: "istio-system", Role: snapshot.AtGateway}, *p.Legs[0].Proxy}
			s.Proxies[1].Role = snapshot.AtSidecar
			found := routesForOthers.Run(s, p)
			if (len(found) == 1) != (len(tt.says) > 0 && kind != trace.NoCluster) {
				t.Errorf("%s, %s: %+v", name, kind, found)
				continue
			}
			for _, f := range found {
				if kind == trace.NoWorkload {
					contains(t, f, "no running pod with a sidecar is one of those", tt.fix)
				} else {
					contains(t, f, append(tt.says, tt.fix)...)
				}
				if want := map[bool]State{true: Warn, false: ""}[kind == trace.NoWorkload]; f.State != want || len(f.explains) != 1 {
					t.Errorf("%s, %s: %+v", name, kind, f)
				}
			}
		}
	}
}

// TestMatchesOfOneObject: all matches of the object are mended, each once however many weights it has, and no other object.
func TestMatchesOfOneObject(t *testing.T) {
	t.Parallel()
	weighted := func(v *snapshot.VirtualService) {
		from("", map[string]string{"app": "cart"})(v)
		r := v.Spec.TLS[0]
		r.Route = append(slices.Clone(r.Route), r.Route[0])
		second := r
		second.Match = slices.Clone(r.Match)
		v.Spec.TLS = []snapshot.L4Route{r, second}
	}
	s, p := withRoutes(t, routed("a", "", toGateway, weighted), routed("b", "", toGateway, from("b", nil)))
	p.Legs[0].Stop.Kind = trace.Bypass
	found := routesForOthers.Run(s, p)
	if len(found) != 1 {
		t.Fatalf("%+v", found)
	}
	contains(t, found[0], `[{"op":"remove","path":"/spec/tls/0/match/0/sourceLabels"},{"op":"remove","path":"/spec/tls/1/match/0/sourceLabels"}]`)
}

// TestOthersAreNotBlamed: of several clients only those are told of for whom the routes are not; gateways are no clients.
func TestOthersAreNotBlamed(t *testing.T) {
	t.Parallel()
	s, p := withRoutes(t, routed("a", "", toGateway, from("other", nil)))
	second := p.Legs[0]
	second.Proxy = &snapshot.Proxy{Namespace: "other", Pod: "meant"}
	p.Legs = append(p.Legs, second, p.Legs[0])
	found := routesForOthers.Run(s, p)
	if len(found) != 1 || len(found[0].explains) != 2 || slices.Contains(found[0].explains, &p.Legs[1]) {
		t.Errorf("%+v", found)
	}
	s.Proxies = []snapshot.Proxy{{Namespace: "istio-system", Role: snapshot.AtGateway}}
	p.Legs = p.Legs[:1]
	p.Legs[0].Stop.Kind = trace.NoWorkload
	if found := routesForOthers.Run(s, p); len(found) > 0 {
		t.Errorf("without any client: %+v", found)
	}
}
