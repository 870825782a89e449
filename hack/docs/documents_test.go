package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/plugin"
)

// commandLine is a command in a page: what stands between backquotes and begins with the program's name.
var commandLine = regexp.MustCompile("`(kubectl egress [a-z][^`]*)`")

// printedCommands are all command lines of the pages about documents and modes, each once and sorted.
func printedCommands(t *testing.T) []string {
	t.Helper()
	docs := filepath.Join("..", "..", "docs")
	pages, err := filepath.Glob(filepath.Join(docs, "modes", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages of modes: %v", err)
	}
	var lines []string
	for _, page := range append(pages, filepath.Join(docs, "documents.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range commandLine.FindAllSubmatch(text, -1) {
			lines = append(lines, string(found[1]))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// arguments are the words of a line after "kubectl egress", as a shell gives them to the program: nothing is quoted in the pages but
// wildcards.
func arguments(line string) []string {
	return strings.Fields(strings.ReplaceAll(strings.TrimPrefix(line, "kubectl egress "), "'", ""))
}

// TestRenderLinesPrintWhatIsCompared runs each render line of the pages. What it prints has to be, to the byte, what the
// recipes' tests hold against the documents.
func TestRenderLinesPrintWhatIsCompared(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile(filepath.Join("..", "..", "testdata", "documents", "rendered.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range archive.Files {
		want[f.Name] = string(f.Data)
	}
	ran := 0
	for _, line := range printedCommands(t) {
		if !strings.HasPrefix(line, "kubectl egress render ") || !strings.Contains(line, "--domains") {
			continue
		}
		ran++
		var out, errs bytes.Buffer
		root := plugin.New(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errs}, plugin.Program)
		root.SetArgs(arguments(line))
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v %s", line, err, &errs)
			continue
		}
		if diff := cmp.Diff(want[line], out.String()); diff != "" {
			t.Errorf("%s (-compared +printed):\n%s", line, diff)
		}
		delete(want, line)
	}
	for line := range want {
		t.Errorf("compared, but in no page: %s", line)
	}
	if ran == 0 {
		t.Error("no render line in any page")
	}
}

// TestCommandLinesAreTaken: every other command of the pages exists, has these flags and takes these arguments.
func TestCommandLinesAreTaken(t *testing.T) {
	t.Parallel()
	for _, line := range printedCommands(t) {
		root := plugin.New(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &bytes.Buffer{}, ErrOut: &bytes.Buffer{}}, plugin.Program)
		cmd, rest, err := root.Find(arguments(line))
		if err != nil || cmd == root {
			t.Errorf("%s: no such command (%v)", line, err)
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if yes := cmd.Flags().Lookup("yes"); yes != nil { // a person at a terminal is asked
			if err := yes.Value.Set("true"); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if cmd.HasSubCommands() && cmd.Name() != "stats" { // which counts of itself
			t.Errorf("%s: %s only groups commands", line, cmd.CommandPath())
		}
	}
}
