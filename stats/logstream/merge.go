package logstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// parallelOpens is how many logs are asked for at the same time.
const parallelOpens = 16

// Read reads the logs of all sources once and hands their lines on in the order in which they were written. A source that cannot be
// read is part of the error; the others are read all the same. A pod that has gone in the meantime is told in Note.
func Read(ctx context.Context, c Client, sources []Source, o Options, handle Handler) error {
	o = o.withDefaults()
	open := make([]*tape, len(sources))
	failed := make([]error, len(sources))
	defer func() {
		for _, t := range open {
			if t != nil {
				_ = t.body.Close() // nothing that reading has not told
			}
		}
	}()
	starting := new(errgroup.Group)
	starting.SetLimit(parallelOpens)
	for i, s := range sources {
		starting.Go(func() error {
			body, err := c.Logs(ctx, s.pod(), kube.LogOptions{Timestamps: true, SinceTime: o.Since, Tail: o.Tail})
			if failed[i] = err; err == nil {
				open[i] = &tape{source: s, body: body, lines: lines{r: body}}
			}
			return nil
		})
	}
	if err := starting.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m := merger{handle: handle}
	for i, t := range open {
		switch {
		case t != nil:
			m.waiting = append(m.waiting, t)
		case errors.Is(failed[i], kube.ErrAbsent), errors.Is(failed[i], kube.ErrInvalid):
			o.Note(failed[i].Error()) // gone, or not started yet
			failed[i] = nil
		}
	}
	return errors.Join(append(failed, m.run(ctx, o))...)
}

// tape is a log with the place that its reading has come to.
type tape struct {
	source Source
	body   io.ReadCloser
	lines  lines
	chunk  []byte    // not handed on yet
	at     time.Time // of the first line in it
}

// load sees to it that there is a line; false at the end.
func (t *tape) load() (bool, error) {
	for len(t.chunk) == 0 {
		chunk, err := t.lines.next()
		switch {
		case err == nil:
			t.chunk = chunk
		case ended(err):
			rest := t.lines.rest()
			if len(rest) == 0 {
				return false, nil
			}
			rest = append(rest, '\n')
			t.chunk = rest
			t.lines.from = t.lines.to
		default:
			return false, fmt.Errorf("read the log of pod %s/%s: %w", t.source.Namespace, t.source.Pod, err)
		}
	}
	if at := timeOf(t.chunk); !at.IsZero() { // a line without a time belongs to the one before it
		t.at = at
	}
	return true, nil
}

// until takes off the lines that were written before a time, at least one; the zero time takes all.
func (t *tape) until(next time.Time) []byte {
	end := 0
	for end < len(t.chunk) {
		if end > 0 && !next.IsZero() {
			if at := timeOf(t.chunk[end:]); !at.IsZero() && !at.Before(next) {
				break
			}
		}
		n := bytes.IndexByte(t.chunk[end:], '\n')
		if n < 0 || next.IsZero() {
			end = len(t.chunk)
			break
		}
		end += n + 1
	}
	taken := t.chunk[:end]
	t.chunk = t.chunk[end:]
	return taken
}

// merger hands on the lines of several tapes by time.
type merger struct {
	waiting []*tape // by the time of their next line
	handle  Handler
}

func (m *merger) run(ctx context.Context, o Options) error {
	var failed []error
	ready := m.waiting[:0]
	for _, t := range m.waiting {
		more, err := t.load()
		if err != nil {
			failed = append(failed, err)
		} else if more {
			ready = append(ready, t)
		}
	}
	m.waiting = ready
	egress.SortFunc(m.waiting, func(a, b *tape) int { return a.at.Compare(b.at) })
	for len(m.waiting) > 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		first := m.waiting[0]
		var next time.Time
		if len(m.waiting) > 1 {
			next = m.waiting[1].at
		}
		if err := m.handle(first.source, first.until(next)); err != nil {
			return err
		}
		more, err := first.load()
		if first.lines.cut > 0 {
			o.Note(fmt.Sprintf("%s wrote a line of more than %d KiB; the rest of it is left out", first.source, maxLine>>10))
			first.lines.cut = 0
		}
		if err != nil {
			failed = append(failed, err)
		}
		if !more {
			m.waiting = m.waiting[1:]
			continue
		}
		m.settle()
	}
	return errors.Join(failed...)
}

// settle moves the first tape to where its next line belongs.
func (m *merger) settle() {
	for i := 1; i < len(m.waiting) && m.waiting[i].at.Before(m.waiting[i-1].at); i++ {
		m.waiting[i-1], m.waiting[i] = m.waiting[i], m.waiting[i-1]
	}
}
