package report

import (
	"regexp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
)

// sgr is a way to print a word: the parameter of the terminal's "select graphic rendition".
type sgr string

const (
	bold   sgr = "1"
	red    sgr = "31"
	green  sgr = "32"
	yellow sgr = "33"
)

func (d *drawing) paint(how sgr, s string) string {
	if !d.Color {
		return s
	}
	return "\x1b[" + string(how) + "m" + s + "\x1b[0m"
}

// mark stands for a state: one sign where the terminal has them, a word elsewhere.
func (d *drawing) mark(state check.State) string {
	signs := map[check.State]struct {
		sign, word string
		how        sgr
	}{
		check.Pass:    {"✔", "ok", green},
		check.Fail:    {"✘", "FAIL", red},
		check.Warn:    {"!", "warn", yellow},
		check.Unknown: {"?", "?", yellow},
		check.Skip:    {"-", "-", yellow},
	}
	m := signs[state]
	if d.Unicode {
		return d.paint(m.how, m.sign)
	}
	return d.paint(m.how, m.word)
}

var painted = regexp.MustCompile("\x1b\\[[0-9]+m")

// plainText takes our own colours away, to measure what is left.
func plainText(s string) string { return painted.ReplaceAllString(s, "") }
