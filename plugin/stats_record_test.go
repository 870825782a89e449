package plugin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// stuckGateway is an API server with a gateway whose Deployment never comes to make its pods anew. It tells
// when that is waited for: at the second look after the write, so that the first was answered.
func stuckGateway(t *testing.T, waited func()) (kubeconfig string, events *atomic.Int32) {
	t.Helper()
	const pod = `{"metadata":{"name":"egress-1","namespace":"edge","labels":{"istio":"egress","pod-template-hash":"6f8"},
		"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"egress-6f8"}]},
		"spec":{"serviceAccountName":"egress","containers":[{"name":"istio-proxy","args":["proxy","router"]}]},"status":{"phase":"Pending"}}`
	answers := map[string]string{
		"/api/v1/namespaces/edge/services/egress": `{"metadata":{"name":"egress","namespace":"edge"},"spec":{"selector":{"istio":"egress"},"ports":[{"port":443}]}}`,
		"/api/v1/namespaces/edge/pods":            `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[` + pod + `]}`,
		"/api/v1/pods":                            `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[` + pod + `]}`,
		"/api/v1/namespaces/edge/pods/egress-1":   pod,
		"/api/v1/namespaces/edge/events": `{"kind":"EventList","apiVersion":"v1","metadata":{},"items":[{"type":"Warning","reason":"FailedScheduling","message":"0/1 nodes are available",
			"involvedObject":{"kind":"Pod","name":"egress-1"},"lastTimestamp":"2026-01-01T00:00:00Z"}]}`,
		"/apis/apps/v1/namespaces/edge/deployments/egress": `{"metadata":{"name":"egress","namespace":"edge","generation":2},
			"spec":{"replicas":1,"selector":{"matchLabels":{"istio":"egress"}}},"status":{"observedGeneration":1}}`,
	}
	events = new(atomic.Int32)
	var writes, looks atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if strings.HasSuffix(r.URL.Path, "/events") {
			events.Add(1)
		}
		answer, ok := answers[r.URL.Path]
		switch {
		case r.Method == http.MethodGet && writes.Load() == 2 && strings.HasSuffix(r.URL.Path, "/deployments/egress"):
			if looks.Add(1) == 2 {
				waited()
			}
		case r.Method == http.MethodPatch && ok:
			writes.Add(1)         // the dry run is the first
			answer = string(body) // as it was applied
		case !ok:
			w.WriteHeader(http.StatusNotFound)
			answer = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"not here"}`
		}
		if _, err := io.WriteString(w, answer); err != nil {
			t.Logf("answer: %v", err) // who was told to stop does not listen to the end
		}
	}))
	t.Cleanup(server.Close)
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {}}], "+
		"clusters: [{name: c, cluster: {server: %q}}]}", server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig, events
}

// TestRecordStopped: waiting that ends by the clock or by Ctrl-C says that the annotation is there, and why the pods are not.
func TestRecordStopped(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, timeout, want string
		code                int
		stops               bool
	}{
		{"by the clock", "--timeout=2s", "error: timed out: the annotation is on the cluster, but deployment edge/egress is not ready: ", exitTimeout, false},
		{"by a signal", "--timeout=10m", "error: interrupted while waiting: the annotation is on the cluster, but deployment edge/egress is not ready: ", 130, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			kubeconfig, events := stuckGateway(t, func() {
				if test.stops {
					stop(Interrupted{syscall.SIGINT})
				}
			})
			var out, errs bytes.Buffer
			streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errs}
			args := []string{Program, "stats", "record", "on", "--gateway=edge/egress", "--yes", "--kubeconfig=" + kubeconfig, test.timeout}
			code := execute(ctx, New(streams, Program), args, streams)
			if code != test.code || !strings.Contains(errs.String(), "\n"+test.want) || strings.Contains(errs.String(), "fault of this program") {
				t.Errorf("exit code %d, want %d and %q\n%s", code, test.code, test.want, errs.String())
			}
			if want := "deployment/egress   configured   (edge)\n"; out.String() != want {
				t.Errorf("stdout %q, want %q", out.String(), want)
			}
			if test.stops && events.Load() == 0 {
				t.Error("nobody asked why the pod is not ready")
			}
		})
	}
}
