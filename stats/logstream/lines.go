package logstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Sizes of a source's buffer, in bytes. A line longer than maxLine is cut there: kubelets and runtimes know no bound.
const (
	firstBuffer = 8 << 10
	bestBuffer  = 64 << 10 // a source that is busy
	maxLine     = 1 << 20
)

// lines cuts what a reader gives into chunks of whole lines.
type lines struct {
	r       io.Reader
	buf     []byte
	from    int // what is not handed out yet is buf[from:to]
	to      int
	cut     int  // lines that were cut at maxLine
	cutting bool // in the rest of such a line
	err     error
}

// reset begins with another reader and keeps the buffer.
func (l *lines) reset(r io.Reader) { *l = lines{r: r, buf: l.buf, cut: l.cut} }

// next gives the next chunk of whole lines, which holds until it is called again. After the last one comes the reader's error; what
// was read of a line that did not end is in rest then.
func (l *lines) next() ([]byte, error) {
	for {
		if l.err != nil {
			return nil, l.err
		}
		l.makeRoom()
		n, err := l.r.Read(l.buf[l.to:])
		l.err = err
		fresh := l.to
		l.to += n
		if l.cutting {
			l.dropCut()
			fresh = l.from
		}
		if end := bytes.LastIndexByte(l.buf[fresh:l.to], '\n'); end >= 0 {
			chunk := l.buf[l.from : fresh+end+1]
			l.from = fresh + end + 1
			return chunk, nil
		}
		if l.to-l.from > maxLine {
			return l.cutHere(), nil
		}
	}
}

// makeRoom moves what is left to the front and, if need be, takes a larger buffer.
func (l *lines) makeRoom() {
	if l.buf == nil {
		l.buf = make([]byte, firstBuffer)
	}
	filled := l.from == len(l.buf) // the last read filled the buffer
	if l.from > 0 {
		l.to = copy(l.buf, l.buf[l.from:l.to])
		l.from = 0
	}
	if l.to == len(l.buf) || filled && len(l.buf) < bestBuffer {
		larger := make([]byte, min(2*len(l.buf), maxLine+1))
		copy(larger, l.buf[:l.to])
		l.buf = larger
	}
}

// cutHere ends the line that is too long, and has the rest of it passed over.
func (l *lines) cutHere() []byte {
	l.buf[maxLine] = '\n'
	l.to, l.cutting = 0, true
	l.from = 0
	l.cut++
	return l.buf[:maxLine+1]
}

// dropCut passes over what belongs to a line that was cut.
func (l *lines) dropCut() {
	end := bytes.IndexByte(l.buf[l.from:l.to], '\n')
	if end < 0 {
		l.to = l.from
		return
	}
	l.from += end + 1
	l.cutting = false
}

// rest is what was read of a last line without end.
func (l *lines) rest() []byte {
	if l.cutting {
		return nil
	}
	return l.buf[l.from:l.to]
}

// Chunks hands all that a reader gives to handle, in chunks of whole lines and as soon as they have come; the last line may be without
// end. What handle is given holds until it returns, and its error ends it.
func Chunks(r io.Reader, handle func(chunk []byte) error) error {
	l := lines{r: r}
	for {
		chunk, err := l.next()
		if err == nil {
			if err := handle(chunk); err != nil {
				return err
			}
			continue
		}
		if rest := l.rest(); len(rest) > 0 {
			if err := handle(rest); err != nil {
				return err
			}
		}
		if ended(err) {
			return nil
		}
		return fmt.Errorf("read lines: %w", err)
	}
}

// ended says whether a reader came to its end in order, rather than having been cut.
func ended(err error) bool { return errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) }
