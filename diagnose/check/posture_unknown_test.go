package check

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
)

// sidecars reads Sidecar objects as people write them.
func sidecars(t *testing.T, text string) []snapshot.Sidecar {
	t.Helper()
	var out []snapshot.Sidecar
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestUnknownHosts: which object decides about a pod, as Istio has it.
func TestUnknownHosts(t *testing.T) {
	t.Parallel()
	const (
		here    = "egress-posture"
		root    = "{metadata: {name: default, namespace: istio-system}, "
		refuses = "spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}"
		letsOut = "spec: {outboundTrafficPolicy: {mode: ALLOW_ANY}}}"
		ofSleep = "spec: {workloadSelector: {labels: {app: sleep}}, outboundTrafficPolicy: {mode: "
	)
	ours := func(name string, month ...int) string { // it was made in the first of them
		return fmt.Sprintf("{metadata: {name: %s, namespace: %s, creationTimestamp: '2026-%02d-01T00:00:00Z'}, ", name, here, append(month, 1)[0])
	}
	for name, tt := range map[string]struct {
		sidecars string
		mesh     string
		want     string // of whom it is told, "" for nobody
	}{
		"the mesh's default":              {"", "", "Namespace " + here},
		"the mesh says so":                {"", "ALLOW_ANY", "Namespace " + here},
		"the mesh resolves names":         {"", "ALLOW_ANY_DYNAMIC_DNS", "Namespace " + here},
		"the mesh refuses":                {"", "REGISTRY_ONLY", ""},
		"the namespace refuses":           {ours("default") + refuses, "", ""},
		"refusing is a Sidecar's default": {ours("default") + "spec: {outboundTrafficPolicy: {}}}", "", ""},
		"a Sidecar about other things":    {ours("default") + "spec: {egress: [{hosts: ['./*']}]}}", "REGISTRY_ONLY", ""},
		"one that says nothing":           {ours("default") + "spec: {egress: [{hosts: ['./*']}]}}", "", "Sidecar default"},
		"the namespace lets out":          {ours("d") + letsOut, "REGISTRY_ONLY", "Sidecar d"},
		"the root namespace refuses":      {root + refuses, "", ""},
		"the root one has no labels":      {root + "spec: {workloadSelector: {}, outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}", "", ""},
		"of the root one with a selector": {root + ofSleep + "REGISTRY_ONLY}}}", "", "Namespace " + here},
		"of another namespace":            {"{metadata: {name: default, namespace: other}, " + refuses, "", "Namespace " + here},
		"the pod's own wins":              {ours("default") + refuses + ", " + ours("sleep") + ofSleep + "ALLOW_ANY}}}", "", "Sidecar sleep"},
		"the pod's own, though younger":   {ours("a", 2) + ofSleep + "REGISTRY_ONLY}}}, " + ours("b", 1) + letsOut, "", ""},
		"one that selects by no label":    {ours("a", 1) + "spec: {workloadSelector: {}, outboundTrafficPolicy: {mode: ALLOW_ANY}}}, " + ours("b", 2) + ofSleep + "REGISTRY_ONLY}}}", "", ""},
		"another pod's does not":          {ours("x") + "spec: {workloadSelector: {labels: {app: x}}, outboundTrafficPolicy: {mode: ALLOW_ANY}}}", "REGISTRY_ONLY", ""},
		"the older of two":                {ours("a", 2) + letsOut + ", " + ours("b", 1) + refuses, "", ""},
		"the older of two, named first":   {ours("a", 1) + refuses + ", " + ours("b", 2) + letsOut, "", ""},
		"the first of two of one second":  {ours("a", 1) + refuses + ", " + ours("b", 1) + letsOut, "", ""},
	} {
		got := ""
		for _, f := range only(posed(t, "posture-open", func(s *snapshot.Snapshot) {
			s.Objects.Sidecars, s.Facts.Config.OutboundTrafficPolicy = sidecars(t, "["+tt.sidecars+"]"), tt.mesh
		}), "EGR061") {
			got += f.Object.Kind + " " + f.Object.Name
			mode, in := cmp.Or(tt.mesh, "ALLOW_ANY"), "the mesh configuration"
			if tt.mesh == "REGISTRY_ONLY" || strings.Contains(tt.sidecars, "ALLOW_ANY") {
				mode, in = "ALLOW_ANY", "Sidecar "+here+"/"+f.Object.Name
			}
			want := fmt.Sprintf("sidecars in namespace %s let hosts without a ServiceEntry straight out: outboundTrafficPolicy is %s in %s", here, mode, in)
			if f.State != Fail || f.Message != want {
				t.Errorf("%s: %s: %s", name, f.State, f.Message)
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestUnknownHostsHeld: where policies hold the pods it only weakens.
func TestUnknownHostsHeld(t *testing.T) {
	t.Parallel()
	f := one(t, posed(t, "posture-held", func(s *snapshot.Snapshot) { s.Objects.Sidecars = nil }), "EGR061")
	if f.State != Warn || !strings.Contains(strings.Join(f.Evidence, " "), "NetworkPolicies hold it") || !strings.Contains(f.Fix, "kind: Sidecar") {
		t.Errorf("%+v", f)
	}
	f = one(t, posed(t, "posture-held", func(s *snapshot.Snapshot) {
		s.Objects.Sidecars[0].Spec.OutboundTrafficPolicy.Mode = "ALLOW_ANY"
	}), "EGR061")
	if want := `kubectl -n egress-posture patch sidecars.networking.istio.io default --type=json -p '[{"op":"add","path":"/spec/outboundTrafficPolicy","value":{"mode":"REGISTRY_ONLY"}}]'`; f.Fix != want {
		t.Errorf("%s", f.Fix)
	}
}

// TestUnknownHostsUnread: the mesh configuration says whether unknown hosts pass. Where it could not be read nobody knows, but other
// things that could not be read are no reason for that.
func TestUnknownHostsUnread(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		source, mode string
		want         State
		message      string
	}{
		"the mesh configuration":              {"configmap istio-system/istio", "", Unknown, "configmap istio-system/istio could not be read (forbidden): cannot get it"},
		"it, but the policy is known":         {"configmap istio-system/istio", "ALLOW_ANY", Fail, "outboundTrafficPolicy is ALLOW_ANY in the mesh configuration"},
		"other things":                        {"services", "ALLOW_ANY", Fail, "outboundTrafficPolicy is ALLOW_ANY in the mesh configuration"},
		"other things, and no policy is said": {"services", "", Fail, "outboundTrafficPolicy is ALLOW_ANY in the mesh configuration"},
	} {
		f := one(t, posed(t, "posture-open", func(s *snapshot.Snapshot) {
			s.Facts.Config.OutboundTrafficPolicy = tt.mode
			s.Facts.Unread = append(s.Facts.Unread, unreadSource{Source: tt.source, Kind: "forbidden", Detail: "cannot get it"})
		}), "EGR061")
		if f.State != tt.want || !strings.Contains(f.Message, tt.message) || f.Stays != (tt.want == Unknown) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestPostureUnread: what may not be read stays unread however long one waits; what could not be read in time may come.
func TestPostureUnread(t *testing.T) {
	t.Parallel()
	for kind, stays := range map[snapshot.Kind]bool{snapshot.Forbidden: true, snapshot.TimedOut: false} {
		f := one(t, posed(t, "posture-open", func(s *snapshot.Snapshot) {
			s.States[snapshot.NetworkPolicies] = snapshot.State{Kind: kind}
		}), "EGR059")
		if f.State != Unknown || f.Stays != stays {
			t.Errorf("%s: %+v", kind, f)
		}
	}
}

// TestUnknownHostsOfSeveral: what decides about some pods of a namespace is told of those alone, and what decides about pods without a
// sidecar decides nothing.
func TestUnknownHostsOfSeveral(t *testing.T) {
	t.Parallel()
	found := only(posed(t, "posture-open", func(s *snapshot.Snapshot) {
		web := *workload(t, s, "deployment/sleep")
		web.Owner, web.Pod, web.Labels = "deployment/web", "web-1", map[string]string{"app": "web"}
		s.Security.Workloads = append(s.Security.Workloads, web)
		s.Objects.Sidecars = sidecars(t, `[
  {metadata: {name: bare, namespace: egress-posture}, spec: {workloadSelector: {labels: {app: bare}}, outboundTrafficPolicy: {mode: ALLOW_ANY}}},
  {metadata: {name: default, namespace: egress-posture}, spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}},
  {metadata: {name: sleep, namespace: egress-posture}, spec: {workloadSelector: {labels: {app: sleep}}, outboundTrafficPolicy: {mode: ALLOW_ANY}}}]`)
	}), "EGR061")
	if len(found) != 1 || found[0].Object.Name != "sleep" || len(found[0].Evidence) != 1 || !strings.HasPrefix(found[0].Evidence[0], "deployment/sleep: ") {
		t.Errorf("%+v", found)
	}
}
