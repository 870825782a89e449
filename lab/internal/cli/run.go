//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/build"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/cluster"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/machine"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/progress"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/steps"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/wait"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/world"
)

func runBuild(ctx context.Context, i *invocation) error {
	// Told before ten minutes of compiling, not after: what is built is for this machine.
	if err := machine.Check(ctx); err != nil {
		return err
	}
	unlock, err := i.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	p := i.watch()
	r, err := i.build(ctx, p)
	p.Close()
	if err != nil {
		return err
	}
	i.tell("built in %s: %s", progress.Seconds(p.Elapsed()), r.Parts)
	return nil
}

// build brings the build up to date. Where the source of the parts is not at hand, what was built before will do.
func (i *invocation) build(ctx context.Context, p *progress.Progress) (build.Record, error) {
	parts, err := build.FindParts(i.parts)
	if err != nil {
		if r, was := build.Current(i.site); was == nil && i.parts == "" {
			return r, nil
		}
		return build.Record{}, err
	}
	list, record, err := build.Steps(ctx, i.site, parts)
	if err != nil {
		return build.Record{}, err
	}
	if err := steps.Run(ctx, list, p); err != nil {
		return build.Record{}, err
	}
	return record()
}

func runUp(ctx context.Context, i *invocation) error {
	if err := machine.Check(ctx); err != nil {
		return err
	}
	unlock, err := i.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	state := cluster.ErrAbsent
	r, err := build.Current(i.site)
	if err == nil {
		state = cluster.Running(ctx, i.site, r)
	}
	if state == nil {
		i.tell("the lab is running: nothing to do (%s)", i.hint())
		return nil
	}
	p := i.watch()
	if errors.Is(state, cluster.ErrUnready) {
		p.Note(state.Error() + ": that is made up for")
		err = steps.Run(ctx, cluster.ResumeSteps(i.site, r), p)
	} else {
		err = i.up(ctx, p)
	}
	p.Close()
	if err != nil {
		if begun, look := cluster.Leftovers(i.site); look == nil && begun {
			return fmt.Errorf("%w\n(logs: %s; `lab down` takes away what was started)", err, filepath.Dir(i.site.Log("")))
		}
		return err
	}
	i.tell("the cluster is up after %s: %s", progress.Seconds(p.Elapsed()), i.hint())
	return nil
}

func (i *invocation) up(ctx context.Context, p *progress.Progress) error {
	left, err := cluster.Leftovers(i.site)
	if err != nil {
		return err
	}
	if !left {
		// Asked here, before anything is touched, and not while an earlier lab's programs may hold them.
		if busy := machine.BusyPorts(ctx, site.Ports()); len(busy) > 0 {
			return machine.CannotError{Reasons: []string{"ports are taken by other programs: " + strings.Join(busy, ", ")}}
		}
	}
	r, err := i.build(ctx, p)
	if err != nil {
		return err
	}
	if left {
		p.Note("an earlier lab is here, and not all of it runs: it is taken away first")
		if err := steps.Run(ctx, cluster.DownSteps(i.site), p); err != nil {
			return err
		}
	}
	if err := build.Prune(i.site, r); err != nil {
		return err
	}
	return steps.Run(ctx, cluster.UpSteps(i.site, r), p)
}

func runLoad(ctx context.Context, i *invocation) error {
	if err := machine.Check(ctx); err != nil {
		return err
	}
	unlock, err := i.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := i.running(ctx)
	if err != nil {
		return err
	}
	p := i.watch()
	err = steps.Run(ctx, world.Steps(i.site, r), p)
	p.Close()
	if err != nil {
		return err
	}
	i.tell("the world is there after %s; try: kubectl exec deploy/sleep -- curl -s https://edition.cnn.com", progress.Seconds(p.Elapsed()))
	return nil
}

// running is the build of the running lab, or an error that says what to do.
func (i *invocation) running(ctx context.Context) (build.Record, error) {
	r, err := build.Current(i.site)
	if err != nil {
		return build.Record{}, err
	}
	if err := cluster.Running(ctx, i.site, r); err != nil {
		if errors.Is(err, cluster.ErrAbsent) {
			return build.Record{}, errors.New("no lab is running: `lab up` first")
		}
		return build.Record{}, fmt.Errorf("%w: `lab up` starts it anew", err)
	}
	return r, nil
}

func runDown(ctx context.Context, i *invocation) error {
	left, err := cluster.Leftovers(i.site)
	if err != nil {
		return err
	}
	if !left {
		i.tell("no lab is here: nothing to do")
		return nil
	}
	if err := machine.Check(ctx); err != nil {
		return err
	}
	unlock, err := i.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	p := i.watch()
	err = steps.Run(ctx, cluster.DownSteps(i.site), p)
	p.Close()
	if err != nil {
		return err
	}
	i.tell("the lab is gone after %s; what was built is kept in %s", progress.Seconds(p.Elapsed()), i.site.Build())
	return nil
}

func runEnv(_ context.Context, i *invocation) error {
	r, err := build.Current(i.site)
	if err != nil {
		return err
	}
	_, err = io.WriteString(i.Out, Env(i.site, r))
	return err
}

// Env are the lines that a shell evaluates to use the lab.
func Env(s site.Site, r build.Record) string {
	return fmt.Sprintf("export KUBECONFIG=%s\nexport PATH=%s:\"$PATH\"\nexport LAB_OUTSIDE=%s\n",
		quote(s.Kubeconfig()), quote(r.Bin()), quote(s.Outside()))
}

// tell writes a sentence for people.
func (i *invocation) tell(format string, args ...any) {
	fmt.Fprintf(i.Err, format+"\n", args...)
}

func (i *invocation) hint() string { return `use it with: eval "$(lab env)"` }

// lock keeps two commands from working on one lab at the same time; the second waits. The kernel gives the lock back
// when its holder ends, however it ends.
func (i *invocation) lock(ctx context.Context) (func(), error) {
	if err := os.MkdirAll(i.site.Dir(), 0o750); err != nil {
		return nil, fmt.Errorf("make the lab's folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(i.site.Dir(), "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	said := false
	err = wait.For(ctx, 200*time.Millisecond, "the lab's lock", func(context.Context) error {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) && !said {
			said = true
			i.tell("another lab command is at work; waiting for it")
		}
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
			return wait.Stop(err)
		}
		return err
	})
	if err != nil {
		f.Close() //nolint:errcheck // it was never written to
		return nil, err
	}
	return func() { f.Close() }, nil //nolint:errcheck // it was never written to
}
