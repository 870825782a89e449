package apply

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

const strangers = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: egress-news.made.by.hand, namespace: default, labels: {app.kubernetes.io/managed-by: kubectl-egress}}
spec: {hosts: [made.by.hand], gateways: [mesh]}
`

// TestRemoval takes away exactly what carries the label, in the order that spares the traffic, and nothing that only looks alike.
func TestRemoval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("kubectl", parse(t, strangers))
	w.enable(declare(t, egress.Declaration{Name: "other", Domains: []string{"a.com"}}))
	before := w.snapshot()
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com", "en.wikipedia.org"}})
	w.enable(set)
	extra := parse(t, "{apiVersion: networking.istio.io/v1alpha3, kind: ServiceEntry, metadata: {name: by-label, namespace: istio-system}, spec: {hosts: [x.com]}}")
	extra.SetLabels(map[string]string{egress.LabelPartOf: set.ApplySetID()})
	w.put("kubectl", extra)
	w.writes()

	p := w.removal("default", "news")
	if diff := cmp.Diff(set, p.Set); diff != "" {
		t.Errorf("the plan does not know its set: %s", diff)
	}
	want := []string{
		"deleted VirtualService default/egress-news.edition.cnn.com", "deleted VirtualService default/egress-news.en.wikipedia.org",
		"deleted DestinationRule istio-system/egress-news.default", "deleted Gateway default/egress-news",
		"deleted ServiceEntry default/egress-news", "deleted ServiceEntry istio-system/by-label", "deleted ConfigMap default/egress-news",
	}
	if diff := cmp.Diff(want, brief(p.Changes)); diff != "" {
		t.Error(diff)
	}
	if log := w.writes(); len(log) > 0 {
		t.Errorf("planning wrote %v", log)
	}
	w.execute(p)
	if diff := cmp.Diff(before, w.snapshot()); diff != "" {
		t.Errorf("strangers were touched: %s", diff)
	}
	_, err := PlanRemoval(t.Context(), w.client, "default", "news")
	wantRefused(t, err, NoSet, "there is no set news in namespace default")
}

// TestRemovalWithoutParent: somebody deleted the ConfigMap; what it stood for is found by its label all the same.
func TestRemovalWithoutParent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enable(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}}))
	w.mu.Lock()
	delete(w.objects, Ref{"ConfigMap", "default", "egress-news"})
	w.mu.Unlock()
	p := w.removal("default", "news")
	if len(p.Changes) != 4 {
		t.Errorf("%v", brief(p.Changes))
	}
	w.execute(p)
	if left := w.snapshot(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestRemovalByTenant: who may only look into one namespace is told plainly that there is no such set there.
func TestRemovalByTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.arm(func(_ int, r *http.Request) fault {
		if r.URL.Path == "/apis/networking.istio.io/v1/virtualservices" {
			return denied
		}
		return none
	})
	_, err := PlanRemoval(t.Context(), w.client, "team", "news")
	wantRefused(t, err, NoSet, "there is no set news in namespace team")
	w.arm(func(int, *http.Request) fault { return denied })
	if _, err = PlanRemoval(t.Context(), w.client, "team", "news"); err == nil {
		t.Error("forbidden is taken for absent")
	}
	if _, ok := errors.AsType[*RefusedError](err); ok {
		t.Errorf("forbidden is taken for absent: %v", err)
	}
}

func TestRemovalOfForeignConfigMap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("kubectl", parse(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: egress-news, namespace: default}, data: {a: b}}"))
	_, err := PlanRemoval(t.Context(), w.client, "default", "news")
	wantRefused(t, err, NoSet, "there is no set default/news: ConfigMap default/egress-news is not one of ours and is left alone")
}

// TestRemovalOfNewerSet: kinds that this version does not know would be left behind.
func TestRemovalOfNewerSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enable(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}}))
	parent := w.object("ConfigMap", "default", "egress-news")
	parent.SetAnnotations(map[string]string{egress.AnnotationContainsGroupKinds: "Gateway.networking.istio.io,HTTPRoute.gateway.networking.k8s.io"})
	w.put("newer", parent)
	_, err := PlanRemoval(t.Context(), w.client, "default", "news")
	const want = "ConfigMap default/egress-news says that its set has objects of kind HTTPRoute.gateway.networking.k8s.io, which this version does not know; use a newer one"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestFinalizers: what is held is named with who holds it, the parent stays so that the next run finds the rest, and that run
// finishes once the holder lets go.
func TestFinalizers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enable(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}}))
	w.hold("Gateway", "default", "egress-news", "example.com/hold")
	p := w.removal("default", "news")
	outcome, err := p.Execute(t.Context(), func(Change) {})
	var held *HeldError
	if !errors.As(err, &held) || !errors.Is(err, context.DeadlineExceeded) || outcome.State != Mixed {
		t.Fatalf("%+v, %v", outcome, err)
	}
	want := []Held{{Ref{"Gateway", "default", "egress-news"}, []string{"example.com/hold"}}}
	if diff := cmp.Diff(want, held.Objects); diff != "" {
		t.Error(diff)
	}
	const msg = `deleted, but not seen to be gone: Gateway default/egress-news (held by "example.com/hold"): waited in vain; run the command again to look once more`
	if err.Error() != msg {
		t.Errorf("got  %s\nwant %s", err, msg)
	}
	if w.object("ConfigMap", "default", "egress-news") == nil {
		t.Error("the parent is gone and the member is not")
	}
	again := w.removal("default", "news")
	released := time.AfterFunc(100*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.objects, Ref{"Gateway", "default", "egress-news"})
	})
	defer released.Stop()
	w.execute(again)
	if left := w.snapshot(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestReplacedMeanwhile: an object that was deleted and made anew by somebody else since the plan is not deleted.
func TestReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enable(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}}))
	p := w.removal("default", "news")
	w.mu.Lock()
	delete(w.objects, Ref{"Gateway", "default", "egress-news"})
	w.mu.Unlock()
	theirs := w.put("somebody", parse(t, "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: egress-news, namespace: default}, spec: {servers: []}}"))
	w.execute(p)
	if now := w.object("Gateway", "default", "egress-news"); now == nil || now.GetUID() != theirs.GetUID() || len(w.snapshot()) != 1 {
		t.Errorf("left: %v", w.snapshot())
	}
}
