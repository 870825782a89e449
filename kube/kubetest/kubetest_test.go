package kubetest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

func TestClient(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write([]byte(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"namespace":"a","name":"b"}}`)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	var got struct{ Metadata struct{ Name string } }
	err := Client(t, server.URL, kube.Options{QPS: -1}).Get(t.Context(), kube.Resource{Version: "v1", Resource: "configmaps"}, "a", "b", &got)
	if path := <-asked; err != nil || got.Metadata.Name != "b" || path != "/api/v1/namespaces/a/configmaps/b" {
		t.Errorf("asked for %s, got %+v, %v", path, got, err)
	}
}
