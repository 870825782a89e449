package progress

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a time that stands until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// play shows three steps, of which one fails, with the drawing clock stopped.
func play(p *Progress, c *clock) {
	p.Plan([]string{"etcd", "kube-apiserver", "istio"})
	p.Begin("etcd")
	c.forward(800 * time.Millisecond)
	p.End("etcd", 800*time.Millisecond, nil)
	p.Begin("kube-apiserver")
	p.Begin("istio")
	p.Say("istio", "waits")
	p.Say("no such step", "is ignored")
	c.forward(3 * time.Second)
	p.End("kube-apiserver", 3*time.Second, errors.New("port in use"))
	p.Note("a note")
	c.forward(95 * time.Second)
	p.End("istio", 98*time.Second, nil)
	p.Close()
}

func TestPlain(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &clock{at: time.Unix(0, 0)}
	p := begin(&out, nil, c.now)
	play(p, c)
	want := `ok    etcd                        0.8 s
FAIL  kube-apiserver              3.0 s
a note
ok    istio                    1 min 38 s  waits
`
	// No escape sequence, no carriage return, nothing at the end of lines: it goes to files.
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("plain lines (-want +got):\n%s", d)
	}
	if p.Elapsed() != 98800*time.Millisecond {
		t.Errorf("Elapsed = %s", p.Elapsed())
	}
}

// A long step says each half a minute that it goes on, so that nobody takes it for dead.
func TestPlainLongStep(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &clock{at: time.Unix(0, 0)}
	p := begin(&out, nil, c.now)
	p.Plan([]string{"programs"})
	p.Begin("programs")
	p.Say("programs", "1200 packages compiled")
	tell := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.refresh()
	}
	c.forward(29 * time.Second)
	tell()
	c.forward(time.Second)
	tell()
	tell()
	c.forward(30 * time.Second)
	tell()
	p.Close()
	want := `...   programs                   30.0 s  1200 packages compiled
...   programs                 1 min 0 s  1200 packages compiled
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestBar(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &clock{at: time.Unix(0, 0)}
	play(begin(&out, func() int { return 60 }, c.now), c)
	screen := render(out.String())
	// What stays is what plain lines would have said; the bar is gone.
	want := []string{"ok    etcd                        0.8 s", "FAIL  kube-apiserver              3.0 s", "a note", "ok    istio                    1 min 38 s  waits", ""}
	if d := cmp.Diff(want, screen); d != "" {
		t.Errorf("screen (-want +got):\n%s", d)
	}
	if !strings.Contains(out.String(), "[######..............] 1/3  0.8 s  kube-apiserver") {
		t.Errorf("the bar was never drawn:\n%q", out.String())
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(out.String(), "\x1b[K", ""), "\r") {
		if len(strings.TrimRight(line, "\n")) >= 60 {
			t.Errorf("a line is too long for the terminal and would wrap: %q", line)
		}
	}
}

// render is what a terminal shows of text: carriage returns go back, \x1b[K clears to the end of the line.
func render(text string) []string {
	lines := []string{""}
	for part := range strings.SplitAfterSeq(text, "\n") {
		end := strings.HasSuffix(part, "\n")
		shown := ""
		for piece := range strings.SplitSeq(strings.TrimSuffix(part, "\n"), "\r") {
			cleared := strings.HasPrefix(piece, "\x1b[K")
			piece = strings.ReplaceAll(piece, "\x1b[K", "")
			switch {
			case cleared:
				shown = piece
			case len(piece) >= len(shown):
				shown = piece
			default:
				shown = piece + shown[len(piece):]
			}
		}
		lines[len(lines)-1] = shown
		if end {
			lines = append(lines, "")
		}
	}
	return lines
}

func TestBarText(t *testing.T) {
	t.Parallel()
	running := []*line{{name: "images", said: "3 of 5"}, {name: "istio"}}
	for _, tt := range []struct {
		ended, total int
		elapsed      time.Duration
		want         string
	}{
		{0, 14, 0, "[....................] 0/14  0.0 s  images (3 of 5), istio"},
		{7, 14, 12300 * time.Millisecond, "[##########..........] 7/14  12.3 s  images (3 of 5), istio"},
		{14, 14, 61 * time.Second, "[####################] 14/14  1 min 1 s  images (3 of 5), istio"},
	} {
		if got := bar(tt.ended, tt.total, tt.elapsed, running); got != tt.want {
			t.Errorf("bar = %q, want %q", got, tt.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 849 * time.Millisecond: "0.8 s", 59940 * time.Millisecond: "59.9 s",
		time.Minute: "1 min 0 s", 4*time.Minute + 37600*time.Millisecond: "4 min 38 s",
	} {
		if got := Seconds(d); got != want {
			t.Errorf("Seconds(%s) = %q, want %q", d, got, want)
		}
	}
}
