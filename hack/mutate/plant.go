package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is one change that can be switched on.
type mutant struct {
	id   int
	name string // DIR/FILE DECLARATION: EXPRESSION: WHAT, the same as long as that code is; of equal ones the later have a number
	file string
	line int
}

// sampled says whether the mutant is among one of n: by its name, so that a change elsewhere does not change the sample.
func (m mutant) sampled(n int) bool {
	return n <= 1 || int(crc32.ChecksumIEEE([]byte(m.name)))%n == 0
}

// planted is a package with all its mutants in it.
type planted struct {
	dir     string
	files   map[string]string // the changed sources, by path
	mutants []mutant
}

// plant puts the mutants into the sources of a package, tests apart.
func plant(dir string) (*planted, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, "_test.go") })
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no Go sources", dir)
	}
	p := &planted{dir: dir, files: map[string]string{}}
	pkg := ""
	seen := map[string]int{}
	for _, name := range names {
		source, err := os.ReadFile(name) // #nosec G304 -- the sources of the package that is asked for
		if err != nil {
			return nil, err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return nil, err
		}
		pkg = file.Name.Name
		g := gardener{planted: p, set: set, source: string(source), name: name, seen: seen}
		for _, d := range file.Decls {
			g.declaration(d)
		}
		p.files[name] = g.edits.apply(string(source))
	}
	p.files[filepath.Join(dir, "zz_mutants.go")] = "package " + pkg + "\n" + switches
	return p, nil
}

// gardener walks one file.
type gardener struct {
	*planted
	set          *token.FileSet
	source, name string
	decl         string         // the top-level declaration that is walked
	seen         map[string]int // names given so far
	edits        edits
}

func (g *gardener) offset(p token.Pos) int { return g.set.Position(p).Offset }

// text is the source of a node, on one line.
func (g *gardener) text(n ast.Node) string {
	t := strings.Join(strings.Fields(g.source[g.offset(n.Pos()):g.offset(n.End())]), " ")
	if runes := []rune(t); len(runes) > 120 {
		t = string(runes[:119]) + "…"
	}
	return t
}

// add makes a mutant of a node and gives its number.
func (g *gardener) add(n ast.Node, what string) int {
	name := fmt.Sprintf("%s %s: %s: %s", g.name, g.decl, g.text(n), what)
	g.seen[name]++
	if times := g.seen[name]; times > 1 {
		name += fmt.Sprintf(" (%d)", times)
	}
	m := mutant{id: len(g.mutants) + 1, name: name, file: g.name, line: g.set.Position(n.Pos()).Line}
	g.mutants = append(g.mutants, m)
	return m.id
}

// wrap puts a call around an expression, with a mutant's number as first argument.
func (g *gardener) wrap(n ast.Node, function string, id int) {
	g.edits.around(g.offset(n.Pos()), g.offset(n.End()), fmt.Sprintf("%s(%d, ", function, id), ")")
}

// edits are insertions and removals, all of them at places of the original text.
type edits []edit

type edit struct {
	at, until int // the text between is taken away
	text      string
	closes    bool // it ends what another edit began: at the same place it comes before what begins, the latest first
}

func (e *edits) around(from, to int, before, after string) {
	*e = append(*e, edit{at: from, until: from, text: before}, edit{at: to, until: to, text: after, closes: true})
}

func (e *edits) replace(from, to int, text string) {
	*e = append(*e, edit{at: from, until: to, text: text})
}

func (e edits) apply(source string) string {
	type placed struct {
		edit
		order int
	}
	all := make([]placed, 0, len(e))
	for i, one := range e {
		all = append(all, placed{one, i})
	}
	slices.SortStableFunc(all, func(a, b placed) int {
		switch {
		case a.at != b.at:
			return a.at - b.at
		case a.closes != b.closes:
			return map[bool]int{true: -1, false: 1}[a.closes]
		case a.closes:
			return b.order - a.order
		}
		return a.order - b.order
	})
	var b strings.Builder
	done := 0
	for _, one := range all {
		b.WriteString(source[done:one.at])
		b.WriteString(one.text)
		done = one.until
	}
	b.WriteString(source[done:])
	return b.String()
}
