package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	exitcode "k8s.io/client-go/util/exec"
	"k8s.io/klog/v2"
)

var pods = Resource{Version: "v1", Resource: "pods"}

// Pod names a container of a pod.
type Pod struct {
	Namespace string
	Name      string
	Container string // empty: the pod's default container
}

// ExitError says that a command ran in a container and ended with an exit code other than 0.
type ExitError struct {
	Code int
}

// Error names the code.
func (e *ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// Exec runs a command in a container, by WebSocket or, where the API server or a proxy before it cannot do that, by
// SPDY. A command that fails is an *ExitError. Nothing is written to stdout and stderr after Exec has returned.
func (c *Client) Exec(ctx context.Context, p Pod, command []string, stdout, stderr io.Writer) error {
	o := operation{doing: "exec in", verb: "create", resource: pods, sub: "exec", namespace: p.Namespace, name: p.Name}
	request, err := c.request(http.MethodPost, pods, p.Namespace, p.Name)
	if err != nil {
		return c.fail(ctx, o, err)
	}
	request.SubResource("exec").Param("stdout", "true").Param("stderr", "true")
	if p.Container != "" {
		request.Param("container", p.Container)
	}
	for _, word := range command {
		request.Param("command", word)
	}
	executor, err := c.executor(request)
	if err != nil {
		return c.fail(ctx, o, err)
	}
	// A context that ends leaves copying goroutines behind; the gates keep them from the caller's writers.
	out, errOut := &gate{w: stdout}, &gate{w: stderr}
	defer out.shut()
	defer errOut.shut()
	// client-go logs to stderr what goes wrong while a context ends; what matters comes back as the error.
	quiet := klog.NewContext(ctx, logr.Discard())
	err = executor.StreamWithContext(quiet, remotecommand.StreamOptions{Stdout: out, Stderr: errOut})
	if code, ok := errors.AsType[exitcode.CodeExitError](err); ok {
		return fmt.Errorf("%s in %s/%s: %w", strings.Join(command, " "), p.Namespace, p.Name, &ExitError{Code: code.Code})
	}
	return c.fail(ctx, o, upgradeCause(err))
}

func (c *Client) executor(request *rest.Request) (remotecommand.Executor, error) {
	webSocket, err := remotecommand.NewWebSocketExecutor(c.config, http.MethodGet, request.URL().String())
	if err != nil {
		return nil, err
	}
	transport, upgrader, err := c.spdyTransport()
	if err != nil {
		return nil, err
	}
	spdy, err := remotecommand.NewSPDYExecutorRejectRedirects(transport, upgrader, http.MethodPost, request.URL())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(webSocket, spdy, fallBack)
}

// gate passes writes on until it is shut.
type gate struct {
	mu   sync.Mutex
	w    io.Writer // nil: throw away
	done bool
}

// Write passes on, or fails once the gate is shut.
func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done {
		return 0, io.ErrClosedPipe
	}
	if g.w == nil {
		return len(p), nil
	}
	return g.w.Write(p)
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.done = true
}

// PodGet asks a pod's HTTP port by way of the API server, without a connection of its own. The answer is cut at 1 MiB.
// It needs the right to get pods/proxy, and the API server has to reach the pod network.
func (c *Client) PodGet(ctx context.Context, namespace, pod string, port int, path string) ([]byte, error) {
	o := operation{doing: "ask", verb: "get", resource: pods, sub: "proxy", namespace: namespace, name: pod}
	request, err := c.request(http.MethodGet, pods, namespace, pod+":"+strconv.Itoa(port))
	if err != nil {
		return nil, c.fail(ctx, o, err)
	}
	if c.timeout > 0 {
		request.Timeout(c.timeout)
	}
	body, err := request.SubResource("proxy").Suffix(path).Stream(ctx)
	if err != nil {
		return nil, c.fail(ctx, o, err)
	}
	answer, err := io.ReadAll(io.LimitReader(body, 1<<20))
	return answer, c.fail(ctx, o, errors.Join(err, body.Close()))
}
