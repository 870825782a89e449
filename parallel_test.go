package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// apart are the calls that a test makes to run beside others, or that keep it from doing so: they change what the whole process has.
var apart = map[string]bool{"Parallel": true, "Setenv": true, "Chdir": true}

// TestTestsAreIndependent holds every test of the program to run beside all others, in whatever order, which shows what they share. One
// that measures, and so has to be alone, says in its comment that it is not parallel, and why. The end-to-end tests share a
// cluster and come in an order of their own.
func TestTestsAreIndependent(t *testing.T) {
	t.Parallel()
	for _, name := range tracked(t, "*_test.go") {
		if strings.HasPrefix(name, "e2e/") || strings.HasPrefix(name, "lab/") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		helpers := map[string]bool{} // that change what the whole process has
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && !strings.HasPrefix(f.Name.Name, "Test") && f.Body != nil {
				helpers[f.Name.Name] = callsApart(f.Body, nil)
			}
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") || f.Name.Name == "TestMain" || strings.Contains(f.Doc.Text(), "not parallel") {
				continue
			}
			if !callsApart(f.Body, helpers) {
				t.Errorf("%s: %s is not parallel and does not say why", fset.Position(f.Pos()), f.Name.Name)
			}
		}
	}
}

func callsApart(body *ast.BlockStmt, helpers map[string]bool) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return !found
		}
		if helper, ok := call.Fun.(*ast.Ident); ok && helpers[helper.Name] {
			found = true
		}
		if s, ok := call.Fun.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "t" && apart[s.Sel.Name] {
				found = true
			}
		}
		return !found
	})
	return found
}
