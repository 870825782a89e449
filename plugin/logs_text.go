package plugin

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// columns pads cells to what was the widest so far: a stream has no end at which all widths are known.
type columns struct{ widths []int }

// maxColumn is how wide a column gets, in characters, before a cell may stick out of it.
const maxColumn = 48

// append writes one line of cells. They hold other people's words, which come out plain.
func (c *columns) append(b []byte, cells []string) []byte {
	end := len(b)
	for i, cell := range cells {
		cell = plain(cell)
		if i == len(c.widths) {
			c.widths = append(c.widths, 0)
		}
		width := utf8.RuneCountInString(cell)
		c.widths[i] = max(c.widths[i], min(width, maxColumn))
		b = append(b, cell...)
		if cell != "" {
			end = len(b)
		}
		for range max(c.widths[i]-width, 0) + 2 {
			b = append(b, ' ')
		}
	}
	return append(b[:end], '\n') // nothing follows the last word
}

// lineCells are what is shown of one line: when, who, what was asked for, what came of it, where it was sent, how much, how long, and
// in words what went wrong.
func lineCells(l *accesslog.Line, wide bool) []string {
	who := string(l.Source)
	if who == "" {
		who = "-"
	}
	cells := []string{moment(l), who, orDash(l.Pod), asked(l), result(l), sentTo(l), traffic(l), lasted(l)}
	if wide {
		cells = append(cells, string(l.Format), orDash(l.DownstreamRemote)+" to "+orDash(l.DownstreamLocal),
			orDash(l.UpstreamLocal)+" to "+orDash(l.UpstreamHost), orDash(l.UpstreamCluster))
	}
	return append(cells, trouble(l))
}

// rowCells are what is shown of a connection with its hops.
func rowCells(r *accesslog.Row, wide bool) []string {
	all := r.Lines()
	first, last := all[0], all[len(all)-1]
	gateway := "-"
	if r.Gateway != nil {
		gateway = orDash(r.Gateway.Pod)
	} else if r.Inner != nil || r.SNIProxy != nil {
		gateway = orDash(last.Pod)
	}
	client := "-"
	if r.Sidecar != nil {
		client = orDash(r.Sidecar.Pod)
	} else if r.Gateway != nil {
		client = orDash(r.Gateway.DownstreamRemote)
	}
	what := string(r.Host())
	if first.Method != nil {
		what = asked(first)
	}
	cells := []string{moment(first), verdictWords(r.Verdict), client, gateway, what, result(last), sentTo(last), traffic(first), lasted(first)}
	if wide {
		address := "-"
		if r.Sidecar != nil {
			address = orDash(r.Sidecar.UpstreamLocal)
		}
		cells = append(cells, address, orDash(last.UpstreamLocal)+" to "+orDash(last.UpstreamHost))
	}
	var troubles []string
	for _, l := range all {
		if t := trouble(l); t != "" {
			troubles = append(troubles, string(l.Source)+": "+t)
		}
	}
	return append(cells, strings.Join(troubles, "; "))
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

func orDash(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	return string(b)
}

func moment(l *accesslog.Line) string {
	t := l.Time
	if t.IsZero() {
		t = l.Written
	}
	if t.IsZero() {
		return "-"
	}
	layout := "2006-01-02T15:04:05.000Z07:00"
	if l.Format == accesslog.NginxStream {
		layout = time.RFC3339
	}
	return t.UTC().Format(layout)
}

// asked is what the client wanted: a request with its path, or a name.
func asked(l *accesslog.Line) string {
	host := orDash(l.Host())
	if l.Method == nil {
		return host
	}
	return string(l.Method) + " " + host + string(l.Path)
}

// result is the code of a request, the flags, or that all was well.
func result(l *accesslog.Line) string {
	var words []string
	if l.Code > 0 {
		words = append(words, strconv.FormatInt(l.Code, 10))
	}
	if len(l.Flags) > 0 {
		words = append(words, string(l.Flags))
	}
	if len(l.Event) > 0 {
		words = append(words, string(l.Event))
	}
	if len(words) == 0 {
		return "ok"
	}
	return strings.Join(words, " ")
}

// sentTo is where the proxy sent it, in words.
func sentTo(l *accesslog.Line) string {
	outside := "outside "
	if l.Source == accesslog.Sidecar {
		outside = "straight outside "
	}
	switch l.Way() {
	case accesslog.ToService:
		namespace, name := l.Service()
		return "to " + string(namespace) + "/" + string(name) + " " + orDash(l.UpstreamHost)
	case accesslog.ToOutside, accesslog.ToDynamic:
		return outside + orDash(l.UpstreamHost)
	case accesslog.ToSNIProxy:
		return "to the SNI proxy " + orDash(l.UpstreamHost)
	case accesslog.ToInner:
		return "to its inner listener"
	case accesslog.Passthrough:
		return "straight outside " + orDash(l.UpstreamHost) + ", host not known to the mesh"
	case accesslog.BlackHole:
		return "nowhere: host not known to the mesh"
	case accesslog.Inbound:
		return "to the workload " + orDash(l.UpstreamHost)
	case accesslog.OtherCluster:
		return "to " + orDash(l.UpstreamCluster) + " " + orDash(l.UpstreamHost)
	}
	switch {
	case l.UpstreamHost != nil:
		return "to " + string(l.UpstreamHost)
	case l.Source == accesslog.SNIProxy && l.Code < 400:
		return "outside"
	}
	return "nowhere"
}

// traffic is how many bytes came from the client and went to it.
func traffic(l *accesslog.Line) string {
	if l.BytesReceived < 0 && l.BytesSent < 0 {
		return "-"
	}
	return fmt.Sprintf("%d in, %d out", max(l.BytesReceived, 0), max(l.BytesSent, 0))
}

func lasted(l *accesslog.Line) string {
	if l.DurationMS < 0 {
		return "-"
	}
	return strconv.FormatInt(l.DurationMS, 10) + " ms"
}

// trouble says in words what the flags mean, and the reason that the proxy gives.
func trouble(l *accesslog.Line) string {
	words := l.Meanings()
	reason := l.Failure
	if reason == nil && len(l.Flags) > 0 {
		reason = l.Details
	}
	if reason != nil {
		words = append(words, accesslog.Reason(reason))
	}
	return strings.Join(words, "; ")
}
