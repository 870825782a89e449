package house

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What the program may cost.
const (
	maxBytes   = 33_000_000            // stripped, linux/amd64
	maxStartUp = 20 * time.Millisecond // user and system time of --help, on a machine that starts go in 4 ms
	maxOfGo    = 5                     // the same for slower ones, and in slow hours: so many times what `go version` takes beside it
	tries      = 15                    // the least of these counts: a busy machine only ever adds
)

// releaseFlags are the compiler's flags of a release, as the Makefile has them.
func releaseFlags(t *testing.T) []string {
	t.Helper()
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(makefile)) {
		if flags, ok := strings.CutPrefix(line, "GCFLAGS"); ok {
			return strings.Fields(strings.TrimLeft(flags, " :="))
		}
	}
	t.Fatal("the Makefile has no GCFLAGS")
	return nil
}

// TestBinary builds the program as it is released and weighs it. The linker says on the way whether it had to keep methods that
// only reflection could call; if so, something reaches a template or looks methods up by name.
func TestBinary(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "kubectl-egress")
	args := append([]string{"build", "-trimpath", "-buildvcs=false"}, releaseFlags(t)...)
	build := exec.CommandContext(t.Context(), "go", append(args, "-ldflags=-s -w -dumpdep", "-o", binary, "./cmd/kubectl-egress")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	graph, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, graph[max(0, len(graph)-2000):])
	}
	if !bytes.Contains(graph, []byte("main.main -> ")) {
		t.Fatal("the linker printed no dependencies: nothing is known about reflection")
	}
	for line := range strings.Lines(string(graph)) {
		if strings.Contains(line, "<ReflectMethod>") {
			t.Errorf("all methods are kept because of %s", line)
		}
	}
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MB", float64(info.Size())/1e6)
	if info.Size() > maxBytes {
		t.Errorf("the binary has %d bytes, %d are allowed", info.Size(), maxBytes)
	}
	startsQuickly(t, binary)
}

func startsQuickly(t *testing.T, binary string) {
	t.Helper()
	cost := func(name, arg string) time.Duration {
		run := exec.CommandContext(t.Context(), name, arg)
		run.Env = append(os.Environ(), "GOTOOLCHAIN=local")
		if out, err := run.CombinedOutput(); err != nil || len(out) == 0 {
			t.Fatalf("%s %s: %v\n%s", name, arg, err, out)
		}
		return run.ProcessState.UserTime() + run.ProcessState.SystemTime()
	}
	help, version := time.Hour, time.Hour
	for range tries {
		help, version = min(help, cost(binary, "--help")), min(version, cost("go", "version"))
	}
	t.Logf("--help takes %s of user and system time, go version %s", help, version)
	if allowed := max(maxStartUp, maxOfGo*version); help > allowed {
		t.Errorf("--help takes %s of user and system time, %s are allowed", help, allowed)
	}
}
