package apply

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// TestSettled: for what nobody touched since, the API server is not asked; for all else it is.
func TestSettled(t *testing.T) {
	t.Parallel()
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}})
	for name, tt := range map[string]struct {
		by   func(w *world, o *unstructured.Unstructured)
		want bool
	}{
		"untouched": {func(*world, *unstructured.Unstructured) {}, true},
		"others add what is theirs": {func(w *world, o *unstructured.Unstructured) {
			o.SetAnnotations(map[string]string{"theirs": "yes"})
			w.put("somebody", o)
		}, true},
		"others write what we wrote": {func(w *world, o *unstructured.Unstructured) {
			o.SetManagedFields(nil)
			w.put("somebody", o)
		}, true},
		"others change what is ours": {func(w *world, o *unstructured.Unstructured) {
			o.Object["spec"].(map[string]any)["resolution"] = "STATIC"
			w.put("somebody", o)
		}, false},
		"others take away what is ours": {func(w *world, o *unstructured.Unstructured) {
			o.SetLabels(map[string]string{egress.LabelPartOf: set.ApplySetID()})
			w.put("somebody", o)
		}, false},
		"we wrote more then": {func(w *world, o *unstructured.Unstructured) {
			more := o.DeepCopy()
			more.SetManagedFields(nil)
			more.SetAnnotations(map[string]string{"ours": "once"})
			if _, err := w.client.Apply(w.t.Context(), (api{networking: "v1"}).resource("ServiceEntry"), more, kube.ApplyOptions{}); err != nil {
				w.t.Fatal(err)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enable(set)
			tt.by(w, w.object("ServiceEntry", "default", "egress-news"))
			want, err := recipe.Render(set, w.facts)
			if err != nil {
				t.Fatal(err)
			}
			if got := settled(want[1], w.object("ServiceEntry", "default", "egress-news")); got != tt.want {
				t.Errorf("settled: %v, want %v", got, tt.want)
			}
			old := want[1].DeepCopy()
			old.SetAPIVersion("networking.istio.io/v1beta1")
			if settled(old, w.object("ServiceEntry", "default", "egress-news")) {
				t.Error("what was written in another version is taken for settled")
			}
		})
	}
}

// TestSettledIsTrue holds the short way to the long one: whatever is taken for settled, the API server says so too.
func TestSettledIsTrue(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	found := map[bool]int{}
	for range 30 {
		h := &history{newWorld(t), random}
		d := h.declaration()
		h.enable(declare(t, d))
		other := h.declaration()
		other.Namespace, other.Mode, other.MTLS, other.Gateway = d.Namespace, d.Mode, d.MTLS, d.Gateway
		want, err := recipe.Render(declare(t, other), h.facts)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range want {
			now := h.object(o.GetKind(), o.GetNamespace(), o.GetName())
			if now == nil {
				continue
			}
			after, err := h.client.Apply(t.Context(), (api{networking: "v1"}).resource(o.GetKind()), o, kube.ApplyOptions{DryRun: true})
			if err != nil {
				t.Fatal(err)
			}
			short := settled(o, now)
			found[short]++
			if short != same(now, after) {
				t.Errorf("%s: settled %v, and the API server says %v", refOf(o), short, same(now, after))
			}
		}
	}
	if found[true] < 5 || found[false] < 5 {
		t.Errorf("too few of a kind: %v", found)
	}
}

// TestSecondTimeIsCheap: what is on the cluster already costs no request for each object.
func TestSecondTimeIsCheap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := many(t, 60)
	w.enable(set)
	w.arm(func(_ int, r *http.Request) fault {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		return none
	})
	if p := w.plan(set, Options{}); p.Writes() || len(p.Changes) != 64 {
		t.Errorf("%v", brief(p.Changes))
	}
	if n := w.requests(); n > 15 {
		t.Errorf("%d requests", n)
	}
}
