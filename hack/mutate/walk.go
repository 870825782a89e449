package main

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
)

// states are the words for what became of a check: said instead of one another, they change what people are told.
var states = []string{"Pass", "Skip", "Warn", "Fail", "Unknown"}

// declaration walks one top-level declaration. Constants have no conditions.
func (g *gardener) declaration(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		g.decl = d.Name.Name
		if d.Recv != nil {
			g.decl = g.text(d.Recv.List[0].Type) + "." + g.decl
		}
		if d.Body != nil {
			g.body(d.Type, d.Body)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if v, ok := s.(*ast.ValueSpec); ok && d.Tok == token.VAR {
				g.decl = v.Names[0].Name
				for _, e := range v.Values {
					g.walk(e, nil)
				}
			}
		}
	}
}

// body walks a function's. Which of its results are boolean tells which of its return values are conditions.
func (g *gardener) body(t *ast.FuncType, body *ast.BlockStmt) {
	var results []bool
	if t.Results != nil {
		for _, field := range t.Results.List {
			id, ok := field.Type.(*ast.Ident)
			for range max(1, len(field.Names)) {
				results = append(results, ok && id.Name == "bool")
			}
		}
	}
	g.walk(body, results)
}

// walk goes through a node and plants what it knows; results are those of the function it is in.
func (g *gardener) walk(root ast.Node, results []bool) {
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			g.body(n.Type, n.Body)
			return false
		case *ast.IfStmt:
			g.decides(n.Cond)
			for _, part := range []ast.Node{n.Init, n.Cond, n.Body, n.Else} {
				g.rest(part, results)
			}
			return false
		case *ast.SwitchStmt:
			g.choice(n, results)
			return false
		case *ast.ReturnStmt:
			for i, e := range n.Results {
				if len(n.Results) == len(results) && results[i] && !logical(e) {
					g.wrap(e, "mutNot", g.add(e, "negated"))
				}
			}
		case *ast.KeyValueExpr:
			g.field(n)
		case *ast.AssignStmt:
			for _, e := range n.Rhs {
				g.state(e)
			}
		case ast.Expr:
			if logical(n) {
				g.condition(n, results, "mutNot", "negated")
				return false
			}
		}
		return true
	})
}

// rest walks a part of a statement that may not be there. A condition's own mutants are planted already.
func (g *gardener) rest(n ast.Node, results []bool) {
	switch n := n.(type) {
	case nil:
	case ast.Expr:
		g.operands(n, results)
	default:
		g.walk(n, results)
	}
}

// decides plants the two ways in which a statement can do without its condition: what it guards is dropped, or always done.
func (g *gardener) decides(cond ast.Expr) {
	g.wrap(cond, "mutNever", g.add(cond, "never"))
	g.wrap(cond, "mutAlways", g.add(cond, "always"))
}

// condition plants a condition that stands by itself, and its parts.
func (g *gardener) condition(e ast.Expr, results []bool, function, what string) {
	if b, ok := e.(*ast.BinaryExpr); !ok || b.Op != token.LAND && b.Op != token.LOR {
		g.wrap(e, function, g.add(e, what))
	}
	g.operands(e, results)
}

// operands plants the parts of a condition: && for ||, each operand left out, a limit moved by one.
func (g *gardener) operands(e ast.Expr, results []bool) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		g.operands(e.X, results)
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			g.operands(e.X, results)
			return
		}
		g.walk(e.X, results)
	case *ast.BinaryExpr:
		function, what := "", ""
		switch e.Op {
		case token.LAND:
			function, what = "mutAnd", "|| for &&"
		case token.LOR:
			function, what = "mutOr", "&& for ||"
		case token.LSS, token.LEQ, token.GTR, token.GEQ:
			g.limit(e)
			fallthrough
		default:
			g.walk(e.X, results)
			g.walk(e.Y, results)
			return
		}
		g.wrap(e, function, g.add(e, what))
		g.edits.replace(g.offset(e.OpPos), g.offset(e.OpPos)+2, ", func() bool { return (")
		g.edits.around(g.offset(e.Y.Pos()), g.offset(e.Y.End()), "", ")}")
		out := map[token.Token]string{token.LAND: "mutAlways", token.LOR: "mutNever"}[e.Op]
		for _, operand := range []ast.Expr{e.X, e.Y} {
			if b, ok := unparen(operand).(*ast.BinaryExpr); !ok || b.Op != e.Op {
				g.wrap(operand, out, g.add(operand, "left out"))
			}
			g.operands(operand, results)
		}
	default:
		g.walk(e, results)
	}
}

// limit plants < for <= and the like.
func (g *gardener) limit(e *ast.BinaryExpr) {
	function := map[token.Token]string{token.LSS: "mutLess", token.LEQ: "mutAtMost", token.GTR: "mutMore", token.GEQ: "mutAtLeast"}[e.Op]
	g.wrap(e, function, g.add(e, "limit moved"))
	g.edits.replace(g.offset(e.OpPos), g.offset(e.OpPos)+len(e.Op.String()), ",")
}

// choice plants the cases of a switch: each never taken, and those that are conditions always. A switch on a value becomes one on
// conditions.
func (g *gardener) choice(s *ast.SwitchStmt, results []bool) {
	g.rest(s.Init, results)
	tag, plain := "", s.Tag != nil && !pure(s.Tag)
	switch {
	case plain:
		g.walk(s.Tag, results)
	case s.Tag != nil:
		tag = g.source[g.offset(s.Tag.Pos()):g.offset(s.Tag.End())]
		g.edits.replace(g.offset(s.Tag.Pos()), g.offset(s.Tag.End()), "")
	}
	for _, c := range s.Body.List {
		clause := c.(*ast.CaseClause)
		for _, e := range clause.List {
			switch {
			case plain:
				g.walk(e, results)
			case tag == "":
				g.decides(e)
				g.operands(e, results)
			default:
				id := g.add(e, "case never taken")
				g.edits.around(g.offset(e.Pos()), g.offset(e.End()), "mutNever("+strconv.Itoa(id)+", ("+tag+") == (", "))")
			}
		}
		for _, one := range clause.Body {
			g.walk(one, results)
		}
	}
}

// field plants values of a literal's fields: the state, what is needed, a truth.
func (g *gardener) field(kv *ast.KeyValueExpr) {
	g.state(kv.Value)
	if id, ok := kv.Value.(*ast.Ident); ok && (id.Name == "true" || id.Name == "false") {
		g.wrap(id, "mutNot", g.add(kv, "negated"))
	}
	key, ok := kv.Key.(*ast.Ident)
	if !ok || key.Name != "Needs" {
		return
	}
	list, ok := kv.Value.(*ast.CompositeLit)
	if !ok {
		g.wrap(kv.Value, "mutNone", g.add(kv, "none"))
		return
	}
	for i, e := range list.Elts {
		id := g.add(e, "not needed")
		g.edits.around(g.offset(list.Pos()), g.offset(list.End()), "mutWithout("+strconv.Itoa(id)+", "+strconv.Itoa(i)+", ", ")")
	}
}

// state plants another state, Pass for all but itself.
func (g *gardener) state(e ast.Expr) {
	if id, ok := e.(*ast.Ident); ok && slices.Contains(states, id.Name) {
		other := "Pass"
		if id.Name == other {
			other = "Fail"
		}
		g.edits.around(g.offset(e.Pos()), g.offset(e.End()), "mutOther("+strconv.Itoa(g.add(e, other))+", "+other+", ", ")")
	}
}

// logical says whether an expression is boolean by its form.
func logical(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return slices.Contains([]token.Token{token.LAND, token.LOR, token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ}, e.Op)
	case *ast.UnaryExpr:
		return e.Op == token.NOT
	case *ast.ParenExpr:
		return logical(e.X)
	}
	return false
}

func unparen(e ast.Expr) ast.Expr {
	if p, ok := e.(*ast.ParenExpr); ok {
		return unparen(p.X)
	}
	return e
}

// pure says whether an expression may stand more than once, as far as its form tells: names, fields, and calls with such arguments.
// Functions of the packages that are mutated change nothing when they are asked for a value.
func pure(e ast.Expr) bool {
	ok := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			ok = false
		case ast.Expr:
			ok = ok && !logical(n)
		}
		return ok
	})
	return ok
}
