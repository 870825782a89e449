package discover

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/mesh"
)

func TestTold(t *testing.T) {
	t.Parallel()
	v31, v30 := mesh.Version{Major: 1, Minor: 31}, mesh.Version{Major: 1, Minor: 30, Patch: 4}
	for _, test := range []struct {
		name, image string
		labels      map[string]string
		want        mesh.Version
	}{
		{"tag", "docker.io/istio/pilot:1.31.0", nil, v31},
		{"tag before labels", "pilot:1.31.0-distroless", map[string]string{"operator.istio.io/version": "1.30.4"}, v31},
		{"digest and operator's label", "pilot@sha256:ab", map[string]string{"operator.istio.io/version": "1.30.4", "app.kubernetes.io/version": "1.31.0"}, v30},
		{"latest and chart's label", "pilot:latest", map[string]string{"operator.istio.io/version": "unknown", "app.kubernetes.io/version": "1.31.0"}, v31},
		{"chart that was not released", "pilot:lab", map[string]string{"app.kubernetes.io/version": "1.0.0"}, mesh.Version{}},
		{"nothing", "pilot", nil, mesh.Version{}},
		{"old release by its tag", "docker.io/istio/pilot:1.0.0", nil, mesh.Version{Major: 1}},
	} {
		if got := (controlPlane{image: test.image, labels: test.labels}).told(); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestChief(t *testing.T) {
	t.Parallel()
	plane := func(name string, minor int) controlPlane {
		return controlPlane{revision: mesh.Revision{Name: name, Namespace: "istio-system", Version: mesh.Version{Major: 1, Minor: minor}}}
	}
	for _, test := range []struct {
		name   string
		planes []controlPlane
		want   string
	}{
		{"none", nil, "default"},
		{"one", []controlPlane{plane("canary", 31)}, "canary"},
		{"the default", []controlPlane{plane("canary", 31), plane("default", 30)}, "default"},
		{"the newest", []controlPlane{plane("a", 30), plane("b", 31), plane("c", 29)}, "b"},
		{"the first by name", []controlPlane{plane("b", 31), plane("a", 31)}, "a"},
	} {
		if got := chief(test.planes); got.revision.Name != test.want || got.revision.Namespace != "istio-system" {
			t.Errorf("%s: %+v, want %s", test.name, got.revision, test.want)
		}
	}
}

// oneIstiod is a mesh whose Deployment does not tell its version.
const oneIstiod = `kind: Cluster
served: {networking.istio.io: [v1], security.istio.io: [v1]}
answers: {ANSWERS}
fail: {FAIL}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istiod, namespace: istio-system, labels: {app: istiod, istio.io/rev: stable}}
spec: {template: {spec: {containers: [{name: discovery, image: "pilot:lab", args: [discovery, --domain, a.example]}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod, istio.io/rev: stable}}
status: {phase: Running, conditions: [{type: Ready, status: "False"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: istiod-1, namespace: istio-system, labels: {app: istiod, istio.io/rev: stable}}
status: {phase: Running, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio-stable, namespace: istio-system}
data: {mesh: "{}"}
---
apiVersion: v1
kind: Service
metadata: {name: egress, namespace: out}
spec: {selector: {app: egress}, ports: [{port: 443}]}
---
apiVersion: v1
kind: Pod
metadata: {name: egress-1, namespace: out, labels: {app: egress, istio: egress}}
spec: {containers: [{name: istio-proxy, image: "IMAGE", args: [proxy, router, --domain=$(POD_NAMESPACE).svc.b.example]}]}
status: {phase: Running, podIP: 10.0.0.9, conditions: [{type: Ready, status: "True"}]}
`

func TestVersionChain(t *testing.T) {
	t.Parallel()
	const istiod = "istio-system/istiod-1:15014/version: "
	const envoy = "out/egress-1/server_info: "
	const revision, gateway = "version of revision stable in namespace istio-system", "version of pod out/egress-1"
	server := func(version string) string {
		return envoy + `'{"node":{"metadata":{"ISTIO_VERSION":"` + version + `"}}}'`
	}
	for _, test := range []struct {
		name, image, answers, fail string
		want                       mesh.Version
		unread                     []string // source: kind
	}{
		{"istiod tells", "proxy:lab", istiod + "1.31.0-eed52eb-Clean", "", mesh.Version{Major: 1, Minor: 31}, nil},
		{"the gateway's image tells", "proxy:1.30.4", istiod + "unknown", "", mesh.Version{Major: 1, Minor: 30, Patch: 4}, nil},
		{"the gateway's Envoy tells", "proxy:lab", istiod + "unknown, " + server("1.29.7"), "", mesh.Version{Major: 1, Minor: 29, Patch: 7}, nil},
		{"istiod may not be asked", "proxy:lab", server("1.29.7"), "ask istio-system/istiod-1: forbidden", mesh.Version{Major: 1, Minor: 29, Patch: 7}, nil},
		{"nobody knows", "proxy:lab", istiod + "unknown, " + server("unknown"), "", mesh.Version{}, []string{gateway + ": absent", revision + ": absent"}},
		{"nobody may be asked", "proxy:lab", "", "ask istio-system/istiod-1: forbidden, ask out/egress-1: forbidden", mesh.Version{}, []string{gateway + ": forbidden", revision + ": forbidden"}},
		{"nobody answers", "proxy:lab", "", "ask istio-system/istiod-1: timeout", mesh.Version{}, []string{gateway + ": failed", revision + ": timeout"}},
		{"Envoy talks nonsense", "proxy:lab", istiod + "unknown, " + envoy + "'<html>'", "", mesh.Version{}, []string{gateway + ": failed", revision + ": absent"}},
		{"pods may not be listed", "proxy:1.30.4", "", "list pods in istio-system: forbidden", mesh.Version{Major: 1, Minor: 30, Patch: 4}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := strings.NewReplacer("ANSWERS", test.answers, "FAIL", test.fail, "IMAGE", test.image).Replace(oneIstiod)
			facts, err := Discover(t.Context(), parse(t, []byte(text)))
			if err != nil {
				t.Fatal(err)
			}
			if facts.Version != test.want || len(facts.Revisions) != 1 || facts.Revisions[0].Version != test.want {
				t.Errorf("version %v, revisions %+v; want %v", facts.Version, facts.Revisions, test.want)
			}
			var unread []string
			for _, u := range facts.Unread {
				unread = append(unread, u.Source+": "+u.Kind)
			}
			if diff := cmp.Diff(test.unread, unread); diff != "" {
				t.Error(diff)
			}
			if facts.ClusterDomain != "a.example" {
				t.Errorf("cluster domain %q, want istiod's", facts.ClusterDomain)
			}
		})
	}
}

// TestControlPlaneElsewhere: istiod runs in another cluster, the gateways here tell what can be told.
func TestControlPlaneElsewhere(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("ANSWERS", "", "FAIL", "", "IMAGE", "proxyv2:1.31.0", "app: istiod, istio.io/rev: stable", "app: other").Replace(oneIstiod)
	facts, err := Discover(t.Context(), parse(t, []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	if want := (mesh.Version{Major: 1, Minor: 31}); facts.Version != want || len(facts.Revisions) != 0 || facts.ClusterDomain != "b.example" {
		t.Errorf("version %v, revisions %v, domain %s; want them from the gateway", facts.Version, facts.Revisions, facts.ClusterDomain)
	}
	if len(facts.Gateways) != 1 || !facts.MTLS.On {
		t.Errorf("gateways %+v, mTLS %+v", facts.Gateways, facts.MTLS)
	}
}
