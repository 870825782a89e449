package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

func TestCreateWritesAllOrNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "egress.json")
	x := &tool{}
	if err := x.create(name, true, func(w io.Writer) error { _, err := fmt.Fprint(w, "first"); return err }); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the cluster went away")
	err := x.create(name, true, func(w io.Writer) error {
		if _, err := fmt.Fprint(w, "half of the sec"); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	got, err := os.ReadFile(name)
	if err != nil || string(got) != "first" {
		t.Errorf("the file holds %q (%v), want what was there before", got, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v (%v)", entries, err)
	}
}

func TestCreateReplacesOnlyWhenTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "egress.tar.gz")
	x := &tool{}
	write := func(text string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := fmt.Fprint(w, text); return err }
	}
	if err := x.create(name, false, write("first")); err != nil {
		t.Fatal(err)
	}
	var input *egress.InputError
	if err := x.create(name, false, write("second")); !errors.As(err, &input) || !strings.Contains(err.Error(), "--overwrite") {
		t.Errorf("error %v", err)
	}
	if err := (&capture{output: name}).free(); !errors.As(err, &input) {
		t.Errorf("nothing is said before the cluster is asked: %v", err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "first" {
		t.Errorf("the file holds %q (%v)", got, err)
	}
	if err := x.create(name, true, write("third")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "third" {
		t.Errorf("the file holds %q (%v)", got, err)
	}
	if err := errors.Join((&capture{output: "-"}).free(), (&capture{output: name, overwrite: true}).free(), (&capture{output: name + "x"}).free()); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v (%v)", entries, err)
	}
}

func TestDashIsAStream(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	x := &tool{IOStreams: genericiooptions.IOStreams{In: bytes.NewBufferString("in"), Out: &out}}
	if err := x.create("-", false, func(w io.Writer) error { _, err := fmt.Fprint(w, "data"); return err }); err != nil || out.String() != "data" {
		t.Errorf("wrote %q (%v)", &out, err)
	}
	in, done, err := x.open("-")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if got, err := io.ReadAll(in); err != nil || string(got) != "in" {
		t.Errorf("read %q (%v)", got, err)
	}
}

func TestNowhereToWrite(t *testing.T) {
	t.Parallel()
	x := &tool{}
	name := filepath.Join(t.TempDir(), "no", "such", "folder", "x")
	if err := x.create(name, true, func(io.Writer) error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
