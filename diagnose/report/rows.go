package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// table prints rows as kubectl does: the first is the heading, columns stand three spaces apart, no lines.
func table(w io.Writer, rows [][]string) error {
	var text strings.Builder
	t := tablewriter.NewTable(&text,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.LinesNone},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft), tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithRowAutoWrap(tw.WrapNone), tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithPadding(tw.Padding{Right: "   ", Overwrite: true}),
	)
	t.Header(rows[0])
	for _, r := range rows[1:] {
		if err := t.Append(r); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	if err := t.Render(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

func shortRows(r Report) [][]string {
	rows := [][]string{{"PATH", "MODE", "STATE", "FINDINGS"}}
	for i := range r.Paths {
		p := &r.Paths[i]
		rows = append(rows, []string{p.name(), p.Mode, string(p.State()), orNone(r.codes(p))})
	}
	if state, codes, asked := r.securityCell(); asked {
		rows = append(rows, []string{heading, orNone(""), state, codes})
	}
	return rows
}

func wideRows(r Report) [][]string {
	rows := [][]string{{"PATH", "MODE", "SET", "VIA", "SIDECAR", "GATEWAY", "OUTSIDE", "STATE", "FINDINGS"}}
	for i := range r.Paths {
		p := &r.Paths[i]
		row := []string{p.name(), p.Mode, orNone(p.Set), orNone(p.Gateway)}
		for _, name := range []egress.Hop{egress.AtSidecar, egress.AtGateway, egress.AtOutside} {
			cell := orNone("")
			if name != egress.AtGateway || p.Gateway != "" {
				cell = p.hop(name).cell() + r.sampled(p, p.hop(name))
			}
			row = append(row, cell)
		}
		rows = append(rows, append(row, string(p.State()), orNone(r.codes(p))))
	}
	if state, codes, asked := r.securityCell(); asked {
		none := orNone("")
		rows = append(rows, []string{heading, none, none, none, none, none, none, state, codes})
	}
	return rows
}

// name is that of the path in findings.
func (p *Path) name() string {
	return egress.Path{Host: egress.Host(p.Host), Port: p.Port, Owner: p.Owner}.String()
}

func (p *Path) hop(name egress.Hop) Hop {
	i := slices.IndexFunc(p.Hops, func(h Hop) bool { return h.Name == name })
	if i < 0 {
		return Hop{Name: name, State: check.Skip}
	}
	return p.Hops[i]
}

// cell is short: what passes tells its detail where that is of use, the rest says the state, for the findings say why.
func (h Hop) cell() string {
	if h.State == check.Pass && h.Name != egress.AtSidecar && h.Detail != "" {
		return h.Detail
	}
	return string(h.State)
}

// codes are those of a path's findings that are not passes, worst first.
func (r *Report) codes(p *Path) string {
	var out []string
	name := p.name()
	for _, state := range []check.State{check.Fail, check.Unknown, check.Warn, check.Skip} {
		for i := range r.Findings {
			f := &r.Findings[i]
			if f.State == state && f.Path == name && !slices.Contains(out, string(f.Code)) {
				out = append(out, string(f.Code))
			}
		}
	}
	return strings.Join(out, ",")
}

func orNone(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}
