package report

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// stop is one station in the drawing: the arrow that leads to it, its name, and what stands below it.
type stop struct {
	arrow       arrow
	name, below string
	state       check.State
}

// arrow leads to a hop; a cross breaks it.
type arrow struct {
	label  string
	broken bool
}

// start is where every way begins.
const start = "  workload"

// hops draws the way on one line and the marks below it, each below its hop's name. Arrows are as long as the marks need. What the
// terminal is too narrow for is drawn from top to bottom.
func (d *drawing) hops(p *Path) {
	stops := d.stops(p)
	way, marks := d.across(stops)
	if d.Width > 0 && max(columns(way), columns(marks)) > d.Width {
		d.down(stops)
		return
	}
	d.line(way)
	if strings.TrimSpace(marks) != "" {
		d.line(marks)
	}
}

// stops lists the stations of a path.
func (d *drawing) stops(p *Path) []stop {
	sidecar, out := p.hop(egress.AtSidecar), p.hop(egress.AtOutside)
	stops := []stop{{name: "sidecar", state: sidecar.State}}
	broken := sidecar.State == check.Fail
	if at := p.hop(egress.AtGateway); p.Gateway != "" {
		_, gateway, _ := strings.Cut(p.Gateway, "/")
		stops = append(stops, stop{arrow: arrow{map[bool]string{true: "mTLS"}[p.mtls], broken}, name: gateway, state: at.State, below: detail(at)})
		broken = at.State == check.Fail
	}
	if at := p.hop(egress.AtSNIProxy); slices.ContainsFunc(p.Hops, func(h Hop) bool { return h.Name == egress.AtSNIProxy }) {
		stops = append(stops, stop{arrow: arrow{"SNI", broken || at.State == check.Fail}, name: string(at.Name), state: at.State, below: detail(at)})
		broken = false
	}
	return append(stops, stop{arrow: arrow{p.leaves, broken || out.State == check.Fail}, name: "outside", state: out.State, below: detail(out)})
}

// under is what stands below a stop; empty where the findings tell more, or nothing is to be told.
func (d *drawing) under(s stop) string {
	if s.state != check.Pass && s.state != check.Warn && s.state != check.Unknown {
		return ""
	}
	return strings.TrimSpace(d.mark(s.state) + " " + s.below)
}

// across draws from left to right.
func (d *drawing) across(stops []stop) (way, marks string) {
	way = start
	for _, s := range stops {
		text := d.under(s)
		short := columns(way + " " + d.arrow(s.arrow, 0) + " ")
		longer := 0
		if text != "" && marks != "" {
			longer = max(0, columns(marks)+2-short) // two spaces before the next mark
		}
		way += " " + d.arrow(s.arrow, longer) + " "
		if text != "" {
			marks += strings.Repeat(" ", columns(way)-columns(marks)) + text
		}
		way += s.name
	}
	return way, marks
}

// down draws from top to bottom, with the names and the marks in columns.
func (d *drawing) down(stops []stop) {
	d.line(start)
	longest, widest := 0, 0
	for i := range stops {
		stops[i].arrow.broken = false // the mark beside the name tells
		s := stops[i]
		longest, widest = max(longest, columns(d.arrow(s.arrow, 0))), max(widest, columns(s.name))
	}
	for _, s := range stops {
		line := "    " + d.arrow(s.arrow, longest-columns(d.arrow(s.arrow, 0))) + " " + s.name
		text := d.under(s)
		if s.state == check.Fail {
			text = d.mark(check.Fail)
		}
		d.line(line + strings.Repeat(" ", widest-columns(s.name)+2) + text)
	}
}

// detail is told below a hop that passes; elsewhere the findings tell more.
func detail(h Hop) string {
	if h.State == check.Pass {
		return h.Detail
	}
	return ""
}

// arrow draws one, longer by some columns than it has to be.
func (d *drawing) arrow(a arrow, longer int) string {
	dash, head := "-", ">"
	if d.Unicode {
		dash, head = "─", "▶"
	}
	end := strings.Repeat(dash, longer) + head
	switch {
	case a.broken && d.Unicode:
		return dash + " " + d.mark(check.Fail) + " " + dash + end
	case a.broken:
		return dash + d.mark(check.Fail) + dash + end
	}
	return dash + a.label + end
}

// columns is how wide a text is on a terminal.
func columns(s string) int { return utf8.RuneCountInString(plainText(s)) }

// wrapped writes words after a first text, and where the terminal is too narrow for them on lines that begin with others.
func (d *drawing) wrapped(first, others, words string) {
	line := first
	for i, word := range strings.Split(words, " ") {
		switch {
		case i == 0:
			line += word
		case d.Width > 0 && columns(line)+1+columns(word) > d.Width:
			d.line(line)
			line = others + word
		default:
			line += " " + word
		}
	}
	d.line(line)
}
