package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// kinds is an API server with one workload of any kind, in states that come one after the other.
type kinds struct {
	owner   string   // JSON of the pods' owner
	states  []string // JSON of the workload; the last one stays
	asked   []string
	applied []map[string]any
	fails   error
}

func (k *kinds) Get(_ context.Context, r kube.Resource, namespace, name string, into any) error {
	if r.Resource == "pods" {
		return json.Unmarshal([]byte(`{"metadata":{"ownerReferences":[{"kind":"Node","name":"n"},`+k.owner+`]}}`), into)
	}
	if k.fails != nil {
		return k.fails
	}
	k.asked = append(k.asked, r.Group+" "+r.Resource+" "+namespace+"/"+name)
	text := k.states[0]
	if len(k.states) > 1 {
		k.states = k.states[1:]
	}
	return json.Unmarshal([]byte(text), into)
}

func (k *kinds) Apply(_ context.Context, r kube.Resource, obj *unstructured.Unstructured, o kube.ApplyOptions) (*unstructured.Unstructured, error) {
	if !o.DryRun {
		k.asked = append(k.asked, "apply "+r.Resource)
		k.applied = append(k.applied, obj.Object)
	}
	return obj, nil
}

// TestKinds: a gateway that is a DaemonSet or a StatefulSet is treated as one that is a Deployment: its pod template gets the
// annotation, by its own kind.
func TestKinds(t *testing.T) {
	t.Parallel()
	for kind, test := range map[string]struct {
		state  string
		pods   int
		byHand bool
	}{
		"DaemonSet":   {`{"spec":{"updateStrategy":{"type":"RollingUpdate"},"template":{}}}`, 2, false},
		"StatefulSet": {`{"spec":{"replicas":3,"updateStrategy":{"type":"OnDelete"},"template":{}}}`, 3, true},
	} {
		k := &kinds{owner: fmt.Sprintf(`{"apiVersion":"apps/v1","kind":%q,"name":"gw","controller":true}`, kind), states: []string{test.state}}
		p, err := NewPlan(t.Context(), k, gateway, true, false)
		if err != nil {
			t.Fatal(err)
		}
		if p.Pods != test.pods || p.ByHand != test.byHand || p.Workload != (Workload{kind, "istio-system", "gw"}) {
			t.Errorf("%s: %+v", kind, p)
		}
		if err := p.Execute(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		plural := strings.ToLower(kind) + "s"
		if diff := cmp.Diff([]string{"apps " + plural + " istio-system/gw", "apply " + plural}, k.asked); diff != "" {
			t.Errorf("%s (-want +got)\n%s", kind, diff)
		}
		want := map[string]any{
			"apiVersion": "apps/v1", "kind": kind, "metadata": map[string]any{"namespace": "istio-system", "name": "gw"},
			"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{counter.ConfigAnnotation: counter.Annotation()}}}},
		}
		if diff := cmp.Diff([]map[string]any{want}, k.applied); diff != "" {
			t.Errorf("%s (-want +got)\n%s", kind, diff)
		}
	}
}

// TestRestarted: it is waited until the controller has seen the change, every pod is new and ready, and none is left over.
func TestRestarted(t *testing.T) {
	t.Parallel()
	stateful := func(observed, replicas, updated, ready int) string {
		return fmt.Sprintf(`{"metadata":{"generation":7},"spec":{"replicas":2},"status":{"observedGeneration":%d,"replicas":%d,"updatedReplicas":%d,"readyReplicas":%d}}`, observed, replicas, updated, ready)
	}
	daemon := func(observed, wanted, updated, ready int) string {
		return fmt.Sprintf(`{"metadata":{"generation":7},"status":{"observedGeneration":%d,"desiredNumberScheduled":%d,"updatedNumberScheduled":%d,"numberReady":%d}}`, observed, wanted, updated, ready)
	}
	for kind, states := range map[string][]string{
		"StatefulSet": {stateful(6, 2, 2, 2), stateful(7, 2, 1, 2), stateful(7, 3, 2, 2), stateful(7, 2, 2, 1), stateful(7, 2, 2, 2)},
		"DaemonSet":   {daemon(6, 2, 2, 2), daemon(7, 2, 1, 2), daemon(7, 2, 2, 1), daemon(7, 2, 2, 2)},
	} {
		k := &kinds{states: states}
		p := Plan{Workload: Workload{kind, "istio-system", "gw"}, Pods: 2}
		if pods, err := p.Restarted(t.Context(), k); err != nil || pods != 2 || len(k.asked) != len(states) {
			t.Errorf("%s: %d pods after %d looks of %d, %v", kind, pods, len(k.asked), len(states), err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	p := Plan{Workload: Workload{"StatefulSet", "istio-system", "gw"}, Pods: 2}
	_, err := p.Restarted(ctx, &kinds{states: []string{stateful(7, 2, 1, 2)}})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "statefulset istio-system/gw has restarted 1 of 2 pods") {
		t.Errorf("not in time: %v", err)
	}
	if _, err := p.Restarted(t.Context(), &kinds{fails: kube.ErrForbidden}); !errors.Is(err, kube.ErrForbidden) {
		t.Errorf("forbidden: %v", err)
	}
}
