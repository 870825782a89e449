package logstream

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// log streams as a kubelet does: an instance's lines, filtered line by line by their time.
func (n *node) log(w http.ResponseWriter, r *http.Request, name string) {
	q := r.URL.Query()
	n.mu.Lock()
	n.asks++
	n.wake.Broadcast()
	p, cuts := n.pods[name], n.cuts
	switch {
	case p == nil:
		n.gone++
		n.refuse(w, 404, "NotFound", name+" not found")
	case p.forbidden:
		n.refuse(w, 403, "Forbidden", "you may not read logs")
	case p.waiting:
		n.refuse(w, 400, "BadRequest", "container is waiting to start")
	case q.Get("previous") == "true" && p.restarts == 0:
		n.refuse(w, 400, "BadRequest", "previous terminated container not found")
	default:
		n.stream(w, r, p, cuts)
		return
	}
	n.mu.Unlock()
}

func (n *node) stream(w http.ResponseWriter, r *http.Request, p *fakePod, cuts int) {
	q := r.URL.Query()
	since, _ := time.Parse(time.RFC3339, q.Get("sinceTime"))
	tail, _ := strconv.Atoi(q.Get("tailLines"))
	follow, instance := q.Get("follow") == "true", p.restarts
	current := func() []entry {
		if q.Get("previous") == "true" || p.restarts > instance {
			return p.old
		}
		return p.log
	}
	next := p.first
	if p.words != "" {
		_, _ = w.Write([]byte(p.words))
		n.mu.Unlock()
		return
	}
	if tail > 0 {
		next = max(0, len(current())-tail)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-r.Context().Done():
			n.change(func() {})
		case <-stop:
		}
	}()
	for {
		lines := current()
		broken := n.cuts != cuts
		n.mu.Unlock()
		for ; next < len(lines); next++ {
			text := lines[next].at.Format(time.RFC3339Nano) + " " + lines[next].text + "\n"
			if lines[next].at.Before(since) {
				continue
			}
			if broken { // half a line, and gone
				_, _ = w.Write([]byte(text[:len(text)/2]))
				break
			}
			if _, err := w.Write([]byte(text)); err != nil {
				return
			}
		}
		w.(http.Flusher).Flush()
		if broken {
			panic(http.ErrAbortHandler)
		}
		n.mu.Lock()
		over := !follow || p.restarts > instance || p.done || n.pods[nameOf(r)] != p
		if over && next >= len(current()) && n.cuts == cuts {
			break
		}
		if r.Context().Err() != nil {
			break
		}
		if next >= len(current()) && n.cuts == cuts {
			n.wake.Wait()
		}
	}
	n.mu.Unlock()
}

func nameOf(r *http.Request) string {
	return strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/gw/pods/"), "/")[0]
}
