// Package steps runs named pieces of work side by side, each as soon as what it needs is done.
package steps

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Step is one piece of work.
type Step struct {
	// Name is shown to the user and named by Needs of others.
	Name string
	// Needs are the steps that must be done before.
	Needs []string
	// Do does the work. What it hands to say is shown while it runs, and beside its name when it is done.
	Do func(ctx context.Context, say func(string)) error
}

// Watcher is told what happens. Its methods are called from many goroutines.
type Watcher interface {
	// Plan is called once, before the first step begins.
	Plan(names []string)
	Begin(name string)
	Say(name, what string)
	// End is called for each step that began.
	End(name string, took time.Duration, err error)
}

// Run does all steps and returns the first error, wrapped with the step's name. After an error no new step begins and
// the context of the running ones is cancelled; Run returns when they have ended.
func Run(ctx context.Context, all []Step, w Watcher) error {
	if err := check(all); err != nil {
		return err
	}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.Name
	}
	w.Plan(names)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	type result struct {
		name string
		err  error
	}
	ended := make(chan result)
	done := map[string]bool{}
	begun := map[string]bool{}
	running := 0
	var first error
	for len(done) < len(all) {
		for _, s := range all {
			if first != nil || ctx.Err() != nil || begun[s.Name] || !ready(s, done) {
				continue
			}
			begun[s.Name] = true
			running++
			go func() { ended <- result{s.Name, one(ctx, s, w)} }()
		}
		if running == 0 {
			break
		}
		r := <-ended
		running--
		done[r.name] = true
		if r.err != nil && first == nil {
			first = fmt.Errorf("%s: %w", r.name, r.err)
			cancel(first)
		}
	}
	if first == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return first
}

func one(ctx context.Context, s Step, w Watcher) error {
	w.Begin(s.Name)
	start := time.Now()
	err := s.Do(ctx, func(what string) { w.Say(s.Name, what) })
	w.End(s.Name, time.Since(start), err)
	return err
}

func ready(s Step, done map[string]bool) bool {
	for _, n := range s.Needs {
		if !done[n] {
			return false
		}
	}
	return true
}

// check finds what would make Run wait for ever: a name used twice or not at all, and circles.
func check(all []Step) error {
	needs := map[string][]string{}
	for _, s := range all {
		if s.Name == "" || s.Do == nil {
			return errors.New("a step without name or work")
		}
		if _, twice := needs[s.Name]; twice {
			return fmt.Errorf("two steps are called %q", s.Name)
		}
		needs[s.Name] = s.Needs
	}
	for name, list := range needs {
		for _, n := range list {
			if _, known := needs[n]; !known {
				return fmt.Errorf("step %q needs %q, which is no step", name, n)
			}
		}
	}
	done := map[string]bool{}
	for range all {
		for _, s := range all {
			if ready(s, done) {
				done[s.Name] = true
			}
		}
	}
	if len(done) < len(all) {
		return errors.New("steps wait for each other in a circle")
	}
	return nil
}
