//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/wait"
)

// start starts a shell script as a daemon, and kills it when the test ends.
func start(t *testing.T, script string) Process {
	t.Helper()
	dir := t.TempDir()
	p, err := Start(t.Context(), filepath.Join(dir, "pids"), filepath.Join(dir, "logs", "it.log"), Spec{Name: "it", Args: []string{"sh", "-c", script}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.WithoutCancel(t.Context()), 0); err != nil {
			t.Error(err)
		}
	})
	return p
}

func says(t *testing.T, p Process, word string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err := wait.For(ctx, 5*time.Millisecond, "the log to say "+word, func(context.Context) error {
		text, err := os.ReadFile(p.Log)
		if err == nil && !strings.Contains(string(text), word) {
			err = fmt.Errorf("it says %q", text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	p := start(t, "echo started; pwd; exec sleep 60")
	says(t, p, "started")
	if !p.Alive() {
		t.Fatal("it is said to be dead")
	}
	dir := filepath.Dir(filepath.Dir(p.Log))
	found, err := Find(filepath.Join(dir, "pids"), "it")
	if err != nil {
		t.Fatal(err)
	}
	found.Since = p.Since // the monotonic clock is not saved
	if d := cmp.Diff(p, found); d != "" {
		t.Errorf("the pid file tells something else (-started +found):\n%s", d)
	}
	names, err := Names(filepath.Join(dir, "pids"))
	if err != nil || cmp.Diff([]string{"it"}, names) != "" {
		t.Errorf("Names = %v, %v", names, err)
	}
	// A session of its own: no signal for the terminal's group reaches it.
	if sid, _, errno := syscall.RawSyscall(syscall.SYS_GETSID, uintptr(p.PID), 0, 0); errno != 0 || int(sid) != p.PID {
		t.Errorf("its session is %d (%v), not its own", sid, errno)
	}
	if err := found.Stop(t.Context(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if p.Alive() {
		t.Error("it is still alive")
	}
	if err := found.Stop(t.Context(), time.Second); err != nil {
		t.Errorf("stopping it again: %v", err)
	}
}

func TestStopKills(t *testing.T) {
	t.Parallel()
	p := start(t, "trap '' TERM; echo deaf; while :; do sleep 0.05; done")
	says(t, p, "deaf")
	if err := p.Stop(t.Context(), 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if p.Alive() {
		t.Error("a process that ignores SIGTERM must be killed")
	}
}

// The number in an old pid file may be somebody else's by now. It must neither count as alive nor be killed.
func TestSomebodyElses(t *testing.T) {
	t.Parallel()
	p := start(t, "exec sleep 60")
	for name, other := range map[string]Process{
		"started at another time": {Name: "it", PID: p.PID, Start: p.Start + 1, Boot: p.Boot},
		"of another boot":         {Name: "it", PID: p.PID, Start: p.Start, Boot: "another"},
		"of nobody":               {Name: "it", PID: 1 << 30, Start: p.Start, Boot: p.Boot},
	} {
		if other.Alive() {
			t.Errorf("%s: counts as alive", name)
		}
		if err := other.Stop(t.Context(), time.Second); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !p.Alive() {
		t.Fatal("somebody else's process was killed")
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	p := start(t, "exec sleep 60")
	looks := 0
	if err := p.Ready(t.Context(), func(context.Context) error {
		if looks++; looks < 3 {
			return errors.New("not yet")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Who waits for a program that died must hear at once, with what it said last.
func TestReadyOfTheDead(t *testing.T) {
	t.Parallel()
	p := start(t, "echo 'bind: address already in use'; exit 1")
	begun := time.Now()
	err := p.Ready(t.Context(), func(context.Context) error { return errors.New("connection refused") })
	if err == nil {
		t.Fatal("a dead program is ready")
	}
	for _, want := range []string{"it to be ready", "it ended", "address already in use", p.Log} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if time.Since(begun) > 3*time.Second {
		t.Errorf("it took %s to notice", time.Since(begun))
	}
}

// A program may die before this command has looked at it even once: it was started all the same, and who waits for it
// hears how it ended.
func TestStartOfTheShortLived(t *testing.T) {
	t.Parallel()
	for range 100 {
		p := start(t, "exit 1")
		if p.Start == 0 {
			t.Fatal("its start time is not known")
		}
	}
}

func TestReadyTimesOut(t *testing.T) {
	t.Parallel()
	p := start(t, "echo loading; exec sleep 60")
	says(t, p, "loading")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := p.Ready(ctx, func(context.Context) error { return errors.New("503: etcd failed") })
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "503: etcd failed") || !strings.Contains(err.Error(), "loading") {
		t.Errorf("Ready = %v", err)
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Start(t.Context(), dir, filepath.Join(dir, "log"), Spec{Name: "etcd", Args: []string{filepath.Join(dir, "no-etcd")}})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "start etcd") {
		t.Errorf("Start = %v", err)
	}
	if _, err := Find(dir, "etcd"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a pid file was left: %v", err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Find(dir, "etcd"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what never ran gives %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "etcd.json"), []byte("123"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(dir, "etcd"); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged pid file gives %v", err)
	}
	if names, err := Names(filepath.Join(dir, "none")); err != nil || names != nil {
		t.Errorf("Names of no folder = %v, %v", names, err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	in := []string{"HOME=/root", "PATH=/usr/bin:/bin", "HTTPS_PROXY=http://proxy", "http_proxy=x", "No_Proxy=y", "PATHOLOGY=1", "EMPTY="}
	for _, tt := range []struct {
		path string
		want []string
	}{
		{"/lab/bin", []string{"HOME=/root", "PATH=/lab/bin:/usr/bin:/bin", "PATHOLOGY=1", "EMPTY="}},
		{"", []string{"HOME=/root", "PATH=/usr/bin:/bin", "PATHOLOGY=1", "EMPTY="}},
	} {
		if d := cmp.Diff(tt.want, environment(in, tt.path)); d != "" {
			t.Errorf("with path %q (-want +got):\n%s", tt.path, d)
		}
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20"
	for _, tt := range []struct {
		name, text string
		start      uint64
		state      byte
		fails      bool
	}{
		{"plain", "7 (etcd)" + rest, 4242, 'S', false},
		{"a name with spaces and parentheses", "7 (a) R (b c)" + rest, 4242, 'S', false},
		{"a zombie", "7 (x)" + strings.Replace(rest, "S", "Z", 1), 4242, 'Z', false},
		{"no name", "7 etcd S 1", 0, 0, true},
		{"cut", "7 (etcd) S 1 2", 0, 0, true},
		{"no number", "7 (x)" + strings.Replace(rest, "4242", "soon", 1), 0, 0, true},
		{"empty", "", 0, 0, true},
	} {
		start, state, err := parseStat(tt.text)
		if start != tt.start || state != tt.state && !tt.fails || (err != nil) != tt.fails {
			t.Errorf("%s: parseStat = %d, %c, %v", tt.name, start, state, err)
		}
	}
	// The real thing.
	start, state, err := stat(os.Getpid())
	if err != nil || start == 0 || !strings.ContainsRune("RSD", rune(state)) {
		t.Errorf("of this process: %d, %c, %v", start, state, err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("7 (a) R (b c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20")
	f.Add(") ")
	f.Add("1 ()")
	f.Fuzz(func(t *testing.T, text string) {
		if _, state, err := parseStat(text); err == nil && state == 0 {
			t.Errorf("parseStat(%q) gives no state and no error", text)
		}
	})
}
