package logstream

import (
	"bytes"
	"time"
)

// mark is how far a log has been handled: up to the last line, which the runtime took at a certain nanosecond. Several lines may have
// that same time. It is what a log that is read again, from the beginning of that second on, is held against.
type mark struct {
	at   time.Time
	same int // lines with just that time
}

// stampOf gives the runtime's time of a line as it is written, and how many bytes that and the space after it are; 0 if the line has
// none.
func stampOf(line []byte) (stamp []byte, width int) {
	i := bytes.IndexByte(line[:min(len(line), len(time.RFC3339Nano)+1)], ' ')
	if i < len("2006-01-02T15:04:05Z") {
		return nil, 0
	}
	return line[:i], i + 1
}

// timeOf reads the runtime's time of a line; zero if it has none.
func timeOf(line []byte) time.Time {
	stamp, width := stampOf(line)
	if width == 0 {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return time.Time{}
	}
	return t
}

// advance moves the mark over a chunk of whole lines that has been handled.
func (m *mark) advance(chunk []byte) {
	at, same := time.Time{}, 0
	rest := chunk
	for len(rest) > 0 {
		from := bytes.LastIndexByte(rest[:len(rest)-1], '\n') + 1
		t := timeOf(rest[from:])
		switch {
		case t.IsZero(): // a line without a time belongs to the one before it
		case same == 0:
			at, same = t, 1
		case t.Equal(at):
			same++
		default:
			*m = mark{at, same}
			return
		}
		rest = rest[:from]
	}
	switch {
	case same == 0:
	case at.Equal(m.at):
		m.same += same
	default:
		*m = mark{at, same}
	}
}

// forget says that the log to come is another one, of which nothing has been handled.
func (m *mark) forget() { m.same = 0 }

// replay passes over those lines of a log that were handled already: all before the mark, and as many with its time as had it.
type replay struct {
	mark
	on  bool
	gap bool // the log begins after the mark: it was rotated, and what was between is in a file that nobody reads
}

// from begins a replay against a mark.
func from(m mark) replay { return replay{mark: m, on: m.same > 0} }

// skip gives what of a chunk of whole lines is new.
func (r *replay) skip(chunk []byte) []byte {
	for r.on && len(chunk) > 0 {
		end := bytes.IndexByte(chunk, '\n') + 1
		if end == 0 {
			end = len(chunk)
		}
		t := timeOf(chunk[:end])
		switch {
		case t.IsZero() || t.Before(r.at):
		case t.After(r.at):
			r.on, r.gap = false, true
			return chunk
		default:
			if r.same--; r.same <= 0 {
				r.on = false
			}
		}
		chunk = chunk[end:]
	}
	return chunk
}
