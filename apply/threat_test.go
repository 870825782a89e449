package apply

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// TestTamperedParent: whoever may write the ConfigMap of a set may make it say anything. What cleanup takes away is still what carries
// the set's label, and nothing of another set or of other people, and what cannot be read is an error that names the ConfigMap.
func TestTamperedParent(t *testing.T) {
	t.Parallel()
	const header = "apiVersion: kubectl-egress/v1\nkind: Set\n"
	for name, text := range map[string]string{
		"another name":      header + "name: other\nnamespace: default\ndomains: [a.com]\ngateway: istio-system/istio-egressgateway\n",
		"another namespace": header + "name: news\nnamespace: team\ndomains: [a.com]\ngateway: istio-system/istio-egressgateway\n",
		"other hosts":       header + "name: news\nnamespace: default\ndomains: [a.com]\ngateway: istio-system/istio-egressgateway\n",
		"another gateway":   header + "name: news\nnamespace: default\ndomains: [edition.cnn.com]\ngateway: team/theirs\n",
		"a path as name":    header + "name: ../../../secrets/x\nnamespace: default\ndomains: [a.com]\n",
		"no YAML":           "\t{",
		"a bomb":            "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e]\n",
		"deep":              strings.Repeat("{a: ", 50_000),
		"nothing":           "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("kubectl", parse(t, strangers))
			w.enable(declare(t, egress.Declaration{Name: "other", Domains: []string{"a.com"}}))
			before := w.snapshot()
			w.enable(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}}))

			parent := w.object("ConfigMap", "default", "egress-news")
			if err := unstructured.SetNestedField(parent.Object, text, "data", egress.DataKey); err != nil {
				t.Fatal(err)
			}
			w.put("mallory", parent)
			if _, err := Sets(t.Context(), w.client, ""); err != nil && (!strings.Contains(err.Error(), "default/egress-news") && !strings.Contains(err.Error(), "default/news") || len(err.Error()) > 1000) {
				t.Errorf("listing: %v", err)
			}
			w.execute(w.removal("default", "news"))
			if diff := cmp.Diff(before, w.snapshot()); diff != "" {
				t.Errorf("not exactly the set went (-want +left):\n%s", diff)
			}
		})
	}
}

// TestTamperedPlaces: annotations that send cleanup into other namespaces and to other kinds find nothing there without the label.
func TestTamperedPlaces(t *testing.T) {
	t.Parallel()
	for _, places := range []string{"team,istio-system,kube-system", strings.Repeat("a", 5000), "../..", "*", "team,,team"} {
		t.Run(fmt.Sprintf("%.20q", places), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enable(declare(t, egress.Declaration{Name: "other", Namespace: "team", Domains: []string{"a.com"}}))
			before := w.snapshot()
			w.enable(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}}))
			parent := w.object("ConfigMap", "default", "egress-news")
			annotations := parent.GetAnnotations()
			annotations[egress.AnnotationAdditionalNamespaces] = places
			parent.SetAnnotations(annotations)
			w.put("mallory", parent)
			p, err := PlanRemoval(t.Context(), w.client, "default", "news")
			if err != nil { // refused is as good
				if strings.ContainsAny(err.Error(), "\n\x1b") {
					t.Errorf("%q", err)
				}
				return
			}
			if _, err := p.Execute(t.Context(), func(Change) {}); err != nil {
				t.Fatal(err)
			}
			for ref, object := range before {
				if diff := cmp.Diff(object, w.snapshot()[ref]); diff != "" {
					t.Errorf("%v was touched: %s", ref, diff)
				}
			}
		})
	}
}
