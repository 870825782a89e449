package apply

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

func TestPlanAndExecute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com", "en.wikipedia.org"}})
	p := w.plan(set, Options{})
	want := []string{
		"created ConfigMap default/egress-news", "created ServiceEntry default/egress-news", "created Gateway default/egress-news",
		"created DestinationRule istio-system/egress-news.default",
		"created VirtualService default/egress-news.edition.cnn.com", "created VirtualService default/egress-news.en.wikipedia.org",
	}
	if diff := cmp.Diff(want, brief(p.Changes)); diff != "" {
		t.Error(diff)
	}
	if got := w.writes(); len(got) > 0 || len(w.snapshot()) > 0 {
		t.Fatalf("planning wrote %v", got)
	}
	var told []Change
	outcome, err := p.Execute(t.Context(), func(c Change) { told = append(told, c) })
	if err != nil || outcome.State != AsWanted {
		t.Fatalf("%+v, %v", outcome, err)
	}
	if diff := cmp.Diff(want, brief(told)); diff != "" {
		t.Errorf("told: %s", diff)
	}
	if diff := cmp.Diff(want, brief(outcome.Written)); diff != "" {
		t.Errorf("outcome: %s", diff)
	}
	wrote := []string{}
	for _, c := range told {
		wrote = append(wrote, "apply "+c.Ref.String()+" by kubectl-egress")
	}
	// Objects of one kind arrive in any order; that kinds wait for kinds is held by the first comparison.
	arrived := w.writes()
	if diff := cmp.Diff(kindsOf(wrote), kindsOf(arrived)); diff != "" {
		t.Errorf("kinds written: %s", diff)
	}
	slices.Sort(wrote)
	slices.Sort(arrived)
	if diff := cmp.Diff(wrote, arrived); diff != "" {
		t.Errorf("written: %s", diff)
	}
	for _, c := range p.Changes {
		if diff := cmp.Diff(visibleButIdentity(c.After.Object), visibleButIdentity(w.object(c.Ref.Kind, c.Ref.Namespace, c.Ref.Name).Object)); diff != "" {
			t.Errorf("%s is not what the dry run said: %s", c.Ref, diff)
		}
	}
}

func visibleButIdentity(o map[string]any) map[string]any {
	o = visible(&unstructured.Unstructured{Object: o})
	meta := o["metadata"].(map[string]any)
	delete(meta, "uid")
	delete(meta, "creationTimestamp")
	return o
}

// TestTwice: what is as declared is not written to, not even with a request that changes nothing.
func TestTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}})
	w.enable(set)
	w.writes()
	before := w.snapshot()
	p := w.plan(set, Options{})
	if p.Writes() {
		t.Errorf("a second plan writes: %v", brief(p.Changes))
	}
	w.arm(nil)
	w.execute(p)
	if w.requests() > 0 || len(w.writes()) > 0 {
		t.Errorf("%d requests for a plan without changes", w.requests())
	}
	if diff := cmp.Diff(before, w.snapshot()); diff != "" {
		t.Error(diff)
	}
}

// TestChangedSet: hosts that go take their objects with them, after the new ones are in place.
func TestChangedSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enable(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com", "en.wikipedia.org"}}))
	w.writes()
	p := w.plan(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com", "de.wikipedia.org"}, MTLS: "off"}), Options{})
	want := []string{
		"configured ConfigMap default/egress-news", "configured ServiceEntry default/egress-news", "configured Gateway default/egress-news",
		"created VirtualService default/egress-news.de.wikipedia.org", "configured VirtualService default/egress-news.edition.cnn.com",
		"deleted VirtualService default/egress-news.en.wikipedia.org", "deleted DestinationRule istio-system/egress-news.default",
	}
	if diff := cmp.Diff(want, brief(p.Changes)); diff != "" {
		t.Error(diff)
	}
	w.execute(p)
	if again := w.plan(p.Set, Options{}); again.Writes() {
		t.Errorf("not settled: %v", brief(again.Changes))
	}
	kinds := w.object("ConfigMap", "default", "egress-news").GetAnnotations()
	if _, left := kinds[egress.AnnotationAdditionalNamespaces]; left || kinds[egress.AnnotationContainsGroupKinds] != "Gateway.networking.istio.io,ServiceEntry.networking.istio.io,VirtualService.networking.istio.io" {
		t.Errorf("the parent's record is %v", kinds)
	}
}

// TestRecordIsWideWhileLeaving: should the tool die between writing and deleting, the parent still tells where to look.
func TestRecordIsWideWhileLeaving(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enable(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}}))
	p := w.plan(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}, Gateway: "team/egress"}), Options{})
	parent := Ref{"ConfigMap", "default", "egress-news"}
	seen := ""
	_, err := p.Execute(t.Context(), func(c Change) {
		if c.Action == Deleted && c.Ref.Kind == "DestinationRule" {
			seen = w.object(parent.Kind, parent.Namespace, parent.Name).GetAnnotations()[egress.AnnotationAdditionalNamespaces]
		}
	})
	if err != nil || seen != "istio-system,team" {
		t.Errorf("while the old rule was deleted the parent recorded %q; %v", seen, err)
	}
	if last := w.object(parent.Kind, parent.Namespace, parent.Name).GetAnnotations()[egress.AnnotationAdditionalNamespaces]; last != "team" {
		t.Errorf("in the end the parent records %q", last)
	}
}

// TestOlderAPI: another version of Istio's API is another path of the same objects.
func TestOlderAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.versions, w.facts.Networking = []string{"v1alpha3"}, "v1alpha3"
	w.enable(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}}))
	if got := w.object("Gateway", "default", "egress-news").GetAPIVersion(); got != "networking.istio.io/v1alpha3" {
		t.Errorf("written as %s", got)
	}
	sets, err := Sets(t.Context(), w.client, "")
	if err != nil || len(sets) != 1 || len(sets[0].Members) != 4 {
		t.Errorf("%v, %v", sets, err)
	}
}

// TestStatusIsNotOurs: Istio writes status whenever it likes; that is no change of the set.
func TestStatusIsNotOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}})
	w.enable(set)
	entry := w.object("ServiceEntry", "default", "egress-news")
	entry.Object["status"] = map[string]any{"addresses": []any{map[string]any{"value": "240.240.0.1"}}}
	w.put("pilot-discovery", entry)
	if p := w.plan(set, Options{}); p.Writes() {
		t.Errorf("a status makes a change: %v", brief(p.Changes))
	}
}
