package plugin

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// cells are the words of one line of a table, one after the other. They are used again for the next line, so that no line leaves
// anything behind.
type cells struct {
	text []byte
	ends []int
}

func (c *cells) reset() { c.text, c.ends = c.text[:0], c.ends[:0] }

func (c *cells) end() { c.ends = append(c.ends, len(c.text)) }

// put adds what is to be said of a line.
func (c *cells) put(l *accesslog.Line, say func([]byte, *accesslog.Line) []byte) {
	c.text = say(c.text, l)
	c.end()
}

// word adds a cell of one word; nothing is a dash.
func (c *cells) word(word []byte) {
	c.text = orDash(c.text, word)
	c.end()
}

// words adds a cell of this program's own words.
func (c *cells) words(words string) {
	c.text = append(c.text, words...)
	c.end()
}

// columns pads cells to what was the widest so far: a stream has no end at which all widths are known.
type columns struct{ widths []int }

// maxColumn is how wide a column gets, in characters, before a cell may stick out of it.
const maxColumn = 48

// append writes one line of cells. They hold other people's words, which come out plain.
func (c *columns) append(b []byte, line *cells) []byte {
	last, from := len(b), 0
	for i, to := range line.ends {
		if i == len(c.widths) {
			c.widths = append(c.widths, 0)
		}
		begin := len(b)
		b = egress.AppendPlain(b, line.text[from:to])
		from = to
		width := utf8.RuneCount(b[begin:])
		c.widths[i] = max(c.widths[i], min(width, maxColumn))
		if width > 0 {
			last = len(b)
		}
		for range max(c.widths[i]-width, 0) + 2 {
			b = append(b, ' ')
		}
	}
	return append(b[:last], '\n') // nothing follows the last word
}

// ofLine is what is shown of one line: when, who, what was asked for, what came of it, where it was sent, how much, how long, and
// in words what went wrong.
func (c *cells) ofLine(l *accesslog.Line, wide bool) {
	c.reset()
	c.put(l, moment)
	c.put(l, func(b []byte, l *accesslog.Line) []byte { return orDash(b, l.Source) })
	c.word(l.Pod)
	c.put(l, asked)
	c.put(l, result)
	c.put(l, sentTo)
	c.put(l, traffic)
	c.put(l, lasted)
	if wide {
		c.words(string(l.Format))
		c.put(l, func(b []byte, l *accesslog.Line) []byte { return fromTo(b, l.DownstreamRemote, l.DownstreamLocal) })
		c.put(l, func(b []byte, l *accesslog.Line) []byte { return fromTo(b, l.UpstreamLocal, l.UpstreamHost) })
		c.word(l.UpstreamCluster)
	}
	c.put(l, trouble)
}

// ofRow is what is shown of a connection with its hops.
func (c *cells) ofRow(r *accesslog.Row, wide bool) {
	all := r.Lines()
	first, last := all[0], all[len(all)-1]
	c.reset()
	c.put(first, moment)
	c.words(verdictWords(r.Verdict))
	switch {
	case r.Sidecar != nil:
		c.word(r.Sidecar.Pod)
	case r.Gateway != nil:
		c.word(r.Gateway.DownstreamRemote)
	default:
		c.word(nil)
	}
	switch {
	case r.Gateway != nil:
		c.word(r.Gateway.Pod)
	case r.Inner != nil || r.SNIProxy != nil:
		c.word(last.Pod)
	default:
		c.word(nil)
	}
	if first.Method != nil {
		c.put(first, asked)
	} else {
		c.words(string(r.Host()))
	}
	c.put(last, result)
	c.put(last, sentTo)
	c.put(first, traffic)
	c.put(first, lasted)
	if wide {
		if r.Sidecar != nil {
			c.word(r.Sidecar.UpstreamLocal)
		} else {
			c.word(nil)
		}
		c.put(last, func(b []byte, l *accesslog.Line) []byte { return fromTo(b, l.UpstreamLocal, l.UpstreamHost) })
	}
	c.troubles(all)
}

// troubles adds what went wrong at which hop.
func (c *cells) troubles(lines []*accesslog.Line) {
	separator := ""
	for _, l := range lines {
		before := len(c.text)
		c.text = append(append(append(c.text, separator...), l.Source...), ": "...)
		if after := trouble(c.text, l); len(after) > len(c.text) {
			c.text, separator = after, "; "
		} else {
			c.text = c.text[:before]
		}
	}
	c.end()
}

func verdictWords(v accesslog.Verdict) string {
	switch v {
	case accesslog.Through:
		return "through the gateway"
	case accesslog.NeverSeen:
		return "NEVER SEEN by the gateway"
	case accesslog.Unread:
		return "gateway's log not read"
	case accesslog.Round:
		return "went ROUND the gateway"
	case accesslog.Blocked:
		return "stopped at the sidecar"
	case accesslog.NoSidecar:
		return "no sidecar's line"
	}
	return string(v)
}

// The functions below append what they say, and take no memory of their own.

func orDash[T ~string | ~[]byte](b []byte, word T) []byte {
	if len(word) == 0 {
		return append(b, '-')
	}
	return append(b, word...)
}

func fromTo(b, from, to []byte) []byte {
	return orDash(append(orDash(b, from), " to "...), to)
}

func moment(b []byte, l *accesslog.Line) []byte {
	t := l.Time
	if t.IsZero() {
		t = l.Written
	}
	if t.IsZero() {
		return append(b, '-')
	}
	layout := "2006-01-02T15:04:05.000Z07:00"
	if l.Format == accesslog.NginxStream {
		layout = time.RFC3339
	}
	return t.UTC().AppendFormat(b, layout)
}

// asked is what the client wanted: a request with its path, or a name.
func asked(b []byte, l *accesslog.Line) []byte {
	if l.Method == nil {
		return orDash(b, l.Host())
	}
	b = append(append(b, l.Method...), ' ')
	return append(orDash(b, l.Host()), l.Path...)
}

// result is the code of a request, the flags, or that all was well.
func result(b []byte, l *accesslog.Line) []byte {
	begin := len(b)
	if l.Code > 0 {
		b = append(strconv.AppendInt(b, l.Code, 10), ' ')
	}
	for _, word := range [...][]byte{l.Flags, l.Event} {
		if len(word) > 0 {
			b = append(append(b, word...), ' ')
		}
	}
	if len(b) == begin {
		return append(b, "ok"...)
	}
	return b[:len(b)-1]
}

// sentTo is where the proxy sent it, in words.
func sentTo(b []byte, l *accesslog.Line) []byte {
	outside := "outside "
	if l.Source == accesslog.Sidecar {
		outside = "straight outside "
	}
	switch l.Way() {
	case accesslog.ToService:
		namespace, name := l.Service()
		b = append(append(append(append(b, "to "...), namespace...), '/'), name...)
		return orDash(append(b, ' '), l.UpstreamHost)
	case accesslog.ToOutside, accesslog.ToDynamic:
		return orDash(append(b, outside...), l.UpstreamHost)
	case accesslog.ToSNIProxy:
		return orDash(append(b, "to the SNI proxy "...), l.UpstreamHost)
	case accesslog.ToInner:
		return append(b, "to its inner listener"...)
	case accesslog.Passthrough:
		return append(orDash(append(b, "straight outside "...), l.UpstreamHost), ", host not known to the mesh"...)
	case accesslog.BlackHole:
		return append(b, "nowhere: host not known to the mesh"...)
	case accesslog.Inbound:
		return orDash(append(b, "to the workload "...), l.UpstreamHost)
	case accesslog.OtherCluster:
		b = orDash(append(b, "to "...), l.UpstreamCluster)
		return orDash(append(b, ' '), l.UpstreamHost)
	}
	switch {
	case l.UpstreamHost != nil:
		return append(append(b, "to "...), l.UpstreamHost...)
	case l.Source == accesslog.SNIProxy && l.Code < 400:
		return append(b, "outside"...)
	}
	return append(b, "nowhere"...)
}

// traffic is how many bytes came from the client and went to it.
func traffic(b []byte, l *accesslog.Line) []byte {
	if l.BytesReceived < 0 && l.BytesSent < 0 {
		return append(b, '-')
	}
	b = append(strconv.AppendInt(b, max(l.BytesReceived, 0), 10), " in, "...)
	return append(strconv.AppendInt(b, max(l.BytesSent, 0), 10), " out"...)
}

func lasted(b []byte, l *accesslog.Line) []byte {
	if l.DurationMS < 0 {
		return append(b, '-')
	}
	return append(strconv.AppendInt(b, l.DurationMS, 10), " ms"...)
}

// trouble says in words what the flags mean, and the reason that the proxy gives.
func trouble(b []byte, l *accesslog.Line) []byte {
	separator := ""
	for _, words := range l.Meanings() {
		b = append(append(b, separator...), words...)
		separator = "; "
	}
	reason := l.Failure
	if reason == nil && len(l.Flags) > 0 {
		reason = l.Details
	}
	if reason == nil {
		return b
	}
	return append(append(b, separator...), accesslog.Reason(reason)...)
}
