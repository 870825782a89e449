//go:build linux

// Package machine knows the machine the lab runs on: whether it can, how it was before, and what a lab left behind.
package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// CannotError says why this machine cannot run a lab. Nothing was touched when it is returned.
type CannotError struct {
	Reasons []string
}

func (e CannotError) Error() string {
	return "this machine cannot run the lab: " + strings.Join(e.Reasons, "; ")
}

// controllers are the cgroup controllers without which the kubelet does not start.
var controllers = [...]string{"cpu", "cpuset", "memory", "pids"}

// Check looks whether containers can run here; the error is a CannotError. It changes nothing but
// for a kernel module that may be loaded.
func Check(ctx context.Context) error {
	var reasons []string
	if os.Geteuid() != 0 {
		// Without root the rest cannot be told apart from what root would be allowed.
		return CannotError{[]string{"needs root (mounts, network namespaces and firewall rules are made)"}}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return CannotError{[]string{"no /proc: " + err.Error()}}
	}
	reasons = append(reasons, cgroupReasons(ParseMounts(mounts), writable, os.ReadFile)...)
	if err := namespaces(ctx); err != nil {
		reasons = append(reasons, "cannot run containers: new namespaces are refused ("+err.Error()+")")
	}
	if !hasOverlay(os.ReadFile) && exec.CommandContext(ctx, "modprobe", "overlay").Run() != nil {
		reasons = append(reasons, "cannot run containers: the kernel has no overlay file system")
	}
	if len(reasons) > 0 {
		return CannotError{reasons}
	}
	return nil
}

// cgroupReasons looks for a cgroup hierarchy in which the kubelet can make groups: one of version 2 with its
// controllers, or those of version 1.
func cgroupReasons(mounts []Mount, writable func(string) bool, read func(string) ([]byte, error)) []string {
	found := map[string]string{} // controller -> where
	for _, m := range mounts {
		switch m.Type {
		case "cgroup2":
			text, err := read(filepath.Join(m.Point, "cgroup.controllers"))
			if err != nil {
				continue // reported below, as controllers that are missing
			}
			for c := range strings.FieldsSeq(string(text)) {
				found[c] = m.Point
			}
		case "cgroup":
			for o := range strings.SplitSeq(m.Options, ",") {
				found[o] = m.Point
			}
		}
	}
	var missing, locked []string
	for _, c := range controllers {
		point, ok := found[c]
		switch {
		case !ok:
			missing = append(missing, c)
		case !writable(point):
			locked = append(locked, point)
		}
	}
	var reasons []string
	if len(missing) == len(controllers) {
		return []string{"no cgroups: nothing is mounted below /sys/fs/cgroup that the kubelet can use"}
	}
	if len(missing) > 0 {
		reasons = append(reasons, "no cgroups for "+strings.Join(missing, ", "))
	}
	if len(locked) > 0 {
		slices.Sort(locked)
		reasons = append(reasons, "cgroups cannot be written: "+strings.Join(slices.Compact(locked), ", "))
	}
	return reasons
}

func writable(path string) bool {
	const write = 2 // W_OK
	return syscall.Access(path, write) == nil
}

func hasOverlay(read func(string) ([]byte, error)) bool {
	text, err := read("/proc/filesystems")
	return err == nil && bytes.Contains(text, []byte("\toverlay\n"))
}

// namespaces tries what every container needs: a child in namespaces of its own.
func namespaces(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "--help") // any program that ends at once and reads nothing
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
	}
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil // it ran; how it ended does not matter
	}
	return err
}

// BusyPorts names the ports of want (port to who takes it) that something else listens on already.
func BusyPorts(ctx context.Context, want map[int]string) []string {
	var busy []string
	for port, who := range want {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("", strconv.Itoa(port)))
		if err == nil {
			l.Close() //nolint:errcheck // it never accepted anything
			continue
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			busy = append(busy, fmt.Sprintf("%d (%s)", port, who))
		}
	}
	slices.Sort(busy)
	return busy
}
