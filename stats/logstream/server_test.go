package logstream

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/kube/kubetest"
)

// node is an API server with kubelets behind it, as far as logs of pods in namespace gw go. What containers write, how they end, and
// when connections break is up to the test.
type node struct {
	*httptest.Server
	t    *testing.T
	mu   sync.Mutex
	wake *sync.Cond
	now  time.Time // of the next line
	pods map[string]*fakePod
	cuts int // how often all streams were cut
	asks int // requests for logs
	gone int // requests about pods that are not there
}

type fakePod struct {
	uid       string
	labels    map[string]string
	restarts  int
	phase     string
	forbidden bool
	waiting   bool // the container has not started
	log, old  []entry
	done      bool   // the instance has ended
	first     int    // lines before this one are in a file that was rotated away
	words     string // what the kubelet says in the log's place, without end
}

type entry struct {
	at   time.Time
	text string
}

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{t: t, now: time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC), pods: map[string]*fakePod{}}
	n.wake = sync.NewCond(&n.mu)
	n.Server = httptest.NewServer(n)
	t.Cleanup(func() {
		n.cut()
		n.Close()
	})
	return n
}

// client is a real one that talks to the server.
func (n *node) client() *kube.Client { return clientOf(n.t, n.URL) }

func clientOf(t testing.TB, url string) *kube.Client {
	t.Helper()
	return kubetest.Client(t, url, kube.Options{QPS: -1})
}

// change does something to the cluster that everybody sees at once.
func (n *node) change(do func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	do()
	n.wake.Broadcast()
}

func (n *node) add(name string, lines ...string) {
	n.change(func() {
		n.pods[name] = &fakePod{uid: name + "-uid", labels: map[string]string{"istio": "egressgateway"}, phase: "Running"}
	})
	n.write(name, lines...)
}

// write has a container write; every third line has the time of the one before it, as when a runtime reads several at once.
func (n *node) write(name string, lines ...string) {
	n.change(func() {
		for _, l := range lines {
			p := n.pods[name]
			if len(p.log)%3 != 2 {
				n.now = n.now.Add(137 * time.Millisecond)
			}
			p.log = append(p.log, entry{n.now, l})
		}
	})
}

// restart ends a container's instance and begins the next.
func (n *node) restart(name string, lines ...string) {
	n.change(func() {
		p := n.pods[name]
		p.old, p.log, p.restarts = p.log, nil, p.restarts+1
	})
	n.write(name, lines...)
}

// end ends a container for good: its log and its pod are still there.
func (n *node) end(name string) { n.change(func() { n.pods[name].done = true }) }

func (n *node) remove(name string) { n.change(func() { delete(n.pods, name) }) }

// cut breaks all streams, in the middle of what they are writing. It says how often logs had been asked for then.
func (n *node) cut() (asks int) {
	n.change(func() { n.cuts, asks = n.cuts+1, n.asks })
	return asks
}

// asked says how often logs were asked for.
func (n *node) asked() (asks int) {
	n.change(func() { asks = n.asks })
	return asks
}

// untilAsked waits until logs were asked for so often.
func (n *node) untilAsked(times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.asks < times {
		n.wake.Wait()
	}
}

// untilRefused waits until a pod or its log was asked for that is gone.
func (n *node) untilRefused() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.gone == 0 {
		n.wake.Wait()
	}
}

// ServeHTTP answers for /api/v1/namespaces/gw/pods[/NAME[/log]].
func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest := strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/gw/pods")
	name, log := strings.CutSuffix(strings.Trim(rest, "/"), "/log")
	if log {
		n.log(w, r, name)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if name == "" {
		items := []any{}
		for podName, p := range n.pods {
			items = append(items, p.object(podName))
		}
		n.answer(w, 200, map[string]any{"metadata": map[string]any{}, "items": items})
		return
	}
	p := n.pods[name]
	if p == nil {
		n.gone++
		n.wake.Broadcast()
		n.refuse(w, 404, "NotFound", name+" not found")
		return
	}
	n.answer(w, 200, p.object(name))
}

func (p *fakePod) object(name string) map[string]any {
	state := map[string]any{"running": map[string]any{}}
	if p.done {
		state = map[string]any{"terminated": map[string]any{}}
	}
	return map[string]any{
		"metadata": map[string]any{"namespace": "gw", "name": name, "uid": p.uid, "labels": p.labels},
		"spec":     map[string]any{"containers": []any{map[string]any{"name": "istio-proxy", "args": []string{"proxy", "router"}}}},
		"status": map[string]any{"phase": p.phase, "containerStatuses": []any{
			map[string]any{"name": "istio-proxy", "restartCount": p.restarts, "state": state},
		}},
	}
}

func (n *node) answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		n.t.Logf("answering: %v", err) // the client may have gone
	}
}

func (n *node) refuse(w http.ResponseWriter, code int, reason, message string) {
	n.answer(w, code, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}
