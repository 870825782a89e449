//go:build linux

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/build"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/cluster"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/machine"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
		want invocation // site left out
		dir  string
		err  string
	}{
		{name: "plain", args: []string{"up", "--dir", "/srv/lab"}, want: invocation{timeout: 45 * time.Minute}, dir: "/srv/lab"},
		{name: "one dash is as good", args: []string{"down", "-dir=/srv/lab", "-timeout=5s"}, want: invocation{timeout: 5 * time.Second}, dir: "/srv/lab"},
		{name: "parts", args: []string{"build", "--dir=/srv/lab", "--parts", "x"}, want: invocation{timeout: 40 * time.Minute, parts: "x"}, dir: "/srv/lab"},
		{name: "status as JSON", args: []string{"status", "--dir=/srv/lab", "-o", "json"}, want: invocation{timeout: 30 * time.Second, output: "json"}, dir: "/srv/lab"},
		{name: "status of the build", args: []string{"status", "--dir=/srv/lab", "--built"}, want: invocation{timeout: 30 * time.Second, built: true}, dir: "/srv/lab"},
		{name: "nothing", err: "which command?"},
		{name: "unknown command", args: []string{"start"}, err: `no command "start"`},
		{name: "unknown flag", args: []string{"up", "--fast"}, err: "lab up: flag provided but not defined: -fast"},
		{name: "flag of another command", args: []string{"up", "-o", "json"}, err: "lab up: flag provided but not defined: -o"},
		{name: "argument", args: []string{"up", "--dir=/srv/lab", "now"}, err: `lab up takes no arguments, got ["now"]`},
		{name: "unknown format", args: []string{"status", "-o", "yaml"}, err: "-o yaml: there is only json"},
		{name: "no time", args: []string{"up", "--timeout", "0s"}, err: "longer than nothing"},
		{name: "no duration", args: []string{"up", "--timeout", "soon"}, err: "lab up: invalid value"},
		{name: "a folder that cannot be", args: []string{"up", "--dir", "/"}, err: "cannot be /"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd, inv, err := parse(tt.args, Streams{})
			if tt.err != "" {
				var use usageError
				if !errors.As(err, &use) || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("parse = %v, want a usage error with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if cmd.name != tt.args[0] || inv.site.Dir() != tt.dir {
				t.Errorf("command %s in %s", cmd.name, inv.site.Dir())
			}
			inv.site = site.Site{}
			if d := cmp.Diff(tt.want, *inv, cmp.AllowUnexported(invocation{}, site.Site{})); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"help"}, {"-h"}, {"up", "--help"}} {
		if _, _, err := parse(args, Streams{}); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("parse(%q) = %v", args, err)
		}
		var out, err bytes.Buffer
		if code := Run(t.Context(), args, Streams{&out, &err}); code != ExitFine || err.Len() > 0 {
			t.Errorf("lab %q ends with %d and says %q", args, code, err.String())
		}
		for _, c := range commands() {
			if !strings.Contains(out.String(), "  "+c.name+" ") || !strings.Contains(out.String(), c.does) {
				t.Errorf("help does not tell of %s", c.name)
			}
		}
		for _, f := range []string{"--dir", "--parts", "--timeout", "-o json", "--built"} {
			if !strings.Contains(out.String(), f) {
				t.Errorf("help does not tell of %s", f)
			}
		}
	}
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		ExitFailed:  errors.New("istiod did not start"),
		ExitUsage:   usageError{errors.New("which command?")},
		ExitCannot:  fmt.Errorf("up: %w", machine.CannotError{Reasons: []string{"no cgroups"}}),
		ExitTimeout: fmt.Errorf("istio: wait for istiod: %w", errTimeout),
		130:         fmt.Errorf("istio: %w", Stopped{syscall.SIGINT}),
		143:         fmt.Errorf("istio: %w", Stopped{syscall.SIGTERM}),
	} {
		if got := exitCode(err); got != want {
			t.Errorf("%v ends with %d, want %d", err, got, want)
		}
	}
}

// run runs a command in a folder of its own.
func run(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = Run(t.Context(), append(args, "--dir", dir), Streams{&out, &err})
	return code, out.String(), err.String()
}

func TestNothingBuilt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, args := range [][]string{{"env"}, {"status"}, {"status", "--built"}} {
		code, out, err := run(t, dir, args...)
		if code != ExitFailed || out != "" || !strings.Contains(err, "error: nothing is built yet: run `lab build`") {
			t.Errorf("lab %v: %d %q %q", args, code, out, err)
		}
	}
	// Nothing to take away: that is fine, and said in one line.
	code, out, err := run(t, dir, "down")
	if code != ExitFine || out != "" || err != "no lab is here: nothing to do\n" {
		t.Errorf("lab down: %d %q %q", code, out, err)
	}
	entries, readErr := os.ReadDir(dir)
	if readErr != nil || len(entries) > 0 {
		t.Errorf("asking left %v, %v", entries, readErr)
	}
}

func TestUsageErrorIsOneLine(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	code := Run(t.Context(), []string{"start"}, Streams{&out, &err})
	if code != ExitUsage || out.Len() > 0 || err.String() != "error: no command \"start\" (lab --help)\n" {
		t.Errorf("%d %q %q", code, out.String(), err.String())
	}
}

func TestEnv(t *testing.T) {
	t.Parallel()
	s, err := site.New("/srv/it's mine")
	if err != nil {
		t.Fatal(err)
	}
	text := Env(s, build.Record{Parts: "/srv/it's mine/build/parts-1"})
	// The proof of quoting is a shell.
	sh := exec.CommandContext(t.Context(), "sh", "-c", text+`printf '%s\n%s\n%s\n' "$KUBECONFIG" "${PATH%%:*}" "$LAB_OUTSIDE"`)
	out, err := sh.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if d := cmp.Diff("/srv/it's mine/kubeconfig\n/srv/it's mine/build/parts-1/bin\n/srv/it's mine/outside\n", string(out)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/var/cache/x-1_2": "/var/cache/x-1_2", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "a;b": "'a;b'", "`x`": "'`x`'",
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	list := []cluster.PartStatus{
		{Name: "etcd", Ready: true, PID: 126, Age: 337 * time.Second},
		{Name: "kube-apiserver", Reason: "ended; its log: /x"},
		{Name: "node", Ready: true},
		{Name: "default/sleep", Optional: true, Reason: "not loaded (lab load)"},
	}
	want := `etcd            ready      126    5 min 37 s
kube-apiserver  no                            ended; its log: /x
node            ready
default/sleep   no                            not loaded (lab load)
`
	if d := cmp.Diff(want, table(list)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	text, err := json.Marshal(list[0])
	if err != nil || string(text) != `{"name":"etcd","ready":true,"pid":126,"ageNanoseconds":337000000000}` {
		t.Errorf("as JSON %s, %v", text, err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	s, err := site.New(filepath.Join(t.TempDir(), "new"))
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	first := &invocation{site: s, Streams: Streams{Err: &said}}
	unlock, err := first.lock(t.Context())
	if err != nil || said.Len() > 0 {
		t.Fatalf("lock = %v, said %q", err, said.String())
	}
	second := &invocation{site: s, Streams: Streams{Err: &said}}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, errTimeout)
	defer cancel()
	if _, err := second.lock(ctx); !errors.Is(err, errTimeout) {
		t.Errorf("two have the lock: %v", err)
	}
	if said.String() != "another lab command is at work; waiting for it\n" {
		t.Errorf("said %q", said.String())
	}
	unlock()
	again, err := second.lock(t.Context())
	if err != nil {
		t.Fatalf("it was not given back: %v", err)
	}
	again()
}

// Output that goes to no terminal gets plain lines: no escape sequences in log files.
func TestWatchIsPlain(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	i := &invocation{Streams: Streams{Err: &out}}
	p := i.watch()
	p.Plan([]string{"etcd"})
	p.Begin("etcd")
	p.End("etcd", time.Second, nil)
	p.Close()
	if strings.ContainsAny(out.String(), "\x1b\r") || !strings.HasPrefix(out.String(), "ok    etcd") {
		t.Errorf("%q", out.String())
	}
}
