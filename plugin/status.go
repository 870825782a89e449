package plugin

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// slow is how long something takes before the line says for how long it has been going on, and how often it is said anew.
const slow = time.Second

// status shows what is being done and for how long, for as long as it takes, on a terminal that can take it away again. Elsewhere it
// says nothing. The caller calls done, which may be called again.
func (t *tool) status(doing string) (done func()) {
	if t.line == nil {
		return func() {}
	}
	return t.line.show(doing)
}

// statusLine is a terminal whose last line tells what is being done. Whatever else is written to it comes above that line.
type statusLine struct {
	w    io.Writer
	mu   sync.Mutex
	text string // the line as it is on the terminal; empty if there is none
}

const wipe = "\r\033[K"

// Write writes lines above the one that tells what is being done.
func (l *statusLine) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == "" || len(b) == 0 {
		return l.w.Write(b)
	}
	fmt.Fprint(l.w, wipe)
	n, err := l.w.Write(b)
	if b[len(b)-1] == '\n' {
		fmt.Fprint(l.w, l.text)
	}
	return n, err
}

// set puts up another line: what is being done, and for how long. It is no wider than the terminal, for the rest of a line that wraps
// could not be wiped.
func (l *statusLine) set(doing, took string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if most := width(l.w) - 1 - len(took); most > 0 {
		doing = fit([]string{doing}, most, 0)[0]
	}
	text := doing + took
	if l.text != "" {
		fmt.Fprint(l.w, wipe)
	}
	l.text = text
	fmt.Fprint(l.w, text)
}

// show puts the line up and has it count the seconds until done is called.
func (l *statusLine) show(doing string) (done func()) {
	doing = plain(doing)
	l.set(doing, " ...")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(slow)
		defer tick.Stop()
		for began := time.Now(); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
				l.set(doing, fmt.Sprintf(" ... %d s", int(time.Since(began).Seconds())))
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(stop)
		<-stopped
		l.set("", "")
	})
}
