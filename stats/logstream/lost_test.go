package logstream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

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
