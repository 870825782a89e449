package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// doors are the packages of the program through which others can be reached: the client, and what runs the program that compares for
// diff. What a new one of them is for has to be said here, and in docs/threats.md.
var doors = map[string][]string{
	"kube":   {"net", "net/http"},
	"plugin": {"os/exec"},
}

// reaches are the packages of the standard library, and others' modules, that reach beyond the process.
var reaches = []string{"net", "net/http", "net/rpc", "net/smtp", "net/textproto", "os/exec", "plugin", "log/syslog", "crypto/tls", "golang.org/x/net", "github.com/gorilla/websocket"}

// words are what package net is used for elsewhere: addresses as text.
var netWords = []string{"IP", "IPNet", "ParseIP", "ParseCIDR", "SplitHostPort", "JoinHostPort", "CIDRMask", "IPv4len", "IPv6len", "IPMask"}

// TestOnlyTheClientReachesOut is about the source what TestOnlyTheAPIServerIsReached of cmd/kubectl-egress is about the program.
func TestOnlyTheClientReachesOut(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t, "-deps", "./cmd/...") {
		name, ours := strings.CutPrefix(p.ImportPath, module+"/")
		if !ours {
			continue
		}
		for _, i := range p.Imports {
			door := slices.ContainsFunc(reaches, func(r string) bool { return i == r || strings.HasPrefix(i, r+"/") }) && i != "net/url" && i != "net/netip" && i != "golang.org/x/net/idna"
			if !door || slices.Contains(doors[name], i) {
				continue
			}
			if i == "net" {
				onlyWords(t, name)
				continue
			}
			t.Errorf("%s imports %s: the client is the only door", p.ImportPath, i)
		}
	}
}

// onlyWords holds a package to what of package net reaches nobody.
func onlyWords(t *testing.T, folder string) {
	t.Helper()
	for _, file := range tracked(t, folder+"/*.go") {
		if strings.HasSuffix(file, "_test.go") || path.Dir(file) != folder {
			continue
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "net" && !slices.Contains(netWords, s.Sel.Name) {
				t.Errorf("%s: net.%s: the client is the only door", fset.Position(s.Pos()), s.Sel.Name)
			}
			return true
		})
	}
}
