package gather

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// exposed is a cluster with what tells who can go round the gateway.
func exposed(t *testing.T) *cluster {
	t.Helper()
	c := working(t)
	c.lists["namespaces"] = `[{metadata: {name: b, labels: {istio-injection: enabled}}}, {metadata: {name: a}}]`
	c.lists["nodes"] = `[{metadata: {name: n1}, spec: {taints: [{key: k, value: v, effect: NoSchedule}]}}]`
	c.lists["networkpolicies"] = `[{metadata: {namespace: b, name: p}, spec: {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}, {port: https}]}]}}]`
	c.lists["authorizationpolicies"] = `[{metadata: {namespace: b, name: q}, spec: {action: DENY, rules: [{from: [{source: {namespaces: [x]}}]}]}}]`
	return c
}

func TestSecurityIsAskedFor(t *testing.T) {
	t.Parallel()
	c := exposed(t)
	s := gathered(t, c, Options{})
	if s.Security != nil || c.times("list v1/nodes@") != 0 || c.times("list v1/networkpolicies@") != 0 || c.times("list v1/namespaces@") != 0 {
		t.Errorf("nobody asked: %+v, %q", s.Security, c.asked)
	}
	if st := s.State(snapshot.NetworkPolicies); st.Known() {
		t.Errorf("%+v", st)
	}
	s = gathered(t, c, Options{Security: true})
	for _, source := range []snapshot.Source{snapshot.Namespaces, snapshot.Nodes, snapshot.NetworkPolicies, snapshot.AuthorizationPolicies, snapshot.Workloads} {
		if st := s.State(source); st.Kind != snapshot.Read {
			t.Errorf("%s: %+v", source, st)
		}
	}
	x := s.Security
	if len(x.Namespaces) != 2 || x.Namespaces[0].Name != "a" || x.Namespaces[1].Labels["istio-injection"] != "enabled" {
		t.Errorf("%+v", x.Namespaces)
	}
	if taint, ok := x.Nodes[0].KeepsOut(); !ok || taint != "k" {
		t.Errorf("%+v", x.Nodes)
	}
	if ports := x.NetworkPolicies[0].Spec.Egress[0].Ports; ports[0].Port.Number != 53 || ports[1].Port.Name != "https" {
		t.Errorf("%+v", x.NetworkPolicies)
	}
	if a := x.AuthorizationPolicies[0]; a.Spec.Action != "DENY" || a.Spec.Rules[0].From[0].Source.Namespaces[0] != "x" {
		t.Errorf("%+v", a)
	}
}

// TestSecurityForbidden: what may not be read is told, source by source, and does not hold up the rest.
func TestSecurityForbidden(t *testing.T) {
	t.Parallel()
	for resource, source := range map[string]snapshot.Source{
		"namespaces": snapshot.Namespaces, "nodes": snapshot.Nodes, "networkpolicies": snapshot.NetworkPolicies,
		"authorizationpolicies": snapshot.AuthorizationPolicies, "pods": snapshot.Workloads,
	} {
		c := exposed(t)
		c.fails[resource] = kube.ErrForbidden
		s := gathered(t, c, Options{Security: true})
		if st := s.State(source); st.Kind != snapshot.Forbidden || !strings.Contains(st.Detail, resource) {
			t.Errorf("%s: %+v", resource, st)
		}
		if other := snapshot.Nodes; source != other && s.State(other).Kind != snapshot.Read {
			t.Errorf("%s: %+v", resource, s.State(other))
		}
	}
	c := exposed(t)
	c.fails["authorizationpolicies"] = kube.ErrAbsent
	if st := gathered(t, c, Options{Security: true}).State(snapshot.AuthorizationPolicies); !st.Known() {
		t.Errorf("a cluster without the kind has none: %+v", st)
	}
	c = exposed(t)
	c.fails["nodes"] = kube.ErrUnreachable
	if _, err := Gather(t.Context(), c, Options{Security: true, Facts: facts()}); err == nil {
		t.Error("an API server that is gone is no state of one source")
	}
}

// TestOldSecurityVersion: Istio before 1.22 serves v1beta1 alone.
func TestOldSecurityVersion(t *testing.T) {
	t.Parallel()
	c := exposed(t)
	gathered(t, c, Options{Security: true})
	if c.times("list v1/authorizationpolicies@") != 1 {
		t.Errorf("%q", c.asked)
	}
	c = exposed(t)
	c.served = []string{"v1beta1"}
	gathered(t, c, Options{Security: true})
	if c.times("list v1beta1/authorizationpolicies@") != 1 {
		t.Errorf("%q", c.asked)
	}
}

func TestWorkloads(t *testing.T) {
	t.Parallel()
	c := exposed(t)
	c.lists["pods"] = `
- metadata: {namespace: b, name: meshed, labels: {app: x, pod-template-hash: abc}, ownerReferences: [{kind: ReplicaSet, name: x-abc}], annotations: {traffic.sidecar.istio.io/excludeOutboundPorts: "443", traffic.sidecar.istio.io/excludeOutboundIPRanges: "1.2.3.0/24", traffic.sidecar.istio.io/includeOutboundIPRanges: ""}}
  spec:
    nodeName: n1
    containers: [{name: app, ports: [{name: http, containerPort: 8080}, {containerPort: 9090}]}, {name: istio-proxy, args: [proxy, sidecar]}]
  status: {phase: Running, podIP: 10.0.0.9, podIPs: [{ip: 10.0.0.9}, {ip: "fd00::9"}]}
- metadata: {namespace: b, name: native}
  spec:
    affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}
    containers: [{name: app}]
    initContainers: [{name: istio-init, args: [istio-iptables, -p, "15001", -i, "10.0.0.0/8", -x, "", -b, "*", -o, "3306"]}, {name: istio-proxy, restartPolicy: Always, args: [proxy, sidecar]}]
  status: {phase: Pending}
- metadata: {namespace: b, name: router}
  spec: {nodeSelector: {a: b}, containers: [{name: istio-proxy, args: [proxy, router]}]}
- metadata: {namespace: b, name: host, annotations: {sidecar.istio.io/inject: "false"}}
  spec: {hostNetwork: true, containers: [{name: app}]}
- metadata: {namespace: b, name: ambient, annotations: {ambient.istio.io/redirection: enabled}, labels: {sidecar.istio.io/inject: "true"}}
  spec: {affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}, containers: [{name: app}]}
- metadata: {namespace: b, name: done}
  spec: {containers: [{name: app}]}
  status: {phase: Succeeded}
- metadata: {namespace: b, name: gone}
  spec: {containers: [{name: app}]}
  status: {phase: Failed}
- metadata: {namespace: b, name: empty}
  spec: {containers: [{name: app}], initContainers: [{name: istio-init, args: [istio-iptables, -i, ""]}]}`
	want := []snapshot.Workload{
		{Namespace: "b", Pod: "ambient", Labels: map[string]string{"sidecar.istio.io/inject": "true"}, Ambient: true, Injection: "true"},
		{Namespace: "b", Pod: "empty", Past: snapshot.Past{IncludedRanges: snapshot.NoRanges}},
		{Namespace: "b", Pod: "host", HostNetwork: true, Injection: "false"},
		{
			Namespace: "b", Pod: "meshed", Owner: "deployment/x", Labels: map[string]string{"app": "x", "pod-template-hash": "abc"}, IPs: []string{"10.0.0.9", "fd00::9"},
			Node: "n1", Sidecar: true, Ports: map[string]int{"http": 8080},
			Past: snapshot.Past{ExcludedPorts: "443", ExcludedRanges: "1.2.3.0/24", IncludedRanges: snapshot.NoRanges},
		},
		{Namespace: "b", Pod: "native", Sidecar: true, Pinned: true, Past: snapshot.Past{ExcludedPorts: "3306", IncludedRanges: "10.0.0.0/8"}},
		{Namespace: "b", Pod: "router", Router: true, Pinned: true},
	}
	got := gathered(t, c, Options{Security: true}).Security.Workloads
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestSecurityIsSaved: what was gathered is the same after it was saved and loaded, in the archive too.
func TestSecurityIsSaved(t *testing.T) {
	t.Parallel()
	s := gathered(t, exposed(t), Options{Security: true})
	for name, save := range map[string]func(*bytes.Buffer) error{
		"one document": func(b *bytes.Buffer) error { return s.Save(b) },
		"an archive":   func(b *bytes.Buffer) error { return s.SaveArchive(b) },
	} {
		var b bytes.Buffer
		if err := save(&b); err != nil {
			t.Fatal(err)
		}
		back, err := snapshot.Load(&b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(s.Security, back.Security); diff != "" {
			t.Errorf("%s: -saved +loaded\n%s", name, diff)
		}
		if diff := cmp.Diff(s.States, back.States); diff != "" {
			t.Errorf("%s: -saved +loaded\n%s", name, diff)
		}
	}
	raw, err := json.Marshal(snapshot.Snapshot{})
	if err != nil || bytes.Contains(raw, []byte("security")) {
		t.Errorf("a snapshot without it says so: %s, %v", raw, err)
	}
}
