package logstream

import (
	"bytes"
	"fmt"
	"io"
)

// pump hands on what is new until the stream ends, with the error that ended it, io.EOF at best. A last line without end is handed on
// only if nothing can come to it any more.
func (f *follower) pump(body io.Reader, last bool) error {
	f.lines.reset(body)
	seen := from(f.mark)
	cut := f.lines.cut
	var words []byte // of the kubelet
	for {
		chunk, err := f.lines.next()
		if err != nil && ended(err) {
			chunk = withEnd(f.lines.rest())
		}
		chunk, words = f.kubelets(chunk, words)
		if err != nil && !last {
			chunk = nil
		}
		if err := f.deliver(seen.skip(chunk)); err != nil {
			return err
		}
		if seen.gap {
			seen.gap = false
			f.o.Note(fmt.Sprintf("%s: its log was rotated while it was not read; lines may be missing", f.s))
		}
		switch {
		case f.lines.cut > cut:
			cut = f.lines.cut
			f.o.Note(fmt.Sprintf("%s wrote a line of more than %d KiB; the rest of it is left out", f.s, maxLine>>10))
		case err != nil && ended(err) && words != nil:
			return &lostError{string(words)}
		case err != nil:
			return err
		}
	}
}

// lostError is what a kubelet says in a log's place.
type lostError struct{ words string }

func (l *lostError) Error() string { return "the node says: " + l.words }

func withEnd(line []byte) []byte {
	if len(line) == 0 {
		return nil
	}
	return append(line, '\n')
}

// kubelets takes off a chunk's last line if it is none of the container's: a kubelet that cannot read a log, or not go on, says so in
// the log, as a line without the runtime's time.
func (f *follower) kubelets(chunk, before []byte) (rest, words []byte) {
	if len(chunk) == 0 {
		return chunk, before
	}
	from := bytes.LastIndexByte(chunk[:len(chunk)-1], '\n') + 1
	if f.mark.at.IsZero() && timeOf(chunk).IsZero() || !timeOf(chunk[from:]).IsZero() {
		return chunk, nil
	}
	return chunk[:from], bytes.Clone(bytes.TrimSpace(chunk[from:]))
}

func (f *follower) deliver(chunk []byte) error {
	if len(chunk) == 0 {
		return nil
	}
	if err := f.handle(f.s, chunk); err != nil {
		return &handlerError{err}
	}
	f.mark.advance(chunk)
	return nil
}
