package apply

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

func TestSets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if sets, err := Sets(t.Context(), w.client, ""); err != nil || len(sets) > 0 {
		t.Errorf("none: %v, %v", sets, err)
	}
	news := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com", "en.wikipedia.org"}})
	plain := declare(t, egress.Declaration{Name: "plain", Namespace: "team", Domains: []string{"a.com"}, Gateway: "team/egress", Mode: "passthrough", MTLS: "off"})
	w.enable(plain)
	w.enable(news)
	w.put("kubectl", parse(t, strangers))
	want := []Owned{
		{Set: news, Members: []Ref{
			{"ServiceEntry", "default", "egress-news"},
			{"Gateway", "default", "egress-news"},
			{"DestinationRule", "istio-system", "egress-news.default"},
			{"VirtualService", "default", "egress-news.edition.cnn.com"},
			{"VirtualService", "default", "egress-news.en.wikipedia.org"},
		}},
		{Set: plain, Members: []Ref{{"ServiceEntry", "team", "egress-plain"}, {"Gateway", "team", "egress-plain"}, {"VirtualService", "team", "egress-plain.a.com"}}},
	}
	for namespace, want := range map[string][]Owned{"": want, "default": want[:1], "team": want[1:], "istio-system": nil} {
		got, err := Sets(t.Context(), w.client, namespace)
		if err != nil {
			t.Errorf("%q: %v", namespace, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", namespace, diff)
		}
	}
}

// TestSetsForbidden: what may not be seen is not taken for absent.
func TestSetsForbidden(t *testing.T) {
	t.Parallel()
	for forbidden, declared := range map[string]int{"list configmaps": 0, "list gateways": 1} {
		w := newWorld(t)
		w.enable(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}}))
		w.forbidden = []string{forbidden}
		if sets, err := Sets(t.Context(), w.client, ""); !errors.Is(err, kube.ErrForbidden) || sets != nil {
			t.Errorf("%s: %v, %v", forbidden, sets, err)
		}
		// what is declared can be told without the right to see the objects
		sets, err := Declared(t.Context(), w.client, "")
		if len(sets) != declared || errors.Is(err, kube.ErrForbidden) != (declared == 0) {
			t.Errorf("%s: %v, %v", forbidden, sets, err)
		}
	}
}

// TestServed: the newest version that this tool knows is used, whatever else there is.
func TestServed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		versions []string
		want     string
		fails    string
	}{
		{[]string{"v2", "v1", "v1beta1"}, "v1", ""},
		{[]string{"v1beta1", "v1alpha3"}, "v1beta1", ""},
		{[]string{"v2"}, "", "the cluster serves networking.istio.io only in versions v2; v1, v1beta1 or v1alpha3 is needed"},
	} {
		w := newWorld(t)
		w.versions = tt.versions
		a, err := served(t.Context(), w.client)
		if a.networking != tt.want || (err == nil) != (tt.fails == "") || err != nil && err.Error() != tt.fails {
			t.Errorf("%v: %q, %v", tt.versions, a.networking, err)
		}
	}
	w := newWorld(t)
	w.versions = nil
	if _, err := served(t.Context(), w.client); !errors.Is(err, kube.ErrAbsent) {
		t.Errorf("without Istio: %v", err)
	}
}

// TestLostRecord: a parent without its annotations has members of any kind, in its own namespace at least.
func TestLostRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enable(declare(t, egress.Declaration{Name: "news", Namespace: "istio-system", Domains: []string{"edition.cnn.com"}}))
	parent := w.object("ConfigMap", "istio-system", "egress-news")
	parent.SetAnnotations(nil)
	w.put("vandal", parent)
	sets, err := Sets(t.Context(), w.client, "istio-system")
	if err != nil || len(sets) != 1 || len(sets[0].Members) != 4 {
		t.Errorf("%+v, %v", sets, err)
	}
}
