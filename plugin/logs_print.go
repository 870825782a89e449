package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
	"github.com/kubectl-egress/kubectl-egress/stats/logstream"
)

// The formats of a line.
const (
	formatJSON = "json"
	formatRaw  = "raw"
	formatWide = "wide"
)

// logPrinter reads lines, leaves out what is not wanted, and prints the rest. What it is given is printed before it returns.
type logPrinter struct {
	out    io.Writer
	tool   *tool
	format string
	filter accesslog.Filter
	plain  bool // raw lines go to a terminal

	mu      sync.Mutex
	parser  accesslog.Parser
	sieve   accesslog.Sieve
	joiner  *accesslog.Joiner // nil: lines one by one
	line    accesslog.Line
	source  logstream.Source // whose lines these are
	pod     []byte
	ns      []byte
	buffer  []byte
	cells   cells
	columns columns
	lines   int // access log lines that were read
	strange int // other lines
}

// printer makes one for what the command line says. gateways are those of the cluster.
func (c *logsCommand) printer(gateways []mesh.Gateway) *logPrinter {
	p := &logPrinter{
		out: c.tool.Out, tool: c.tool, format: c.output.value, filter: c.filter, plain: isTerminal(c.tool.Out),
		columns: columns{widths: []int{len("2026-11-21T01:45:28.221Z"), len(accesslog.SNIProxy)}},
		parser:  accesslog.Parser{Templates: c.templates, First: c.format != ""},
	}
	if !c.join {
		p.sieve = c.filter.Sieve() // a row is wanted for one of its lines, so that all have to be read
		return p
	}
	p.columns.widths[1] = len(verdictWords(accesslog.NeverSeen))
	p.joiner = &accesslog.Joiner{Emit: p.row}
	if gateways != nil {
		p.joiner.Covers = func(address []byte) bool { return hasAddress(gateways, string(address)) }
		p.joiner.Gateway = func(namespace, name []byte) bool {
			for _, g := range gateways {
				if string(namespace) == g.Namespace && string(name) == g.Service {
					return true
				}
			}
			return false
		}
	}
	return p
}

// hasAddress says whether a pod of the gateways has that IP address.
func hasAddress(gateways []mesh.Gateway, address string) bool {
	for _, g := range gateways {
		for _, pod := range g.Pods {
			if slices.Contains(pod.IPs, address) {
				return true
			}
		}
	}
	return false
}

// take is the logstream.Handler.
func (p *logPrinter) take(s logstream.Source, chunk []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s != p.source {
		p.source, p.pod, p.ns = s, []byte(s.Pod), []byte(s.Namespace)
	}
	return p.chunk(chunk)
}

func (p *logPrinter) chunk(chunk []byte) error {
	return errors.Join(p.sieve.Each(chunk, p.one), p.flush())
}

// flush writes what was printed.
func (p *logPrinter) flush() error {
	if len(p.buffer) == 0 {
		return nil
	}
	_, err := p.out.Write(p.buffer)
	p.buffer = p.buffer[:0]
	if err != nil {
		return fmt.Errorf("print lines: %w", err)
	}
	return nil
}

// one takes one line.
func (p *logPrinter) one(raw []byte) error {
	l := &p.line
	known := p.parser.Parse(raw, l)
	if p.source.Kind != "" {
		l.Source = p.source.Kind
	}
	if l.Pod == nil && p.pod != nil {
		l.Pod, l.Namespace = p.pod, p.ns
	}
	if !known {
		p.strange++
		if p.format == formatRaw && p.filter.All() && p.filter.Match(l) {
			p.raw(l)
		}
		return nil
	}
	p.lines++
	if p.joiner != nil {
		return p.joiner.Add(l)
	}
	if p.filter.Match(l) {
		p.print(l)
	}
	return nil
}

// print prints one line.
func (p *logPrinter) print(l *accesslog.Line) {
	switch p.format {
	case formatRaw:
		p.raw(l)
	case formatJSON:
		p.buffer = append(l.AppendJSON(p.buffer), '\n')
	default:
		p.cells.ofLine(l, p.format == formatWide)
		p.buffer = p.columns.append(p.buffer, &p.cells)
	}
}

// raw prints a line as it was written; to a terminal, without what would move its cursor.
func (p *logPrinter) raw(l *accesslog.Line) {
	if p.plain {
		p.buffer = append(append(p.buffer, plain(string(l.Raw))...), '\n')
		return
	}
	p.buffer = append(append(p.buffer, l.Raw...), '\n')
}

// row prints one connection with its hops.
func (p *logPrinter) row(r accesslog.Row) error {
	if !p.filter.MatchRow(&r) {
		return nil
	}
	if p.format == formatJSON {
		p.buffer = append(r.AppendJSON(p.buffer), '\n')
	} else {
		p.cells.ofRow(&r, p.format == formatWide)
		p.buffer = p.columns.append(p.buffer, &p.cells)
	}
	return nil
}

// expireAt prints the rows whose other line should have come by now.
func (p *logPrinter) expireAt(now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.joiner.Expire(now), p.flush())
}

// aside does something between two lines.
func (p *logPrinter) aside(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
}

// end prints what still waits for its other line, and says what was left out.
func (p *logPrinter) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	if p.joiner != nil {
		err = p.joiner.Close()
	}
	err = errors.Join(err, p.flush())
	if p.strange > 0 && (p.format != formatRaw || !p.filter.All()) {
		p.tool.note("%s left out that %s no access log; -o raw without a filter shows all", count(p.strange, "line"), isAre(p.strange))
	}
	return err
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// readFrom takes lines as they come: those of a pipe at once.
func (p *logPrinter) readFrom(ctx context.Context, in io.Reader) error {
	return logstream.Chunks(in, func(chunk []byte) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.chunk(chunk)
	})
}
