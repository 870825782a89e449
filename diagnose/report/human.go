package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
)

// human draws each path with a mark at each hop, tells what was found there, and ends with one line of sums.
func human(r Report, o Options) string {
	if o.Program == "" {
		o.Program = "kubectl egress"
	}
	d := drawing{Options: o, r: &r, told: map[string]string{}, guards: check.SecurityCodes()}
	if len(r.Paths) == 0 {
		d.line("no egress path found" + d.because())
	}
	d.findings("", false)
	heads := d.heads()
	for i := range r.Paths {
		if d.b.Len() > 0 {
			d.line("")
		}
		d.line(heads[i])
		d.hops(&r.Paths[i])
		d.findings(r.Paths[i].name(), false)
	}
	d.security()
	d.line("")
	if said := d.r.samples(); said != "" {
		d.wrapped("", "", said)
	}
	d.line(d.sums())
	return d.b.String()
}

// hiddenPaths is the check that says that paths may not be seen.
const hiddenPaths check.Code = "EGR058"

// sentRequests is the check that tells of requests that were sent.
const sentRequests check.Code = "EGR069"

// because says why no path was found, if that can be said.
func (d *drawing) because() string {
	if d.r.Summary.Unknown > 0 || slices.ContainsFunc(d.r.Findings, func(f Finding) bool { return f.Code == hiddenPaths && f.State != check.Pass }) {
		return ""
	}
	return ": there is no set, and no VirtualService or Gateway leads an outside host to an egress gateway"
}

// drawing is the text being made.
type drawing struct {
	Options
	r      *Report
	b      strings.Builder
	guards map[check.Code]bool // the checks of security
	told   map[string]string   // what was told in full, and for which path: one cause may stop many
}

func (d *drawing) line(s string) { d.b.WriteString(strings.TrimRight(s, " ") + "\n") }

// heads are the first lines of all paths, in columns.
func (d *drawing) heads() []string {
	var out []string
	for i := range d.r.Paths {
		p := &d.r.Paths[i]
		whose := "made by hand"
		if p.Set != "" {
			whose = "set " + p.Set[strings.IndexByte(p.Set, '/')+1:]
		}
		name := p.name()
		if p.Owner != "" {
			whose, name = p.Owner, strings.TrimSuffix(name, " of "+p.Owner)
		}
		out = append(out, fmt.Sprintf("%s   %s   %s", d.paint(bold, name), p.Mode, whose))
	}
	return out
}

// findings tells of one path what is not a pass; what only limits sight is left to the sums. Of requests that somebody wanted to be sent
// all is told.
func (d *drawing) findings(path string, security bool) {
	for _, f := range d.r.Findings {
		quiet := f.State == check.Pass || f.State == check.Skip
		if f.Path != path || d.guards[f.Code] != security || quiet && (f.Message == "" || !security && f.Code != sentRequests) {
			continue
		}
		before, again := d.told[f.Message+f.Fix]
		if again && f.State == check.Unknown {
			continue // however many checks need it
		}
		d.told[f.Message+f.Fix] = f.Path
		mark := d.mark(f.State)
		indent := strings.Repeat(" ", 2+utf8.RuneCountInString(plainText(mark))+1+len(f.Code)+2)
		message := f.Message
		if message == "" {
			message = f.Title
		}
		if again && f.Fix != "" {
			d.line(fmt.Sprintf("  %s %s  as for %s", mark, f.Code, before))
			continue
		}
		d.wrapped(fmt.Sprintf("  %s %s  ", mark, f.Code), indent, message)
		for _, e := range f.Evidence {
			if e != message {
				d.wrapped(indent, indent, e)
			}
		}
		d.mend(f, indent)
	}
}

// mend tells the remedy. A command of more than one line stands at the margin, so that it can be copied as it is.
func (d *drawing) mend(f Finding, indent string) {
	why := fmt.Sprintf("why:  %s explain %s", d.Program, f.Code)
	if f.State == check.Pass || f.State == check.Skip {
		return
	}
	switch {
	case f.Fix == "":
	case strings.Contains(f.Fix, "\n"):
		d.line(indent + "mend:")
		d.line(f.Fix)
	default:
		d.line(indent + "mend: " + f.Fix)
	}
	d.line(indent + why)
}

// sums is the last line.
func (d *drawing) sums() string {
	s := &d.r.Summary
	failing := 0
	for i := range d.r.Paths {
		if d.r.Paths[i].State() == check.Fail {
			failing++
		}
	}
	paths := fmt.Sprintf("%d %s", len(d.r.Paths), plural("path", len(d.r.Paths)))
	switch failing {
	case 0:
	case 1:
		paths += ", 1 fails"
	default:
		paths += fmt.Sprintf(", %d fail", failing)
	}
	total := s.Pass + s.Fail + s.Warn + s.Skip + s.Unknown
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{{s.Pass, "pass"}, {s.Fail, "fail"}, {s.Warn, "warn"}, {s.Unknown, "unknown"}, {s.Skip, "skipped"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	checks := fmt.Sprintf("%d %s: %s", total, plural("check", total), strings.Join(parts, ", "))
	if titles := d.skipped(); titles != "" {
		checks += " (" + titles + ")"
	}
	dot := "·"
	if !d.Unicode {
		dot = "|"
	}
	return strings.Join([]string{paths, checks, fmt.Sprintf("%.2f s", d.r.Took.Seconds())}, " "+dot+" ")
}

// skipped names what was skipped, the first few.
func (d *drawing) skipped() string {
	var titles []string
	for _, f := range d.r.Findings {
		if f.State == check.Skip && !slices.Contains(titles, f.Title) {
			titles = append(titles, f.Title)
		}
	}
	const most = 3
	if len(titles) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(titles[:most], ", "), len(titles)-most)
	}
	return strings.Join(titles, ", ")
}
