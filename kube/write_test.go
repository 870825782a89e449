package kube

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestApply(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		o     ApplyOptions
		query url.Values
	}{
		{"plain", ApplyOptions{}, url.Values{"force": {"false"}}},
		{"force", ApplyOptions{Force: true}, url.Values{"force": {"true"}}},
		{"another manager", ApplyOptions{Manager: "part"}, url.Values{"force": {"false"}, "fieldManager": {"part"}}},
		{"dry run", ApplyOptions{DryRun: true}, url.Values{"force": {"false"}, "dryRun": {"All"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var body map[string]any
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
					t.Error(err)
				}
				answer(t, w, http.StatusCreated, map[string]any{
					"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "uid": "u1", "generation": 3},
				})
			})
			got, err := connect(t, s.URL, Options{}).Apply(t.Context(), configMaps, object("a"), test.o)
			if err != nil {
				t.Fatal(err)
			}
			if test.o.Manager == "" {
				test.query.Set("fieldManager", "kubectl-egress")
			}
			test.query.Set("fieldValidation", "Strict")
			r := s.last()
			if diff := cmp.Diff(test.query, r.URL.Query()); diff != "" {
				t.Error(diff)
			}
			if r.Method != http.MethodPatch || r.URL.Path != "/api/v1/namespaces/shop/configmaps/a" || r.Header.Get("Content-Type") != "application/apply-patch+yaml" {
				t.Errorf("sent %s %s as %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
			}
			if diff := cmp.Diff(object("a").Object, body); diff != "" {
				t.Error(diff)
			}
			if got.GetUID() != "u1" || got.GetGeneration() != 3 {
				t.Errorf("Apply gave %v, want what the server answered", got)
			}
		})
	}
}

func TestApplyAndDeleteNeedNames(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := connect(t, s.URL, Options{})
	if _, err := c.Apply(t.Context(), configMaps, &unstructured.Unstructured{Object: map[string]any{}}, ApplyOptions{}); err == nil {
		t.Error("Apply of an object without a name succeeded")
	}
	if err := c.Delete(t.Context(), configMaps, "shop", "", DeleteOptions{}); err == nil || !strings.Contains(err.Error(), "no name given") {
		t.Errorf("Delete without a name: %v, want it refused, since it would be the whole collection", err)
	}
	if s.count() != 0 {
		t.Errorf("%d requests were sent", s.count())
	}
}

func TestApplyUndecodable(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(t, w, http.StatusOK, "text") })
	_, err := connect(t, s.URL, Options{}).Apply(t.Context(), configMaps, object("a"), ApplyOptions{})
	if err == nil || !strings.HasPrefix(err.Error(), "decode configmap shop/a: ") {
		t.Errorf("Apply: %v, want an error that names the object", err)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		o     DeleteOptions
		query url.Values
		body  map[string]any
	}{
		{"plain", DeleteOptions{}, url.Values{}, map[string]any{}},
		{"that very object", DeleteOptions{UID: "u1"}, url.Values{}, map[string]any{"preconditions": map[string]any{"uid": "u1"}}},
		// In the query too, though the API server does not look at it when there is a body.
		{"dry run", DeleteOptions{DryRun: true}, url.Values{"dryRun": {"All"}}, map[string]any{"dryRun": []any{"All"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var body map[string]any
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
					t.Error(err)
				}
				answer(t, w, http.StatusOK, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
			})
			if err := connect(t, s.URL, Options{}).Delete(t.Context(), configMaps, "shop", "a", test.o); err != nil {
				t.Fatal(err)
			}
			maps.Copy(test.body, map[string]any{"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})
			if diff := cmp.Diff(test.body, body); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.query, s.last().URL.Query()); diff != "" {
				t.Error(diff)
			}
			if s.last().Method != http.MethodDelete || s.last().URL.Path != "/api/v1/namespaces/shop/configmaps/a" {
				t.Errorf("sent %s %s", s.last().Method, s.last().URL.Path)
			}
		})
	}
}

func TestDeleteRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code   int
		reason string
		kind   error
	}{
		{404, "NotFound", ErrAbsent},
		{409, "Conflict", ErrConflict}, // another object of the same name
		{403, "Forbidden", ErrForbidden},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Error(err)
			}
			answer(t, w, test.code, status(test.code, test.reason, "no"))
		})
		err := connect(t, s.URL, Options{}).Delete(t.Context(), configMaps, "shop", "a", DeleteOptions{UID: "u"})
		checkKind(t, err, test.kind)
	}
}
