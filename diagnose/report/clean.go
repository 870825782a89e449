package report

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
)

// clean shows characters that could act on a terminal as escapes: names, configuration and messages come from a cluster.
func clean(s string) string { return escape(s, "") }

// cleanCommand keeps the ends of lines, which a command may have.
func cleanCommand(s string) string { return escape(s, "\n") }

func escape(s, keep string) string {
	hidden := func(r rune) bool {
		// Cc are controls, Cf reorder or hide text, Zl and Zp end lines
		return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) && !strings.ContainsRune(keep, r)
	}
	if strings.IndexFunc(s, hidden) < 0 {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if hidden(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func finding(f check.Finding) Finding {
	out := Finding{
		Code: f.Code, Title: f.Title, State: f.State, Hop: f.Hop, Path: clean(f.Path), Message: clean(f.Message), Fix: cleanCommand(f.Fix),
		Evidence: make([]string, 0, len(f.Evidence)),
	}
	if o := f.Object; o != nil {
		out.Object = check.Object{Kind: clean(o.Kind), Namespace: clean(o.Namespace), Name: clean(o.Name), Field: clean(o.Field)}
	}
	for _, e := range f.Evidence {
		out.Evidence = append(out.Evidence, clean(e))
	}
	return out
}
