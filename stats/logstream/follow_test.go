package logstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// collector keeps what a handler is given, by pod, without the runtime's times.
type collector struct {
	mu    sync.Mutex
	lines map[string][]string
	notes []string
	grown chan struct{}
}

func newCollector() *collector {
	return &collector{lines: map[string][]string{}, grown: make(chan struct{}, 1)}
}

func (c *collector) handle(s Source, chunk []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for line := range strings.Lines(string(chunk)) {
		_, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		c.lines[s.Pod] = append(c.lines[s.Pod], text)
	}
	c.tell()
	return nil
}

func (c *collector) note(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notes = append(c.notes, s)
	c.tell()
}

func (c *collector) tell() {
	select {
	case c.grown <- struct{}{}:
	default:
	}
}

// until waits for what is looked for.
func (c *collector) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		done := ok()
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-c.grown:
		case <-late:
			t.Fatalf("%s: not in time; lines %v, notes %q", what, c.lines, c.notes)
		}
	}
}

// notesWith counts the notes that say something. The caller holds the lock, or nobody writes any more.
func (c *collector) notesWith(words string) (n int) {
	for _, note := range c.notes {
		if strings.Contains(note, words) {
			n++
		}
	}
	return n
}

func (c *collector) has(pod string, n int) func() bool {
	return func() bool { return len(c.lines[pod]) >= n }
}

func numbered(from, to int) []string {
	var lines []string
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf("line %d", i))
	}
	return lines
}

// following follows the node's gateway until the test ends it, and gives what Follow returned.
func following(t *testing.T, n *node, c *collector, o Options) (end func() error) {
	t.Helper()
	o.Poll, o.Note = 20*time.Millisecond, c.note
	ctx, cancel := context.WithCancel(t.Context())
	client := n.client()
	finder := &Finder{Client: client, Gateways: []Gateway{{Namespace: "gw", Service: "egress", Selector: map[string]string{"istio": "egressgateway"}}}}
	result := make(chan error, 1)
	go func() { result <- Follow(ctx, client, finder.Find, o, c.handle) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-result
	})
}

// TestRollOver: a gateway is rolled over while it is followed. The new pod's lines come from its first on, the old one's to its last:
// its log is there for a while after its container has ended.
func TestRollOver(t *testing.T) {
	t.Parallel()
	n, c := newNode(t), newCollector()
	n.add("old", numbered(0, 10)...)
	end := following(t, n, c, Options{})
	c.until(t, "the old pod", c.has("old", 10))
	n.add("new", numbered(0, 5)...)
	n.write("old", numbered(10, 20)...)
	n.write("new", numbered(5, 8)...)
	n.cut()
	n.write("old", numbered(20, 25)...)
	n.end("old")
	c.until(t, "both pods", func() bool { return c.has("old", 25)() && c.has("new", 8)() })
	n.untilAsked(n.asked() + 2)
	n.remove("old")
	n.untilRefused()
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended by %v", err)
	}
	want := map[string][]string{"old": numbered(0, 25), "new": numbered(0, 8)}
	if diff := cmp.Diff(want, c.lines); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if c.notesWith("missing") > 0 {
		t.Errorf("nothing is missing: %q", c.notes)
	}
}

// TestCuts: the API server breaks every stream again and again, in the middle of lines, while three pods write.
func TestCuts(t *testing.T) {
	t.Parallel()
	n, c := newNode(t), newCollector()
	pods := []string{"a", "b", "c"}
	for _, p := range pods {
		n.add(p)
	}
	end := following(t, n, c, Options{})
	const lines = 600
	random := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < lines; {
		step := min(1+random.IntN(20), lines-i)
		for _, p := range pods {
			n.write(p, numbered(i, i+step)...)
		}
		i += step
		if random.IntN(2) == 0 {
			n.untilAsked(n.cut() + 1)
		}
		c.until(t, "half of it", c.has("a", i/2))
	}
	for _, p := range pods {
		c.until(t, p, c.has(p, lines))
	}
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, p := range pods {
		if diff := cmp.Diff(numbered(0, lines), c.lines[p]); diff != "" {
			t.Errorf("%s (-want +got)\n%s", p, diff)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cuts < 10 || n.asks < 12 {
		t.Errorf("only %d cuts and %d streams: nothing was shown", n.cuts, n.asks)
	}
}

// TestFollowSinceAndTail hold for pods that are there at the beginning, and only the first time that they are read.
func TestFollowSinceAndTail(t *testing.T) {
	t.Parallel()
	n, c := newNode(t), newCollector()
	n.add("gw-1", numbered(0, 10)...)
	end := following(t, n, c, Options{Tail: 2})
	c.until(t, "the tail", c.has("gw-1", 2))
	n.cut()
	n.write("gw-1", numbered(10, 15)...)
	n.add("gw-2", numbered(0, 10)...)
	c.until(t, "all", func() bool { return c.has("gw-1", 7)() && c.has("gw-2", 10)() })
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string][]string{"gw-1": numbered(8, 15), "gw-2": numbered(0, 10)}, c.lines); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestForbidden: a log that may not be read is told and does not stop the others; if there is no other, it is the error.
func TestForbidden(t *testing.T) {
	t.Parallel()
	n, c := newNode(t), newCollector()
	n.add("mine", "line 0")
	n.add("theirs", "secret")
	n.change(func() { n.pods["theirs"].forbidden = true })
	end := following(t, n, c, Options{})
	c.until(t, "mine and the note", func() bool { return c.has("mine", 1)() && len(c.notes) > 0 })
	if err := end(); !errors.Is(err, context.Canceled) || !strings.Contains(c.notes[0], "theirs") || !strings.Contains(c.notes[0], "forbidden") {
		t.Errorf("ended by %v, notes %q", err, c.notes)
	}
	n.remove("mine")
	client := n.client()
	err := Follow(t.Context(), client, func(context.Context) ([]Source, error) {
		return []Source{{Kind: accesslog.Gateway, Namespace: "gw", Pod: "theirs", Container: "istio-proxy"}}, nil
	}, Options{Poll: 10 * time.Millisecond}, c.handle)
	if !errors.Is(err, kube.ErrForbidden) {
		t.Errorf("nothing else to read: %v", err)
	}
}

// TestHandlerEndsIt: what cannot be printed ends all reading.
func TestHandlerEndsIt(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.add("a", "line 0")
	n.add("b", "line 0")
	broken := errors.New("broken pipe")
	client := n.client()
	finder := &Finder{Client: client, Gateways: []Gateway{{Namespace: "gw", Selector: map[string]string{"istio": "egressgateway"}}}}
	err := Follow(t.Context(), client, finder.Find, Options{Poll: 10 * time.Millisecond}, func(Source, []byte) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("ended by %v", err)
	}
}

// TestNotStarted: a container that waits to start is no trouble, and is read once it runs; one that is over is read to its end.
func TestNotStarted(t *testing.T) {
	t.Parallel()
	n, c := newNode(t), newCollector()
	n.add("gw-1")
	n.change(func() { n.pods["gw-1"].waiting = true })
	end := following(t, n, c, Options{})
	n.untilAsked(3)
	n.change(func() { n.pods["gw-1"].waiting = false })
	n.write("gw-1", "line 0")
	c.until(t, "it has started", c.has("gw-1", 1))
	n.write("gw-1", "line 1")
	n.change(func() { n.pods["gw-1"].phase, n.pods["gw-1"].done = "Succeeded", true })
	c.until(t, "it is over", c.has("gw-1", 2))
	if err := end(); !errors.Is(err, context.Canceled) || len(c.notes) > 0 {
		t.Errorf("ended by %v, notes %q", err, c.notes)
	}
}
