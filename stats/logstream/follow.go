package logstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// follower follows one container for as long as its pod lives, and as its log can be read after that.
type follower struct {
	c      Client
	s      Source
	o      Options
	handle Handler

	mark     mark
	restarts int  // of the instance that is read
	known    bool // restarts is known
	troubled bool // it was said that the log cannot be read
	reached  bool // the log was read to its end in order, and since then nobody has failed to answer
	lines    lines
}

// handlerError is one of the handler's, which ends everything.
type handlerError struct{ err error }

func (h *handlerError) Error() string { return h.err.Error() }
func (h *handlerError) Unwrap() error { return h.err }

// run follows until the pod is gone, which is no error, or the context ends, or what waiting cannot mend. A log that has come to its
// end is asked for again, until there is nobody left to answer: what a stream that was cut left out is still there for a while.
func (f *follower) run(ctx context.Context) error {
	wait := time.Duration(0)
	for {
		if err := pause(ctx, wait); err != nil {
			return err
		}
		before, reached := f.mark, f.reached
		over, err := f.once(ctx)
		f.reached = f.reached && (err == nil || errors.Is(err, kube.ErrAbsent))
		var own *handlerError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &own), hopeless(err):
			return err
		case over, errors.Is(err, kube.ErrAbsent):
			if !f.reached {
				f.o.Note(fmt.Sprintf("%s is gone; its last lines may be missing", f.s))
			}
			return nil
		}
		f.tell(err)
		// A log that came to its end, or was cut after it had come for a while, is asked for again at once.
		wait = min(max(2*wait, f.o.Poll/10), f.o.Poll)
		if f.mark != before || f.reached && !reached {
			wait = 0
		}
	}
}

// pause waits, unless the context ends before.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// tell notes, once, that a log cannot be read. A container that has not started yet is none to speak of.
func (f *follower) tell(err error) {
	switch {
	case err == nil || errors.Is(err, io.EOF):
		f.troubled = false
	case !f.troubled && !errors.Is(err, kube.ErrInvalid):
		f.troubled = true
		f.o.Note(fmt.Sprintf("%s: %v; asking again from where it ended", f.s, err))
	}
}

// hopeless says that waiting cannot help.
func hopeless(err error) bool {
	return errors.Is(err, kube.ErrForbidden) || errors.Is(err, kube.ErrUnauthorized) || errors.Is(err, kube.ErrReadOnly)
}

// once reads the log from the mark until its stream ends. over says that there will be no more.
//
// The stream is opened before it is asked which instance of the container runs: so an instance that has ended in between shows itself
// as one that was restarted, and the rest of its log is read before the log of the next.
func (f *follower) once(ctx context.Context) (over bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := f.c.Logs(ctx, f.s.pod(), f.options(true))
	if err != nil {
		return false, err
	}
	defer func() { _ = body.Close() }() // nothing that reading has not told
	is, err := look(ctx, f.c, f.s)
	switch {
	case errors.Is(err, kube.ErrAbsent): // it went after its log was opened, which still comes
		is = state{over: true, ended: true, restarts: f.restarts}
	case err != nil && !errors.Is(err, kube.ErrForbidden): // who may read logs may perhaps not see pods
		return false, err
	case is.gone:
		return true, nil
	case f.known && is.restarts != f.restarts:
		f.reached = false
		return false, f.rest(ctx, is)
	}
	f.restarts, f.known = is.restarts, f.known || err == nil
	before := f.mark
	err = f.pump(body, is.over || is.ended)
	if lost := (*lostError)(nil); f.reached && f.mark == before && errors.As(err, &lost) {
		return false, nil // it was read to its end, and now it is taken away
	}
	f.reached = ended(err)
	return is.over && f.reached, ignoreEnd(err)
}

// ignoreEnd takes away the end that every log has.
func ignoreEnd(err error) error {
	if ended(err) {
		return nil
	}
	return err
}

// rest reads what the instance before the restart wrote last.
func (f *follower) rest(ctx context.Context, is state) error {
	if is.restarts > f.restarts+1 {
		f.o.Note(fmt.Sprintf("%s restarted %d times since it was last read; only the last two logs are kept", f.s, is.restarts-f.restarts))
		f.mark.forget()
	}
	o := f.options(false)
	o.Previous = true
	body, err := f.c.Logs(ctx, f.s.pod(), o)
	switch {
	case errors.Is(err, kube.ErrInvalid) || errors.Is(err, kube.ErrAbsent): // it is not kept any more
		f.o.Note(fmt.Sprintf("%s restarted and the log before is gone; its last lines may be missing", f.s))
	case err != nil:
		return err
	default:
		defer func() { _ = body.Close() }()
		if err := f.pump(body, true); !ended(err) {
			return err
		}
	}
	f.restarts = is.restarts
	f.mark.forget()
	return nil
}

// options ask for the log from the mark on.
func (f *follower) options(follow bool) kube.LogOptions {
	o := kube.LogOptions{Follow: follow, Timestamps: true}
	switch {
	case !f.mark.at.IsZero():
		o.SinceTime = f.mark.at
	case !f.known: // the first time
		o.SinceTime, o.Tail = f.o.Since, f.o.Tail
	}
	return o
}
