package accesslog

import (
	"bytes"
	"strings"
	"time"
)

// Verdict is which way a connection took, as far as the lines of its hops tell.
type Verdict string

// The verdicts.
const (
	Through   Verdict = "through-gateway" // both hops wrote a line for the same connection
	NeverSeen Verdict = "never-seen"      // the sidecar sent it to the gateway, which wrote no line about it
	Unread    Verdict = "gateway-unread"  // the sidecar sent it to a gateway whose log of that time is not among the lines
	Round     Verdict = "round-gateway"   // the sidecar sent it straight outside
	Blocked   Verdict = "blocked"         // the sidecar sent it nowhere
	NoSidecar Verdict = "no-sidecar"      // the gateway wrote a line, no sidecar did: a client without one, or one that is not read
)

// Row is one connection or request with the lines of its hops. The lines are the row's own.
type Row struct {
	Verdict  Verdict
	Sidecar  *Line
	Gateway  *Line
	Inner    *Line // of the gateway's second listener, which reads the server name (sni-dynamic)
	SNIProxy *Line // of the nginx beside the gateway (sni-proxy)
}

// Lines are those that there are, from the workload outwards.
func (r *Row) Lines() []*Line {
	var all []*Line
	for _, l := range []*Line{r.Sidecar, r.Gateway, r.Inner, r.SNIProxy} {
		if l != nil {
			all = append(all, l)
		}
	}
	return all
}

// Joiner finds the lines that belong to one connection. Two proxies write the same address: the sidecar as that from which it
// connected to the gateway (upstream local), the gateway as that of its client (downstream remote). The gateway's second listener and
// nginx know no such address; their lines are found by pod, time and bytes. The zero value works; give it lines about in the order in
// which they were written.
type Joiner struct {
	Window  time.Duration                     // how long to wait for the other line; default 15 s: Envoy writes up to 10 s late
	Most    int                               // rows that wait at the same time, default 10,000; the oldest give way
	Gateway func(namespace, name []byte) bool // which services are gateways; nil: by their name
	Covers  func(address []byte) bool         // whether the log of the gateway with that IP address is read; nil: it wrote a line before
	Emit    func(Row) error                   // takes what is found

	first   map[string]time.Time // when each gateway, by its address, wrote its first line
	now     time.Time
	open    map[string][]*partial // by the address that both hops write
	order   []*partial            // oldest first
	waiting []*partial            // those whose gateway line wants an inner or an nginx line
	loose   []*Line               // inner and nginx lines that came before the gateway's
	live    int
}

type partial struct {
	Row
	key  string
	born time.Time
	done bool
}

// Add takes a line, which is copied if it is kept.
func (j *Joiner) Add(l *Line) error {
	if at := l.At(); at.After(j.now) {
		j.now = at
	}
	if err := j.Expire(j.now); err != nil {
		return err
	}
	switch {
	case l.Source == SNIProxy, bytes.HasPrefix(l.DownstreamLocal, []byte("envoy://")):
		return j.addInner(l.Clone())
	case l.Source == Mixer, l.Way() == Inbound:
		return nil
	case l.Source == Sidecar, l.Source == "" && j.toGateway(l):
		return j.addSidecar(l)
	}
	return j.addGateway(l.Clone())
}

// Expire gives up waiting for lines that should have come by now.
func (j *Joiner) Expire(now time.Time) error {
	window := j.Window
	if window <= 0 {
		window = 15 * time.Second
	}
	most := j.Most
	if most <= 0 {
		most = 10_000
	}
	for len(j.order) > 0 {
		p := j.order[0]
		if !p.done && j.live <= most && now.Sub(p.born) < window {
			break
		}
		j.order = j.order[1:]
		if !p.done {
			if err := j.emit(p); err != nil {
				return err
			}
		}
	}
	for len(j.loose) > 0 && (len(j.loose) > min(most, mostAlike) || now.Sub(j.loose[0].At()) >= window) {
		alone := j.loose[0]
		j.loose = j.loose[1:]
		if err := j.Emit(j.alone(alone)); err != nil {
			return err
		}
	}
	return nil
}

// Close gives what still waits.
func (j *Joiner) Close() error {
	const ever = 1 << 62
	return j.Expire(j.now.Add(ever))
}

// alone is a row of an inner or nginx line whose gateway line never came.
func (j *Joiner) alone(l *Line) Row {
	r := Row{Verdict: NoSidecar}
	if l.Source == SNIProxy {
		r.SNIProxy = l
	} else {
		r.Inner = l
	}
	return r
}

// emit hands on a row and forgets it.
func (j *Joiner) emit(p *partial) error {
	p.done = true
	j.live--
	j.waiting = without(j.waiting, p)
	if rest := without(j.open[p.key], p); len(rest) == 0 {
		delete(j.open, p.key)
	} else {
		j.open[p.key] = rest
	}
	switch {
	case p.Sidecar != nil && p.Gateway != nil:
		p.Verdict = Through
	case p.Sidecar != nil && !j.covers(p.Sidecar):
		p.Verdict = Unread
	case p.Sidecar != nil:
		p.Verdict = NeverSeen
	default:
		p.Verdict = NoSidecar
	}
	return j.Emit(p.Row)
}

func without(list []*partial, p *partial) []*partial {
	for i, other := range list {
		if other == p {
			copy(list[i:], list[i+1:])
			list[len(list)-1] = nil
			return list[:len(list)-1]
		}
	}
	return list
}

// toGateway says whether a line's cluster is a gateway's.
func (j *Joiner) toGateway(l *Line) bool {
	namespace, name := l.Service()
	if name == nil {
		return false
	}
	if j.Gateway != nil {
		return j.Gateway(namespace, name)
	}
	return strings.Contains(string(name), "egress") || strings.Contains(string(name), "gateway")
}

func (j *Joiner) addSidecar(l *Line) error {
	switch way := l.Way(); {
	case way == BlackHole || way == WayUnknown:
		return j.Emit(Row{Verdict: Blocked, Sidecar: l.Clone()})
	case way != ToService:
		return j.Emit(Row{Verdict: Round, Sidecar: l.Clone()})
	case !j.toGateway(l): // from workload to workload
		return nil
	case l.UpstreamLocal == nil: // it never came to a connection
		return j.Emit(Row{Verdict: NeverSeen, Sidecar: l.Clone()})
	}
	line := l.Clone()
	p, err := j.partner(string(l.UpstreamLocal), func(p *partial) bool { return p.Sidecar == nil && samePassage(line, p.Gateway) })
	if err != nil {
		return err
	}
	p.Sidecar = line
	return j.finish(p)
}

func (j *Joiner) addGateway(line *Line) error {
	j.remember(line)
	p, err := j.partner(string(line.DownstreamRemote), func(p *partial) bool { return p.Gateway == nil && samePassage(p.Sidecar, line) })
	if err != nil {
		return err
	}
	p.Gateway = line
	if p.wants() {
		if i := nearest(line, j.loose); i >= 0 {
			p.attach(j.loose[i])
			j.loose = append(j.loose[:i:i], j.loose[i+1:]...)
		} else {
			j.waiting = append(j.waiting[max(0, len(j.waiting)+1-mostAlike):], p)
		}
	}
	return j.finish(p)
}

// addInner takes the line of a second listener or of nginx.
func (j *Joiner) addInner(line *Line) error {
	var outer []*Line
	for _, p := range j.waiting {
		outer = append(outer, p.Gateway)
	}
	i := nearest(line, outer)
	if i < 0 {
		j.loose = append(j.loose, line)
		return nil
	}
	p := j.waiting[i]
	p.attach(line)
	j.waiting = without(j.waiting, p)
	return j.finish(p)
}

func (p *partial) attach(l *Line) {
	if l.Source == SNIProxy {
		p.SNIProxy = l
	} else {
		p.Inner = l
	}
}

// wants says whether the gateway's line is one of two.
func (p *partial) wants() bool {
	if p.Gateway == nil {
		return false
	}
	way := p.Gateway.Way()
	return way == ToInner && p.Inner == nil || way == ToSNIProxy && p.SNIProxy == nil
}

// mostAlike is how many rows are looked through for the one that a line belongs to: those with the same address, or those that wait
// for an inner line. So many lines at once that look the same were not written by proxies that work.
const mostAlike = 256

// partner finds the row that a line completes, or begins one.
func (j *Joiner) partner(key string, fits func(*partial) bool) (*partial, error) {
	for _, p := range j.open[key] {
		if fits(p) {
			return p, nil
		}
	}
	if alike := j.open[key]; len(alike) >= mostAlike {
		if err := j.emit(alike[0]); err != nil {
			return nil, err
		}
	}
	if j.open == nil {
		j.open = map[string][]*partial{}
	}
	p := &partial{key: key, born: j.now}
	j.open[key] = append(j.open[key], p)
	j.order = append(j.order, p)
	j.live++
	return p, nil
}

func (j *Joiner) finish(p *partial) error {
	if p.Sidecar == nil || p.Gateway == nil || p.wants() {
		return nil
	}
	return j.emit(p)
}
