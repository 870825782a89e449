package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMedianOfRealCommands(t *testing.T) {
	t.Parallel()
	got, err := median(t.Context(), [][]string{{"sh", "-c", "exit 0"}, {"sh", "-c", "exit 0"}}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if got.wall <= 0 || got.rss <= 0 {
		t.Errorf("nothing measured: %+v", got)
	}
	if _, err := median(t.Context(), [][]string{{"sh", "-c", "echo broken >&2; exit 7"}}, 1); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a failing command must fail the benchmark with its words, got %v", err)
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	got := render([]row{{
		job: "j", ours: "a", theirs: "b",
		oursC:  cost{wall: 10 * time.Millisecond, cpu: 5 * time.Millisecond, rss: 2048},
		byHand: cost{wall: 100 * time.Millisecond, cpu: 20 * time.Millisecond, rss: 4096},
	}}, "| sizes |\n")
	want := "| j | a: 10 ms, CPU 5 ms, 2 MiB | b: 100 ms, CPU 20 ms, 4 MiB | 10.0x | 4.0x |\n| sizes |\n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s\nwant it to end with\n%s", got, want)
	}
}

func TestReplaceBetween(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "f.md")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("head\n<a>\nold\n</a>\ntail\n")
	if err := replaceBetween(file, "<a>", "</a>", "new\n"); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := "head\n<a>\nnew\n</a>\ntail\n"; string(raw) != want {
		t.Errorf("got %q, want %q", raw, want)
	}
	for _, broken := range []string{"no marker", "<a> and no end"} {
		write(broken)
		if err := replaceBetween(file, "<a>", "</a>", "x"); err == nil {
			t.Errorf("%q: want an error", broken)
		}
	}
	if err := replaceBetween(file+".absent", "<a>", "</a>", "x"); err == nil {
		t.Error("an absent file must be an error")
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{9999 * time.Millisecond: "9999 ms", 10 * time.Second: "10.0 s", 22640 * time.Millisecond: "22.6 s"} {
		if got := ms(d); got != want {
			t.Errorf("%s is written as %s, want %s", d, got, want)
		}
	}
}

// TestScaleFiles: what kubectl is given are the objects of the very sets that the plugin is given.
func TestScaleFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fake := filepath.Join(dir, "plugin")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho \"$*\"; cat \"$3\"\n"), 0o700); err != nil { // #nosec G306 -- it has to run
		t.Fatal(err)
	}
	s := scaling{ctx: t.Context(), binary: fake, dir: dir}
	a, err := s.set("a", 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.set("b", 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := s.objects("both", a, b)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(objects) // #nosec G304 -- written just now
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	if !strings.Contains(text, `"domains":["h0000.example.com","h0001.example.com"]`) || !strings.Contains(text, `"domains":["h0002.example.com"]`) ||
		strings.Count(text, "---\nrender -f ") != 2 {
		t.Errorf("%s", text)
	}
	if _, err := s.objects("none", filepath.Join(dir, "absent")); err == nil {
		t.Error("what cannot be rendered must fail the benchmark")
	}
}

func TestOverBudget(t *testing.T) {
	t.Parallel()
	small := filepath.Join(t.TempDir(), "small")
	if err := os.WriteFile(small, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	rows := func(cpu time.Duration, rss int64) []row {
		return []row{{ours: "`--help`", oursC: cost{cpu: cpu}}, {ours: "`check`", oursC: cost{cpu: time.Second, rss: rss}}}
	}
	if err := overBudget(rows(mostStart, mostMemory), small); err != nil {
		t.Error(err)
	}
	if err := overBudget(rows(mostStart+1, mostMemory+1), small); err == nil || !strings.Contains(err.Error(), "--help takes") || !strings.Contains(err.Error(), "check takes") {
		t.Errorf("%v", err)
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, mostBytes+1); err != nil {
		t.Fatal(err)
	}
	if err := overBudget(nil, large); err == nil || !strings.Contains(err.Error(), "33000001 bytes") {
		t.Errorf("%v", err)
	}
}
