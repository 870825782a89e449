package report

import (
	"slices"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
)

// security tells, below the paths, what was found of who can go round the gateway. Where nobody asked there is nothing.
func (d *drawing) security() {
	asked := func(f Finding) bool { return d.guards[f.Code] }
	if !slices.ContainsFunc(d.r.Findings, asked) {
		return
	}
	if d.b.Len() > 0 {
		d.line("")
	}
	d.line(d.paint(bold, "security"))
	if !slices.ContainsFunc(d.r.Findings, func(f Finding) bool { return asked(f) && f.State != check.Pass && f.State != check.Skip }) {
		d.line("  nothing found that lets workloads go round the gateway")
	}
	d.findings("", true)
}
