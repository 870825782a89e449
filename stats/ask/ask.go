// Package ask puts questions to the admin interface of Envoys in pods: through a port-forward, or by a command in the pod where the one
// right is there and the other is not. Both need nothing in the pod but what Istio's images bring, distroless ones too.
package ask

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// Via is the way that questions take.
type Via string

// The ways. Auto forwards a port, and has a command in the pod ask where that is forbidden; so does an empty Via.
const (
	Auto        Via = "auto"
	Exec        Via = "exec"
	PortForward Via = "port-forward"
)

// container is where Istio's proxy runs.
const container = "istio-proxy"

// adminPort is where Envoy's admin interface listens in Istio's proxies.
const adminPort = 15000

// Client is what asking needs of a kube.Client.
type Client interface {
	EnvoyGet(ctx context.Context, namespace, pod, path string) (io.ReadCloser, error)
	Exec(ctx context.Context, p kube.Pod, command []string, stdout, stderr io.Writer) error
}

// ports is what a Client has that can forward more than Envoy's admin port; *kube.Client is one.
type ports interface {
	EnvoyPortGet(ctx context.Context, namespace, pod string, port int, path string) (io.ReadCloser, error)
}

// Asker asks. It remembers of each pod which way worked, and is safe for use by more than one goroutine.
type Asker struct {
	client Client
	via    Via
	mu     sync.Mutex
	ways   map[string]string // by NAMESPACE/POD
	fell   []string          // namespaces where a right was missing
}

// New makes an Asker.
func New(c Client, via Via) *Asker { return &Asker{client: c, via: via, ways: map[string]string{}} }

// The commands that ask, and how people call the ways.
const (
	byForward = "port-forward"
	byAgent   = "pilot-agent"
	byCurl    = "curl"
)

// How tells by which way a pod was asked; empty if it was not.
func (a *Asker) How(namespace, pod string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ways[namespace+"/"+pod]
}

// Notes tells where another way had to be taken, for people.
func (a *Asker) Notes() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var notes []string
	for _, n := range a.fell {
		notes = append(notes, fmt.Sprintf("no right to create pods/portforward in namespace %s: asked by exec", n))
	}
	return notes
}

func (a *Asker) remember(namespace, pod, way string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ways[namespace+"/"+pod] = way
}

func (a *Asker) fallen(namespace string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.fell, namespace) {
		a.fell = append(a.fell, namespace)
		slices.Sort(a.fell)
	}
}

// EnvoyGet asks as kube.Client's method of that name does, by the way that was chosen. Read the reply to its end or close it.
func (a *Asker) EnvoyGet(ctx context.Context, namespace, pod, path string) (io.ReadCloser, error) {
	return a.PortGet(ctx, namespace, pod, adminPort, path)
}

// PortGet asks as EnvoyGet does on another of the pod's ports. Istio's agent asks some ports only, of those that are asked here 15020.
func (a *Asker) PortGet(ctx context.Context, namespace, pod string, port int, path string) (io.ReadCloser, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("ask Envoy of pod %s/%s: path %q does not begin with /", namespace, pod, path)
	}
	way := a.How(namespace, pod)
	if a.via == Exec || way == byAgent || way == byCurl {
		return a.inPod(ctx, namespace, pod, port, path)
	}
	body, err := a.forwarded(ctx, namespace, pod, port, path)
	if err == nil {
		a.remember(namespace, pod, byForward)
	}
	if a.via == PortForward || !errors.Is(err, kube.ErrForbidden) {
		return body, err
	}
	inPod, byExec := a.inPod(ctx, namespace, pod, port, path)
	if errors.Is(byExec, kube.ErrForbidden) {
		return nil, err // the right to forward ports is the lesser one
	}
	if byExec == nil {
		a.fallen(namespace)
	}
	return inPod, byExec
}

func (a *Asker) forwarded(ctx context.Context, namespace, pod string, port int, path string) (io.ReadCloser, error) {
	if port == adminPort {
		return a.client.EnvoyGet(ctx, namespace, pod, path)
	}
	if c, ok := a.client.(ports); ok {
		return c.EnvoyPortGet(ctx, namespace, pod, port, path)
	}
	return nil, fmt.Errorf("ask port %d of pod %s/%s: there is no cluster to ask", port, namespace, pod)
}

// inPod has a command in the pod ask: Istio's agent or, in images whose agent cannot yet, curl.
func (a *Asker) inPod(ctx context.Context, namespace, pod string, port int, path string) (io.ReadCloser, error) {
	agent, at := []string{"pilot-agent", "request", "GET", strings.TrimPrefix(path, "/")}, strconv.Itoa(port)
	if port != adminPort {
		agent = slices.Insert(agent, 2, "--debug-port", at)
	}
	commands := []struct {
		way  string
		argv []string
	}{
		{byAgent, agent},
		{byCurl, []string{"curl", "-s", "-S", "-f", "-g", "http://127.0.0.1:" + at + path}},
	}
	var first error
	for _, c := range commands {
		if way := a.How(namespace, pod); port == adminPort && way != "" && way != c.way && way != byForward {
			continue
		}
		body, err := a.Run(ctx, namespace, pod, c.argv)
		if err == nil {
			if port == adminPort {
				a.remember(namespace, pod, c.way)
			}
			return body, nil
		}
		if ctx.Err() != nil || !lacking(err) {
			return nil, err
		}
		first = errors.Join(first, err)
	}
	return nil, fmt.Errorf("ask Envoy of pod %s/%s: neither pilot-agent nor curl can in its image: %w", namespace, pod, first)
}

// lacking says whether a command is not there, or is too old to know what it was told. Container runtimes have their own words.
func lacking(err error) bool {
	if exited, ok := errors.AsType[*kube.ExitError](err); ok && (exited.Code == 126 || exited.Code == 127) {
		return true
	}
	text := err.Error()
	for _, words := range []string{"executable file not found", "no such file or directory", "unknown command", "command not found", "unknown flag", "not in allowed list"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// Run runs a command where a pod's Envoy runs and gives what it prints, as it comes. A command that fails before it prints anything is an
// error at once; one that fails later is the error of reading. Close ends it.
func (a *Asker) Run(ctx context.Context, namespace, pod string, argv []string) (io.ReadCloser, error) {
	body, err := a.run(ctx, kube.Pod{Namespace: namespace, Name: pod, Container: container}, argv)
	if err != nil && strings.Contains(err.Error(), "container "+container+" is not valid for pod") {
		return a.run(ctx, kube.Pod{Namespace: namespace, Name: pod}, argv) // a gateway of Istio 1.0 has one container, of another name
	}
	return body, err
}

// run starts a command and waits for its first byte: a command that says nothing has failed, or has an empty reply.
func (a *Asker) run(ctx context.Context, pod kube.Pod, argv []string) (io.ReadCloser, error) {
	out, in := io.Pipe()
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var words tail // the agent warns about memory limits here whatever happens
		err := a.client.Exec(running, pod, argv, in, &words)
		if _, exited := errors.AsType[*kube.ExitError](err); exited {
			err = fmt.Errorf("%w: %s", err, words.telling())
		}
		in.CloseWithError(err)
	}()
	r := &reply{Reader: bufio.NewReader(out), pipe: out, stop: stop, done: done}
	if _, err := r.Peek(1); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// reply is what a command prints, as it comes.
type reply struct {
	*bufio.Reader
	pipe *io.PipeReader
	stop context.CancelFunc
	done chan struct{}
}

// Close ends the command if it has not ended of itself.
func (r *reply) Close() error {
	r.stop()
	err := r.pipe.Close()
	<-r.done
	return err
}

// tail keeps the end of what a command says on stderr.
type tail struct{ bytes.Buffer }

// maxWords bounds what is kept of a command's words, in bytes.
const maxWords = 8 << 10

// Write keeps the last bytes.
func (t *tail) Write(p []byte) (int, error) {
	t.Buffer.Write(p)
	if over := t.Len() - maxWords; over > 0 {
		t.Next(over)
	}
	return len(p), nil
}

// telling is the last line, or the one that says what an old agent does not know: usage follows it.
func (t *tail) telling() string {
	last := ""
	for line := range strings.Lines(t.String()) {
		if line = strings.TrimSpace(line); line != "" {
			last = line
		}
		if strings.Contains(line, "unknown command") || strings.Contains(line, "unknown flag") {
			return line
		}
	}
	return last
}

// Read asks one question, has the reply parsed, and reads what is left of it so that the connection can be used again.
func Read[T any](ctx context.Context, a *Asker, namespace, pod, path string, parse func(io.Reader) (T, error)) (T, error) {
	return ReadPort(ctx, a, namespace, pod, adminPort, path, parse)
}

// ReadPort is Read on another of the pod's ports.
func ReadPort[T any](ctx context.Context, a *Asker, namespace, pod string, port int, path string, parse func(io.Reader) (T, error)) (T, error) {
	body, err := a.PortGet(ctx, namespace, pod, port, path)
	if err != nil {
		var none T
		return none, err
	}
	got, err := parse(body)
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(body, maxRest))
	}
	if err = errors.Join(err, body.Close()); err != nil && ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return got, err
}

// maxRest bounds what may follow what was parsed, in bytes: a line's end.
const maxRest = 1 << 10
