package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
)

// nodes are those of a cluster: NAME, or NAME:EFFECT for a taint "dedicated" with that effect, NAME:gpu for one that keeps others out,
// NAME:cordoned for one that takes no new pods, NAME:prepared for one that a fix has labelled and tainted.
func nodes(text string) []snapshot.Node {
	var out []snapshot.Node
	for word := range strings.FieldsSeq(text) {
		name, what, _ := strings.Cut(word, ":")
		node := snapshot.Node{Meta: snapshot.Meta{Name: name}}
		key, effect := dedicated, what
		switch what {
		case "gpu":
			key, effect = "gpu", "NoSchedule"
		case "cordoned":
			node.Spec.Unschedulable, effect = true, ""
		case "prepared":
			node.Labels, effect = map[string]string{dedicated: "egress-gateway"}, "NoSchedule"
		}
		if effect != "" {
			node.Spec.Taints = append(node.Spec.Taints, struct {
				Key    string `json:"key"`
				Effect string `json:"effect"`
			}{key, effect})
		}
		out = append(out, node)
	}
	return out
}

// place gives a capture a cluster's nodes and pods: WHAT@NODE. A gateway's pod is "gw", or "pinned" if it asks for certain nodes;
// "sleep" is a workload of the mesh, "daemon" one of a DaemonSet, "router" a pod of another gateway, "bank" and "plain" are workloads
// of other namespaces, in the mesh and not, and "twin" is called like the gateway's first pod, in another namespace.
func place(t *testing.T, s *snapshot.Snapshot, nodesText, podsText string) {
	t.Helper()
	gw, sleep := *workload(t, s, "deployment/posture-gw"), *workload(t, s, "deployment/sleep")
	pod := s.Facts.Gateways[0].Pods[0]
	s.Security.Nodes, s.Security.Workloads, s.Facts.Gateways[0].Pods = nodes(nodesText), nil, nil
	for i, word := range strings.Fields(podsText) {
		what, node, _ := strings.Cut(word, "@")
		w := sleep
		switch what {
		case "gw", "pinned":
			w, w.Pinned, pod.Name = gw, what == "pinned", fmt.Sprintf("gw-%d", i)
			s.Facts.Gateways[0].Pods = append(s.Facts.Gateways[0].Pods, pod)
		case "router":
			w.Sidecar, w.Router = false, true
		case "daemon":
			w.Owner = "daemonset/agent"
		case "bank", "plain":
			w.Namespace, w.Sidecar = what, what == "bank"
		}
		w.Pod, w.Node = fmt.Sprintf("%s-%d", what, i), node
		switch what {
		case "gw", "pinned":
			w.Pod = pod.Name
		case "twin":
			w.Namespace, w.Sidecar, w.Pod = "plain", false, "gw-0"
		}
		s.Security.Workloads = append(s.Security.Workloads, w)
	}
}

func TestNodesShared(t *testing.T) {
	t.Parallel()
	const anywhere, untainted = "pod gw-0 asks for no certain node: it may be placed anywhere", "node g has no taint that keeps workloads away"
	const beside = "on node g there are workloads of the mesh too: deployment/sleep"
	for name, tt := range map[string]struct {
		nodes, pods string
		says        []string // none: nothing is told
		fix         string   // the node that is to be the gateway's, and "drained" where workloads have to go
	}{
		"of its own":              {"w g:NoSchedule", "pinned@g sleep@w", nil, ""},
		"not pinned":              {"w g:NoExecute x", "gw@g sleep@w", []string{anywhere}, "g"},
		"not pinned, others free": {"x g:NoExecute w", "gw@g sleep@w", []string{anywhere}, "g"},
		"not tainted":             {"g w", "pinned@g sleep@w", []string{untainted}, "g"},
		"a mild taint":            {"g:PreferNoSchedule w", "pinned@g sleep@w", []string{untainted}, "g"},
		"two pods":                {"g w", "gw@g gw@g sleep@w", []string{anywhere, untainted}, "g"},
		"two nodes":               {"g h w", "pinned@h pinned@g sleep@w", []string{untainted, "node h has no taint that keeps workloads away"}, "h"},
		"a node that was removed": {"a w", "pinned@g sleep@w", nil, ""},
		// what is beside it
		"shared":                        {"g:NoSchedule w", "pinned@g sleep@g", []string{beside}, "w"},
		"shared, a free one before":     {"w g:NoSchedule", "pinned@g sleep@g", []string{beside}, "w"},
		"with a daemon":                 {"g:NoSchedule w", "pinned@g daemon@g", nil, ""},
		"with another gateway":          {"g:NoSchedule w", "pinned@g router@g", nil, ""},
		"with what is not in the mesh":  {"g:NoSchedule w", "pinned@g plain@g", nil, ""},
		"with another namespace's":      {"g:NoSchedule w", "pinned@g bank@g sleep@w", []string{beside}, "g drained"},
		"called alike":                  {"g:NoSchedule w", "pinned@g twin@w sleep@w", nil, ""},
		"no node free":                  {"g w", "pinned@g sleep@g sleep@w", []string{untainted, beside}, "g drained"},
		"a daemon is on the free one":   {"g:NoSchedule w", "pinned@g sleep@g daemon@w", []string{beside}, "w"},
		"a gateway is on the free one":  {"g:NoSchedule w", "pinned@g sleep@g router@w", []string{beside}, "w"},
		"a stranger is on the free one": {"g:NoSchedule w", "pinned@g sleep@g plain@w", []string{beside}, "w"},
		// which nodes can be had
		"the first is cordoned":           {"x:cordoned g:NoSchedule w", "pinned@g sleep@g", []string{beside}, "w"},
		"the first is for graphics":       {"x:gpu g:NoSchedule w", "pinned@g sleep@g", []string{beside}, "w"},
		"the first is for something else": {"x:NoSchedule g:NoSchedule w", "pinned@g sleep@g", []string{beside}, "w"},
		"one is prepared":                 {"x:NoSchedule g:NoSchedule w:prepared", "pinned@g sleep@g", []string{beside}, "w"},
		"it runs where graphics are":      {"g:gpu w x", "gw@g sleep@w", []string{anywhere}, "x"},
		"others are all for something":    {"g:NoSchedule w:gpu x:cordoned", "pinned@g sleep@g", []string{beside}, "g drained"},
		"not placed yet":                  {"g w", "gw@ sleep@ sleep@w sleep@g", nil, ""},
		"one of two is not placed yet":    {"g:NoSchedule w", "pinned@g gw@ sleep@ sleep@w", nil, ""},
		"workloads that are not placed":   {"g:NoSchedule w", "gw@g sleep@", []string{anywhere}, "g"},
		"no pods":                         {"g w", "sleep@g sleep@w", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := only(posed(t, "posture-held", func(s *snapshot.Snapshot) { place(t, s, tt.nodes, tt.pods) }), "EGR065")
			if len(found) != min(1, len(tt.says)) {
				t.Fatalf("%+v", found)
			}
			for _, f := range found {
				if diff := cmp.Diff(tt.says, f.Evidence); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
				message := "gateway egress-posture/posture-gw is not on nodes of its own"
				if slices.Contains(tt.says, beside) {
					message = "gateway egress-posture/posture-gw shares node g with workloads of the mesh"
				}
				if f.Message != message || f.State != Warn || f.Object.Kind != "Pod" || f.Object.Name != "gw-0" {
					t.Errorf("%+v", f)
				}
				if got := dedicates(t, f.Fix); got != tt.fix {
					t.Errorf("%q, want %q:\n%s", got, tt.fix, f.Fix)
				}
			}
		})
	}
}

// dedicates reads which node a fix makes the gateway's.
func dedicates(t *testing.T, fix string) string {
	t.Helper()
	var node string
	for i, line := range strings.Split(fix, "\n") {
		words := strings.Fields(line)
		switch verb := words[1]; {
		case i == 0 && verb == "label":
			node = words[3]
		case i == 1 && verb == "taint" && words[3] == node && words[4] == "dedicated=egress-gateway:NoSchedule":
		case i == 2 && strings.HasPrefix(line, "kubectl -n egress-posture patch deployment/posture-gw ") && strings.Contains(line, `"nodeSelector":{"dedicated":"egress-gateway"}`):
		case i == 3 && line == "kubectl drain "+node+" --ignore-daemonsets --delete-emptydir-data": // sidecars have such volumes
		case i == 4 && line == "kubectl uncordon "+node: // or the gateway's own pods would not come back
			node += " drained"
		default:
			t.Errorf("%d: %s", i, line)
		}
	}
	return node
}

func TestOneNode(t *testing.T) {
	t.Parallel()
	f := one(t, posed(t, "posture-held", func(s *snapshot.Snapshot) { place(t, s, "g", "gw@g sleep@g") }), "EGR065")
	if f.State != Skip || f.Message != "the cluster has one node: it cannot be the gateway's own" {
		t.Errorf("%+v", f)
	}
}

// TestNodesOfOneNamespace: -n narrows whose workloads are told of, but a node with others of the mesh is not free.
func TestNodesOfOneNamespace(t *testing.T) {
	t.Parallel()
	for pods, want := range map[string]string{
		"pinned@g sleep@g bank@w": "x", "pinned@g sleep@g bank@w bank@x": "g drained", "pinned@g sleep@w bank@g": "",
	} {
		s := captured.Load(t, "posture-held")
		place(t, s, "g:NoSchedule w x", pods)
		paths, _ := diagnosis(s)
		got := ""
		for _, f := range only(Security(s, paths, "egress-posture"), "EGR065") {
			got = dedicates(t, f.Fix)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", pods, got, want)
		}
	}
}
