package accesslog

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep values inside a line may be nested.
const maxDepth = 64

// members walks through the members of one JSON object without building it. Strings without escapes are given as they lie in the
// line; others are unescaped into scratch, which belongs to the caller and only grows.
type members struct {
	b       []byte
	i       int
	scratch *[]byte
	started bool
}

// member is one "key": value. Of an object or array inside only the extent is known.
type member struct {
	key, value []byte
	nested     bool // value is an object or array
}

// next gives the next member. done says that the object has ended with nothing but space after it; if ok is false it is no JSON.
func (m *members) next() (one member, done, ok bool) {
	m.space()
	switch {
	case !m.started:
		if !m.take('{') {
			return member{}, false, false
		}
		m.started = true
		m.space()
		if m.take('}') {
			m.space()
			return member{}, m.i == len(m.b), m.i == len(m.b)
		}
	case m.take('}'):
		m.space()
		return member{}, m.i == len(m.b), m.i == len(m.b)
	case !m.take(','):
		return member{}, false, false
	}
	m.space()
	if one.key, ok = m.text(); !ok {
		return member{}, false, false
	}
	m.space()
	if !m.take(':') {
		return member{}, false, false
	}
	m.space()
	one.value, one.nested, ok = m.anything()
	return one, false, ok
}

func (m *members) space() {
	for m.i < len(m.b) && (m.b[m.i] == ' ' || m.b[m.i] == '\t' || m.b[m.i] == '\r' || m.b[m.i] == '\n') {
		m.i++
	}
}

func (m *members) take(c byte) bool {
	if m.i < len(m.b) && m.b[m.i] == c {
		m.i++
		return true
	}
	return false
}

// anything gives a value: a string's content, a number's digits, nil for null, "true", "false", or the extent of what is nested.
func (m *members) anything() (v []byte, nested, ok bool) {
	if m.i >= len(m.b) {
		return nil, false, false
	}
	switch m.b[m.i] {
	case '"':
		v, ok = m.text()
		return v, false, ok
	case '{', '[':
		v, ok = m.nested()
		return v, true, ok
	}
	from := m.i
	for m.i < len(m.b) && !isEnd(m.b[m.i]) {
		m.i++
	}
	v = m.b[from:m.i]
	switch {
	case string(v) == "null":
		return nil, false, true
	case string(v) == "true" || string(v) == "false":
		return v, false, true
	}
	return wholeNumber(v), false, isNumber(v)
}

func isEnd(c byte) bool {
	return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\r' || c == '\n'
}

func isNumber(v []byte) bool {
	if len(v) == 0 {
		return false
	}
	for _, c := range v {
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			return false
		}
	}
	return true
}

// wholeNumber cuts a fraction off: protobuf's numbers may come as 200.0.
func wholeNumber(v []byte) []byte {
	if dot := bytes.IndexByte(v, '.'); dot > 0 && !bytes.ContainsAny(v, "eE") {
		return v[:dot]
	}
	return v
}

// text gives a string's content.
func (m *members) text() ([]byte, bool) {
	if !m.take('"') {
		return nil, false
	}
	from := m.i
	for m.i < len(m.b) {
		switch c := m.b[m.i]; {
		case c == '"':
			m.i++
			return m.b[from : m.i-1], true
		case c == '\\':
			return m.escaped(from)
		case c < ' ':
			return nil, false
		}
		m.i++
	}
	return nil, false
}

// escaped is text from the first backslash on.
func (m *members) escaped(from int) ([]byte, bool) {
	start := len(*m.scratch)
	out := append(*m.scratch, m.b[from:m.i]...)
	for m.i < len(m.b) {
		c := m.b[m.i]
		m.i++
		switch {
		case c == '"':
			*m.scratch = out
			return out[start:len(out):len(out)], true
		case c < ' ':
			return nil, false
		case c != '\\':
			out = append(out, c)
			continue
		}
		var ok bool
		if out, ok = m.escape(out); !ok {
			return nil, false
		}
	}
	return nil, false
}

// escape appends what stands behind a backslash.
func (m *members) escape(out []byte) ([]byte, bool) {
	if m.i >= len(m.b) {
		return out, false
	}
	c := m.b[m.i]
	m.i++
	switch c {
	case '"', '\\', '/':
		return append(out, c), true
	case 'b':
		return append(out, '\b'), true
	case 'f':
		return append(out, '\f'), true
	case 'n':
		return append(out, '\n'), true
	case 'r':
		return append(out, '\r'), true
	case 't':
		return append(out, '\t'), true
	case 'u':
	default:
		return out, false
	}
	r, ok := m.hex()
	if !ok {
		return out, false
	}
	if utf16.IsSurrogate(r) {
		low := rune(utf8.RuneError)
		if bytes.HasPrefix(m.b[m.i:], []byte(`\u`)) {
			at := m.i
			m.i += 2
			if low, ok = m.hex(); !ok {
				return out, false
			}
			if utf16.DecodeRune(r, low) == utf8.RuneError {
				m.i = at // it stands for itself
			}
		}
		r = utf16.DecodeRune(r, low)
	}
	return utf8.AppendRune(out, r), true
}

func (m *members) hex() (rune, bool) {
	if m.i+4 > len(m.b) {
		return 0, false
	}
	var r rune
	for _, c := range m.b[m.i : m.i+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	m.i += 4
	return r, true
}

// nested steps over an object or array.
func (m *members) nested() ([]byte, bool) {
	from, depth := m.i, 0
	for m.i < len(m.b) {
		switch m.b[m.i] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return nil, false
			}
		case '}', ']':
			depth--
		case '"':
			if !m.skipText() {
				return nil, false
			}
			continue
		}
		m.i++
		if depth == 0 {
			return m.b[from:m.i], true
		}
	}
	return nil, false
}

func (m *members) skipText() bool {
	for m.i++; m.i < len(m.b); m.i++ {
		switch m.b[m.i] {
		case '\\':
			m.i++
		case '"':
			m.i++
			return true
		}
	}
	return false
}
