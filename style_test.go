package house

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const (
	maxFileLines = 300 // what can be read at a sitting
	maxFuncLines = 60  // what fits a screen
)

// tracked lists the files that git knows or would take, so that what is built here does not count.
func tracked(t *testing.T, patterns ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"ls-files", "--cached", "--others", "--exclude-standard", "--"}, patterns...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	var files []string
	for line := range strings.Lines(string(out)) {
		name := strings.TrimSpace(line)
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			files = append(files, name)
		}
	}
	if len(files) == 0 {
		t.Fatalf("no files like %v", patterns)
	}
	return files
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	t.Parallel()
	for _, name := range tracked(t, "*.go") {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if lines := fset.Position(file.FileEnd).Line; lines > maxFileLines+1 {
			t.Errorf("%s has %d lines, %d are allowed", name, lines-1, maxFileLines)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if lines := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1; lines > maxFuncLines {
				t.Errorf("%s: %s has %d lines, %d are allowed", fset.Position(f.Pos()), f.Name.Name, lines, maxFuncLines)
			}
		}
	}
}

// outOfPlace are words that tell of one machine or one workplace, where the project is for all. The letter in brackets keeps this
// file from finding itself.
var outOfPlace = []*regexp.Regexp{
	regexp.MustCompile(`(^|[\s"'=(:])/(w[o]rk|r[o]ot|h[o]me)/`),
	regexp.MustCompile(`pr[o]xy\.golang\.org|sum\.g[o]lang\.org|p[y]pi\.org|regi[s]try\.npmjs|deb\.d[e]bian\.org`),
	regexp.MustCompile(`\bsh[a]red/(design|style|commands|measured|istio|cli|lab|spec)`),
}

func TestNothingTellsOfOneMachine(t *testing.T) {
	t.Parallel()
	for _, name := range tracked(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(text, 0) >= 0 || strings.HasSuffix(name, "go.sum") {
			continue
		}
		number := 0
		for line := range strings.Lines(string(text)) {
			number++
			for _, word := range outOfPlace {
				if found := word.FindString(line); found != "" {
					t.Errorf("%s:%d: %q", name, number, found)
				}
			}
		}
	}
}
