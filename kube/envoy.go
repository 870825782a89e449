package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// envoyPort is where Envoy's admin interface listens in Istio's proxies, on 127.0.0.1 only.
const envoyPort = 15000

// AdminError is an answer of Envoy's admin interface other than 200.
type AdminError struct {
	Path   string
	Status int
	Body   string // its first line
}

// Error is one line.
func (e *AdminError) Error() string {
	return fmt.Sprintf("Envoy answers GET %s with %d: %s", e.Path, e.Status, oneLine(e.Body))
}

// EnvoyGet asks the admin interface of a pod's Envoy, for example for /clusters?format=json. The port-forward it needs
// is kept for the next question until the Client is closed.
//
// Read the answer to its end or close it before the same goroutine asks the same pod again: the answers share one
// connection, and one that nobody reads holds up the others. The context holds until the answer is read.
func (c *Client) EnvoyGet(ctx context.Context, namespace, pod, path string) (io.ReadCloser, error) {
	return c.EnvoyPortGet(ctx, namespace, pod, envoyPort, path)
}

// EnvoyPortGet asks as EnvoyGet does on another of the pod's ports that speak HTTP: 15020 of Istio's agent, 15090 of Envoy.
func (c *Client) EnvoyPortGet(ctx context.Context, namespace, pod string, port int, path string) (io.ReadCloser, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("ask Envoy of pod %s/%s: path %q does not begin with /", namespace, pod, path)
	}
	about := operation{doing: "ask Envoy of", verb: "create", resource: pods, sub: "portforward", namespace: namespace, name: pod}
	place := namespace + "/" + pod
	if port != envoyPort {
		place += ":" + strconv.Itoa(port)
	}
	entry := c.admin.entry(place)
	for {
		way, fresh, err := entry.get(ctx, c, namespace, pod, port)
		if err != nil {
			return nil, c.fail(ctx, about, err)
		}
		answer, err := way.get(ctx, path)
		switch {
		case err == nil:
			return adminBody(answer, namespace, pod, path)
		case ctx.Err() != nil:
			return nil, c.fail(ctx, about, err)
		case fresh || !way.lost():
			return nil, fmt.Errorf("ask Envoy of pod %s/%s: %s", namespace, pod, oneLine(innermost(err)))
		}
		// The forward that was kept had ended: once more with a fresh one.
	}
}

func adminBody(answer *http.Response, namespace, pod, path string) (io.ReadCloser, error) {
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	line, _, _ := strings.Cut(string(body), "\n") // for an unknown path the rest is a list of all that there are
	refused := &AdminError{Path: path, Status: answer.StatusCode, Body: line}
	return nil, fmt.Errorf("ask Envoy of pod %s/%s: %w", namespace, pod, errors.Join(refused, err, answer.Body.Close()))
}

// adminPool keeps one way for each port of a pod.
type adminPool struct {
	mu      sync.Mutex
	entries map[string]*adminEntry
}

// adminEntry is a port's place in the pool. Whoever holds the turn may open or replace the way.
type adminEntry struct {
	turn chan struct{}
	way  *adminWay
}

// adminWay is a forward to a port and the HTTP client that uses it.
type adminWay struct {
	forward *Forward
	client  *http.Client
}

func (p *adminPool) entry(key string) *adminEntry {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.entries == nil {
		p.entries = map[string]*adminEntry{}
	}
	e := p.entries[key]
	if e == nil {
		e = &adminEntry{turn: make(chan struct{}, 1)}
		p.entries[key] = e
	}
	return e
}

func (p *adminPool) close() {
	p.mu.Lock()
	entries := p.entries
	p.entries = nil
	p.mu.Unlock()
	for _, e := range entries {
		e.turn <- struct{}{}
		if e.way != nil {
			e.way.close()
		}
		<-e.turn
	}
}

// get gives the port's way, opened now if there is none or it has ended.
func (e *adminEntry) get(ctx context.Context, c *Client, namespace, pod string, port int) (way *adminWay, fresh bool, err error) {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	if e.way != nil {
		if !e.way.lost() {
			return e.way, false, nil
		}
		e.way.close()
	}
	forward, err := c.PortForward(ctx, namespace, pod, port)
	if err != nil {
		return nil, false, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return forward.Dial(ctx) }
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute}
	e.way = &adminWay{forward: forward, client: &http.Client{Transport: transport}}
	return e.way, true, nil
}

func (w *adminWay) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:15000"+path, nil)
	if err != nil {
		return nil, err
	}
	return w.client.Do(request)
}

func (w *adminWay) lost() bool {
	select {
	case <-w.forward.Lost():
		return true
	default:
		return false
	}
}

// close ends the forward; what is still being read through it fails.
func (w *adminWay) close() {
	w.client.CloseIdleConnections()
	if err := w.forward.Close(); err != nil {
		return // it had ended already
	}
}
