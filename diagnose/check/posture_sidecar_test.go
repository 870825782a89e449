package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
)

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
		"public addresses":                {snapshot.Past{ExcludedRanges: "8.8.8.0/24"}, false, "fail excludeOutboundIPRanges", "such as 8.8.8.0\npod egress-posture/sleep-"},
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
