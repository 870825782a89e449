package report

import (
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
)

// heading stands over what is about security and about no path.
const heading = "security"

// security tells, below the paths, what was found of who can go round the gateway. Where nobody asked there is nothing.
func (d *drawing) security() {
	asked := func(f Finding) bool { return d.guards[f.Code] }
	if !slices.ContainsFunc(d.r.Findings, asked) {
		return
	}
	if d.b.Len() > 0 {
		d.line("")
	}
	d.line(d.paint(bold, heading))
	if !slices.ContainsFunc(d.r.Findings, func(f Finding) bool { return asked(f) && f.State != check.Pass && f.State != check.Skip }) {
		d.line("  nothing found that lets workloads go round the gateway")
	}
	d.findings("", true)
}

// securityCell sums up for a table what was found of security: the worst state and the codes, worst first.
func (r *Report) securityCell() (state, codes string, asked bool) {
	guards := check.SecurityCodes()
	worst := check.Pass
	var found []string
	for _, s := range []check.State{check.Fail, check.Unknown, check.Warn, check.Skip} {
		for _, f := range r.Findings {
			if guards[f.Code] && f.State == s && !slices.Contains(found, string(f.Code)) {
				found = append(found, string(f.Code))
				if worst == check.Pass && s != check.Skip {
					worst = s
				}
			}
		}
	}
	asked = slices.ContainsFunc(r.Findings, func(f Finding) bool { return guards[f.Code] })
	return string(worst), orNone(strings.Join(found, ",")), asked
}
