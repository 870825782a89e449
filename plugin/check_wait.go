package plugin

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
)

// checkEvery is how often check --wait looks again.
const checkEvery = time.Second

// still is how long nobody may have changed an object before check --wait gives up on what takes such a change. Whoever is about to
// put several objects on the cluster, one after the other, is done with the next one sooner.
const still = 15 * time.Second

// look diagnoses once.
type look func(context.Context) (report.Report, *snapshot.Snapshot, error)

// until looks again and again, once at least, until nothing fails or waiting cannot mend it. When the time is over it prints the last
// report, whose exit code is that of a time-out then.
func (c *checkCommand) until(ctx context.Context, look look) error {
	waiting, stop := context.WithTimeout(ctx, c.timeout)
	defer stop()
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	var h hope
	last, s, err := look(ctx)
	for err == nil && last.ExitCode != report.Fine {
		if lost := h.lost(last, s, time.Now()); len(lost) > 0 {
			return c.givenUp(last, lost)
		}
		select {
		case <-waiting.Done():
			return c.timedOut(ctx, last)
		case <-tick.C:
		}
		var next report.Report
		next, s, err = look(waiting)
		if err != nil && waiting.Err() != nil {
			return c.timedOut(ctx, last)
		}
		last = next
	}
	if err != nil {
		return err
	}
	return c.print(last)
}

// timedOut prints the last that was seen. If it was a signal that ended the waiting, that is what the exit code says.
func (c *checkCommand) timedOut(ctx context.Context, last report.Report) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("waiting until nothing fails: %w", err)
	}
	last.ExitCode = exitTimeout
	if err := c.print(last); !errors.As(err, new(verdict)) {
		return err
	}
	c.tool.note("timed out: not all is well after %s", c.timeout)
	return verdict(exitTimeout)
}

// givenUp prints the last that was seen, with the exit code that it has without --wait.
func (c *checkCommand) givenUp(last report.Report, lost []string) error {
	err := c.print(last)
	if errors.As(err, new(verdict)) {
		more := ""
		if len(lost) > 1 {
			more = fmt.Sprintf(" (and %d more)", len(lost)-1)
		}
		c.tool.note("waiting cannot mend this: %s%s", lost[0], more)
	}
	return err
}

// hope knows what has been wrong since when, with the same objects on the cluster.
type hope struct {
	since   time.Time
	objects snapshot.Objects
	sets    []snapshot.Set
	stays   []string
}

// lost tells what waiting cannot mend: what takes a change of an object or a right, was there in each look, and nobody has changed
// any object for a while. What may still come without anybody doing more is waited for: pods, and what proxies are sent.
func (h *hope) lost(r report.Report, s *snapshot.Snapshot, now time.Time) []string {
	var stays []string
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Stays { // what is evidence may differ from look to look
			stays = append(stays, strings.TrimSpace(string(f.Code)+" "+f.Path)+": "+f.Message)
		}
	}
	h.stays = slices.DeleteFunc(h.stays, func(problem string) bool { return !slices.Contains(stays, problem) })
	switch {
	case len(h.stays) == 0 || !reflect.DeepEqual(h.objects, s.Objects) || !reflect.DeepEqual(h.sets, s.Sets):
		*h = hope{now, s.Objects, s.Sets, stays}
	case now.Sub(h.since) >= still:
		return h.stays
	}
	return nil
}
