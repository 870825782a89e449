package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// small is a package with conditions of all forms. Its tests leave some of them open.
const small = `package small

import "strings"

type State string

const (
	Pass State = "pass"
	Fail State = "fail"
)

type Rule struct {
	Severity State
	Needs    []string
	Direct   bool
}

var One = Rule{Severity: Fail, Needs: []string{"a", "b"}, Direct: true}

// Judge is long on purpose.
func Judge(n int, name string) (State, bool) {
	if n < 0 || name == "" { // nothing
		return Fail, false
	}
	switch strings.ToUpper(name) {
	case "SKIP", "PASS":
		return Pass, true
	}
	switch {
	case n > 100 &&
		name != "large":
		return Fail, true
	}
	ok := func(m int) bool { return m >= 10 && !strings.HasPrefix(name, "x") }
	for i := 0; i < n; i++ {
		if i == 50 {
			continue
		}
		n--
	}
	return Pass, ok(n)
}
`

const smallTest = `package small

import "testing"

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		n    int
		name string
		want State
		ok   bool
	}{{-1, "a", Fail, false}, {1, "", Fail, false}, {1, "skip", Pass, true}, {101, "a", Fail, true}, {30, "a", Pass, true}, {2, "a", Pass, false}} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := Judge(c.n, c.name); got != c.want || ok != c.ok {
				t.Errorf("%+v: %s, %t", c, got, ok)
			}
		})
	}
}

func TestOne(t *testing.T) {
	if One.Severity != Fail || len(One.Needs) != 2 || One.Needs[0] != "a" {
		t.Errorf("%+v", One)
	}
}
`

// inModule makes a module with the small package and goes there.
func inModule(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/m\n\ngo 1.26\n", "small/small.go": small, "small/small_test.go": smallTest} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("GOFLAGS", "-mod=mod")
}

func TestPlant(t *testing.T) {
	inModule(t)
	p, err := plant("small")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range p.mutants {
		names = append(names, strings.TrimPrefix(m.name, "small/small.go "))
	}
	want := []string{
		"One: Fail: Pass",
		`One: "a": not needed`,
		`One: "b": not needed`,
		"One: Direct: true: negated",
		`Judge: n < 0 || name == "": never`,
		`Judge: n < 0 || name == "": always`,
		`Judge: n < 0 || name == "": && for ||`,
		"Judge: n < 0: left out",
		"Judge: n < 0: limit moved",
		`Judge: name == "": left out`,
		"Judge: false: negated",
		`Judge: "SKIP": case never taken`,
		`Judge: "PASS": case never taken`,
		"Judge: true: negated",
		`Judge: n > 100 && name != "large": never`,
		`Judge: n > 100 && name != "large": always`,
		`Judge: n > 100 && name != "large": || for &&`,
		"Judge: n > 100: left out",
		"Judge: n > 100: limit moved",
		`Judge: name != "large": left out`,
		"Judge: true: negated (2)",
		`Judge: m >= 10 && !strings.HasPrefix(name, "x"): || for &&`,
		"Judge: m >= 10: left out",
		"Judge: m >= 10: limit moved",
		`Judge: !strings.HasPrefix(name, "x"): left out`,
		"Judge: i < n: negated",
		"Judge: i < n: limit moved",
		"Judge: i == 50: never",
		"Judge: i == 50: always",
		"Judge: ok(n): negated",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if m := p.mutants[4]; m.line != 22 || m.id != 5 {
		t.Errorf("%+v", m)
	}
}

// TestMutate: the mutants that the small package's tests leave alive, and no others, are told.
func TestMutate(t *testing.T) {
	inModule(t)
	want := []string{
		`One: "b": not needed`, // taken away, the other is still first: two are counted
		"One: Direct: true: negated",
		"Judge: n < 0: limit moved",
		`Judge: "PASS": case never taken`,
		`Judge: name != "large": left out`,
	}
	var out bytes.Buffer
	alive, err := mutate(t.Context(), &out, options{dir: "small", sample: 1, workers: 2})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		if _, name, ok := strings.Cut(line, ": survives: small/small.go "); ok {
			got = append(got, strings.TrimSuffix(strings.TrimSpace(name), untested))
		}
	}
	for _, w := range want[1:] {
		if !slices.Contains(got, w) {
			t.Errorf("%q does not survive", w)
		}
	}
	for _, caught := range []string{"One: Fail: Pass", `Judge: n < 0 || name == "": never`, "Judge: ok(n): negated", "Judge: n > 100: left out", want[0]} {
		if slices.Contains(got, caught) {
			t.Errorf("%q survives", caught)
		}
	}
	if alive != len(got) || !strings.Contains(out.String(), "30 of 30 mutants tried") {
		t.Errorf("%d alive\n%s", alive, out.String())
	}
}

// TestListed: a survivor that is listed is none; what is no mutant is told, and a line without a reason is refused.
func TestListed(t *testing.T) {
	inModule(t)
	o := options{dir: "small", sample: 1, workers: 1, only: `"PASS"`, equivalent: "equivalent.txt"}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(o.equivalent, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# why\n\nsmall/small.go Judge: \"PASS\": case never taken # it is the same\nother/x.go F: a: never # of another package\n")
	var out bytes.Buffer
	if alive, err := mutate(t.Context(), &out, o); err != nil || alive != 0 || !strings.Contains(out.String(), "0 of 30 mutants tried") {
		t.Errorf("%d, %v\n%s", alive, err, out.String())
	}
	write("small/small.go Judge: \"GONE\": never # it was the same\n")
	o.open = "open.txt"
	if err := os.WriteFile(o.open, []byte("small/small.go Judge: \"PASS\": case never taken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if alive, err := mutate(t.Context(), &out, o); err != nil || alive != 0 || !strings.Contains(out.String(), `equivalent.txt names what is no mutant any more: small/small.go Judge: "GONE": never`) {
		t.Errorf("%d, %v\n%s", alive, err, out.String())
	}
	o.all = true
	if alive, err := mutate(t.Context(), &out, o); err != nil || alive != 1 {
		t.Errorf("%d, %v\n%s", alive, err, out.String())
	}
	write("small/small.go Judge: \"PASS\": case never taken\n")
	if _, err := mutate(t.Context(), &out, o); err == nil || !strings.Contains(err.Error(), "no reason") {
		t.Errorf("%v", err)
	}
}

// TestBroken: tests that fail without any mutant tell nothing of mutants.
func TestBroken(t *testing.T) {
	inModule(t)
	file := "small/more_test.go"
	if err := os.WriteFile(file, []byte("package small\n\nimport \"testing\"\n\nfunc TestBroken(t *testing.T) { t.Error(\"broken\") }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mutate(t.Context(), &bytes.Buffer{}, options{dir: "small", sample: 1, workers: 2}); err == nil || !strings.Contains(err.Error(), "TestBroken fails without any mutant") {
		t.Errorf("%v", err)
	}
	if _, err := mutate(t.Context(), &bytes.Buffer{}, options{dir: "none"}); err == nil {
		t.Error("a folder without sources")
	}
}

func TestSample(t *testing.T) {
	t.Parallel()
	n := 0
	for i := range 1000 {
		if (mutant{name: strings.Repeat("x", i)}).sampled(10) {
			n++
		}
	}
	if n < 50 || n > 200 {
		t.Errorf("%d of 1,000 are one of ten", n)
	}
	if !(mutant{}).sampled(1) || !(mutant{}).sampled(0) {
		t.Error("all are one of one")
	}
}

func TestEdits(t *testing.T) {
	t.Parallel()
	var e edits
	e.around(0, 6, "A(", ")")
	e.around(0, 1, "B(", ")")
	e.replace(2, 4, ",")
	e.around(5, 6, "C(", ")")
	if got := e.apply("a && b"); got != "A(B(a) , C(b))" {
		t.Errorf("%q", got)
	}
}

func TestPattern(t *testing.T) {
	t.Parallel()
	if got := pattern("TestA/b.c"); got != `^TestA$/^b\.c$` {
		t.Error(got)
	}
	if patience < 10*time.Second || firstRound > patience {
		t.Error("no patience")
	}
}
