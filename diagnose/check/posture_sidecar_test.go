package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	const here = "egress-posture"
	for name, tt := range map[string]struct {
		sidecars string
		mesh     string
		want     string // of whom it is told, "" for nobody
	}{
		"the mesh's default":              {"[]", "", "Namespace " + here},
		"the mesh says so":                {"[]", "ALLOW_ANY", "Namespace " + here},
		"the mesh resolves names":         {"[]", "ALLOW_ANY_DYNAMIC_DNS", "Namespace " + here},
		"the mesh refuses":                {"[]", "REGISTRY_ONLY", ""},
		"the namespace refuses":           {"[{metadata: {name: default, namespace: " + here + "}, spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}]", "", ""},
		"refusing is a Sidecar's default": {"[{metadata: {name: default, namespace: " + here + "}, spec: {outboundTrafficPolicy: {}}}]", "", ""},
		"a Sidecar about other things":    {"[{metadata: {name: default, namespace: " + here + "}, spec: {egress: [{hosts: ['./*']}]}}]", "REGISTRY_ONLY", ""},
		"one that says nothing":           {"[{metadata: {name: default, namespace: " + here + "}, spec: {egress: [{hosts: ['./*']}]}}]", "", "Sidecar default"},
		"the namespace lets out":          {"[{metadata: {name: d, namespace: " + here + "}, spec: {outboundTrafficPolicy: {mode: ALLOW_ANY}}}]", "REGISTRY_ONLY", "Sidecar d"},
		"the root namespace refuses":      {"[{metadata: {name: default, namespace: istio-system}, spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}]", "", ""},
		"of the root one with a selector": {"[{metadata: {name: default, namespace: istio-system}, spec: {workloadSelector: {labels: {app: sleep}}, outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}]", "", "Namespace " + here},
		"of another namespace":            {"[{metadata: {name: default, namespace: other}, spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}]", "", "Namespace " + here},
		"the pod's own wins": {
			"[{metadata: {name: default, namespace: " + here + "}, spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}, {metadata: {name: sleep, namespace: " + here + "}, spec: {workloadSelector: {labels: {app: sleep}}, outboundTrafficPolicy: {mode: ALLOW_ANY}}}]",
			"", "Sidecar sleep",
		},
		"another pod's does not": {
			"[{metadata: {name: x, namespace: " + here + "}, spec: {workloadSelector: {labels: {app: x}}, outboundTrafficPolicy: {mode: ALLOW_ANY}}}]", "REGISTRY_ONLY", "",
		},
		"the older of two": {
			"[{metadata: {name: a, namespace: " + here + ", creationTimestamp: '2026-02-01T00:00:00Z'}, spec: {outboundTrafficPolicy: {mode: ALLOW_ANY}}}, {metadata: {name: b, namespace: " + here + ", creationTimestamp: '2026-01-01T00:00:00Z'}, spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}]",
			"", "",
		},
	} {
		got := ""
		for _, f := range only(posed(t, "posture-open", func(s *snapshot.Snapshot) {
			s.Objects.Sidecars, s.Facts.Config.OutboundTrafficPolicy = sidecars(t, tt.sidecars), tt.mesh
		}), "EGR061") {
			got += f.Object.Kind + " " + f.Object.Name
			if f.State != Fail {
				t.Errorf("%s: %s", name, f.State)
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

func TestUnknownHostsUnread(t *testing.T) {
	t.Parallel()
	f := one(t, posed(t, "posture-open", func(s *snapshot.Snapshot) {
		s.Facts.Config.OutboundTrafficPolicy = ""
		s.Facts.Unread = append(s.Facts.Unread, unreadSource{Source: "configmap istio-system/istio", Kind: "forbidden", Detail: "cannot get it"})
	}), "EGR061")
	if f.State != Unknown || !strings.Contains(f.Message, "configmap istio-system/istio could not be read (forbidden): cannot get it") {
		t.Errorf("%+v", f)
	}
}

// workload gives the pod of a capture by what made it.
func workload(t testing.TB, s *snapshot.Snapshot, maker string) *snapshot.Workload {
	t.Helper()
	i := slices.IndexFunc(s.Security.Workloads, func(w snapshot.Workload) bool { return w.Maker() == maker })
	if i < 0 {
		t.Fatalf("nothing made by %s", maker)
	}
	return &s.Security.Workloads[i]
}

func TestWithoutSidecar(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*testing.T, *snapshot.Snapshot)
		words  []string // in the only finding; none: no finding
		fix    string
	}{
		"as it is": {
			func(*testing.T, *snapshot.Snapshot) {},
			[]string{"deployment/bare", "sidecar.istio.io/inject is false"},
			`kubectl -n egress-posture patch deployment/bare --type=merge -p '{"spec":{"template":{"metadata":{"annotations":{"sidecar.istio.io/inject":null},"labels":{"sidecar.istio.io/inject":"true"}}}}}'`,
		},
		"never injected": {
			func(t *testing.T, s *snapshot.Snapshot) { workload(t, s, "deployment/bare").Injection = "" },
			[]string{"deployment/bare: it has no sidecar, and may reach 10.96.0.8"},
			"",
		},
		"a pod of nobody": {
			func(t *testing.T, s *snapshot.Snapshot) { workload(t, s, "deployment/bare").Owner = "" }, []string{"pod/bare-"}, "kubectl -n egress-posture delete pod bare-",
		},
		"in the node's network": {
			func(t *testing.T, s *snapshot.Snapshot) { workload(t, s, "deployment/bare").HostNetwork = true },
			[]string{"pods in the node's network", "which NetworkPolicies do not hold"},
			`"hostNetwork":false`,
		},
		"in the node's network with a sidecar": {
			func(t *testing.T, s *snapshot.Snapshot) {
				w := workload(t, s, "deployment/bare")
				w.HostNetwork, w.Sidecar = true, true
			},
			[]string{"pods in the node's network"},
			`"hostNetwork":false`,
		},
		"of a Job": {
			func(t *testing.T, s *snapshot.Snapshot) { workload(t, s, "deployment/bare").Owner = "job/import" },
			[]string{"job/import"},
			"kubectl -n egress-posture delete job import",
		},
		"of a ReplicaSet of nobody": {
			func(t *testing.T, s *snapshot.Snapshot) { workload(t, s, "deployment/bare").Owner = "replicaset/old" },
			[]string{"replicaset/old"},
			"kubectl -n egress-posture delete replicaset old",
		},
		"with a sidecar":          {func(t *testing.T, s *snapshot.Snapshot) { workload(t, s, "deployment/bare").Sidecar = true }, nil, ""},
		"a gateway":               {func(t *testing.T, s *snapshot.Snapshot) { workload(t, s, "deployment/bare").Router = true }, nil, ""},
		"of a namespace not ours": {func(t *testing.T, s *snapshot.Snapshot) { workload(t, s, "deployment/bare").Namespace = "plain" }, nil, ""},
		"held by a policy": {func(t *testing.T, s *snapshot.Snapshot) {
			s.Security.NetworkPolicies = policies(t, "metadata: {name: p, namespace: egress-posture}\nspec: {policyTypes: [Egress]}")
		}, nil, ""},
		"a policy does not hold the node's network": {func(t *testing.T, s *snapshot.Snapshot) {
			workload(t, s, "deployment/bare").HostNetwork = true
			s.Security.NetworkPolicies = policies(t, "metadata: {name: p, namespace: egress-posture}\nspec: {policyTypes: [Egress]}")
		}, []string{"pods in the node's network"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := only(posed(t, "posture-open", func(s *snapshot.Snapshot) { tt.change(t, s) }), "EGR062")
			if len(found) != min(len(tt.words), 1) {
				t.Fatalf("%+v", found)
			}
			for _, f := range found {
				text := f.Message + "\n" + strings.Join(f.Evidence, "\n")
				for _, w := range tt.words {
					if !strings.Contains(text, w) {
						t.Errorf("no %q in\n%s", w, text)
					}
				}
				if f.State != Fail || !strings.Contains(f.Fix, tt.fix) {
					t.Errorf("%s: %s", f.State, f.Fix)
				}
			}
		})
	}
}

// TestAmbient: pods of ztunnel are told of and not judged, whatever they may.
func TestAmbient(t *testing.T) {
	t.Parallel()
	all := posed(t, "posture-open", func(s *snapshot.Snapshot) {
		for i := range s.Security.Workloads {
			w := &s.Security.Workloads[i]
			w.Sidecar, w.Ambient = false, w.Namespace == "egress-posture" // the gateway as well, which is to leave whoever takes its traffic
		}
	})
	f := one(t, all, "EGR062")
	if f.State != Skip || f.Message != "pods in ambient mode are not judged: deployment/bare, deployment/sleep" {
		t.Errorf("%+v", f)
	}
	for _, code := range []Code{"EGR059", "EGR061", "EGR063"} {
		if found := only(all, code); len(found) > 0 {
			t.Errorf("%s judges them: %+v", code, found)
		}
	}
}

func TestPastSidecar(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		past snapshot.Past
		held bool
		want string // STATE ANNOTATION, "" for nothing
		word string
	}{
		"nothing":                         {snapshot.Past{}, false, "", ""},
		"a path's port":                   {snapshot.Past{ExcludedPorts: "3306, 443"}, false, "fail excludeOutboundPorts", "edition.cnn.com:443 is meant to take"},
		"another port":                    {snapshot.Past{ExcludedPorts: "3306"}, false, "warn excludeOutboundPorts", "to port 3306"},
		"another port, held":              {snapshot.Past{ExcludedPorts: "3306"}, true, "", ""},
		"a path's port, held":             {snapshot.Past{ExcludedPorts: "443"}, true, "warn excludeOutboundPorts", "NetworkPolicies hold it"},
		"the API server's address":        {snapshot.Past{ExcludedRanges: "10.96.0.1/32"}, false, "", ""},
		"an outside host's address":       {snapshot.Past{ExcludedRanges: "10.96.0.1/32,10.96.0.80/29"}, false, "fail excludeOutboundIPRanges", "at which the gateway finds an outside host"},
		"public addresses":                {snapshot.Past{ExcludedRanges: "8.8.8.0/24"}, false, "fail excludeOutboundIPRanges", "such as 8.8.8.0"},
		"all that is not of the cluster":  {snapshot.Past{IncludedRanges: "10.244.0.0/16"}, false, "fail includeOutboundIPRanges", "other than 10.244.0.0/16"},
		"all included":                    {snapshot.Past{IncludedRanges: "*"}, false, "", ""},
		"none included":                   {snapshot.Past{IncludedRanges: snapshot.NoRanges}, false, "fail includeOutboundIPRanges", "other than none"},
		"all included, written as ranges": {snapshot.Past{IncludedRanges: "0.0.0.0/1,128.0.0.0/1"}, false, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			capture := map[bool]string{false: "posture-open", true: "posture-held"}[tt.held]
			found := only(posed(t, capture, func(s *snapshot.Snapshot) { workload(t, s, "deployment/sleep").Past = tt.past }), "EGR063")
			got := ""
			for _, f := range found {
				_, annotation, _ := strings.Cut(f.Fix, "traffic.sidecar.istio.io/")
				annotation, _, _ = strings.Cut(annotation, `"`)
				got += string(f.State) + " " + annotation
				if text := f.Message + strings.Join(f.Evidence, "\n"); !strings.Contains(text, tt.word) {
					t.Errorf("no %q in %s", tt.word, text)
				}
				if want := (&Object{Kind: "Deployment", Namespace: "egress-posture", Name: "sleep", Field: "spec.template.metadata.annotations"}); !cmp.Equal(want, f.Object) {
					t.Errorf("%+v", f.Object)
				}
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestReplicas: ten pods of one Deployment are one finding.
func TestReplicas(t *testing.T) {
	t.Parallel()
	all := posed(t, "posture-open", func(s *snapshot.Snapshot) {
		w := *workload(t, s, "deployment/sleep")
		for range 9 {
			w.Pod += "x"
			s.Security.Workloads = append(s.Security.Workloads, w)
		}
	})
	one(t, all, "EGR063")
	if f := one(t, all, "EGR059"); !strings.Contains(strings.Join(f.Evidence, "\n"), "deployment/sleep (10 pods): no NetworkPolicy") {
		t.Errorf("%q", f.Evidence)
	}
}
