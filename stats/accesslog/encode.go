package accesslog

import (
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// AppendJSON appends the line as one JSON object, without a line end. What the line does not tell is left out. Control characters,
// which could move a terminal's cursor, come out as escapes.
func (l *Line) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	if at := l.Time; !at.IsZero() {
		b = l.appendTime(append(b, `"time":"`...), at)
	} else if !l.Written.IsZero() {
		b = l.appendTime(append(b, `"time":"`...), l.Written)
	}
	b = appendText(b, "source", string(l.Source))
	b = appendText(b, "namespace", l.Namespace)
	b = appendText(b, "pod", l.Pod)
	b = appendText(b, "format", string(l.Format))
	b = appendText(b, "method", l.Method)
	b = appendText(b, "path", l.Path)
	b = appendText(b, "protocol", l.Protocol)
	b = appendNumber(b, "code", l.Code)
	b = l.appendFlags(b)
	b = appendText(b, "details", l.Details)
	b = appendText(b, "termination", l.Termination)
	b = appendText(b, "failure", l.Failure)
	b = appendText(b, "policy", l.Policy)
	b = appendNumber(b, "bytesReceived", l.BytesReceived)
	b = appendNumber(b, "bytesSent", l.BytesSent)
	b = appendNumber(b, "durationMs", l.DurationMS)
	b = appendNumber(b, "serviceMs", l.ServiceMS)
	b = appendText(b, "forwardedFor", l.ForwardedFor)
	b = appendText(b, "userAgent", l.UserAgent)
	b = appendText(b, "requestId", l.RequestID)
	b = appendText(b, "authority", l.Authority)
	b = appendText(b, "sni", l.SNI)
	b = appendText(b, "upstreamHost", l.UpstreamHost)
	b = appendText(b, "upstreamCluster", l.UpstreamCluster)
	b = appendText(b, "upstreamLocal", l.UpstreamLocal)
	b = appendText(b, "downstreamLocal", l.DownstreamLocal)
	b = appendText(b, "downstreamRemote", l.DownstreamRemote)
	b = appendText(b, "route", l.Route)
	b = appendText(b, "event", l.Event)
	b = appendText(b, "principal", l.Principal)
	return append(b, '}')
}

func (l *Line) appendTime(b []byte, t time.Time) []byte {
	layout := "2006-01-02T15:04:05.000Z07:00"
	switch {
	case l.Format == NginxStream:
		layout = time.RFC3339
	case t.Nanosecond()%int(time.Millisecond) != 0: // mixer, and formats of one's own
		layout = time.RFC3339Nano
	}
	return append(t.UTC().AppendFormat(b, layout), '"')
}

// appendFlags writes the flags as a list and, beside it, what they mean.
func (l *Line) appendFlags(b []byte) []byte {
	if len(l.Flags) == 0 {
		return b
	}
	b = append(comma(b), `"flags":[`...)
	b = l.eachFlag(b, appendQuoted[[]byte])
	b = append(b, `],"meanings":[`...)
	tcp := l.TCP()
	b = l.eachFlag(b, func(b []byte, flag []byte) []byte {
		for i := range responseFlags {
			if string(flag) == responseFlags[i].short {
				return appendQuoted(b, FlagMeaning(responseFlags[i].short, tcp))
			}
		}
		return appendQuoted(b, flag)
	})
	return append(b, ']')
}

func (l *Line) eachFlag(b []byte, one func(b, flag []byte) []byte) []byte {
	from := 0
	for i := 0; i <= len(l.Flags); i++ {
		if i < len(l.Flags) && l.Flags[i] != ',' {
			continue
		}
		if from > 0 {
			b = append(b, ',')
		}
		b = one(b, l.Flags[from:i])
		from = i + 1
	}
	return b
}

func comma(b []byte) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return b
}

func appendNumber(b []byte, key string, n int64) []byte {
	if n == Absent {
		return b
	}
	b = append(append(append(comma(b), '"'), key...), `":`...)
	return strconv.AppendInt(b, n, 10)
}

func appendText[T string | []byte](b []byte, key string, v T) []byte {
	if len(v) == 0 {
		return b
	}
	b = append(append(append(comma(b), '"'), key...), `":`...)
	return appendQuoted(b, v)
}

// appendQuoted writes a JSON string that is safe to show: no control characters of C0 and C1, none that turn the direction of writing.
// Bytes that are no UTF-8 become the replacement character, as encoding/json has it.
func appendQuoted[T string | []byte](b []byte, v T) []byte {
	b = append(b, '"')
	for i := 0; i < len(v); {
		c := v[i]
		if c < utf8.RuneSelf {
			b = appendASCII(b, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(string(v[i:min(i+utf8.UTFMax, len(v))]))
		switch {
		case r == utf8.RuneError && size <= 1:
			b = utf8.AppendRune(b, utf8.RuneError)
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029':
			b = appendEscape(b, r)
		default:
			b = append(b, v[i:i+size]...)
		}
		i += size
	}
	return append(b, '"')
}

func appendASCII(b []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c < ' ' || c == 0x7f:
		return appendEscape(b, rune(c))
	}
	return append(b, c)
}

func appendEscape(b []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
