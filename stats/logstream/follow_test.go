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

// TestVanishes: a pod whose log was not read to its end is told, and no other.
func TestVanishes(t *testing.T) {
	t.Parallel()
	const words = "unable to retrieve container logs for containerd://1"
	for name, test := range map[string]struct {
		vanish  func(n *node)
		missing int
	}{
		"at once, with its last stream": {func(n *node) { n.remove("old") }, 0},
		"the kubelet lost the log first": {func(n *node) {
			n.change(func() { n.pods["old"].done, n.pods["old"].words = true, words })
			n.untilAsked(n.asked() + 2)
			n.remove("old")
		}, 0},
		"while its stream is cut":  {func(n *node) { n.change(func() { n.cuts++; delete(n.pods, "old") }) }, 1},
		"and another has its name": {func(n *node) { n.change(func() { n.cuts++; n.pods["old"].uid = "again" }) }, 1},
		"the kubelet lost the log while its stream was cut": {func(n *node) {
			n.change(func() { n.cuts++; n.pods["old"].words = words })
			n.untilAsked(n.asked() + 2)
			n.remove("old")
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, c := newNode(t), newCollector()
			n.add("old", numbered(0, 10)...)
			end := following(t, n, c, Options{})
			c.until(t, "the old pod", c.has("old", 10))
			test.vanish(n)
			want := numbered(0, 10)
			if strings.Contains(name, "another") {
				want = append(want, want...) // those of the pod that has taken its place
			} else {
				n.untilRefused()
			}
			c.until(t, "all lines", c.has("old", len(want)))
			c.until(t, "the notes", func() bool { return c.notesWith("is gone; its last lines may be missing") >= test.missing })
			if err := end(); !errors.Is(err, context.Canceled) {
				t.Errorf("ended by %v", err)
			}
			if diff := cmp.Diff(want, c.lines["old"]); diff != "" || c.notesWith("missing") != test.missing {
				t.Errorf("notes %q (-want +got)\n%s", c.notes, diff)
			}
		})
	}
}

// TestGoneAfterItWasOpened: the pod goes between the opening of its log and the look at it; what comes of the log is read all the same.
func TestGoneAfterItWasOpened(t *testing.T) {
	t.Parallel()
	n, c := newNode(t), newCollector()
	n.add("old", numbered(0, 10)...)
	n.change(func() { n.pods["old"].done = true })
	client := n.client()
	f := &follower{c: forgetful{client}, s: Source{Namespace: "gw", Pod: "old", Container: "istio-proxy", UID: "old-uid"}, o: Options{Note: c.note}.withDefaults(), handle: c.handle}
	if err := f.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(numbered(0, 10), c.lines["old"]); diff != "" || len(c.notes) > 0 {
		t.Errorf("notes %q (-want +got)\n%s", c.notes, diff)
	}
}

// forgetful is a Client whose pods are gone when they are looked at.
type forgetful struct{ Client }

func (forgetful) Get(context.Context, kube.Resource, string, string, any) error {
	return kube.ErrAbsent
}

// TestRotated: what a kubelet has rotated away while nobody read cannot be read any more, and that is told, once.
func TestRotated(t *testing.T) {
	t.Parallel()
	n, c := newNode(t), newCollector()
	n.add("gw-1", numbered(0, 10)...)
	end := following(t, n, c, Options{})
	c.until(t, "the first lines", c.has("gw-1", 10))
	n.change(func() {
		n.cuts++
		p := n.pods["gw-1"]
		for _, l := range numbered(10, 40) {
			n.now = n.now.Add(time.Millisecond)
			p.log = append(p.log, entry{n.now, l})
		}
		p.first = 30
	})
	c.until(t, "the last lines", c.has("gw-1", 20))
	n.cut()
	n.write("gw-1", numbered(40, 45)...)
	c.until(t, "after another cut", c.has("gw-1", 25))
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended by %v", err)
	}
	if diff := cmp.Diff(append(numbered(0, 10), numbered(30, 45)...), c.lines["gw-1"]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if c.notesWith("rotated while it was not read; lines may be missing") != 1 {
		t.Errorf("notes %q", c.notes)
	}
}

// TestRestart: a container dies while its stream is cut; what it wrote last is read of the instance before.
func TestRestart(t *testing.T) {
	t.Parallel()
	n, c := newNode(t), newCollector()
	n.add("gw-1", numbered(0, 10)...)
	end := following(t, n, c, Options{})
	c.until(t, "the first lines", c.has("gw-1", 10))
	n.change(func() { // all at once: cut, last words, next instance
		n.cuts++
		p := n.pods["gw-1"]
		for _, l := range numbered(10, 15) {
			n.now = n.now.Add(time.Millisecond)
			p.log = append(p.log, entry{n.now, l})
		}
		p.old, p.log, p.restarts = p.log, nil, 1
	})
	n.write("gw-1", numbered(15, 20)...)
	c.until(t, "the next instance", c.has("gw-1", 20))
	n.restart("gw-1", numbered(20, 25)...)
	c.until(t, "the one after that", c.has("gw-1", 25))
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended by %v", err)
	}
	if diff := cmp.Diff(numbered(0, 25), c.lines["gw-1"]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestRestartedBeforeSeen: a pod that is found after it has restarted is read from its first instance on; one that is there from the
// beginning, from the instance that runs.
func TestRestartedBeforeSeen(t *testing.T) {
	t.Parallel()
	n, c := newNode(t), newCollector()
	n.add("first", "before")
	n.restart("first", "now")
	end := following(t, n, c, Options{})
	c.until(t, "the pod that is there", c.has("first", 1))
	n.change(func() {
		n.pods["second"] = &fakePod{uid: "second-uid", phase: "Running", restarts: 1, old: []entry{{n.now, "crashed"}}, log: []entry{{n.now.Add(time.Second), "runs"}}}
	})
	c.until(t, "the new pod", c.has("second", 2))
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string][]string{"first": {"now"}, "second": {"crashed", "runs"}}, c.lines); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
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
