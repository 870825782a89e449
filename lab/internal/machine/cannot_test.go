//go:build linux

package machine

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCgroupReasons(t *testing.T) {
	t.Parallel()
	v1 := []Mount{
		{"/cg/cpu", "cgroup", "rw,cpu,cpuacct"},
		{"/cg/cpuset", "cgroup", "rw,cpuset"},
		{"/cg/memory", "cgroup", "rw,memory"},
		{"/cg/pids", "cgroup", "rw,pids"},
	}
	for _, tt := range []struct {
		name     string
		mounts   []Mount
		v2       map[string]string // cgroup.controllers by file
		readOnly string
		want     []string
	}{
		{name: "version 1", mounts: v1},
		{name: "version 2", mounts: []Mount{{"/cg", "cgroup2", "rw"}}, v2: map[string]string{"/cg/cgroup.controllers": "cpuset cpu io memory hugetlb pids\n"}},
		{name: "both, with the controllers in version 1", mounts: append([]Mount{{"/cg/unified", "cgroup2", "rw"}}, v1...), v2: map[string]string{"/cg/unified/cgroup.controllers": "hugetlb\n"}},
		{name: "nothing is mounted", want: []string{"no cgroups: nothing is mounted below /sys/fs/cgroup that the kubelet can use"}},
		{name: "version 2 without controllers", mounts: []Mount{{"/cg", "cgroup2", "rw"}}, v2: map[string]string{"/cg/cgroup.controllers": "\n"}, want: []string{"no cgroups: nothing is mounted below /sys/fs/cgroup that the kubelet can use"}},
		{name: "some are missing", mounts: v1[:2], want: []string{"no cgroups for memory, pids"}},
		{name: "read-only, as in a container", mounts: v1, readOnly: "/cg/memory", want: []string{"cgroups cannot be written: /cg/memory"}},
		{name: "read-only version 2 is named once", mounts: []Mount{{"/cg", "cgroup2", "ro"}}, v2: map[string]string{"/cg/cgroup.controllers": "cpuset cpu memory pids"}, readOnly: "/cg", want: []string{"cgroups cannot be written: /cg"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			read := func(path string) ([]byte, error) {
				if text, ok := tt.v2[path]; ok {
					return []byte(text), nil
				}
				return nil, fs.ErrNotExist
			}
			got := cgroupReasons(tt.mounts, func(path string) bool { return path != tt.readOnly }, read)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestHasOverlay(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"nodev\tproc\n\text4\nnodev\toverlay\n": true, "nodev\toverlayfs2\n": false, "": false} {
		if got := hasOverlay(func(string) ([]byte, error) { return []byte(text), nil }); got != want {
			t.Errorf("hasOverlay(%q) = %t", text, got)
		}
	}
	if hasOverlay(func(string) ([]byte, error) { return nil, os.ErrPermission }) {
		t.Error("what cannot be read is not there")
	}
}

// Check must be one line, whoever runs it: a person reads it, and make demo prints it.
func TestCheckIsOneLine(t *testing.T) {
	t.Parallel()
	err := Check(t.Context())
	if err == nil {
		return // this machine can
	}
	var cannot CannotError
	if !errors.As(err, &cannot) || len(cannot.Reasons) == 0 {
		t.Fatalf("Check = %v, not a CannotError with reasons", err)
	}
	if os.Geteuid() != 0 && !strings.Contains(err.Error(), "needs root") {
		t.Errorf("without root: %v", err)
	}
	if strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "this machine cannot run the lab: ") {
		t.Errorf("Check = %q", err)
	}
}

func TestBusyPorts(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	port := l.Addr().(*net.TCPAddr).Port
	got := BusyPorts(t.Context(), map[int]string{port: "etcd"})
	if len(got) != 1 || !strings.HasSuffix(got[0], " (etcd)") {
		t.Errorf("a listener on loopback alone is not seen: %v", got)
	}
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	if got := BusyPorts(t.Context(), map[int]string{port: "etcd"}); len(got) != 0 {
		t.Errorf("a free port counts as taken: %v", got)
	}
}
