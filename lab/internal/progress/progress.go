// Package progress shows steps as they run: a bar on a terminal, plain lines elsewhere.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// quiet is how long a step may run without a plain line telling that it still does.
const quiet = 30 * time.Second

// Progress is a steps.Watcher that writes to one stream. Close it before anything else is written there.
type Progress struct {
	mu      sync.Mutex
	out     io.Writer
	width   func() int // nil: plain lines
	now     func() time.Time
	start   time.Time
	total   int
	ended   int
	running []*line
	names   int // width of the longest name
	stop    chan struct{}
	stopped sync.WaitGroup
}

type line struct {
	name, said string
	since      time.Time
	told       time.Time
}

// Plain writes one line when a step ends, and one each half a minute while it runs.
func Plain(out io.Writer) *Progress { return begin(out, nil, time.Now) }

// Bar keeps one line at the bottom that tells how far it is, how long it took and what is running. width is asked each
// time the line is drawn, because windows change.
func Bar(out io.Writer, width func() int) *Progress { return begin(out, width, time.Now) }

func begin(out io.Writer, width func() int, now func() time.Time) *Progress {
	// The width fits the names of all the lab's steps, so that columns do not move when more steps are planned.
	p := &Progress{out: out, width: width, now: now, start: now(), stop: make(chan struct{}), names: 23}
	every := time.Second
	if width != nil {
		every = 200 * time.Millisecond
	}
	p.stopped.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
				p.mu.Lock()
				p.refresh()
				p.mu.Unlock()
			}
		}
	})
	return p
}

// Close takes the bar away and ends the drawing.
func (p *Progress) Close() {
	close(p.stop)
	p.stopped.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
}

// Elapsed is the time since the first step was planned.
func (p *Progress) Elapsed() time.Duration { return p.now().Sub(p.start) }

// Plan adds steps to what is to be done.
func (p *Progress) Plan(names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total += len(names)
	for _, n := range names {
		p.names = max(p.names, len(n))
	}
}

// Begin shows a step as running.
func (p *Progress) Begin(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = append(p.running, &line{name: name, since: p.now(), told: p.now()})
	p.draw()
}

// Say keeps what a running step tells about itself.
func (p *Progress) Say(name, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.find(name); l != nil {
		l.said = what
	}
}

// End writes the line of a step that is through.
func (p *Progress) End(name string, took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	said := ""
	if l := p.find(name); l != nil {
		said = l.said
		kept := p.running[:0]
		for _, r := range p.running {
			if r != l {
				kept = append(kept, r)
			}
		}
		p.running = kept
	}
	p.ended++
	word := "ok  "
	if err != nil {
		word = "FAIL"
	}
	p.wipe()
	p.print(fmt.Sprintf("%s  %-*s  %8s  %s", word, p.names, name, Seconds(took), said))
	p.draw()
}

// Note writes a line of its own.
func (p *Progress) Note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	p.print(text)
	p.draw()
}

// Seconds is a duration as the lab shows it: "0.8 s", "4 min 38 s".
func Seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}

func (p *Progress) find(name string) *line {
	for _, l := range p.running {
		if l.name == name {
			return l
		}
	}
	return nil
}

// refresh is called by the ticker: draws the bar anew, or tells in a plain line that a step goes on.
func (p *Progress) refresh() {
	if p.width != nil {
		p.draw()
		return
	}
	for _, l := range p.running {
		if p.now().Sub(l.told) >= quiet {
			l.told = p.now()
			p.print(fmt.Sprintf("...   %-*s  %8s  %s", p.names, l.name, Seconds(p.now().Sub(l.since)), l.said))
		}
	}
}

func (p *Progress) draw() {
	if p.width == nil || p.total == 0 || len(p.running) == 0 {
		return
	}
	text := bar(p.ended, p.total, p.now().Sub(p.start), p.running)
	if w := p.width(); w > 1 && len(text) >= w {
		text = text[:w-1]
	}
	fmt.Fprint(p.out, "\r"+text+"\x1b[K")
}

func (p *Progress) wipe() {
	if p.width != nil {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *Progress) print(text string) { fmt.Fprintln(p.out, strings.TrimRight(text, " ")) }

// bar is the one line at the bottom of a terminal; ASCII only, so that cutting it to the width is safe.
func bar(ended, total int, elapsed time.Duration, running []*line) string {
	const cells = 20
	full := cells * ended / total
	var now []string
	for _, l := range running {
		if l.said != "" {
			now = append(now, l.name+" ("+l.said+")")
			continue
		}
		now = append(now, l.name)
	}
	return fmt.Sprintf("[%s%s] %d/%d  %s  %s", strings.Repeat("#", full), strings.Repeat(".", cells-full),
		ended, total, Seconds(elapsed), strings.Join(now, ", "))
}
