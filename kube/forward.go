package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
)

// Headers of a port-forward's streams, and how long the last words of one that ended may take.
const (
	headerStreamType = "streamType"
	headerPort       = "port"
	headerRequestID  = "requestID"
	lastWords        = time.Second
)

// Forward is a way to one port of a pod, as seen from inside the pod: 127.0.0.1 there. It opens no port on this machine,
// so nobody else here can use it.
type Forward struct {
	port int
	conn httpstream.Connection
	next atomic.Int64
}

// PortForward opens a way to a port of a pod. The context holds until it is open; then it lasts until Close, or until
// the pod or the API server goes away.
func (c *Client) PortForward(ctx context.Context, namespace, pod string, port int) (*Forward, error) {
	o := operation{doing: "port-forward to", verb: "create", resource: pods, sub: "portforward", namespace: namespace, name: pod}
	request, err := c.request(http.MethodPost, pods, namespace, pod)
	if err != nil {
		return nil, c.fail(ctx, o, err)
	}
	quiet := klog.NewContext(ctx, logr.Discard())
	conn, err := c.tunnel(quiet, request.SubResource("portforward").URL(), portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, c.fail(ctx, o, err)
	}
	return &Forward{port: port, conn: conn}, nil
}

// Close ends the forward and every connection through it.
func (f *Forward) Close() error { return f.conn.Close() }

// Lost is closed when the forward has ended.
func (f *Forward) Lost() <-chan bool { return f.conn.CloseChan() }

// Dial opens a connection to the pod's port. Whether something listens there is told by the first Read.
func (f *Forward) Dial(ctx context.Context) (net.Conn, error) {
	type dialled struct {
		conn *forwardConn
		err  error
	}
	done := make(chan dialled, 1)
	go func() { // opening a stream waits for the other side and knows no context
		conn, err := f.open()
		done <- dialled{conn, err}
	}()
	select {
	case d := <-done:
		if d.err != nil {
			return nil, d.err
		}
		return d.conn, nil
	case <-ctx.Done():
		go func() {
			if d := <-done; d.err == nil {
				d.conn.end()
			}
		}()
		return nil, fmt.Errorf("opening a connection to port %d of the pod: %w", f.port, ctx.Err())
	}
}

// open makes the two streams of a connection: one for errors, which only the pod's side writes, and one for data.
func (f *Forward) open() (*forwardConn, error) {
	header := http.Header{}
	header.Set(headerStreamType, "error")
	header.Set(headerPort, strconv.Itoa(f.port))
	header.Set(headerRequestID, strconv.FormatInt(f.next.Add(1)-1, 10))
	errStream, err := f.conn.CreateStream(header)
	if err != nil {
		return nil, fmt.Errorf("opening a connection to port %d of the pod: %w", f.port, err)
	}
	if err := errStream.Close(); err != nil {
		return nil, fmt.Errorf("opening a connection to port %d of the pod: %w", f.port, err)
	}
	header.Set(headerStreamType, "data")
	data, err := f.conn.CreateStream(header)
	if err != nil {
		f.conn.RemoveStreams(errStream)
		return nil, fmt.Errorf("opening a connection to port %d of the pod: %w", f.port, err)
	}
	c := &forwardConn{forward: f, data: data, errStream: errStream, words: make(chan string, 1)}
	go func() {
		message, err := io.ReadAll(io.LimitReader(errStream, 64<<10))
		if err != nil {
			message = append(message, err.Error()...)
		}
		c.words <- strings.TrimSpace(string(message))
	}()
	return c, nil
}

// forwardConn is one connection through a Forward.
type forwardConn struct {
	forward         *Forward
	data, errStream httpstream.Stream
	words           chan string // what the pod's side said went wrong, empty if nothing; sent once
	once            sync.Once
	ended           atomic.Bool
	late            atomic.Bool
	deadline        struct {
		sync.Mutex
		timer *time.Timer
	}
}

// portError is what the pod's side says of a port.
type portError struct {
	port  int
	words string
}

// Error is one line.
func (e *portError) Error() string { return fmt.Sprintf("port %d of the pod: %s", e.port, e.words) }

// Read gives what the pod sends. If the pod's side failed, for example since nothing listens on the port, its words are
// the error.
func (c *forwardConn) Read(p []byte) (int, error) {
	n, err := c.data.Read(p)
	switch {
	case err == nil:
		return n, nil
	case c.late.Load():
		return n, os.ErrDeadlineExceeded
	case c.ended.Load():
		return n, net.ErrClosed
	case !errors.Is(err, io.EOF):
		return n, fmt.Errorf("reading from port %d of the pod: %w", c.forward.port, err)
	}
	patience := time.NewTimer(lastWords)
	defer patience.Stop()
	select {
	case words := <-c.words:
		c.words <- "" // for the next Read
		if strings.Contains(words, "connection refused") {
			words = "nothing listens there (connection refused)" // said by container runtimes in very many words
		}
		if words != "" {
			return n, &portError{port: c.forward.port, words: oneLine(words)}
		}
	case <-patience.C:
	}
	return n, io.EOF
}

// Write sends to the pod.
func (c *forwardConn) Write(p []byte) (int, error) {
	n, err := 0, net.ErrClosed
	if !c.ended.Load() { // a stream that was reset takes what is written and drops it
		n, err = c.data.Write(p)
	}
	switch {
	case err == nil:
		return n, nil
	case c.late.Load():
		return n, os.ErrDeadlineExceeded
	}
	return n, fmt.Errorf("writing to port %d of the pod: %w", c.forward.port, err)
}

// Close ends the connection and wakes whoever reads from it.
func (c *forwardConn) Close() error {
	c.end()
	return nil
}

func (c *forwardConn) end() {
	c.once.Do(func() {
		c.ended.Store(true)
		c.forward.conn.RemoveStreams(c.data, c.errStream)
		for _, s := range []httpstream.Stream{c.data, c.errStream} {
			// Fails only if the whole connection is gone, and then the stream is too.
			if err := s.Reset(); err != nil {
				return
			}
		}
	})
}

// SetDeadline ends the connection at a time; the zero time takes that back.
func (c *forwardConn) SetDeadline(t time.Time) error {
	c.deadline.Lock()
	defer c.deadline.Unlock()
	if c.deadline.timer != nil {
		c.deadline.timer.Stop()
	}
	if !t.IsZero() {
		c.deadline.timer = time.AfterFunc(time.Until(t), func() {
			c.late.Store(true)
			c.end()
		})
	}
	return nil
}

// SetReadDeadline is SetDeadline: a stream's two directions end together.
func (c *forwardConn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline is SetDeadline: a stream's two directions end together.
func (c *forwardConn) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }

// LocalAddr says that there is no port on this side.
func (c *forwardConn) LocalAddr() net.Addr { return forwardAddr("this side of a port-forward") }

// RemoteAddr is the pod's port.
func (c *forwardConn) RemoteAddr() net.Addr {
	return forwardAddr("127.0.0.1:" + strconv.Itoa(c.forward.port))
}

type forwardAddr string

// Network is not one that net knows.
func (forwardAddr) Network() string { return "port-forward" }

// String is for people.
func (a forwardAddr) String() string { return string(a) }
