//go:build linux

package cluster

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/build"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/steps"
)

func newSite(t *testing.T) site.Site {
	t.Helper()
	s, err := site.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func record() build.Record {
	return build.Record{Parts: "/srv/lab/build/parts-1", Layout: "/srv/lab/build/images-1"}
}

// quiet is a Watcher that tells nobody.
type quiet struct{}

func (quiet) Plan([]string)                    {}
func (quiet) Begin(string)                     {}
func (quiet) Say(string, string)               {}
func (quiet) End(string, time.Duration, error) {}

// order runs steps without their work and returns their names in the order of their beginning.
func order(t *testing.T, list []steps.Step) []string {
	t.Helper()
	names := make(chan string, len(list))
	for i := range list {
		list[i].Do = func(context.Context, func(string)) error { names <- list[i].Name; return nil }
	}
	if err := steps.Run(t.Context(), list, quiet{}); err != nil {
		t.Fatal(err)
	}
	close(names)
	var out []string
	for n := range names {
		out = append(out, n)
	}
	return out
}

func before(t *testing.T, order []string, first, second string) {
	t.Helper()
	i, j := slices.Index(order, first), slices.Index(order, second)
	if i < 0 || j < 0 || i > j {
		t.Errorf("%s must come before %s: %v", first, second, order)
	}
}

func TestUpOrder(t *testing.T) {
	t.Parallel()
	got := order(t, UpSteps(newSite(t), record()))
	// How the machine was is noted before anything else happens.
	if got[0] != "machine" {
		t.Errorf("the first step is %s", got[0])
	}
	before(t, got, "etcd", "kube-apiserver")
	before(t, got, "containerd", "kubelet")
	before(t, got, "registry", "images")
	before(t, got, "kubelet", "node")
	before(t, got, "images", "istio")
	for _, p := range parts(newSite(t), record()) {
		if !slices.Contains(got, p.name) {
			t.Errorf("nothing starts %s", p.name)
		}
	}
}

func TestResumeOrder(t *testing.T) {
	t.Parallel()
	got := order(t, ResumeSteps(newSite(t), record()))
	slices.Sort(got)
	// No program is started: they all run.
	if d := cmp.Diff([]string{"coredns", "images", "istio", "node"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDownOrder(t *testing.T) {
	t.Parallel()
	got := order(t, DownSteps(newSite(t)))
	before(t, got, "stop controllers", "kill pods") // or the kubelet would start them anew
	before(t, got, "stop containerd", "kill shims")
	before(t, got, "kill shims", "unmount")
	before(t, got, "stop controllers", "network") // or kube-proxy would write its rules anew
	if got[len(got)-1] != "files" {
		t.Errorf("the last step is %s: the run folder must stay until all else is gone", got[len(got)-1])
	}
}

// Down must know every program that up starts.
func TestDownStopsAll(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("down.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts(newSite(t), record()) {
		if !regexp.MustCompile(`stop\([^)]*"` + p.name + `"`).Match(text) {
			t.Errorf("no step of down stops %s", p.name)
		}
	}
}

// Where there is nothing, down does nothing, needs no right, and fails at nothing.
func TestDownOfNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if left, err := Leftovers(s); err != nil || left {
		t.Errorf("Leftovers = %t, %v", left, err)
	}
	if err := steps.Run(t.Context(), DownSteps(s), quiet{}); err != nil {
		t.Error(err)
	}
}

// A lab that was begun but had not touched the machine yet.
func TestDownOfAlmostNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, f := range []string{s.Run("logs", "etcd.log"), s.Kubeconfig(), s.Build("current.json"), s.Outside("ca.crt")} {
		if err := write(f, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := Leftovers(s); err != nil || !left {
		t.Errorf("Leftovers = %t, %v", left, err)
	}
	if err := steps.Run(t.Context(), DownSteps(s), quiet{}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{s.Run(): false, s.Kubeconfig(): false, s.Build("current.json"): true, s.Outside("ca.crt"): true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestRemoveLogLinks(t *testing.T) {
	t.Parallel()
	dir, run := t.TempDir(), "/srv/lab/run"
	for name, to := range map[string]string{"mine.log": run + "/pod-logs/a/0.log", "other.log": "/var/log/pods/b/0.log", "near.log": run + "ning/0.log"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeLogLinks(dir, run); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if d := cmp.Diff([]string{"file.log", "near.log", "other.log"}, left); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
	if err := removeLogLinks(filepath.Join(dir, "none"), run); err != nil {
		t.Errorf("no folder: %v", err)
	}
}
