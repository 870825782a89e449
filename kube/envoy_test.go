package kube

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// envoy answers HTTP/1.1 on a stream as Envoy's admin interface does, many requests on one connection.
func envoy(t *testing.T, handler http.HandlerFunc) func(string, io.ReadWriteCloser) error {
	t.Helper()
	return func(port string, data io.ReadWriteCloser) error {
		if port != "15000" {
			return fmt.Errorf("port %s: connection refused", port)
		}
		in := bufio.NewReader(data)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return nil //nolint:nilerr // the client is through
			}
			w := &recorder{header: http.Header{}, code: http.StatusOK}
			handler(w, r)
			if _, err := fmt.Fprintf(data, "HTTP/1.1 %d x\r\ncontent-length: %d\r\n\r\n%s", w.code, w.body.Len(), w.body.String()); err != nil {
				return nil //nolint:nilerr // the client has gone
			}
		}
	}
}

type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// ask reads a whole answer.
func ask(ctx context.Context, c *Client, path string) (string, error) {
	body, err := c.EnvoyGet(ctx, "shop", "a", path)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(body)
	return string(text), errors.Join(err, body.Close())
}

func TestEnvoyGet(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("cluster::host::cx_total::1\n", 100_000)
	for name, u := range protocols() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := forwarding(t, u, envoy(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RequestURI() == "/clusters" {
					_, _ = io.WriteString(w, big) //nolint:errcheck // a buffer
					return
				}
				_, _ = io.WriteString(w, r.URL.RequestURI()) //nolint:errcheck // a buffer
			}))
			c := connect(t, s.URL, Options{ReadOnly: true})
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					path, want := "/clusters", big
					if i%2 == 0 {
						path = fmt.Sprintf("/stats?format=json&filter=%d", i)
						want = path
					}
					if got, err := ask(t.Context(), c, path); err != nil || got != want {
						t.Errorf("%s: %d bytes, %v; want %d", path, len(got), err, len(want))
					}
				})
			}
			wg.Wait()
			if got, want := u.asked.Load(), map[string]int64{"WebSocket": 1, "SPDY": 2}[name]; got != want {
				t.Errorf("%d upgrades for 20 questions, want %d", got, want)
			}
		})
	}
}

func TestEnvoyGetAgainAfterTheForwardEnded(t *testing.T) {
	t.Parallel()
	u := &upgrades{webSocket: true}
	s := forwarding(t, u, envoy(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	c := connect(t, s.URL, Options{})
	for i := range int64(3) {
		if _, err := ask(t.Context(), c, "/ready"); err != nil {
			t.Fatalf("question %d: %v", i, err)
		}
		if got := u.asked.Load(); got != i+1 {
			t.Errorf("%d upgrades after question %d", got, i)
		}
		conn := <-u.conns
		if err := conn.Close(); err != nil { // as when the API server is replaced
			t.Error(err)
		}
		<-c.admin.entry("shop/a").way.forward.Lost()
	}
}

func TestEnvoyGetRefused(t *testing.T) {
	t.Parallel()
	s := forwarding(t, &upgrades{webSocket: true}, envoy(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "invalid path\nadmin commands are:\n  /clusters\n") //nolint:errcheck // a buffer
	}))
	c := connect(t, s.URL, Options{})
	_, err := ask(t.Context(), c, "/nope")
	var refused *AdminError
	if !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("error %v, want an AdminError", err)
	}
	if want := "ask Envoy of pod shop/a: Envoy answers GET /nope with 404: invalid path"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	if _, err := ask(t.Context(), c, "nope"); err == nil || !strings.Contains(err.Error(), "does not begin with /") {
		t.Errorf("path without a slash: %v", err)
	}
}

func TestEnvoyGetWithoutEnvoy(t *testing.T) {
	t.Parallel()
	u := &upgrades{webSocket: true}
	s := forwarding(t, u, func(string, io.ReadWriteCloser) error { return errors.New("connection refused") })
	c := connect(t, s.URL, Options{})
	for range 2 {
		_, err := ask(t.Context(), c, "/ready")
		if want := "ask Envoy of pod shop/a: port 15000 of the pod: nothing listens there (connection refused)"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if got := u.asked.Load(); got != 1 {
		t.Errorf("%d upgrades, want 1: the forward itself is fine", got)
	}
}

func TestEnvoyGetEndsWithItsContext(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	s := forwarding(t, &upgrades{webSocket: true}, envoy(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-held
		}
	}))
	defer close(held)
	c := connect(t, s.URL, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := ask(ctx, c, "/slow")
	checkKind(t, err, ErrTimeout)
	if _, err := ask(t.Context(), c, "/quick"); err != nil {
		t.Errorf("the next question: %v; want it answered, since only the slow one was given up", err)
	}
}

func TestEnvoyGetWaitsItsTurn(t *testing.T) {
	t.Parallel()
	c := connect(t, "http://127.0.0.1:1", Options{})
	entry := c.admin.entry("shop/a")
	entry.turn <- struct{}{} // somebody else is opening the forward
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := ask(ctx, c, "/ready")
	<-entry.turn
	checkKind(t, err, ErrTimeout)
}

func TestCloseEndsForwards(t *testing.T) {
	t.Parallel()
	u := &upgrades{webSocket: true}
	s := forwarding(t, u, envoy(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	c := connect(t, s.URL, Options{})
	if _, err := ask(t.Context(), c, "/ready"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	select {
	case <-(<-u.conns).CloseChan():
	case <-time.After(10 * time.Second):
		t.Error("the forward is still open")
	}
}
