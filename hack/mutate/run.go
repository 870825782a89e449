package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	aliveVariable = "MUTANT"         // number of the mutant that is alive
	reachVariable = "MUTANT_REACHED" // file to which a test run writes the mutants that it comes by
	// patience bounds one run of the tests with a mutant, which may make a loop endless. It is far more than they take.
	patience = 60 * time.Second
	// firstRound is how much time of tests is spent on a mutant before the slow ones are run.
	firstRound = 400 * time.Millisecond
	// long is a test of which the parts are looked at one by one, for most of them have nothing to do with one mutant.
	long = 300 * time.Millisecond
)

// test is one test of the package and how long it takes alone.
type test struct {
	name string
	took time.Duration
}

// runner tries mutants with a compiled test binary.
type runner struct {
	dir, temp, binary string
	workers           int
	reach             map[int][]test // by mutant: the tests that come by it, the quickest first
}

// prepare compiles the package's tests with all mutants, and runs each test once to see which mutants it comes by.
func prepare(ctx context.Context, p *planted, workers int) (_ *runner, err error) {
	temp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temp))
		}
	}()
	r := &runner{dir: p.dir, temp: temp, binary: filepath.Join(temp, "mutants.test"), workers: workers, reach: map[int][]test{}}
	if err := r.compile(ctx, p); err != nil {
		return nil, err
	}
	out, err := r.command(ctx, 0, "-test.list=.").Output()
	if err != nil {
		return nil, fmt.Errorf("list the tests of %s: %w", p.dir, err)
	}
	var names []string
	for name := range strings.Lines(string(out)) {
		if name = strings.TrimSpace(name); strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") {
			names = append(names, name)
		}
	}
	var lock sync.Mutex
	lookAll := func(names []string, most time.Duration) (parts []string, err error) {
		err = parallel(ctx, workers, names, func(name string) error {
			reached, took, below, err := r.look(ctx, name)
			if err != nil {
				return err
			}
			lock.Lock()
			defer lock.Unlock()
			if took > most && len(below) > 1 {
				parts = append(parts, below...)
				return nil
			}
			for _, id := range reached {
				r.reach[id] = append(r.reach[id], test{name, took})
			}
			return nil
		})
		return parts, err
	}
	parts, err := lookAll(names, long)
	if err == nil {
		_, err = lookAll(parts, time.Hour)
	}
	for _, tests := range r.reach {
		slices.SortFunc(tests, func(a, b test) int { return cmp.Or(cmp.Compare(a.took, b.took), strings.Compare(a.name, b.name)) })
	}
	return r, err
}

// write puts the changed sources into a directory, and gives the name of a file that tells go of them.
func (p *planted) write(dir string) (overlay string, err error) {
	replace := map[string]string{}
	for name, text := range p.files {
		file := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", err
		}
		where, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		replace[where] = file
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, raw, 0o600)
}

func (r *runner) compile(ctx context.Context, p *planted) error {
	overlay, err := p.write(r.temp)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", overlay, "-o", r.binary, "./"+p.dir) // #nosec G204 -- the package that is asked for
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile %s with its mutants: %w\n%s", p.dir, err, out)
	}
	return nil
}

// command runs the test binary where `go test` would, with one mutant alive, or none.
func (r *runner) command(ctx context.Context, id int, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, r.binary, args...) // #nosec G204 -- compiled just now
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), aliveVariable+"="+strconv.Itoa(id), "GOMAXPROCS=1")
	return cmd
}

// pattern is what chooses a test, or a part of one, written TEST/PART.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// look runs one test without any mutant and gives those that it comes by, and the names of the test's parts.
func (r *runner) look(ctx context.Context, name string) (reached []int, took time.Duration, below []string, err error) {
	file := filepath.Join(r.temp, "reached-"+strings.ReplaceAll(name, "/", "-"))
	cmd := r.command(ctx, 0, "-test.v", "-test.run="+pattern(name))
	cmd.Env = append(cmd.Env, reachVariable+"="+file)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, 0, nil, fmt.Errorf("%s fails without any mutant: %w\n%s", name, err, out)
	}
	for line := range strings.Lines(string(out)) {
		if part, ok := strings.CutPrefix(strings.TrimSpace(line), "=== RUN   "+name+"/"); ok && !strings.Contains(part, "/") {
			below = append(below, name+"/"+part)
		}
	}
	took = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	raw, err := os.ReadFile(file) // #nosec G304 -- written just now
	if err != nil {
		return nil, 0, nil, err
	}
	for line := range bytes.Lines(raw) {
		id, err := strconv.Atoi(string(bytes.TrimSpace(line)))
		if err != nil {
			return nil, 0, nil, fmt.Errorf("%s: %w", file, err)
		}
		reached = append(reached, id)
	}
	return reached, took, below, nil
}

// try gives the mutants that no test catches, in their order.
func (r *runner) try(ctx context.Context, mutants []mutant) ([]mutant, error) {
	var lock sync.Mutex
	var alive []mutant
	err := parallel(ctx, r.workers, mutants, func(m mutant) error {
		caught, err := r.caught(ctx, m)
		if err != nil || caught {
			return err
		}
		lock.Lock()
		defer lock.Unlock()
		alive = append(alive, m)
		return nil
	})
	slices.SortFunc(alive, func(a, b mutant) int { return a.id - b.id })
	return alive, err
}

// caught says whether a test fails with the mutant alive: first the quick ones, then the rest.
func (r *runner) caught(ctx context.Context, m mutant) (bool, error) {
	var quick, slow []string
	var sum time.Duration
	for _, t := range r.reach[m.id] {
		if sum += t.took; sum <= firstRound || len(quick) == 0 {
			quick = append(quick, pattern(t.name))
			continue
		}
		slow = append(slow, pattern(t.name))
	}
	for _, names := range [][]string{quick, slow} {
		if len(names) == 0 {
			continue
		}
		one, cancel := context.WithTimeout(ctx, patience)
		cmd := r.command(one, m.id, "-test.failfast", "-test.parallel=1", "-test.run="+strings.Join(names, "|"))
		err := cmd.Run()
		late := one.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil {
			if _, failed := errors.AsType[*exec.ExitError](err); failed || late {
				return true, nil //nolint:nilerr // that is what a test is for
			}
			return false, fmt.Errorf("run the tests with %s: %w", m.name, err)
		}
	}
	return false, nil
}

// parallel does something with each of a list, so many at a time, until one fails.
func parallel[T any](ctx context.Context, workers int, list []T, do func(T) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	queue := make(chan T)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for one := range queue {
				if err := do(one); err != nil {
					stop(err)
				}
			}
		})
	}
feed:
	for _, one := range list {
		select {
		case queue <- one:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	group.Wait()
	return context.Cause(ctx)
}
