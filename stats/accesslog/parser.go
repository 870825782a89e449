package accesslog

import (
	"bytes"
	"time"
)

// Parser recognises lines. The zero value knows all shapes but custom ones. It is not safe for concurrent use.
type Parser struct {
	// Templates are formats of one's own, tried in this order before Istio's if First is set, after them otherwise.
	Templates []*Template
	First     bool

	scratch []byte
}

// Parse reads one line, with or without its end, and says whether it is an access log line. If it is not, l holds Raw and what was
// before the line: the time that the container runtime put there, the pod. l is overwritten as a whole.
func (p *Parser) Parse(raw []byte, l *Line) bool {
	l.reset()
	p.scratch = p.scratch[:0]
	b := bytes.TrimRight(raw, "\r\n")
	b = prefixes(b, l)
	l.Raw = b
	before := *l
	if p.First && p.template(b, l, &before) {
		return true
	}
	if p.known(b, l) {
		return true
	}
	*l = before
	if !p.First && p.template(b, l, &before) {
		return true
	}
	if rest := stern(b, l); rest != nil {
		named := *l
		if p.known(rest, l) {
			l.Raw = rest
			return true
		}
		*l = named
		if p.template(rest, l, &named) {
			l.Raw = rest
			return true
		}
	}
	*l = before
	return false
}

// known reads the shapes that need no template.
func (p *Parser) known(b []byte, l *Line) bool {
	if len(b) == 0 {
		return false
	}
	ok := false
	switch {
	case b[0] == '[':
		ok = text(b, l)
	case b[0] == '{':
		ok = p.json(b, l)
	case len(b) > 1 && b[0] == '"' && b[1] == '[': // as one document prints a line
		ok = text(b[1:], l)
	default:
		ok = nginx(b, l)
	}
	if ok && l.Source == "" {
		l.Source = l.guess()
	}
	return ok
}

// template tries the formats of one's own.
func (p *Parser) template(b []byte, l, before *Line) bool {
	for _, t := range p.Templates {
		if t.match(b, l, &p.scratch) {
			l.Format = CustomFormat
			if l.Source == "" {
				l.Source = l.guess()
			}
			return true
		}
		*l = *before
	}
	return false
}

// prefixes takes off what kubectl logs puts before a line: [pod/NAME/CONTAINER] with --prefix, the time with --timestamps.
func prefixes(b []byte, l *Line) []byte {
	if bytes.HasPrefix(b, []byte("[pod/")) {
		if end := bytes.Index(b, []byte("] ")); end > 0 {
			name, container, ok := bytes.Cut(b[len("[pod/"):end], []byte("/"))
			if ok {
				l.Pod, l.Container = name, container
				l.Source = sourceOf(container)
				b = b[end+2:]
			}
		}
	}
	if rest, t := stamp(b); rest != nil {
		l.Written = t
		b = rest
	}
	return b
}

// stamp takes the container runtime's time off a line; nil if there is none. Envoy's and istiod's own lines begin with a time too, but
// have a tab after it.
func stamp(b []byte) (rest []byte, t time.Time) {
	if len(b) == 0 || b[0] < '0' || b[0] > '9' {
		return nil, time.Time{}
	}
	t, n := timestamp(b)
	if n == 0 || n >= len(b) || b[n] != ' ' {
		return nil, time.Time{}
	}
	return b[n+1:], t
}

// maxBefore is how long the words before a line may be that stern and the like put there.
const maxBefore = 512

// stern finds a line behind the two words POD CONTAINER; nil if there are none.
func stern(b []byte, l *Line) []byte {
	c := cursor{b: b[:min(len(b), maxBefore)]}
	pod, container := c.word(), c.word()
	if len(pod) == 0 || len(container) == 0 || c.i >= len(b) || !isName(pod) || !isName(container) {
		return nil
	}
	l.Pod, l.Container, l.Source = pod, container, sourceOf(container)
	return b[c.i:]
}

// isName says whether it can name a pod or container.
func isName(b []byte) bool {
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return len(b) > 0
}

// sourceOf tells a source by its container where that is enough: istio-proxy is a gateway's and a sidecar's.
func sourceOf(container []byte) Source {
	switch string(container) {
	case "sni-proxy":
		return SNIProxy
	case "mixer":
		return Mixer
	}
	return ""
}
