package gather

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// busy counts how many of its proxies are asked at the same time.
type busy struct {
	*cluster
	now, most atomic.Int64
}

func (b *busy) EnvoyGet(ctx context.Context, namespace, pod, path string) (io.ReadCloser, error) {
	if n := b.now.Add(1); n > b.most.Load() {
		b.most.Store(n)
	}
	defer b.now.Add(-1)
	select {
	case <-time.After(2 * time.Millisecond): // as long as a reply takes on a real cluster
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return b.cluster.EnvoyGet(ctx, namespace, pod, path)
}

func TestParallelIsBounded(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 3} {
		b := &busy{cluster: working(t)}
		proxies := make([]snapshot.Proxy, 12)
		for i := range proxies {
			proxies[i] = snapshot.Proxy{Namespace: "a", Pod: fmt.Sprint(i), Role: snapshot.AtSidecar}
		}
		if err := ReadProxies(t.Context(), b, proxies, Options{Parallel: limit}); err != nil {
			t.Fatal(err)
		}
		if most := b.most.Load(); most > int64(limit) || limit > 1 && most < 2 {
			t.Errorf("limit %d, %d at the same time", limit, most)
		}
		for i := range proxies {
			if proxies[i].State.Kind != snapshot.Read {
				t.Errorf("%s: %+v", proxies[i].Name(), proxies[i].State)
			}
		}
	}
}

// TestOneBreaksAll: an API server that is gone ends the reading of all, and the others do not go on for their deadlines.
func TestOneBreaksAll(t *testing.T) {
	t.Parallel()
	c := working(t)
	c.hangs = "hangs"
	c.fails["envoy breaks"] = kube.ErrUnreachable
	proxies := []snapshot.Proxy{{Namespace: "a", Pod: "hangs", Role: snapshot.AtSidecar}, {Namespace: "a", Pod: "breaks", Role: snapshot.AtSidecar}}
	start := time.Now()
	if err := ReadProxies(t.Context(), c, proxies, Options{Deadline: time.Minute}); !errors.Is(err, kube.ErrUnreachable) {
		t.Errorf("%v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestAgentStops: an agent whose reply nobody reads to its end is not waited for without end.
func TestAgentStops(t *testing.T) {
	t.Parallel()
	c := working(t)
	c.fails["envoy"] = kube.ErrForbidden
	c.envoy = func(_, path string) string {
		if strings.Contains(path, "dynamic_listeners") {
			return `{"configs":[7]}` + strings.Repeat(" ", 1<<20)
		}
		return "{}"
	}
	proxies := []snapshot.Proxy{{Namespace: "a", Pod: "p", Role: snapshot.AtSidecar}}
	if err := ReadProxies(t.Context(), c, proxies, Options{}); err != nil {
		t.Fatal(err)
	}
	if st := proxies[0].State; st.Kind != snapshot.Failed || !strings.Contains(st.Detail, "dynamic_listeners") {
		t.Errorf("%+v", st)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	if got := (Options{}).withDefaults(); got.MaxNamespaces != 8 || got.MaxPods != 5 || got.Parallel != 8 || got.Deadline != 10*time.Second {
		t.Errorf("%+v", got)
	}
	if got := (Options{MaxNamespaces: 1, MaxPods: 2, Parallel: 3, Deadline: 4}).withDefaults(); got.MaxNamespaces != 1 || got.MaxPods != 2 || got.Parallel != 3 || got.Deadline != 4 {
		t.Errorf("%+v", got)
	}
}

func TestOwner(t *testing.T) {
	t.Parallel()
	for want, owners := range map[string][]struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	}{
		"":                   nil,
		"deployment/gateway": {{"ReplicaSet", "gateway-abc"}},
		"daemonset/gateway":  {{"DaemonSet", "gateway"}},
		"statefulset/db":     {{"StatefulSet", "db"}},
		"job/once-abc":       {{"Job", "once-abc"}},
	} {
		var p pod
		p.Metadata.Labels = map[string]string{"pod-template-hash": "abc"}
		p.Metadata.Owners = owners
		if got := p.owner(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	var bare pod
	bare.Metadata.Owners = append(bare.Metadata.Owners, struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	}{"ReplicaSet", "bare"})
	if got := bare.owner(); got != "replicaset/bare" {
		t.Errorf("a ReplicaSet of its own: %q", got)
	}
}
