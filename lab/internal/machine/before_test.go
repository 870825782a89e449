//go:build linux

package machine

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/firewall"
)

func TestSaveAndLoadBefore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "run", "before.json")
	if _, err := LoadBefore(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was never noted gives %v", err)
	}
	want := Before{
		Firewall: map[firewall.Family]string{firewall.IPv4: "*nat\nCOMMIT\n", firewall.IPv6: ""},
		Sysctls:  map[string]string{"net/ipv4/ip_forward": "0"},
		Folders:  []string{"/var/lib/cni"},
	}
	if err := SaveBefore(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := LoadBefore(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-saved +loaded):\n%s", d)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadBefore(path); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged note gives %v", err)
	}
}

// Nothing is to be done on a machine that is as it was: the values are read, compared, and not written.
func TestRestoreChangesNothing(t *testing.T) {
	t.Parallel()
	b := Before{Sysctls: map[string]string{}}
	for _, name := range sysctls {
		text, err := os.ReadFile(sysctlPath(name))
		if err == nil {
			b.Sysctls[name] = strings.TrimSpace(string(text))
		}
	}
	if len(b.Sysctls) == 0 {
		t.Fatal("none of the kernel settings exists: their names must be wrong")
	}
	if err := b.Restore(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRestoreTellsWhatItCannot(t *testing.T) {
	t.Parallel()
	b := Before{Sysctls: map[string]string{"no/such/setting": "1"}}
	if err := b.Restore(t.Context()); err == nil || !strings.Contains(err.Error(), "no/such/setting") {
		t.Errorf("Restore = %v", err)
	}
	if err := Set("no/such/setting", "1"); err == nil || !strings.Contains(err.Error(), "no/such/setting to 1") {
		t.Errorf("Set = %v", err)
	}
}

// A folder comes after those in it, or it would never be empty when its turn comes.
func TestStraysInnermostFirst(t *testing.T) {
	t.Parallel()
	for i, dir := range strays {
		for _, later := range strays[i+1:] {
			if strings.HasPrefix(later, dir+"/") {
				t.Errorf("%s comes after %s", later, dir)
			}
		}
	}
}

// socket makes a Unix socket, which keeps its file when it is closed, as that of a killed program does.
func socket(t *testing.T, path string, keepListening bool) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if keepListening {
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		return
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// A program that another test starts holds every file of this process until it becomes itself, the socket too: it is dead only then.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "unix", path)
		if err != nil {
			return
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

func TestRemoveDeadSockets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket(t, filepath.Join(dir, "dead"), false)
	socket(t, filepath.Join(dir, "alive"), true)
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := RemoveDeadSockets(t.Context(), filepath.Join(dir, "*")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if d := cmp.Diff([]string{"alive", "file"}, left); d != "" {
		t.Errorf("what is left (-want +got):\n%s", d)
	}
	if err := RemoveDeadSockets(t.Context(), "[bad"); !errors.Is(err, filepath.ErrBadPattern) {
		t.Errorf("a bad pattern gives %v", err)
	}
}

func TestHasAddress(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]bool{"127.0.0.1": true, "192.0.2.77": false} {
		if got, err := HasAddress("lo", ip); err != nil || got != want {
			t.Errorf("HasAddress(lo, %s) = %t, %v", ip, got, err)
		}
	}
	if _, err := HasAddress("nosuchlink0", "127.0.0.1"); err == nil || !strings.Contains(err.Error(), "nosuchlink0") {
		t.Errorf("a missing interface gives %v", err)
	}
}

// What is not there need not be taken away, and asking for that needs no right.
func TestRemoveAbsent(t *testing.T) {
	t.Parallel()
	if err := RemoveAddress(t.Context(), "lo", "192.0.2.77"); err != nil {
		t.Error(err)
	}
	if err := AddAddress(t.Context(), "lo", "127.0.0.1"); err != nil {
		t.Errorf("what is there need not be added: %v", err)
	}
}
