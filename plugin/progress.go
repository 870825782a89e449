package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/diagnose"
)

// changeLines prints what becomes of each object as it happens, in columns that fit all objects of the plan.
type changeLines struct {
	tool      *tool
	namespace string // of the set: not said again
	suffix    string // " (server dry run)"
	name      int    // width of the first column
	action    int    // width of the second, if a third follows
}

// lines prepares for the changes of a plan.
func (t *tool) lines(p *apply.Plan, suffix string) changeLines {
	l := changeLines{tool: t, namespace: p.Set.Namespace, suffix: suffix}
	for _, c := range p.Changes {
		l.name = max(l.name, len(shortName(c.Ref.Kind, c.Ref.Name)))
		l.action = max(l.action, len(string(c.Action)+suffix))
	}
	return l
}

// print writes one line to stdout: an object is data. Its namespace is told where it is not the set's.
func (l changeLines) print(c apply.Change) {
	line := fmt.Sprintf("  %-*s   %-*s", l.name, shortName(c.Ref.Kind, c.Ref.Name), l.action, string(c.Action)+l.suffix)
	if c.Ref.Namespace != l.namespace && c.Ref.Namespace != "" {
		line += "   (" + c.Ref.Namespace + ")"
	}
	fmt.Fprintln(l.tool.Out, strings.TrimRight(plain(line), " "))
}

// printAll writes all of a plan that is not carried out.
func (l changeLines) printAll(p *apply.Plan) {
	for _, c := range p.Changes {
		l.print(c)
	}
}

// unfinished says what is on the cluster after a plan that could not be carried out to its end, and hands the error on.
func (t *tool) unfinished(outcome apply.Outcome, err error) error {
	for _, c := range outcome.Undone {
		t.note("  %s   taken back (had been %s)", shortName(c.Ref.Kind, c.Ref.Name), c.Action)
	}
	for _, c := range outcome.Written {
		t.note("  %s   %s, and stays so", shortName(c.Ref.Kind, c.Ref.Name), c.Action)
	}
	but := ", and could not be taken back"
	if outcome.Kept {
		but = ""
	}
	for _, s := range outcome.Stuck {
		t.note("  %s   %s, perhaps%s: %s", shortName(s.Change.Ref.Kind, s.Change.Ref.Name), s.Change.Action, but, oneLine(s.Err))
	}
	if outcome.State == apply.AsBefore {
		return fmt.Errorf("%w; the cluster is as it was before", err)
	}
	return err
}

// lateError is waiting that ended before what was waited for: by the clock, or by a signal.
type lateError struct {
	said string
	err  error
}

func (l *lateError) Error() string { return l.said }
func (l *lateError) Unwrap() error { return l.err }

// late makes the error of waiting for proxies, after all objects were written or deleted. A wait that the clock ended is a time-out,
// whatever the last request said.
func (t *tool) late(waiting context.Context, is string, err error) error {
	switch {
	case errors.Is(waiting.Err(), context.DeadlineExceeded), errors.As(err, new(*diagnose.NotHeldError)) && errors.Is(err, context.DeadlineExceeded):
		return &lateError{fmt.Sprintf("timed out: %s, but %s", is, oneLine(err)), errors.Join(context.DeadlineExceeded, err)}
	case waiting.Err() != nil:
		return &lateError{fmt.Sprintf("interrupted while waiting: %s, but %s", is, oneLine(err)), err}
	}
	return fmt.Errorf("%s, but whether the proxies know of it could not be found out: %w", is, err)
}
