package apply

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// refusedFor plans a removal with one right missing: it has to be refused before anything is written, and to name the right.
func (w *world) refusedFor(right string, plan func() (*Plan, error)) {
	w.t.Helper()
	w.forbidden = []string{right}
	before := w.snapshot()
	_, err := plan()
	w.forbidden = nil
	failed, ok := errors.AsType[*kube.Error](err)
	if !ok || !errors.Is(err, kube.ErrForbidden) || !strings.HasPrefix(failed.Right(), right) {
		w.t.Errorf("without the right to %s: %v", right, err)
	}
	if diff := cmp.Diff(before, w.snapshot()); diff != "" || len(w.writes()) > 0 {
		w.t.Errorf("without the right to %s something was written: %s", right, diff)
	}
}

// TestRemovalWithoutARight: each right that a removal takes is asked for before the first write, so that who lacks one changes
// nothing; and with these rights alone it is carried out. Listing Secrets or ConfigMaps is none of them.
func TestRemovalWithoutARight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com", "*.wikipedia.org"}})
	secret := parse(t, "{apiVersion: v1, kind: Secret, metadata: {name: client, namespace: istio-system}}")
	w.enable(set)
	w.execute(w.bundle(NewBundle(KindCredential, "istio-system", "client", secret, nil), Options{}))
	w.writes()

	removal := func() (*Plan, error) { return PlanRemoval(t.Context(), w.client, "default", "news") }
	rights := []string{"get configmaps", "delete configmaps"}
	for _, kind := range []string{"serviceentries", "gateways", "destinationrules", "envoyfilters", "virtualservices"} {
		rights = append(rights, "list "+kind, "delete "+kind)
	}
	for _, right := range rights {
		w.refusedFor(right, removal)
	}
	for _, right := range []string{"get secrets", "delete secrets"} {
		w.refusedFor(right, func() (*Plan, error) {
			return PlanBundleRemoval(t.Context(), w.client, KindCredential, "istio-system", "client")
		})
	}

	w.forbidden = []string{"list configmaps", "list secrets"}
	w.execute(w.removal("default", "news"))
	w.execute(w.bundleRemoval(KindCredential, "istio-system", "client"))
	if left := w.snapshot(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestHeldRecord: that a record is still there is seen by its name too.
func TestHeldRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret := parse(t, "{apiVersion: v1, kind: Secret, metadata: {name: client, namespace: istio-system}}")
	w.execute(w.bundle(NewBundle(KindCredential, "istio-system", "client", secret, nil), Options{}))
	w.hold("Secret", "istio-system", "client", "example.com/keep")
	w.forbidden = []string{"list secrets"}
	_, err := w.bundleRemoval(KindCredential, "istio-system", "client").Execute(t.Context(), func(Change) {})
	held, ok := errors.AsType[*HeldError](err)
	want := []Held{{Ref{"Secret", "istio-system", "client"}, []string{"example.com/keep"}}}
	if !ok || held.Last != nil {
		t.Fatalf("%v", err)
	}
	if diff := cmp.Diff(want, held.Objects); diff != "" {
		t.Error(diff)
	}
}
