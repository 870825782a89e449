//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/wait"
)

// CgroupProcesses are the processes in the given cgroup folders and all below.
func CgroupProcesses(dirs []string) ([]int, error) {
	var pids []int
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone meanwhile, which is what everybody wants
			}
			if err != nil {
				return err
			}
			if d.Name() != "cgroup.procs" {
				return nil
			}
			text, err := os.ReadFile(path) //nolint:gosec // the kernel makes no links in there
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENODEV) && !errors.Is(err, syscall.EOPNOTSUPP) {
				return err
			}
			for f := range strings.FieldsSeq(string(text)) {
				if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
					pids = append(pids, pid)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list the processes of cgroup %s: %w", dir, err)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

// Shims are the processes of containerd's shim that belong to the containerd listening on socket.
func Shims(proc, socket string) ([]int, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(proc, e.Name(), "cmdline")) //nolint:gosec // a path that the lab made
		if err != nil {
			continue // ended meanwhile
		}
		args := strings.Split(string(text), "\x00")
		if strings.HasPrefix(filepath.Base(args[0]), "containerd-shim") && slices.ContainsFunc(args, func(a string) bool {
			return a == socket || a == "-address="+socket || a == socket+".ttrpc"
		}) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// KillAll kills what list finds, and looks again until it finds nothing: a process may fork while it is being killed.
func KillAll(ctx context.Context, what string, list func() ([]int, error)) (int, error) {
	killed := map[int]bool{}
	err := wait.For(ctx, 20*time.Millisecond, what+" to end", func(context.Context) error {
		pids, err := list()
		if err != nil {
			return wait.Stop(err)
		}
		for _, pid := range pids {
			killed[pid] = true
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return wait.Stop(fmt.Errorf("kill process %d: %w", pid, err))
			}
		}
		if len(pids) > 0 {
			return fmt.Errorf("%d processes are left", len(pids))
		}
		return nil
	})
	return len(killed), err
}

// RemoveCgroups removes the given cgroup folders, the deepest first. The kernel refuses while a killed process is not
// gone yet, so it is tried until ctx ends.
func RemoveCgroups(ctx context.Context, dirs []string) error {
	for _, dir := range dirs {
		err := wait.For(ctx, 20*time.Millisecond, "cgroup "+dir+" to become empty", func(context.Context) error {
			var below []string
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					below = append(below, path)
				}
				if errors.Is(err, fs.ErrNotExist) {
					return nil
				}
				return err
			})
			if err != nil {
				return err
			}
			for _, path := range slices.Backward(below) {
				if err := syscall.Rmdir(path); err != nil && !errors.Is(err, syscall.ENOENT) {
					return fmt.Errorf("remove cgroup %s: %w", path, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
