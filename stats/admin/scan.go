package admin

import (
	"errors"
	"fmt"
	"io"
)

// maxPiece bounds one listener, cluster or route configuration, in bytes: far above what istiod sends (a listener with a
// thousand server names takes 2 MB), and low enough that a reply that never ends cannot take all memory.
const maxPiece = 32 << 20

// maxDepth bounds nesting, as encoding/json does for the pieces.
const maxDepth = 1000

// scanner finds its way through a JSON text without holding it: it hands out the pieces that somebody wants to decode and
// runs over the rest. It looks at brackets, quotes and separators only; encoding/json judges the pieces themselves.
type scanner struct {
	src  io.Reader
	buf  []byte
	i, n int // what is not read yet: buf[i:n]
	err  error
}

func newScanner(r io.Reader) *scanner {
	return &scanner{src: r, buf: make([]byte, 64<<10)}
}

// fill reads more once the buffer is used up. It is false at the end of the text or on an error.
func (s *scanner) fill() bool {
	if s.i < s.n {
		return true
	}
	for s.err == nil {
		var n int
		n, s.err = s.src.Read(s.buf)
		if n > 0 {
			s.i, s.n = 0, n
			return true
		}
	}
	return false
}

// fail is the reader's own error, or says that the text ended too early.
func (s *scanner) fail() error {
	if s.err != nil && !errors.Is(s.err, io.EOF) {
		return s.err
	}
	return io.ErrUnexpectedEOF
}

// peek skips white space and shows the next byte.
func (s *scanner) peek() (byte, error) {
	for s.fill() {
		switch c := s.buf[s.i]; c {
		case ' ', '\n', '\t', '\r':
			s.i++
		default:
			return c, nil
		}
	}
	return 0, s.fail()
}

// expect takes the byte that must come next.
func (s *scanner) expect(want byte) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c != want {
		return fmt.Errorf("%q where %q was expected", c, want)
	}
	s.i++
	return nil
}

// more steps from one member of an object or array to the next; it is false after the closing bracket.
func (s *scanner) more(first bool, closing byte) (bool, error) {
	c, err := s.peek()
	if err != nil {
		return false, err
	}
	switch {
	case c == closing:
		s.i++
		return false, nil
	case first:
		return true, nil
	default:
		return true, s.expect(',')
	}
}

// object calls field for each member of the object that comes next; field has to take or skip the value.
func (s *scanner) object(field func(name string) error) error {
	if err := s.expect('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := s.more(first, '}')
		if err != nil || !more {
			return err
		}
		name, err := s.name()
		if err != nil {
			return err
		}
		if err := field(name); err != nil {
			return err
		}
	}
}

// array calls item before each element of the array that comes next; item has to take or skip the element.
func (s *scanner) array(item func() error) error {
	if err := s.expect('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := s.more(first, ']')
		if err != nil || !more {
			return err
		}
		if err := item(); err != nil {
			return err
		}
	}
}

// name takes a member's name and the colon. Envoy's names need no unescaping; others are simply not the ones looked for.
func (s *scanner) name() (string, error) {
	c, err := s.peek()
	if err != nil {
		return "", err
	}
	if c != '"' {
		return "", fmt.Errorf("%q where a name was expected", c)
	}
	raw, err := s.value(nil)
	if err != nil {
		return "", err
	}
	return string(raw[1 : len(raw)-1]), s.expect(':')
}

// skip runs over the value that comes next.
func (s *scanner) skip() error {
	_, err := s.run(nil, false)
	return err
}

// value appends the text of the value that comes next to dst.
func (s *scanner) value(dst []byte) ([]byte, error) {
	return s.run(dst, true)
}

func (s *scanner) run(dst []byte, keep bool) ([]byte, error) {
	first, err := s.peek()
	if err != nil {
		return dst, err
	}
	e := extent{scalar: first != '{' && first != '[' && first != '"', prunes: keep}
	for s.fill() {
		used, err := e.eat(s.buf[s.i:s.n])
		if err != nil {
			return dst, err
		}
		if keep {
			if len(dst)+used > maxPiece {
				return dst, fmt.Errorf("a piece of more than %d MiB", maxPiece>>20)
			}
			dst = append(dst, s.buf[s.i:s.i+used]...)
		}
		s.i += used
		if e.pruned {
			e.pruned = false
			if err := s.skip(); err != nil {
				return dst, err
			}
			dst = append(dst, "true"...)
		}
		if e.done {
			return dst, nil
		}
	}
	if e.scalar && errors.Is(s.err, io.EOF) {
		return dst, nil
	}
	return dst, s.fail()
}
