package logstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// Find lists the sources that there are now.
type Find func(ctx context.Context) ([]Source, error)

// Follow reads the logs of all sources and goes on until the context ends, whose error it returns then. It looks for new sources as it
// goes on, whose logs it reads from their beginning, and for the instance before where a container has restarted. Lines of one source
// come in their order, those of several as they arrive.
//
// A source that may not be read is told in Note and does not end the others; if there is no other, its error ends Follow.
func Follow(ctx context.Context, c Client, find Find, o Options, handle Handler) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g := &group{c: c, o: o.withDefaults(), handle: handle, cancel: cancel, seen: map[Source]bool{}}
	defer g.running.Wait()
	tick := time.NewTicker(g.o.Poll)
	defer tick.Stop()
	lost := false
	for first := true; ; first = false {
		sources, err := find(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && (first || hopeless(err)):
			return err
		case err != nil && !lost:
			lost = true
			g.o.Note(fmt.Sprintf("looking for new pods: %v; trying again", err))
		case err == nil:
			lost = false
			g.start(ctx, sources, first)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// group is the followers of Follow.
type group struct {
	c       Client
	o       Options
	handle  Handler
	cancel  context.CancelCauseFunc
	running sync.WaitGroup

	mu       sync.Mutex
	seen     map[Source]bool // true while it is followed; one that is over is kept as long as it is found, so as not to be begun again
	alive    int
	refusals []error
}

// start begins to follow the sources that are new.
func (g *group) start(ctx context.Context, sources []Source, first bool) {
	for _, s := range g.fresh(sources) {
		f := &follower{c: g.c, s: s, o: g.o, handle: g.handle}
		if !first { // all of it is wanted, also what instances before wrote
			f.known = true
			f.o.Since, f.o.Tail = time.Time{}, 0
		}
		g.running.Go(func() { g.ended(f.s, f.run(ctx)) })
	}
}

// fresh gives the sources that were not seen before, and forgets those that are over and gone.
func (g *group) fresh(sources []Source) []Source {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := make(map[Source]bool, len(sources))
	var fresh []Source
	for _, s := range sources {
		found[s] = true
		if _, seen := g.seen[s]; !seen {
			g.seen[s] = true
			g.alive++
			fresh = append(fresh, s)
		}
	}
	maps.DeleteFunc(g.seen, func(s Source, followed bool) bool { return !followed && !found[s] })
	return fresh
}

// ended takes note of a follower's end.
func (g *group) ended(s Source, err error) {
	if own, ok := errors.AsType[*handlerError](err); ok {
		g.cancel(own.err)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.alive--
	g.seen[s] = false
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	g.refusals = append(g.refusals, err)
	if g.alive == 0 {
		g.cancel(errors.Join(g.refusals...))
		return
	}
	g.o.Note(fmt.Sprintf("%s: %v", s, err))
}
