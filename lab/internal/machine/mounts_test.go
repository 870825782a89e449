//go:build linux

package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const mountinfo = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
50 27 0:50 / /srv/lab/run/kubelet/pods/1/volumes/token rw,relatime shared:3 master:2 - tmpfs tmpfs rw
51 27 0:51 / /srv/lab/run/containerd/state/rootfs rw - overlay overlay rw,lowerdir=/a:/b
52 27 0:52 / /srv/laboratory rw - tmpfs tmpfs rw
53 27 0:53 / /srv/with\040space\134and\011tab rw - tmpfs tmpfs rw
54 51 0:54 / /srv/lab/run/containerd/state/rootfs/dev rw - tmpfs tmpfs rw
half a line
55 27 0:55 / /no/separator rw tmpfs tmpfs rw
`

func TestParseMounts(t *testing.T) {
	t.Parallel()
	got := ParseMounts([]byte(mountinfo))
	want := []Mount{
		{"/proc", "proc", "rw"},
		{"/", "ext4", "rw,discard"},
		{"/sys/fs/cgroup", "tmpfs", "rw,mode=755"},
		{"/sys/fs/cgroup/cpu", "cgroup", "rw,cpu,cpuacct"},
		{"/sys/fs/cgroup/unified", "cgroup2", "rw"},
		{"/srv/lab/run/kubelet/pods/1/volumes/token", "tmpfs", "rw"},
		{"/srv/lab/run/containerd/state/rootfs", "overlay", "rw,lowerdir=/a:/b"},
		{"/srv/laboratory", "tmpfs", "rw"},
		{"/srv/with space\\and\ttab", "tmpfs", "rw"},
		{"/srv/lab/run/containerd/state/rootfs/dev", "tmpfs", "rw"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestBelow(t *testing.T) {
	t.Parallel()
	mounts := ParseMounts([]byte(mountinfo))
	for _, tt := range []struct {
		dir  string
		want []string
	}{
		// What was mounted last is unmounted first, and /srv/laboratory is nobody's business.
		{"/srv/lab", []string{"/srv/lab/run/containerd/state/rootfs/dev", "/srv/lab/run/containerd/state/rootfs", "/srv/lab/run/kubelet/pods/1/volumes/token"}},
		{"/srv/lab/run/containerd/state/rootfs", []string{"/srv/lab/run/containerd/state/rootfs/dev", "/srv/lab/run/containerd/state/rootfs"}},
		{"/srv/lab/build", nil},
	} {
		if d := cmp.Diff(tt.want, Below(mounts, tt.dir)); d != "" {
			t.Errorf("below %s (-want +got):\n%s", tt.dir, d)
		}
	}
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "/a": "/a", `/a\040b`: "/a b", `\134`: `\`, `\12`: `\12`, `\999`: `\999`, `a\`: `a\`, `\011\012`: "\t\n",
	} {
		if got := unescape(in); got != want {
			t.Errorf("unescape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMountsOfThisMachine(t *testing.T) {
	t.Parallel()
	mounts, err := Mounts()
	if err != nil {
		t.Fatal(err)
	}
	root, proc := false, false
	for _, m := range mounts {
		root = root || m.Point == "/"
		proc = proc || m.Point == "/proc" && m.Type == "proc"
	}
	if !root || !proc {
		t.Errorf("/ or /proc is missing among %d mounts", len(mounts))
	}
	if n, err := Unmount(t.TempDir()); n != 0 || err != nil {
		t.Errorf("unmounting where nothing is mounted: %d, %v", n, err)
	}
}

func TestCgroupDirs(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	var mounts []Mount
	for _, m := range []Mount{{"cpu", "cgroup", "rw,cpu"}, {"memory", "cgroup", "rw,memory"}, {"unified", "cgroup2", "rw"}, {"other", "tmpfs", "rw"}} {
		m.Point = filepath.Join(top, m.Point)
		mounts = append(mounts, m)
	}
	for _, dir := range []string{"cpu/kubepods", "unified/kubepods/burstable", "other/kubepods", "memory"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	got := CgroupDirs(mounts, "kubepods")
	if d := cmp.Diff([]string{filepath.Join(top, "cpu/kubepods"), filepath.Join(top, "unified/kubepods")}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add(mountinfo)
	f.Add("1 2 3 4 \\0 - - - -")
	f.Fuzz(func(t *testing.T, text string) {
		mounts := ParseMounts([]byte(text))
		if len(mounts) > strings.Count(text, "\n")+1 {
			t.Errorf("%d mounts of %q", len(mounts), text)
		}
		for _, p := range Below(mounts, "/srv/lab") {
			if p != "/srv/lab" && !strings.HasPrefix(p, "/srv/lab/") {
				t.Errorf("%q would be unmounted", p)
			}
		}
	})
}
