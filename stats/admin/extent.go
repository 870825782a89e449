package admin

import (
	"bytes"
	"errors"
)

// extent finds where a value ends, over as many chunks as it takes.
type extent struct {
	depth    int
	quoted   bool
	escaped  bool
	scalar   bool // a number, true, false or null: ends before the next separator
	nonEmpty bool
	done     bool
	prunes   bool // stop before the values of members that only take time
	pruned   bool // stopped before one
}

// useless are members that are large and of which nobody reads more than that they are there. They make up half of a dump; left out
// before decoding, it takes half the time.
func useless(name []byte) bool {
	switch string(name) {
	case "access_log", "http_filters", "retry_policy", "typed_extension_protocol_options", "circuit_breakers", "common_lb_config",
		"decorator", "upstream_bind_config", "typed_dns_resolver_config", "sds_config", "eds_config", "tls_params", "max_stream_duration":
		return true
	}
	return false
}

// eat says how much of the chunk belongs to the value.
func (e *extent) eat(chunk []byte) (int, error) {
	for i := 0; i < len(chunk); i++ {
		if e.quoted {
			i = e.text(chunk, i)
			if e.done || e.pruned {
				return i + 1, nil
			}
			continue
		}
		switch chunk[i] {
		case '"':
			e.quoted = true
			if e.nonEmpty = true; e.prunes && e.isUseless(chunk[i+1:]) {
				i += bytes.IndexByte(chunk[i:], ':')
				e.quoted, e.pruned = false, true
				return i + 1, nil
			}
		case '{', '[':
			e.depth++
			if e.depth > maxDepth {
				return i, errors.New("nested too deep")
			}
		case '}', ']':
			if e.depth == 0 { // the end of what surrounds a scalar
				return e.stop(i)
			}
			e.depth--
			if e.depth == 0 {
				e.done = true
				return i + 1, nil
			}
		case ',', ':', ' ', '\n', '\t', '\r':
			if e.depth == 0 {
				return e.stop(i)
			}
		}
		e.nonEmpty = true
	}
	return len(chunk), nil
}

// isUseless looks whether a quoted text that begins here is the name of a useless member. One that a chunk's end cuts in two is
// not found, and then decoded as the rest.
func (e *extent) isUseless(rest []byte) bool {
	if e.depth == 0 {
		return false
	}
	end := bytes.IndexByte(rest, '"')
	return end > 0 && end+1 < len(rest) && rest[end+1] == ':' && useless(rest[:end])
}

// stop ends a scalar before the byte at i.
func (e *extent) stop(i int) (int, error) {
	if !e.nonEmpty {
		return i, errors.New("a value is missing")
	}
	e.done = true
	return i, nil
}

// text runs through a quoted string from i and gives the last byte that it has looked at.
func (e *extent) text(chunk []byte, i int) int {
	if e.escaped && i < len(chunk) {
		e.escaped = false
		i++
	}
	for i < len(chunk) {
		end := bytes.IndexByte(chunk[i:], '"')
		part := chunk[i:]
		if end >= 0 {
			part = part[:end]
		}
		if slash := bytes.IndexByte(part, '\\'); slash >= 0 {
			if i += slash + 2; i > len(chunk) {
				e.escaped = true
			}
			continue
		}
		if end >= 0 {
			e.quoted = false
			e.done = e.depth == 0
			return i + end
		}
		break
	}
	return len(chunk) - 1
}
