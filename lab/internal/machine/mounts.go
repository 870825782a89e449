//go:build linux

package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Mount is one line of /proc/self/mountinfo.
type Mount struct {
	Point, Type, Options string // Options of the file system, not of the mount
}

// ParseMounts reads a mountinfo file. Lines that are not as proc(5) describes are left out.
func ParseMounts(text []byte) []Mount {
	var mounts []Mount
	for line := range strings.Lines(string(text)) {
		before, after, found := strings.Cut(strings.TrimSpace(line), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !found || len(left) < 5 || len(right) < 3 {
			continue
		}
		mounts = append(mounts, Mount{Point: unescape(left[4]), Type: right[0], Options: right[2]})
	}
	return mounts
}

// unescape undoes the octal escapes with which the kernel writes spaces, tabs, newlines and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Below are the mount points at or below dir, the last mounted first, which is the order to unmount them in.
func Below(mounts []Mount, dir string) []string {
	var points []string
	for _, m := range slices.Backward(mounts) {
		if p := m.Point; p == dir || strings.HasPrefix(p, dir+"/") {
			points = append(points, p)
		}
	}
	return points
}

// Mounts are the machine's mounts as they are now.
func Mounts() ([]Mount, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	return ParseMounts(text), nil
}

// Unmount takes away all that is mounted at or below dir. Detached rather than refused when busy: what kept it busy
// was killed just before, and the kernel may not be through with that.
func Unmount(dir string) (int, error) {
	mounts, err := Mounts()
	if err != nil {
		return 0, err
	}
	points := Below(mounts, dir)
	var errs []error
	for _, p := range points {
		if err := syscall.Unmount(p, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", p, err))
		}
	}
	return len(points), errors.Join(errs...)
}

// CgroupDirs are the folders called name at the top of each cgroup hierarchy.
func CgroupDirs(mounts []Mount, name string) []string {
	var dirs []string
	for _, m := range mounts {
		if m.Type != "cgroup" && m.Type != "cgroup2" {
			continue
		}
		dir := filepath.Join(m.Point, name)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
