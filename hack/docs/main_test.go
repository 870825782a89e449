package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPagesAreCurrent compares docs/ with what would be generated; `make docs` mends it.
func TestPagesAreCurrent(t *testing.T) {
	t.Parallel()
	pages, err := generate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	docs := filepath.Join("..", "..", "docs")
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil {
			t.Errorf("%v: run make docs", err)
			continue
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("docs/%s is out of date, run make docs (-generated +there):\n%s", name, diff)
		}
	}
	there, err := filepath.Glob(filepath.Join(docs, "commands", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range there {
		if _, known := pages["commands/"+filepath.Base(file)]; !known {
			t.Errorf("%s is about no command, run make docs", file)
		}
	}
}

// TestWriteReplaces shows that pages of commands that are gone go too, and that other files stay.
func TestWriteReplaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := write(dir, map[string]string{"commands/old.md": "old", "checks.md": "1"}); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(dir, "by-hand.md")
	if err := os.WriteFile(kept, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, map[string]string{"commands/new.md": "new", "checks.md": "2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "commands", "old.md")); !os.IsNotExist(err) {
		t.Errorf("the page of a command that is gone is still there: %v", err)
	}
	for name, want := range map[string]string{"commands/new.md": "new", "checks.md": "2", "by-hand.md": "mine"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q (%v), want %q", name, got, err, want)
		}
	}
}
