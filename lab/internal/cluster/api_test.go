//go:build linux

package cluster

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/build"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
)

// fakeAPI answers paths with what is given for them, 404 for others.
func fakeAPI(t *testing.T, answers map[string]string) *API {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		text, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return &API{client: &http.Client{Transport: toServer{server.URL}}, token: "secret"}
}

// toServer sends what is meant for the lab's API server to another one.
type toServer struct{ url string }

func (s toServer) RoundTrip(r *http.Request) (*http.Response, error) {
	target, err := http.NewRequestWithContext(r.Context(), r.Method, strings.Replace(r.URL.String(), site.APIServer, s.url, 1), nil)
	if err != nil {
		return nil, err
	}
	target.Header = r.Header
	return http.DefaultTransport.RoundTrip(target)
}

func TestGet(t *testing.T) {
	t.Parallel()
	api := fakeAPI(t, map[string]string{"/api/v1/nodes/lab": `{"kind":"Node"}`, "/damaged": "{"})
	var got struct{ Kind string }
	if err := api.Get(t.Context(), "/api/v1/nodes/lab", &got); err != nil || got.Kind != "Node" {
		t.Errorf("Get = %+v, %v", got, err)
	}
	if err := api.Get(t.Context(), "/api/v1/nodes/other", &got); !errors.Is(err, ErrAbsent) {
		t.Errorf("an absent object: %v", err)
	}
	if err := api.Get(t.Context(), "/damaged", &got); err == nil || errors.Is(err, ErrAbsent) {
		t.Errorf("a damaged answer: %v", err)
	}
	// Forbidden is not absent.
	api.token = "wrong"
	if err := api.Get(t.Context(), "/api/v1/nodes/lab", &got); err == nil || errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "401 Unauthorized") {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestNodeReady(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ conditions, want string }{
		{`{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"True"}`, ""},
		{`{"type":"Ready","status":"False","message":"cni plugin not initialized"}`, "cni plugin not initialized"},
		{`{"type":"DiskPressure","status":"True"}`, "has not said yet"},
		{``, "has not said yet"},
	} {
		api := fakeAPI(t, map[string]string{"/api/v1/nodes/lab": `{"status":{"conditions":[` + tt.conditions + `]}}`})
		err := api.NodeReady(t.Context())
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("with %s: %v, want %q", tt.conditions, err, tt.want)
		}
	}
}

const (
	sleepPath = "/apis/apps/v1/namespaces/default/deployments/sleep"
	podsPath  = "/api/v1/namespaces/default/pods"
)

func TestRolledOut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, deployment, pods, want string }{
		{"all there", `{"metadata":{"generation":2},"spec":{"replicas":1},"status":{"observedGeneration":2,"replicas":1,"updatedReplicas":1,"availableReplicas":1}}`, "", ""},
		{"scaled to none", `{"metadata":{"generation":2},"spec":{"replicas":0},"status":{"observedGeneration":2}}`, "", ""},
		{"not seen yet by its controller", `{"metadata":{"generation":2},"spec":{"replicas":1},"status":{"observedGeneration":1,"replicas":1,"updatedReplicas":1,"availableReplicas":1}}`, "", "deployment default/sleep: 1 of 1 pods are available"},
		{"an old pod is still there", `{"metadata":{"generation":2},"spec":{"replicas":1},"status":{"observedGeneration":2,"replicas":2,"updatedReplicas":1,"availableReplicas":1}}`, "", "1 of 1 pods"},
		{
			"an image that cannot be had", `{"metadata":{"generation":1},"spec":{"replicas":1},"status":{"observedGeneration":1,"replicas":1,"updatedReplicas":1}}`,
			`{"items":[{"metadata":{"name":"sleep-1"},"status":{"containerStatuses":[{"name":"istio-proxy","state":{"waiting":{"reason":"ErrImagePull","message":"not found"}}}]}},
			           {"metadata":{"name":"sleeper-1"},"status":{"containerStatuses":[{"name":"x","state":{"waiting":{"reason":"Other"}}}]}}]}`,
			"0 of 1 pods are available; sleep-1/istio-proxy: ErrImagePull not found",
		},
		{
			"an init container that crashes", `{"metadata":{"generation":1},"spec":{"replicas":1},"status":{"observedGeneration":1}}`,
			`{"items":[{"metadata":{"name":"sleep-1"},"status":{"initContainerStatuses":[{"name":"istio-init","state":{"waiting":{"reason":"CrashLoopBackOff"}}}],"containerStatuses":[{"name":"sleep","state":{"running":{}}}]}}]}`,
			"; sleep-1/istio-init: CrashLoopBackOff",
		},
		{
			"no room", `{"metadata":{"generation":1},"spec":{"replicas":1},"status":{"observedGeneration":1}}`,
			`{"items":[{"metadata":{"name":"sleep-1"},"status":{"conditions":[{"type":"PodScheduled","status":"False","message":"Insufficient cpu"}]}}]}`,
			"; sleep-1: Insufficient cpu",
		},
		{
			"a webhook that does not answer", `{"metadata":{"generation":1},"spec":{"replicas":1},"status":{"observedGeneration":1,"conditions":[{"type":"ReplicaFailure","status":"True","message":"failed calling webhook"}]}}`,
			`{"items":[]}`, "0 of 1 pods are available; failed calling webhook",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answers := map[string]string{sleepPath: tt.deployment}
			if tt.pods != "" {
				answers[podsPath] = tt.pods
			}
			err := fakeAPI(t, answers).RolledOut(t.Context(), Deployment{"default", "sleep"})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("RolledOut = %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("RolledOut = %v, want %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "Other"):
				t.Errorf("it tells of somebody else's pod: %v", err)
			}
		})
	}
	if err := fakeAPI(t, nil).RolledOut(t.Context(), Deployment{"default", "sleep"}); !errors.Is(err, ErrAbsent) {
		t.Errorf("no Deployment: %v", err)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		available := "0"
		if asked.Add(1) > 4 {
			available = "1"
		}
		if _, err := io.WriteString(w, `{"spec":{"replicas":1},"status":{"replicas":1,"updatedReplicas":1,"availableReplicas":`+available+`}}`); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	api := &API{client: &http.Client{Transport: toServer{server.URL}}}
	if err := api.Wait(t.Context(), Deployment{"default", "sleep"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := fakeAPI(t, nil).Wait(ctx, Deployment{"other", "sleep"})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "other/sleep") {
		t.Errorf("Wait = %v", err)
	}
}

func TestConnect(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if _, err := Connect(s); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a lab: %v", err)
	}
	if err := configure(s); err != nil {
		t.Fatal(err)
	}
	api, err := Connect(s)
	if err != nil || len(api.token) != 48 {
		t.Errorf("Connect = %+v, %v", api, err)
	}
	if err := write(s.Run("pki", "ca.crt"), "no certificate"); err != nil {
		t.Fatal(err)
	}
	if _, err := Connect(s); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("with a damaged CA: %v", err)
	}
}

// What status says of a lab that was never started: every part is named, none is ready, none has a process.
func TestStatusOfNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	list := Status(t.Context(), s, build.Record{Parts: "/none"})
	want := len(parts(s, build.Record{})) + 1 + len(system()) + len(World())
	if len(list) != want {
		t.Errorf("%d parts, want %d", len(list), want)
	}
	for _, p := range list {
		if p.Ready || p.PID != 0 || p.Reason == "" || strings.Contains(p.Reason, "\n") {
			t.Errorf("%+v", p)
		}
	}
	if err := Running(t.Context(), s, build.Record{Parts: "/none"}); !errors.Is(err, ErrAbsent) {
		t.Errorf("Running = %v", err)
	}
}

// A program that is dead although it was started: partly there, and its log is named.
func TestStatusOfTheDead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := write(s.Run("pids", "etcd.json"), `{"name":"etcd","pid":1073741824,"start":1,"boot":"x","log":"/the/log"}`); err != nil {
		t.Fatal(err)
	}
	list := Status(t.Context(), s, build.Record{Parts: "/none"})
	if list[0].Name != "etcd" || list[0].Ready || !strings.Contains(list[0].Reason, "/the/log") {
		t.Errorf("%+v", list[0])
	}
}
