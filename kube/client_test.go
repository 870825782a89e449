package kube

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericclioptions"
)

var configMaps = Resource{Version: "v1", Resource: "configmaps"}

func TestNewContactsNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(t, w, http.StatusOK, item("a")) })
	c := connect(t, s.URL, Options{})
	if got := c.Namespace(); got != "shop" {
		t.Errorf("Namespace() = %q, want the context's, shop", got)
	}
	if n := s.count(); n != 0 {
		t.Errorf("New sent %d requests, want none", n)
	}
}

func TestNamespaceOfFlag(t *testing.T) {
	t.Parallel()
	f := flags(t, "https://127.0.0.1:1")
	ns := "other"
	f.Namespace = &ns
	c, err := New(f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Namespace(); got != ns {
		t.Errorf("Namespace() = %q, want the flag's, %s", got, ns)
	}
}

func TestNewFails(t *testing.T) {
	t.Parallel()
	missing := "nowhere"
	wrong := flags(t, "https://127.0.0.1:1")
	wrong.Context = &missing
	broken := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	unreadable := genericclioptions.NewConfigFlags(false)
	unreadable.KubeConfig = &broken
	for _, test := range []struct {
		name  string
		flags *genericclioptions.ConfigFlags
		want  string
	}{
		{"context that does not exist", wrong, `context "nowhere" does not exist`},
		{"file that is no YAML", unreadable, "reading the kubeconfig"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := New(test.flags, Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("New: %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ given, want string }{
		{"", "kubectl-egress"},
		{"kubectl-egress/v1.2.3 (linux/amd64)", "kubectl-egress/v1.2.3 (linux/amd64)"},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(t, w, http.StatusOK, item("a")) })
		c := connect(t, s.URL, Options{UserAgent: test.given})
		if err := c.Get(t.Context(), configMaps, "shop", "a", &named{}); err != nil {
			t.Fatal(err)
		}
		if got := s.last().UserAgent(); got != test.want {
			t.Errorf("User-Agent %q, want %q", got, test.want)
		}
	}
}

func TestWarningsOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Warning", `299 - "EnvoyFilter is for experts"`)
		answer(t, w, http.StatusOK, item("a"))
	})
	var warnings strings.Builder
	c := connect(t, s.URL, Options{Warnings: &warnings})
	for range 3 {
		if err := c.Get(t.Context(), configMaps, "shop", "a", &named{}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := warnings.String(), "Warning: EnvoyFilter is for experts\n"; got != want {
		t.Errorf("warnings %q, want %q", got, want)
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(t, w, http.StatusOK, item("a")) })

	// One request a minute: the second would come after the deadline, and that is told at once.
	slow := connect(t, s.URL, Options{QPS: 1.0 / 60, Burst: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := slow.Get(ctx, configMaps, "shop", "a", &named{}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	err := slow.Get(ctx, configMaps, "shop", "a", &named{})
	if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "--qps") {
		t.Errorf("second request: %v, want ErrTimeout that names --qps", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the hopeless wait took %s", took)
	}

	for name, o := range map[string]Options{"default": {}, "no limit": {QPS: -1}} {
		fast := connect(t, s.URL, o)
		limit := fast.config.RateLimiter
		if got, want := limit.QPS(), map[string]float32{"default": DefaultQPS, "no limit": 1}[name]; got != want {
			t.Errorf("%s: QPS %v, want %v", name, got, want)
		}
		for range DefaultBurst - 10 {
			if !limit.TryAccept() {
				t.Errorf("%s: throttled within the burst", name)
				break
			}
		}
	}
}

func TestRequestTimeout(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-held:
		}
	})
	defer close(held)
	f := flags(t, s.URL)
	short := "50ms"
	f.Timeout = &short
	c, err := New(f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Get(t.Context(), configMaps, "shop", "a", &named{})
	if !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "no answer within 50ms (--request-timeout)") {
		t.Errorf("Get: %v, want ErrTimeout that names --request-timeout", err)
	}
}
