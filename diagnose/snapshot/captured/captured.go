// Package captured has the captures of real clusters under testdata/captures for the tests of every room.
package captured

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
)

// Dir is the folder of the captures, from wherever in the module the test runs.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "testdata", "captures")
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above: a test outside of the module has no captures")
		}
		dir = up
	}
}

// Names are those of all captures, sorted. A folder without any fails the test, which would hold nothing.
func Names(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(Dir(t))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		t.Fatal("there are no captures")
	}
	return names
}

// Load reads one of them.
func Load(t testing.TB, name string) *snapshot.Snapshot {
	t.Helper()
	f, err := os.Open(filepath.Join(Dir(t), name, "snapshot.json")) //nolint:gosec // the name is the test's own
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	s, err := snapshot.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
