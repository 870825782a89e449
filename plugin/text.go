package plugin

import (
	"strconv"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// plain makes words that come from a cluster, an Envoy or a user fit for a terminal, in one line.
func plain(s string) string { return egress.Plain(s) }

// count says how many of a thing there are: "1 path", "2 paths".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

// wrap breaks text between words into lines of at most width bytes. Paragraphs stay apart.
func wrap(text string, width int) string {
	if first, rest, more := strings.Cut(text, "\n\n"); more {
		return wrap(first, width) + "\n\n" + wrap(rest, width)
	}
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
