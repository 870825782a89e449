package discover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/kube/kubetest"
)

// ServeHTTP speaks the Kubernetes API for the cluster's objects.
func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := c.serve(r)
	code := http.StatusOK
	switch {
	case errors.Is(err, kube.ErrAbsent):
		code = http.StatusNotFound
	case err != nil:
		code = http.StatusInternalServerError
	}
	if err != nil {
		body = map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": strings.ReplaceAll(http.StatusText(code), " ", ""), "message": err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if text, ok := body.(string); ok {
		_, err = io.WriteString(w, text)
	} else {
		err = json.NewEncoder(w).Encode(body)
	}
	if err != nil {
		panic(err)
	}
}

func (c *cluster) serve(r *http.Request) (any, error) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	resource := kube.Resource{Version: "v1"}
	switch {
	case r.Method != http.MethodGet:
		return nil, fmt.Errorf("%s: discovery only reads", r.Method)
	case parts[0] == "apis" && len(parts) == 2:
		versions, err := c.ServedVersions(r.Context(), parts[1])
		list := []any{}
		for _, v := range versions {
			list = append(list, map[string]any{"version": v})
		}
		return map[string]any{"versions": list}, err
	case parts[0] == "apis":
		resource.Group, resource.Version = parts[1], parts[2]
		parts = parts[3:]
	default:
		parts = parts[2:]
	}
	namespace := ""
	if parts[0] == "namespaces" {
		namespace, parts = parts[1], parts[2:]
	}
	resource.Resource = parts[0]
	if len(parts) > 2 && parts[2] == "proxy" {
		text, ok := c.Answers[namespace+"/"+parts[1]+"/"+strings.Join(parts[3:], "/")]
		if !ok {
			return nil, errors.New("no route to host")
		}
		return text, nil
	}
	if len(parts) == 2 {
		var object map[string]any
		err := c.Get(r.Context(), resource, namespace, parts[1], &object)
		return object, err
	}
	return c.page(r, resource, namespace)
}

// page gives the objects two at a time, whatever the limit that was asked for: an API server may give fewer.
func (c *cluster) page(r *http.Request, resource kube.Resource, namespace string) (any, error) {
	items := []json.RawMessage{}
	err := c.List(r.Context(), resource, namespace, kube.ListOptions{Labels: r.URL.Query().Get("labelSelector")}, func(raw json.RawMessage) error {
		items = append(items, raw)
		return nil
	})
	if err != nil {
		return nil, err
	}
	from := len(r.URL.Query().Get("continue")) // as many dots as objects were given
	next := ""
	if to := from + 2; to < len(items) {
		next, items = strings.Repeat(".", to), items[:to]
	}
	return map[string]any{"metadata": map[string]any{"continue": next}, "items": items[from:]}, nil
}

// TestDiscoverByAClient: with a real client that may not write, page by page, the facts are the same.
func TestDiscoverByAClient(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"helm", "revisions", "istio-1.4", "empty"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(load(t, "testdata/"+file+".yaml"))
			t.Cleanup(server.Close)
			client := kubetest.Client(t, server.URL, kube.Options{ReadOnly: true})
			got, err := Discover(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			want, err := Discover(t.Context(), load(t, "testdata/"+file+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			for i := range got.Unread { // words differ, sources and kinds do not
				got.Unread[i].Detail = ""
			}
			for i := range want.Unread {
				want.Unread[i].Detail = ""
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
