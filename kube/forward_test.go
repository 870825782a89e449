package kube

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"k8s.io/streaming/pkg/httpstream"
)

// forwarding starts an API server whose pods serve every port by a function.
func forwarding(t *testing.T, u *upgrades, pod func(port string, data io.ReadWriteCloser) error) *apiServer {
	t.Helper()
	u.conns = make(chan httpstream.Connection, 100)
	u.stream = podStreams(t, pod)
	return serve(t, u.ServeHTTP)
}

// both protocols, by turns.
func protocols() map[string]*upgrades {
	return map[string]*upgrades{"WebSocket": {webSocket: true}, "SPDY": {spdy: true}}
}

func TestForward(t *testing.T) {
	t.Parallel()
	for name, u := range protocols() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := forwarding(t, u, func(port string, data io.ReadWriteCloser) error {
				line, err := bufio.NewReader(data).ReadString('\n')
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(data, "port %s heard %s", port, line)
				return err
			})
			f, err := connect(t, s.URL, Options{ReadOnly: true}).PortForward(t.Context(), "shop", "a", 15000)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 { // several connections, one forward
				conn, err := f.Dial(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := fmt.Fprintf(conn, "hello %d\n", i); err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(conn)
				if want := fmt.Sprintf("port 15000 heard hello %d\n", i); err != nil || string(got) != want {
					t.Errorf("read %q, %v; want %q", got, err, want)
				}
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
			}
			if got, want := u.asked.Load(), map[string]int64{"WebSocket": 1, "SPDY": 2}[name]; got != want {
				t.Errorf("%d upgrades, want %d", got, want)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			select {
			case <-f.Lost():
			case <-t.Context().Done():
			}
			if _, err := f.Dial(t.Context()); err == nil {
				t.Error("Dial through a closed forward succeeded")
			}
		})
	}
}

func TestForwardTellsWhatThePodSays(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ words, want string }{
		{"failed to connect to localhost:9 inside namespace \"x\":\n dial tcp4 127.0.0.1:9: connect: connection refused", "port 9 of the pod: nothing listens there (connection refused)"},
		{"network namespace is gone\nsorry", "port 9 of the pod: network namespace is gone sorry"},
	} {
		s := forwarding(t, &upgrades{webSocket: true}, func(string, io.ReadWriteCloser) error { return errors.New(test.words) })
		f, err := connect(t, s.URL, Options{}).PortForward(t.Context(), "shop", "a", 9)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := f.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil || err.Error() != test.want {
			t.Errorf("Read: %v, want %q", err, test.want)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("second Read: %v, want EOF", err)
		}
	}
}

func TestForwardConnection(t *testing.T) {
	t.Parallel()
	hang := func(_ string, data io.ReadWriteCloser) error {
		_, err := io.Copy(io.Discard, data) // until the client ends the stream
		return err
	}
	s := forwarding(t, &upgrades{webSocket: true}, hang)
	f, err := connect(t, s.URL, Options{}).PortForward(t.Context(), "shop", "a", 80)
	if err != nil {
		t.Fatal(err)
	}
	dial := func(t *testing.T) net.Conn {
		t.Helper()
		conn, err := f.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	t.Run("Close wakes a Read", func(t *testing.T) {
		t.Parallel()
		conn := dial(t)
		got := make(chan error, 1)
		go func() { _, err := conn.Read(make([]byte, 1)); got <- err }()
		if err := errors.Join(conn.Close(), conn.Close()); err != nil {
			t.Error(err)
		}
		if err := <-got; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: %v, want net.ErrClosed", err)
		}
	})
	t.Run("a deadline wakes a Read", func(t *testing.T) {
		t.Parallel()
		conn := dial(t)
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v, want os.ErrDeadlineExceeded", err)
		}
		if _, err := conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %v, want os.ErrDeadlineExceeded", err)
		}
	})
	t.Run("a deadline can be taken back", func(t *testing.T) {
		t.Parallel()
		conn := dial(t)
		if err := errors.Join(conn.SetWriteDeadline(time.Now().Add(time.Hour)), conn.SetDeadline(time.Time{})); err != nil {
			t.Error(err)
		}
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Error(err)
		}
	})
	t.Run("addresses", func(t *testing.T) {
		t.Parallel()
		conn := dial(t)
		if conn.RemoteAddr().String() != "127.0.0.1:80" || conn.RemoteAddr().Network() != "port-forward" || conn.LocalAddr().String() == "" {
			t.Errorf("from %s to %s (%s)", conn.LocalAddr(), conn.RemoteAddr(), conn.RemoteAddr().Network())
		}
	})
	t.Run("a context that has ended", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if conn, err := f.Dial(ctx); err == nil {
			_ = conn.Close() //nolint:errcheck // both outcomes of the race are right
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("Dial: %v", err)
		}
	})
}

func TestForwardHangs(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) { <-held })
	defer close(held)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := connect(t, s.URL, Options{}).PortForward(ctx, "shop", "a", 80)
	checkKind(t, err, ErrTimeout)
}
