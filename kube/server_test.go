package kube

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// apiServer is an API server of which a test says what it answers.
type apiServer struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request // in the order they came
}

// serve starts an API server that records what it is asked.
func serve(t *testing.T, handler http.HandlerFunc) *apiServer {
	t.Helper()
	s := &apiServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// count says how many requests came.
func (s *apiServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// last gives the newest request.
func (s *apiServer) last() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[len(s.requests)-1]
}

// flags are those of a kubeconfig that names the server, with a context called lab and namespace shop.
func flags(t *testing.T, server string) *genericclioptions.ConfigFlags {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"lab",
"clusters":[{"name":"lab","cluster":{"server":%q}}],
"users":[{"name":"admin","user":{"token":"secret"}}],
"contexts":[{"name":"lab","context":{"cluster":"lab","user":"admin","namespace":"shop"}}]}`, server)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f := genericclioptions.NewConfigFlags(false)
	f.KubeConfig = &file
	return f
}

// connect makes a client for a server.
func connect(t *testing.T, server string, o Options) *Client {
	t.Helper()
	c, err := New(flags(t, server), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// answer writes JSON.
func answer(t *testing.T, w http.ResponseWriter, code int, body any) {
	t.Helper()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		t.Errorf("answering: %v", err)
	}
}

// status is what an API server says when it refuses.
func status(code int, reason, message string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Status", "metadata": map[string]any{},
		"status": "Failure", "code": code, "reason": reason, "message": message,
	}
}

// named is what tests decode objects to.
type named struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
}

func item(name string) map[string]any {
	return map[string]any{"metadata": map[string]any{"name": name, "namespace": "shop"}}
}

// serveTLS starts an API server whose certificate nobody trusts.
func serveTLS(t *testing.T) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // would tell of the handshake that is meant to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// object is a ConfigMap as Apply takes it.
func object(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name, "namespace": "shop"},
		"data":     map[string]any{"key": "value"},
	}}
}
