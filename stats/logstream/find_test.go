package logstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// cluster lists pods by namespace and labels, and knows nothing else.
type cluster map[string][]string // "namespace labels" to pods

func (c cluster) List(_ context.Context, _ kube.Resource, namespace string, o kube.ListOptions, item func(json.RawMessage) error) error {
	pods, known := c[namespace+" "+o.Labels]
	if !known {
		return errors.New("not asked for: " + namespace + " " + o.Labels)
	}
	for _, p := range pods {
		if err := item(json.RawMessage(p)); err != nil {
			return err
		}
	}
	return nil
}

func (cluster) Get(context.Context, kube.Resource, string, string, any) error {
	return errors.New("not asked for")
}

func (cluster) Logs(context.Context, kube.Pod, kube.LogOptions) (io.ReadCloser, error) {
	return nil, errors.New("not asked for")
}

func podJSON(namespace, name, containers string) string {
	return fmt.Sprintf(`{"metadata":{"namespace":%q,"name":%q,"uid":%q},"spec":{"containers":[%s]}}`, namespace, name, name, containers)
}

const (
	routerContainer  = `{"name":"istio-proxy","args":["proxy","router"]}`
	sidecarContainer = `{"name":"app"},{"name":"istio-proxy","args":["proxy","sidecar"]}`
)

func TestFind(t *testing.T) {
	t.Parallel()
	gateway := Gateway{Namespace: "gw", Service: "egress", Selector: map[string]string{"istio": "egress", "app": "egress"}}
	pods := cluster{
		"gw app=egress,istio=egress": {podJSON("gw", "egress-2", routerContainer), podJSON("gw", "egress-1", routerContainer+`,{"name":"sni-proxy"}`)},
		" " + meshedPods:             {podJSON("b", "two", sidecarContainer), podJSON("a", "one", sidecarContainer), podJSON("gw", "egress-1", routerContainer)},
		"a " + meshedPods:            {podJSON("a", "one", sidecarContainer)},
		" " + mixerPods:              {podJSON("istio-system", "istio-telemetry-1", `{"name":"mixer"},`+sidecarContainer)},
		"old " + meshedPods:          {},
		"old ":                       {podJSON("old", "three", sidecarContainer), podJSON("old", "plain", `{"name":"app"}`)},
	}
	for name, c := range map[string]struct {
		f      Finder
		want   []string
		missed int
	}{
		"gateway with SNI proxy": {Finder{Gateways: []Gateway{gateway, gateway}}, []string{"gateway gw/egress-1 (istio-proxy)", "sni-proxy gw/egress-1 (sni-proxy)", "gateway gw/egress-2 (istio-proxy)"}, 0},
		"sidecars":               {Finder{Sidecars: true}, []string{"sidecar a/one (istio-proxy)", "sidecar b/two (istio-proxy)"}, 0},
		"of one namespace":       {Finder{Sidecars: true, Namespace: "a"}, []string{"sidecar a/one (istio-proxy)"}, 0},
		"of one workload":        {Finder{Sidecars: true, Workload: "two"}, []string{"sidecar b/two (istio-proxy)"}, 0},
		"not all":                {Finder{Sidecars: true, MaxSidecars: 1}, []string{"sidecar a/one (istio-proxy)"}, 1},
		"before 1.4":             {Finder{Sidecars: true, Namespace: "old"}, []string{"sidecar old/three (istio-proxy)"}, 0},
		"mixer":                  {Finder{Mixer: true}, []string{"mixer istio-system/istio-telemetry-1 (mixer)"}, 0},
		"nothing":                {Finder{}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &c.f
			f.Client = pods
			for range 2 { // the second time it knows how old the mesh is
				found, err := f.Find(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, s := range found {
					got = append(got, string(s.Kind)+" "+s.String())
				}
				if diff := cmp.Diff(c.want, got); diff != "" || f.Missed != c.missed {
					t.Errorf("%d left out (-want +got)\n%s", f.Missed, diff)
				}
			}
		})
	}
	for _, f := range []*Finder{{Gateways: []Gateway{{Namespace: "x", Service: "y"}}}, {Sidecars: true, Namespace: "x"}} {
		f.Client = pods
		if _, err := f.Find(t.Context()); err == nil {
			t.Error("what cannot be listed is no error")
		}
	}
}
