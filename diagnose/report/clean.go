package report

import (
	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// clean makes names, configuration and messages, all of which come from a cluster, fit for a terminal.
func clean(s string) string { return egress.Plain(s) }

// cleanCommand keeps the ends of lines, which a command may have.
func cleanCommand(s string) string { return egress.PlainLines(s) }

func finding(f check.Finding) Finding {
	out := Finding{
		Code: f.Code, Title: f.Title, State: f.State, Hop: f.Hop, Path: clean(f.Path), Message: clean(f.Message), Fix: cleanCommand(f.Fix),
		Evidence: make([]string, 0, len(f.Evidence)), Stays: f.Stays,
	}
	if o := f.Object; o != nil {
		out.Object = check.Object{Kind: clean(o.Kind), Namespace: clean(o.Namespace), Name: clean(o.Name), Field: clean(o.Field)}
	}
	for _, e := range f.Evidence {
		out.Evidence = append(out.Evidence, clean(e))
	}
	return out
}
