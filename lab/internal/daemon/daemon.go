//go:build linux

// Package daemon starts programs that outlive the lab's command, finds them again, and stops them. A process is known
// by its number, its start time and the machine's boot: a number that was given to somebody else is never killed.
package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/shell"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/wait"
)

// tick is how often an ending process is looked at.
const tick = 20 * time.Millisecond

// Spec says how a program is started.
type Spec struct {
	// Name names the part, its log and its pid file.
	Name string
	// Args are the program and its arguments.
	Args []string
	// Dir is its working folder.
	Dir string
	// Path is put before the PATH it inherits; may be empty.
	Path string
}

// Process is a program that was started.
type Process struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// Start is the kernel's start time of the process, in clock ticks since boot; Boot names that boot.
	Start uint64 `json:"start"`
	Boot  string `json:"boot"`
	// Since is when it was started.
	Since time.Time `json:"since"`
	// Log is where its output goes.
	Log string `json:"log"`
}

// proxies are variables that would send the parts' talk among themselves through somebody's HTTP proxy: the API server
// calls Istio's webhooks by Service address.
var proxies = [...]string{"http_proxy", "https_proxy", "all_proxy", "no_proxy"}

// Start starts the program in a session of its own, so that no signal for the terminal reaches it, with its output in
// log and a pid file in dir.
func Start(ctx context.Context, dir, log string, s Spec) (Process, error) {
	for _, d := range []string{dir, filepath.Dir(log)} {
		if err := os.MkdirAll(d, 0o750); err != nil {
			return Process{}, fmt.Errorf("start %s: %w", s.Name, err)
		}
	}
	out, err := os.Create(log) //nolint:gosec // a path that the lab made
	if err != nil {
		return Process{}, fmt.Errorf("start %s: %w", s.Name, err)
	}
	defer out.Close()                                                                //nolint:errcheck // the program has it; nothing is written here
	cmd := exec.CommandContext(context.WithoutCancel(ctx), s.Args[0], s.Args[1:]...) //nolint:gosec // the programs are the lab's own
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, out, out
	cmd.Env = environment(os.Environ(), s.Path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return Process{}, fmt.Errorf("start %s: %w", s.Name, err)
	}
	p := Process{Name: s.Name, PID: cmd.Process.Pid, Since: time.Now(), Log: log}
	p.Start, _, err = stat(p.PID)
	// Who dies while this command still runs must be waited for, or it stays as a zombie and seems alive. It is waited
	// for only after the look at it: until then the kernel keeps what it knows of it, however soon it died.
	go cmd.Wait() //nolint:errcheck // how it ended is in its log; whether it lives is asked of the kernel
	if err != nil {
		return Process{}, fmt.Errorf("start %s: %w%s", s.Name, err, p.LastWords())
	}
	if p.Boot, err = boot(); err != nil {
		return Process{}, err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return Process{}, fmt.Errorf("write the pid file of %s: %w", s.Name, err)
	}
	if err := os.WriteFile(pidFile(dir, s.Name), text, 0o600); err != nil {
		return Process{}, fmt.Errorf("write the pid file of %s: %w", s.Name, err)
	}
	return p, nil
}

func environment(env []string, path string) []string {
	var out []string
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		drop := false
		for _, p := range proxies {
			drop = drop || strings.EqualFold(name, p)
		}
		if name == "PATH" && path != "" {
			e = "PATH=" + path + ":" + value
		}
		if !drop {
			out = append(out, e)
		}
	}
	return out
}

// Find reads a pid file. The error is fs.ErrNotExist's kind if the program was never started.
func Find(dir, name string) (Process, error) {
	text, err := os.ReadFile(pidFile(dir, name))
	if err != nil {
		return Process{}, fmt.Errorf("find %s: %w", name, err)
	}
	var p Process
	if err := json.Unmarshal(text, &p); err != nil {
		return Process{}, fmt.Errorf("find %s: its pid file is damaged: %w", name, err)
	}
	return p, nil
}

// Alive tells whether it still runs.
func (p Process) Alive() bool {
	b, err := boot()
	if err != nil || b != p.Boot {
		return false
	}
	start, state, err := stat(p.PID)
	return err == nil && start == p.Start && state != 'Z' && state != 'X'
}

// Stop asks the process to end and kills it if it has not after grace.
func (p Process) Stop(ctx context.Context, grace time.Duration) error {
	if !p.Alive() {
		return nil
	}
	if err := signal(p, syscall.SIGTERM); err != nil {
		return err
	}
	gone := func(context.Context) error {
		if p.Alive() {
			return fmt.Errorf("process %d still runs", p.PID)
		}
		return nil
	}
	soft, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if wait.For(soft, tick, p.Name+" to end", gone) == nil {
		return nil
	}
	if err := signal(p, syscall.SIGKILL); err != nil {
		return err
	}
	return wait.For(ctx, tick, p.Name+" to end", gone)
}

func signal(p Process, s syscall.Signal) error {
	if err := syscall.Kill(p.PID, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop %s (process %d): %w", p.Name, p.PID, err)
	}
	return nil
}

// LastWords are the last lines of its log, ready to be put behind an error; empty if there are none.
func (p Process) LastWords() string {
	lines, err := shell.FileTail(p.Log, 10)
	if err != nil || len(lines) == 0 {
		return ""
	}
	return "\n  last lines of " + p.Log + ":\n    " + strings.Join(lines, "\n    ")
}

// Ready waits until look returns nil. A process that dies meanwhile ends the waiting at once, and the error tells what
// it said last.
func (p Process) Ready(ctx context.Context, look func(context.Context) error) error {
	err := wait.For(ctx, 50*time.Millisecond, p.Name+" to be ready", func(ctx context.Context) error {
		if !p.Alive() {
			return wait.Stop(errors.New("it ended"))
		}
		return look(ctx)
	})
	if err != nil {
		return fmt.Errorf("%w%s", err, p.LastWords())
	}
	return nil
}

// Names are the programs of which dir holds pid files.
func Names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list what was started: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

func pidFile(dir, name string) string { return filepath.Join(dir, name+".json") }

func boot() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("learn which boot this is: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func stat(pid int) (start uint64, state byte, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return parseStat(string(text))
}

// parseStat takes start time (field 22) and state (field 3) out of /proc/PID/stat. The second field is the program's
// name in parentheses, and may hold parentheses and spaces itself.
func parseStat(text string) (start uint64, state byte, err error) {
	i := strings.LastIndexByte(text, ')')
	if i < 0 {
		return 0, 0, errors.New("cannot read a process's stat: no name in it")
	}
	f := strings.Fields(text[i+1:])
	if len(f) < 20 {
		return 0, 0, fmt.Errorf("cannot read a process's stat: %d fields after the name", len(f))
	}
	state = f[0][0]
	if len(f[0]) != 1 || state|0x20 < 'a' || state|0x20 > 'z' {
		return 0, 0, fmt.Errorf("cannot read a process's stat: %q is no state", f[0])
	}
	start, err = strconv.ParseUint(f[19], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("cannot read a process's start time: %w", err)
	}
	return start, state, nil
}
