package accesslog

import (
	"bytes"
	"time"
)

// value gives nil for what stands for nothing.
func value(b []byte) []byte {
	if len(b) == 0 || len(b) == 1 && b[0] == '-' {
		return nil
	}
	return b
}

// number reads digits; ok is false for anything else, and for what does not fit. A dash is Absent.
func number(b []byte) (n int64, ok bool) {
	if len(b) == 1 && b[0] == '-' {
		return Absent, true
	}
	if len(b) == 0 || len(b) > 18 {
		return Absent, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return Absent, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// thousandths reads seconds with a fraction, as nginx and mixer write them, to milliseconds.
func thousandths(b []byte) (ms int64, ok bool) {
	whole, fraction, _ := bytes.Cut(b, []byte("."))
	n, ok := number(whole)
	if !ok || n < 0 || len(whole) > 12 {
		return Absent, false
	}
	ms, unit := n*1000, int64(100)
	for _, c := range fraction {
		if c < '0' || c > '9' {
			return Absent, false
		}
		ms += int64(c-'0') * unit
		unit /= 10
	}
	return ms, true
}

// digits reads n digits at i; -1 if they are none.
func digits(b []byte, i, n int) int {
	v := 0
	for _, c := range b[i : i+n] {
		if c < '0' || c > '9' {
			return -1
		}
		v = v*10 + int(c-'0')
	}
	return v
}

// timestamp reads an RFC 3339 time at the beginning of b and says how long it is; 0 if there is none.
func timestamp(b []byte) (t time.Time, length int) {
	const seconds = len("2006-01-02T15:04:05")
	if len(b) <= seconds || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return time.Time{}, 0
	}
	year, month, day := digits(b, 0, 4), digits(b, 5, 2), digits(b, 8, 2)
	hour, minute, second := digits(b, 11, 2), digits(b, 14, 2), digits(b, 17, 2)
	if year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return time.Time{}, 0
	}
	i, nanos := seconds, 0
	if b[i] == '.' {
		unit := 100_000_000
		for i++; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
			nanos += int(b[i]-'0') * unit
			unit /= 10
		}
	}
	offset, n := zone(b[i:])
	if n == 0 {
		return time.Time{}, 0
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC).Add(-offset), i + n
}

// zone reads Z, +02:00 or +0200.
func zone(b []byte) (offset time.Duration, length int) {
	switch {
	case len(b) >= 1 && b[0] == 'Z':
		return 0, 1
	case len(b) < 5 || b[0] != '+' && b[0] != '-':
		return 0, 0
	}
	at := 3
	if b[3] == ':' {
		at = 4
	}
	if len(b) < at+2 {
		return 0, 0
	}
	hours, minutes := digits(b, 1, 2), digits(b, at, 2)
	if hours < 0 || hours > 14 || minutes < 0 || minutes > 59 {
		return 0, 0
	}
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if b[0] == '-' {
		offset = -offset
	}
	return offset, at + 2
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// commonTime reads nginx's $time_local: 01/Aug/2018:15:32:02 +0000.
func commonTime(b []byte) (time.Time, bool) {
	if len(b) != len("02/Jan/2006:15:04:05 -0700") || b[2] != '/' || b[6] != '/' || b[11] != ':' || b[14] != ':' || b[17] != ':' || b[20] != ' ' {
		return time.Time{}, false
	}
	month := -1
	for i := 0; i < len(months); i += 3 {
		if string(b[3:6]) == months[i:i+3] {
			month = i/3 + 1
		}
	}
	day, year := digits(b, 0, 2), digits(b, 7, 4)
	hour, minute, second := digits(b, 12, 2), digits(b, 15, 2), digits(b, 18, 2)
	offset, n := zone(b[21:])
	if month < 0 || day < 1 || day > 31 || year < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || n != 5 {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC).Add(-offset), true
}

// cursor walks through a line word by word.
type cursor struct {
	b []byte
	i int
}

// peek is the next byte; 0 at the end.
func (c *cursor) peek() byte {
	if c.i < len(c.b) {
		return c.b[c.i]
	}
	return 0
}

// word gives what stands before the next space, and steps over that space.
func (c *cursor) word() []byte {
	from := c.i
	for c.i < len(c.b) && c.b[c.i] != ' ' {
		c.i++
	}
	w := c.b[from:c.i]
	if c.i < len(c.b) {
		c.i++
	}
	return w
}

// number gives the next word as a number.
func (c *cursor) number(into *int64) bool {
	n, ok := number(c.word())
	*into = n
	return ok
}

// quotedBeforeNumber gives what stands in quotes, up to the first quote that a space and a number follow: a reason for a failure may
// itself hold quotes.
func (c *cursor) quotedBeforeNumber() ([]byte, bool) {
	if c.peek() != '"' {
		return nil, false
	}
	from := c.i + 1
	for at := from; ; {
		q := bytes.IndexByte(c.b[at:], '"')
		if q < 0 || at+q+2 >= len(c.b) {
			return nil, false
		}
		at += q
		if next := c.b[at+2]; c.b[at+1] == ' ' && (next >= '0' && next <= '9' || next == '-') {
			c.i = at + 2
			return c.b[from:at], true
		}
		at++
	}
}

// quoted gives what stands in quotes up to the next quote.
func (c *cursor) quoted() ([]byte, bool) {
	if c.peek() != '"' {
		return nil, false
	}
	from := c.i + 1
	q := bytes.IndexByte(c.b[from:], '"')
	if q < 0 {
		return nil, false
	}
	c.i = from + q + 1
	if c.peek() == ' ' {
		c.i++
	}
	return c.b[from : from+q], true
}
