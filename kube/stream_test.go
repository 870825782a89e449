package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	gorilla "github.com/gorilla/websocket"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// upgrades is what an API server can do with a pod's streams.
type upgrades struct {
	webSocket, spdy bool
	asked           atomic.Int64 // upgrades that were asked for
	stream          httpstream.NewStreamHandler
	conns           chan httpstream.Connection // each port-forward's other end
	exec            func(w http.ResponseWriter, r *http.Request)
}

// ServeHTTP answers exec and portforward of any pod, as far as the two protocols are known here.
func (u *upgrades) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.asked.Add(1)
	isWebSocket := gorilla.IsWebSocketUpgrade(r)
	switch {
	case isWebSocket && !u.webSocket, !isWebSocket && !u.spdy:
		http.Error(w, "this proxy knows no such upgrade", http.StatusBadRequest)
	case strings.HasSuffix(r.URL.Path, "/exec"):
		u.exec(w, r)
	case isWebSocket:
		u.forwardWebSocket(w, r)
	default:
		if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
			return
		}
		if conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, u.stream); conn != nil {
			u.conns <- conn
			<-conn.CloseChan()
		}
	}
}

func (u *upgrades) forwardWebSocket(w http.ResponseWriter, r *http.Request) {
	upgrader := gorilla.Upgrader{Subprotocols: []string{"SPDY/3.1+" + portforward.PortForwardProtocolV1Name}}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	conn, err := spdy.NewServerConnection(portforward.NewTunnelingConnection("server", ws), u.stream)
	if err != nil {
		return
	}
	u.conns <- conn
	<-conn.CloseChan()
}

// podStreams plays the pod's side of port-forwards: a connection's data stream is handed to serve, and what that returns
// is said on its error stream. Streams of several connections may come mixed.
func podStreams(t *testing.T, serve func(port string, data io.ReadWriteCloser) error) httpstream.NewStreamHandler {
	t.Helper()
	var mu sync.Mutex
	errStreams := map[httpstream.Stream]string{}
	take := func(id string) httpstream.Stream {
		mu.Lock()
		defer mu.Unlock()
		for s, of := range errStreams {
			if of == id {
				delete(errStreams, s)
				return s
			}
		}
		return nil
	}
	return func(s httpstream.Stream, _ <-chan struct{}) error {
		id := s.Headers().Get("requestID")
		if s.Headers().Get("streamType") == "error" {
			mu.Lock()
			defer mu.Unlock()
			errStreams[s] = id
			return nil
		}
		errStream := take(id)
		if errStream == nil || s.Headers().Get("streamType") != "data" {
			return fmt.Errorf("stream of type %q without its error stream", s.Headers().Get("streamType"))
		}
		go func() {
			// As the kubelet does: the words first, then the end of both streams.
			if err := serve(s.Headers().Get("port"), s); err != nil {
				if _, err := io.WriteString(errStream, err.Error()); err != nil {
					t.Errorf("writing to the error stream: %v", err)
				}
			}
			_ = s.Close()         //nolint:errcheck // the client may have gone
			_ = errStream.Close() //nolint:errcheck // the client may have gone
		}()
		return nil
	}
}

// execWebSocket is a container that writes and exits, by v5.channel.k8s.io.
func execWebSocket(t *testing.T, stdout, stderr string, code int) func(http.ResponseWriter, *http.Request) {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		upgrader := gorilla.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		for channel, text := range []string{1: stdout, 2: stderr, 3: exitStatus(t, code)} {
			if text == "" {
				continue
			}
			if err := ws.WriteMessage(gorilla.BinaryMessage, append([]byte{byte(channel)}, text...)); err != nil {
				t.Errorf("writing to channel %d: %v", channel, err)
			}
		}
		end := gorilla.FormatCloseMessage(gorilla.CloseNormalClosure, "")
		if err := errors.Join(ws.WriteMessage(gorilla.CloseMessage, end), ws.Close()); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
}

// execSPDY is the same by SPDY.
func execSPDY(t *testing.T, stdout, stderr string, code int) func(http.ResponseWriter, *http.Request) {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"}); err != nil {
			return
		}
		streams := make(chan httpstream.Stream, 3)
		replies := make(chan (<-chan struct{}), 3)
		conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, replied <-chan struct{}) error {
			streams <- s
			replies <- replied
			return nil
		})
		if conn == nil {
			return
		}
		texts := map[string]string{"stdout": stdout, "stderr": stderr, "error": exitStatus(t, code)}
		for range 3 {
			s := <-streams
			<-<-replies
			if _, err := io.WriteString(s, texts[s.Headers().Get("streamType")]); err != nil {
				t.Errorf("writing: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		}
		<-conn.CloseChan()
	}
}

// exitStatus is how a kubelet tells a command's exit code.
func exitStatus(t *testing.T, code int) string {
	t.Helper()
	s := map[string]any{"status": "Success"}
	if code != 0 {
		s = map[string]any{
			"status": "Failure", "reason": "NonZeroExitCode", "message": fmt.Sprintf("command terminated with exit code %d", code),
			"details": map[string]any{"causes": []any{map[string]any{"reason": "ExitCode", "message": fmt.Sprint(code)}}},
		}
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
