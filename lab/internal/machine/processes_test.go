//go:build linux

package machine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// files writes a tree of files: path to content.
func files(t *testing.T, tree map[string]string) string {
	t.Helper()
	top := t.TempDir()
	for path, text := range tree {
		path = filepath.Join(top, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

func TestCgroupProcesses(t *testing.T) {
	t.Parallel()
	top := files(t, map[string]string{
		"cpu/kubepods/cgroup.procs":                   "",
		"cpu/kubepods/pod1/cgroup.procs":              "12\n7\n",
		"cpu/kubepods/pod1/c1/cgroup.procs":           "30\n",
		"cpu/kubepods/pod1/tasks":                     "99\n",
		"memory/kubepods/burstable/pod1/cgroup.procs": "12\n40\n0\nnonsense\n",
	})
	got, err := CgroupProcesses([]string{filepath.Join(top, "cpu/kubepods"), filepath.Join(top, "memory/kubepods"), filepath.Join(top, "gone/kubepods")})
	if err != nil {
		t.Fatal(err)
	}
	// Once each, in order, and never 0, which would be everybody in the caller's group.
	if d := cmp.Diff([]int{7, 12, 30, 40}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestShims(t *testing.T) {
	t.Parallel()
	const socket = "/srv/lab/run/containerd/containerd.sock"
	line := func(args ...string) string { return strings.Join(args, "\x00") + "\x00" }
	proc := files(t, map[string]string{
		"10/cmdline":      line("/srv/lab/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", "a", "-address", socket),
		"11/cmdline":      line("/srv/lab/bin/containerd-shim-runc-v2", "-address="+socket),
		"12/cmdline":      line("/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", "b", "-address", "/run/containerd/containerd.sock"),
		"13/cmdline":      line("vi", socket),
		"14/cmdline":      "",
		"15/status":       "ended while we looked",
		"self/cmdline":    line("/srv/lab/bin/containerd-shim-runc-v2", "-address", socket),
		"sys/kernel/x":    "1",
		"16/cmdline":      line("containerd-shim-runc-v2", "-address", socket+".ttrpc"),
		"17/task/cmdline": "",
	})
	got, err := Shims(proc, socket)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, pid := range got {
		seen[pid] = true
	}
	if d := cmp.Diff(map[int]bool{10: true, 11: true, 16: true}, seen); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := Shims(filepath.Join(proc, "none"), socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no /proc gives %v", err)
	}
}

// sleeper is a child of the test's own.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestKillAll(t *testing.T) {
	t.Parallel()
	first, second := sleeper(t), sleeper(t)
	ended := make(chan int, 2)
	for _, c := range []*exec.Cmd{first, second} {
		go func() {
			err := c.Wait()
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Success() {
				t.Errorf("it ended by itself: %v", err)
			}
			ended <- c.Process.Pid
		}()
	}
	// The second shows up only after the first is gone: as if it had been forked meanwhile.
	gone := map[int]bool{}
	list := func() ([]int, error) {
		select {
		case pid := <-ended:
			gone[pid] = true
		default:
		}
		switch {
		case !gone[first.Process.Pid]:
			return []int{first.Process.Pid}, nil
		case !gone[second.Process.Pid]:
			return []int{second.Process.Pid}, nil
		}
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	n, err := KillAll(ctx, "two sleepers", list)
	if err != nil || n != 2 {
		t.Fatalf("KillAll = %d, %v", n, err)
	}
}

func TestKillAllGivesUp(t *testing.T) {
	t.Parallel()
	broken := errors.New("no such cgroup")
	if _, err := KillAll(t.Context(), "pods", func() ([]int, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("KillAll = %v", err)
	}
	// A number nobody has: it seems to be there each time, as a zombie in a cgroup would.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := KillAll(ctx, "the pods", func() ([]int, error) { return []int{1 << 30}, nil })
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the pods") || !strings.Contains(err.Error(), "1 processes are left") {
		t.Errorf("KillAll = %v", err)
	}
}

func TestRemoveCgroups(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	for i := range 3 {
		if err := os.MkdirAll(filepath.Join(top, "kubepods", "pod"+strconv.Itoa(i), "c", "init.scope"), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveCgroups(t.Context(), []string{filepath.Join(top, "kubepods"), filepath.Join(top, "never-there")}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(top, "kubepods")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// The kernel refuses to remove a group that still has a process; so does a folder with a file in it.
func TestRemoveCgroupsInUse(t *testing.T) {
	t.Parallel()
	top := files(t, map[string]string{"kubepods/pod1/busy": ""})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := RemoveCgroups(ctx, []string{filepath.Join(top, "kubepods")})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "kubepods/pod1: directory not empty") {
		t.Errorf("RemoveCgroups = %v", err)
	}
}
