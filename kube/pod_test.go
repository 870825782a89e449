package kube

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gorilla "github.com/gorilla/websocket"
)

func TestExec(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		u          *upgrades
		code       int
		wantAsked  int64
		wantMethod string
	}{
		{"by WebSocket", &upgrades{webSocket: true, exec: execWebSocket(t, "out", "err", 0)}, 0, 1, "GET"},
		{"by WebSocket, failing", &upgrades{webSocket: true, exec: execWebSocket(t, "out", "err", 7)}, 7, 1, "GET"},
		{"by SPDY where there is no WebSocket", &upgrades{spdy: true, exec: execSPDY(t, "out", "err", 0)}, 0, 2, "POST"},
		{"by SPDY, failing", &upgrades{spdy: true, exec: execSPDY(t, "out", "err", 7)}, 7, 2, "POST"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, test.u.ServeHTTP)
			c := connect(t, s.URL, Options{ReadOnly: true}) // which lets exec pass
			var stdout, stderr bytes.Buffer
			err := c.Exec(t.Context(), Pod{"shop", "a", "istio-proxy"}, []string{"pilot-agent", "request", "GET", "stats?filter=a b"}, &stdout, &stderr)
			if test.code == 0 && err != nil {
				t.Fatal(err)
			}
			var exit *ExitError
			if test.code != 0 && (!errors.As(err, &exit) || exit.Code != test.code) {
				t.Errorf("error %v, want exit code %d", err, test.code)
			}
			if stdout.String() != "out" || stderr.String() != "err" {
				t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
			}
			r := s.last()
			want := url.Values{
				"container": {"istio-proxy"}, "command": {"pilot-agent", "request", "GET", "stats?filter=a b"},
				"stdout": {"true"}, "stderr": {"true"},
			}
			if diff := cmp.Diff(want, r.URL.Query()); diff != "" {
				t.Error(diff)
			}
			if r.Method != test.wantMethod || r.URL.Path != "/api/v1/namespaces/shop/pods/a/exec" || test.u.asked.Load() != test.wantAsked {
				t.Errorf("%s %s after %d upgrades, want %s after %d", r.Method, r.URL.Path, test.u.asked.Load(), test.wantMethod, test.wantAsked)
			}
		})
	}
}

func TestExecWithoutWriters(t *testing.T) {
	t.Parallel()
	s := serve(t, (&upgrades{webSocket: true, exec: execWebSocket(t, "out", "err", 0)}).ServeHTTP)
	if err := connect(t, s.URL, Options{}).Exec(t.Context(), Pod{"shop", "a", ""}, []string{"true"}, nil, nil); err != nil {
		t.Error(err)
	}
}

// TestUpgradeRefused: what the API server says to an upgrade must not get lost on either way.
func TestUpgradeRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code      int
		reason    string
		kind      error
		wantAsked int
	}{
		{401, "Unauthorized", ErrUnauthorized, 1},
		// WebSocket is a GET, SPDY a POST: before Kubernetes 1.35 they needed different rights.
		{403, "Forbidden", ErrForbidden, 2},
		{404, "NotFound", ErrAbsent, 1},
		{400, "BadRequest", ErrInvalid, 2},
		{500, "InternalError", nil, 2},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			answer(t, w, test.code, status(test.code, test.reason, "no: "+test.reason))
		})
		c := connect(t, s.URL, Options{})
		for name, do := range map[string]func() error{
			"exec":         func() error { return c.Exec(t.Context(), Pod{"shop", "a", ""}, []string{"true"}, nil, nil) },
			"port-forward": func() error { _, err := c.PortForward(t.Context(), "shop", "a", 80); return err },
			"Envoy":        func() error { _, err := c.EnvoyGet(t.Context(), "shop", "a", "/ready"); return err },
		} {
			before := s.count()
			err := do()
			checkKind(t, err, test.kind)
			if err == nil || !strings.Contains(err.Error(), "no: "+test.reason) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, %d: %v, want one line with the server's words", name, test.code, err)
			}
			if asked := s.count() - before; asked != test.wantAsked {
				t.Errorf("%s, %d: asked %d times, want %d", name, test.code, asked, test.wantAsked)
			}
		}
	}
}

func TestUpgradeRefusedByAProxy(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<h1>no upgrades\nhere</h1>", http.StatusBadGateway)
	})
	err := connect(t, s.URL, Options{}).Exec(t.Context(), Pod{"shop", "a", ""}, []string{"true"}, nil, nil)
	checkKind(t, err, nil)
	if !strings.Contains(err.Error(), "no upgrades here") || !strings.HasPrefix(err.Error(), "exec in pod shop/a: ") {
		t.Errorf("error %v, want the proxy's words", err)
	}
}

func TestExecEndsWithItsContext(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, (&upgrades{webSocket: true, exec: func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&gorilla.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		<-release // a command that hangs, and goes on writing when nobody listens any more
		if err := ws.WriteMessage(gorilla.BinaryMessage, []byte("\x01late")); err == nil {
			_ = ws.Close() //nolint:errcheck // the client has gone
		}
	}}).ServeHTTP)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var stdout bytes.Buffer
	err := connect(t, s.URL, Options{}).Exec(ctx, Pod{"shop", "a", ""}, []string{"sleep"}, &stdout, nil)
	close(release)
	checkKind(t, err, ErrTimeout)
	if stdout.Len() != 0 {
		t.Errorf("stdout %q", stdout.String())
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	g := &gate{w: &b}
	if n, err := g.Write([]byte("in")); n != 2 || err != nil {
		t.Errorf("Write: %d, %v", n, err)
	}
	g.shut()
	if _, err := g.Write([]byte("late")); !errors.Is(err, io.ErrClosedPipe) || b.String() != "in" {
		t.Errorf("after shut: %v, %q", err, b.String())
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		pod  Pod
		o    LogOptions
		want url.Values
	}{
		{"all", Pod{"shop", "a", ""}, LogOptions{}, url.Values{}},
		{"everything asked for", Pod{"shop", "a", "istio-proxy"}, LogOptions{Follow: true, Since: 90 * time.Second, Tail: 5, LimitBytes: 100}, url.Values{
			"container": {"istio-proxy"}, "follow": {"true"}, "sinceSeconds": {"90"}, "tailLines": {"5"}, "limitBytes": {"100"},
		}},
		{"as they were taken", Pod{"shop", "a", "istio-proxy"}, LogOptions{Timestamps: true, Previous: true, Since: time.Hour, SinceTime: time.Date(2026, 11, 21, 8, 0, 1, 999, time.FixedZone("", 3600))}, url.Values{
			"container": {"istio-proxy"}, "timestamps": {"true"}, "previous": {"true"}, "sinceTime": {"2026-11-21T07:00:01Z"},
		}},
		{"part of a second", Pod{"shop", "a", ""}, LogOptions{Since: time.Millisecond}, url.Values{"sinceSeconds": {"1"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if _, err := io.WriteString(w, "line\n"); err != nil {
					t.Error(err)
				}
			})
			body, err := connect(t, s.URL, Options{}).Logs(t.Context(), test.pod, test.o)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(body)
			if err := errors.Join(err, body.Close()); err != nil || string(text) != "line\n" {
				t.Errorf("read %q, %v", text, err)
			}
			if diff := cmp.Diff(test.want, s.last().URL.Query()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLogsFollowPastTheRequestTimeout(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.WriteString(w, "first\n"); err != nil {
			t.Error(err)
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	f := flags(t, s.URL)
	short := "20ms"
	f.Timeout = &short
	c, err := New(f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	body, err := c.Logs(ctx, Pod{"shop", "a", ""}, LogOptions{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	text, err := io.ReadAll(body)
	if string(text) != "first\n" || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) < 100*time.Millisecond {
		t.Errorf("read %q, %v after %s; want it to last until the context's end", text, err, time.Since(start))
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
}

func TestLogsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, 400, status(400, "BadRequest", "container nope is not valid for pod a"))
	})
	_, err := connect(t, s.URL, Options{}).Logs(t.Context(), Pod{"shop", "a", "nope"}, LogOptions{})
	checkKind(t, err, ErrInvalid)
	if want := "read the log of pod shop/a: refused: container nope is not valid for pod a"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestPodGet(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces/istio-system/pods/istiod:15014/proxy/version" {
			answer(t, w, http.StatusServiceUnavailable, status(503, "ServiceUnavailable", "error trying to reach service: dial tcp 10.244.0.3:9: connect: connection refused"))
			return
		}
		if _, err := io.WriteString(w, "1.31.0-eed52eb-Clean"); err != nil {
			t.Error(err)
		}
	})
	c := connect(t, s.URL, Options{ReadOnly: true})
	got, err := c.PodGet(t.Context(), "istio-system", "istiod", 15014, "/version")
	if err != nil || string(got) != "1.31.0-eed52eb-Clean" {
		t.Errorf("PodGet: %q, %v", got, err)
	}
	_, err = c.PodGet(t.Context(), "istio-system", "istiod", 9, "/version")
	checkKind(t, err, nil)
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("closed port: %v", err)
	}
}
