package plugin

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// installed is a program of some name in a folder of its own.
func installed(t *testing.T, name string) (self, dir string) {
	t.Helper()
	dir = t.TempDir()
	self = filepath.Join(dir, name)
	if err := os.WriteFile(self, []byte("#!/bin/sh\n"), 0o755); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	return self, dir
}

// shimOf runs completion install for a program and gives what is said.
func shimOf(t *testing.T, self, dir, path string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	x := &tool{argv0: self, name: calledAs(self), IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &errs}}
	err = x.installShim(dir, path)
	return out.String(), errs.String(), err
}

func TestInstallShimBesideTheProgram(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Log("there it is a script; TestPutScript has it")
		return
	}
	for name, shim := range map[string]string{"kubectl-egress": "kubectl_complete-egress", "kubectl-istio_egress": "kubectl_complete-istio_egress"} {
		self, dir := installed(t, name)
		for range 2 { // a second time changes nothing
			out, errs, err := shimOf(t, self, "", "/bin:"+dir)
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(dir, shim) + " -> " + name + "\n"; out != want {
				t.Errorf("said %q, want %q", out, want)
			}
			if strings.Contains(errs, "not on PATH") || !strings.Contains(errs, calledAs(self)+" is completed") {
				t.Errorf("noted %q", errs)
			}
			if to, err := os.Readlink(filepath.Join(dir, shim)); err != nil || to != name {
				t.Errorf("the link leads to %q: %v", to, err)
			}
		}
	}
}

func TestInstallShimElsewhere(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return
	}
	self, _ := installed(t, "kubectl-egress")
	other := t.TempDir()
	_, errs, err := shimOf(t, self, other, "/bin")
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(other, "kubectl_complete-egress")
	if to, err := os.Readlink(link); err != nil || to != self {
		t.Errorf("the link leads to %q: %v", to, err)
	}
	if want := other + " is not on PATH, where kubectl looks for it: export PATH=\"" + other + ":$PATH\"\n"; !strings.HasPrefix(errs, want) {
		t.Errorf("noted %q, want %q first", errs, want)
	}
	moved, _ := installed(t, "kubectl-egress")
	if _, _, err := shimOf(t, moved, other, other); err != nil {
		t.Fatalf("a link of ours that led to another place is not renewed: %v", err)
	}
	if to, err := os.Readlink(link); err != nil || to != moved {
		t.Errorf("the renewed link leads to %q: %v", to, err)
	}
}

func TestInstallShimLeavesWhatIsOthers(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return
	}
	for what, make := range map[string]func(link string) error{
		"a file":              func(link string) error { return os.WriteFile(link, []byte("theirs"), 0o600) },
		"a folder":            func(link string) error { return os.Mkdir(link, 0o700) },
		"a link":              func(link string) error { return os.Symlink("/bin/true", link) },
		"a link to nowhere":   func(link string) error { return os.Symlink("/no/where", link) },
		"a link to a sibling": func(link string) error { return os.Symlink("kubectl-egress-fork", link) },
	} {
		self, dir := installed(t, "kubectl-egress")
		link := filepath.Join(dir, "kubectl_complete-egress")
		if err := make(link); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(link)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = shimOf(t, self, "", dir)
		var input *egress.InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), link+" is there already") {
			t.Errorf("%s: error %v", what, err)
		}
		if after, err := os.Lstat(link); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s was changed: %v", what, err)
		}
	}
}

func TestInstallShimWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	self, dir := installed(t, "kubectl-egress")
	_, _, err := shimOf(t, self, filepath.Join(dir, "absent"), dir)
	if err == nil || !strings.Contains(err.Error(), "name a folder on PATH that you may write to with --dir") {
		t.Errorf("error %v", err)
	}
	_, _, err = shimOf(t, filepath.Join(dir, "nobody"), "", dir)
	if err == nil || !strings.Contains(err.Error(), "where this program is could not be found out") {
		t.Errorf("error %v", err)
	}
}

func TestPutScript(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kubectl_complete-egress.cmd")
	for range 2 {
		if err := putScript(file, "@ours"); err != nil {
			t.Fatal(err)
		}
	}
	if err := putScript(file, "@other"); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("error %v", err)
	}
	text, err := os.ReadFile(file) //nolint:gosec // of this test
	if err != nil || string(text) != "@ours" {
		t.Errorf("%q: %v", text, err)
	}
}
