package accesslog

import "bytes"

// text reads Istio's text, of whichever release:
//
//	[START_TIME] "METHOD PATH PROTOCOL" CODE FLAGS  (what differs)  RX TX DURATION SERVICE "XFF" "UA" "ID" "AUTHORITY" "HOST"  (what differs)
//
// The shape follows from what stands in quotes after the flags and from how much comes after the upstream host: two quoted words
// and no route are 1.2, one and a route 1.8, which have as many words.
func text(b []byte, l *Line) bool {
	t, n := timestamp(b[1:])
	if n == 0 || !bytes.HasPrefix(b[1+n:], []byte(`] "`)) {
		return false
	}
	c := cursor{b: b, i: 1 + n + len(`] "`)}
	if !c.request(l) || !c.number(&l.Code) || !c.flags(l) {
		return false
	}
	before, ok := c.differences(l)
	if !ok || !c.number(&l.BytesReceived) || !c.number(&l.BytesSent) || !c.number(&l.DurationMS) || !c.number(&l.ServiceMS) {
		return false
	}
	after, ok := c.rest(l)
	if !ok {
		return false
	}
	if l.Format = shape(before, after); l.Format == UnknownFormat {
		return false
	}
	if l.Format == Istio18 { // one quoted word: the mixer's status in 1.1, the failure in 1.8
		l.Failure, l.Policy = l.Policy, nil
	}
	l.Time = t
	return true
}

// detailed stands for the words before the numbers from Istio 1.9 on; fewer is a count of quoted words.
const detailed = 3

// shape names a release by what stands before the numbers and how many words come after the upstream host.
func shape(before, after int) Format {
	switch [2]int{before, after} {
	case [2]int{0, 0}:
		return Istio10
	case [2]int{0, 5}:
		return Istio11Beta
	case [2]int{1, 5}:
		return Istio11
	case [2]int{2, 5}:
		return Istio12
	case [2]int{2, 6}:
		return Istio13
	case [2]int{1, 6}:
		return Istio18
	case [2]int{detailed, 6}:
		return Istio19
	}
	return UnknownFormat
}

// request reads METHOD PATH PROTOCOL up to the quote that ends them. None of the three can hold a space; should a path have one all
// the same, the protocol is what stands before the first quote that a code follows.
func (c *cursor) request(l *Line) bool {
	from := c.i
	l.Method = value(c.word())
	l.Path = value(c.word())
	at := c.i
	for c.i < len(c.b) && c.b[c.i] != ' ' {
		c.i++
	}
	if protocol := c.b[at:c.i]; c.i < len(c.b) && (string(protocol) == `-"` || bytes.HasPrefix(protocol, []byte("HTTP")) && protocol[len(protocol)-1] == '"') {
		l.Protocol = value(protocol[:len(protocol)-1])
		c.i++
		return true
	}
	c.i = from
	return c.oddRequest(l)
}

func (c *cursor) oddRequest(l *Line) bool {
	from := c.i
	for at := from; ; at++ {
		q := bytes.Index(c.b[at:], []byte(`" `))
		if q < 0 {
			return false
		}
		at += q
		rest := cursor{b: c.b, i: at + 2}
		if _, ok := number(rest.word()); !ok {
			continue
		}
		request := c.b[from:at]
		first, last := bytes.IndexByte(request, ' '), bytes.LastIndexByte(request, ' ')
		if first < 0 || first == last {
			return false
		}
		l.Method, l.Path, l.Protocol = value(request[:first]), value(request[first+1:last]), value(request[last+1:])
		c.i = at + 2
		return true
	}
}

// flags reads response flags: letters, digits and commas, or a dash.
func (c *cursor) flags(l *Line) bool {
	w := c.word()
	if len(w) == 0 {
		return false
	}
	l.Flags = value(w)
	for _, b := range l.Flags {
		if (b < 'A' || b > 'Z') && (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != ',' && b != '_' {
			return false
		}
	}
	return true
}

// differences reads what stands between flags and numbers, and says how many quoted words that were, or detailed. A single quoted
// word is put down as Policy until the shape is known.
func (c *cursor) differences(l *Line) (int, bool) {
	switch next := c.peek(); {
	case next == '"':
		return c.quotedDifferences(l)
	case next >= '0' && next <= '9':
		return 0, true
	}
	l.Details = value(c.word())
	from := c.i // connection termination details may have been written with spaces
	q := bytes.IndexByte(c.b[from:], '"')
	if q < 2 {
		return 0, false
	}
	l.Termination = value(c.b[from : from+q-1])
	c.i = from + q
	failure, ok := c.quotedBeforeNumber()
	l.Failure = value(failure)
	return detailed, ok
}

func (c *cursor) quotedDifferences(l *Line) (int, bool) {
	start := c.i
	first, ok := c.quoted()
	if !ok {
		return 0, false
	}
	if c.peek() != '"' {
		c.i = start
		first, ok = c.quotedBeforeNumber()
		l.Policy = value(first)
		return 1, ok
	}
	second, ok := c.quotedBeforeNumber()
	l.Policy, l.Failure = value(first), value(second)
	return 2, ok
}

// rest reads the five quoted words and what comes after them, and says how many words that is, 6 for any with a route.
func (c *cursor) rest(l *Line) (int, bool) {
	var words [5][]byte
	if !c.fiveQuoted(&words, l.Method == nil) && !c.fromTheRight(&words) {
		return 0, false
	}
	l.ForwardedFor, l.UserAgent, l.RequestID = value(words[0]), value(words[1]), value(words[2])
	l.Authority, l.UpstreamHost = value(words[3]), value(words[4])
	if c.i >= len(c.b) {
		return 0, true
	}
	for _, into := range []*[]byte{&l.UpstreamCluster, &l.UpstreamLocal, &l.DownstreamLocal, &l.DownstreamRemote} {
		*into = value(c.word())
	}
	if c.i >= len(c.b) {
		return 0, false
	}
	l.SNI = value(c.word())
	if c.i >= len(c.b) {
		return 5, true
	}
	l.Route = value(c.b[c.i:]) // a route's name is any text
	l.UpstreamCluster = bytes.TrimSuffix(l.UpstreamCluster, []byte(";"))
	return 6, true
}

// fiveQuoted reads five quoted words that no other follows. In a line about a connection no header stands that could have been forged,
// but the server name at its end can.
func (c *cursor) fiveQuoted(words *[5][]byte, connection bool) bool {
	start := c.i
	for i := range words {
		w, ok := c.quoted()
		if !ok || i < 4 && c.peek() != '"' {
			c.i = start
			return false
		}
		words[i] = w
	}
	if !connection && bytes.IndexByte(c.b[c.i:], '"') >= 0 {
		c.i = start
		return false
	}
	return true
}

// fromTheRight is fiveQuoted for a line in which a client wrote quotes: Envoy writes a user agent as it came. What stands right of it
// is not the client's and is found from the line's end, so that no header can pass for another host or cluster.
func (c *cursor) fromTheRight(words *[5][]byte) bool {
	between := []byte(`" "`)
	end := bytes.LastIndexByte(c.b, '"')
	if c.peek() != '"' || end <= c.i {
		return false
	}
	middle := c.b[c.i+1 : end]
	for i := 4; i > 1; i-- {
		at := bytes.LastIndex(middle, between)
		if at < 0 {
			return false
		}
		words[i], middle = middle[at+len(between):], middle[:at]
	}
	at := bytes.Index(middle, between)
	if at < 0 {
		return false
	}
	words[0], words[1] = middle[:at], middle[at+len(between):]
	c.i = end + 1
	if c.peek() == ' ' {
		c.i++
	}
	return true
}
