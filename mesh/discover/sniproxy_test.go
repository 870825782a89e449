package discover

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// sniCluster is a gateway of one Service with a pod for each SPEC, and the ConfigMap of the documents.
func sniCluster(t *testing.T, specs ...string) *cluster {
	t.Helper()
	c := parse(t, []byte(`kind: Cluster
---
apiVersion: v1
kind: Service
metadata: {name: out, namespace: team}
spec: {selector: {app: out}, ports: [{port: 443, targetPort: 8443}]}
`))
	objects := []string{`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"conf","namespace":"team"},"data":{"nginx.conf":` + quoted(t, documentConf) +
		`,"other":` + quoted(t, strings.ReplaceAll(documentConf, "8443", "18443")) + `}}`}
	for i, spec := range specs {
		objects = append(objects, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"out-`+string(rune('a'+i))+`","namespace":"team","labels":{"app":"out"}},
"spec":{"containers":[{"name":"istio-proxy","args":["proxy","router"]}`+spec+`},"status":{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}]}}`)
	}
	for _, text := range objects {
		var object map[string]any
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		c.objects = append(c.objects, object)
	}
	return c
}

func quoted(t *testing.T, s string) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var outRef = egress.GatewayRef{Namespace: "team", Service: "out"}

const (
	declared = `,{"name":"sni-proxy","ports":[{"containerPort":53,"protocol":"UDP"},{"containerPort":18443}]}]`
	mounted  = `,{"name":"sni-proxy","volumeMounts":[{"name":"v","mountPath":"/etc/nginx/"}]}],"volumes":[{"name":"w","configMap":{"name":"x"}},{"name":"v","configMap":{"name":"conf"}}]`
)

func TestSNIProxy(t *testing.T) {
	t.Parallel()
	at := func(port int) *mesh.SNIProxy { return &mesh.SNIProxy{Container: "sni-proxy", Port: port} }
	for name, test := range map[string]struct {
		specs []string
		want  *mesh.SNIProxy
	}{
		"a declared port":               {[]string{declared}, at(18443)},
		"the documents' mount":          {[]string{mounted}, at(8443)},
		"one file":                      {[]string{strings.ReplaceAll(mounted, `"/etc/nginx/"`, `"/etc/nginx/nginx.conf","subPath":"other"`)}, at(18443)},
		"a folder of the volume":        {[]string{strings.ReplaceAll(mounted, `"/etc/nginx/"`, `"/etc/nginx","subPath":"sub"`)}, nil},
		"one key as the file":           {[]string{strings.ReplaceAll(mounted, `{"name":"conf"}`, `{"name":"conf","items":[{"key":"x","path":"y"},{"key":"other","path":"nginx.conf"}]}`)}, at(18443)},
		"keys without the file":         {[]string{strings.ReplaceAll(mounted, `{"name":"conf"}`, `{"name":"conf","items":[{"key":"nginx.conf","path":"y"}]}`)}, nil},
		"mounted elsewhere":             {[]string{strings.ReplaceAll(mounted, "/etc/nginx/", "/etc/haproxy")}, nil},
		"another volume":                {[]string{strings.ReplaceAll(mounted, `"name":"v","configMap"`, `"name":"u","configMap"`)}, nil},
		"its ConfigMap is gone":         {[]string{strings.ReplaceAll(mounted, `"conf"`, `"gone"`)}, nil},
		"a container before the others": {[]string{`],"initContainers":[{"name":"sni-proxy","ports":[{"containerPort":1}]}]`}, at(1)},
		"both pods":                     {[]string{declared, declared}, at(18443)},
		"a pod is without":              {[]string{declared, "]"}, nil},
		"pods differ":                   {[]string{declared, mounted}, nil},
		"none":                          {[]string{"]"}, nil},
		"no pods":                       {nil, nil},
		"another name":                  {[]string{strings.ReplaceAll(declared, "sni-proxy", "nginx")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := sniCluster(t, test.specs...)
			f := &finder{Reader: c}
			pods, err := kube.ListOf[pod](t.Context(), c, podsResource, "team", kube.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.sniProxy(t.Context(), "team", pods)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if gone := name == "its ConfigMap is gone"; gone != (len(f.unread) == 1) {
				t.Errorf("unread: %v", f.unread)
			}
		})
	}
}

func TestSNIProxyOfAGateway(t *testing.T) {
	t.Parallel()
	got, err := Gateway(t.Context(), sniCluster(t, mounted), outRef)
	if err != nil {
		t.Fatal(err)
	}
	want := mesh.Gateway{
		Namespace: "team", Service: "out", Selector: map[string]string{"app": "out"}, SNIProxy: &mesh.SNIProxy{Container: "sni-proxy", Port: 8443},
		Ports: []mesh.Port{{Number: 443, Target: 8443}},
		Pods:  []mesh.Pod{{Name: "out-a", IP: "10.0.0.1", IPs: []string{"10.0.0.1", "fd00::1"}, Labels: map[string]string{"app": "out"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestSNIProxyUnread: forbidden and timed out are told apart from absent, and an API server that cannot be reached ends all.
func TestSNIProxyUnread(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{"forbidden": kindForbidden, "timeout": kindTimeout, "failed": kindFailed} {
		c := sniCluster(t, mounted)
		c.Fail = map[string]string{"get configmaps team/conf": kind}
		f := &finder{Reader: c}
		var s service
		if err := c.Get(t.Context(), servicesResource, "team", "out", &s); err != nil {
			t.Fatal(err)
		}
		g, ok, err := f.gateway(t.Context(), s)
		if err != nil || !ok || g.gateway.SNIProxy != nil {
			t.Errorf("%s: %t, %v, %v", kind, ok, err, g.gateway.SNIProxy)
		}
		if len(f.unread) != 1 || f.unread[0].Kind != want || f.unread[0].Source != "configmap team/conf of container sni-proxy" {
			t.Errorf("%s: %v", kind, f.unread)
		}
	}
	c := sniCluster(t, mounted)
	c.Fail = map[string]string{"get configmaps team/conf": "unreachable"}
	if _, err := Gateway(t.Context(), c, outRef); !errors.Is(err, kube.ErrUnreachable) {
		t.Errorf("unreachable: %v", err)
	}
}

// TestOldFacts: captures made before gateways had SNI proxies and pods several addresses still decode.
func TestOldFacts(t *testing.T) {
	t.Parallel()
	var facts mesh.Facts
	old := `{"version":"1.30.0","gateways":[{"namespace":"a","service":"b","selector":{},"ports":[],"pods":[{"name":"p","ip":"10.0.0.1","ready":true}]}]}`
	if err := json.Unmarshal([]byte(old), &facts); err != nil {
		t.Fatal(err)
	}
	if g := facts.Gateways[0]; g.SNIProxy != nil || g.Pods[0].IPs != nil || g.Pods[0].IP != "10.0.0.1" {
		t.Errorf("decoded as %+v", g)
	}
}
