package kube

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAddEphemeralContainer(t *testing.T) {
	t.Parallel()
	var body map[string]any
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		answer(t, w, http.StatusOK, item("a"))
	})
	container := map[string]any{"name": "probe", "image": "example.com/curl:8"}
	if err := connect(t, s.URL, Options{}).AddEphemeralContainer(t.Context(), "shop", "a", container); err != nil {
		t.Fatal(err)
	}
	r := s.last()
	if r.Method != http.MethodPatch || r.URL.Path != "/api/v1/namespaces/shop/pods/a/ephemeralcontainers" ||
		r.Header.Get("Content-Type") != "application/strategic-merge-patch+json" {
		t.Errorf("sent %s %s as %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	if diff := cmp.Diff(url.Values{"fieldManager": {"kubectl-egress"}, "fieldValidation": {"Strict"}}, r.URL.Query()); diff != "" {
		t.Error(diff)
	}
	// Nothing but the one container: what else the pod has is not touched.
	want := map[string]any{"spec": map[string]any{"ephemeralContainers": []any{map[string]any{"name": "probe", "image": "example.com/curl:8"}}}}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Error(diff)
	}
}

// TestAddEphemeralContainerRefused: a right that is missing is told as RBAC names it, and a client that only reads sends nothing.
func TestAddEphemeralContainerRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, http.StatusForbidden, status(http.StatusForbidden, "Forbidden",
			`pods "a" is forbidden: User "eve" cannot patch resource "pods/ephemeralcontainers" in API group "" in the namespace "shop"`))
	})
	err := connect(t, s.URL, Options{}).AddEphemeralContainer(t.Context(), "shop", "a", map[string]any{"name": "probe"})
	checkKind(t, err, ErrForbidden)
	var failed *Error
	if !errors.As(err, &failed) || failed.Right() != "patch pods/ephemeralcontainers in namespace shop" {
		t.Errorf("%v does not name the right", err)
	}
	if !strings.HasPrefix(err.Error(), "add an ephemeral container to pod shop/a: forbidden: ") {
		t.Errorf("says %q", err)
	}
	before := s.count()
	err = connect(t, s.URL, Options{ReadOnly: true}).AddEphemeralContainer(t.Context(), "shop", "a", map[string]any{"name": "probe"})
	checkKind(t, err, ErrReadOnly)
	if s.count() != before {
		t.Error("a client that only reads has sent it")
	}
	err = connect(t, s.URL, Options{}).AddEphemeralContainer(t.Context(), "shop", "a", map[string]any{"name": func() {}})
	if err == nil || s.count() != before {
		t.Errorf("what cannot be encoded: %v", err)
	}
}
