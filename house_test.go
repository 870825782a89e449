// Package house holds the rules of the house that no compiler and no linter holds: which room may know which, what the binary may
// weigh, how long a file may be. CONTRIBUTING.md tells them to people.
package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/kubectl-egress/kubectl-egress"

// floors are the rooms from the lowest up. A package imports packages of its own room and of lower floors, and no others: so
// apply and diagnose, which are neighbours, never know each other.
var floors = [][]string{
	{"egress"},
	{"kube"},
	{"mesh", "stats"},
	{"apply", "diagnose"},
	{"plugin"},
	{"cmd"},
}

// workshop holds what is no part of the program: it may use every room, and no room may use it.
var workshop = []string{"", "e2e", "hack"}

// clientFree are the packages that can be tested from files alone: they know no client and do no input or output of their own.
var clientFree = []string{
	"egress", "mesh", "stats/accesslog", "stats/admin", "stats/counter", "stats/certs", "apply/recipe", "apply/install", "apply/pki", "diagnose/snapshot", "diagnose/trace", "diagnose/check", "diagnose/report",
}

var (
	clients = []string{"k8s.io/client-go", "k8s.io/cli-runtime", "istio.io/client-go/pkg/clientset", module + "/kube"}
	outside = []string{"net", "net/http", "os", "os/exec"}
)

// listed is what `go list -json` says of a package, as far as it is needed here.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports,Deps,Standard"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("what go list printed: %v", err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Fatalf("go list %s listed nothing", strings.Join(args, " "))
	}
	return all
}

// room is the top folder of one of our packages, and whether it is ours at all.
func room(path string) (string, bool) {
	if path == module {
		return "", true
	}
	rest, ours := strings.CutPrefix(path, module+"/")
	top, _, _ := strings.Cut(rest, "/")
	return top, ours
}

// floorOf is the floor of a room from 0, len(floors) for the workshop, -1 for a room that is in no plan.
func floorOf(name string) int {
	for i, rooms := range floors {
		if slices.Contains(rooms, name) {
			return i
		}
	}
	if slices.Contains(workshop, name) {
		return len(floors)
	}
	return -1
}

func TestImportsOnlyGoDown(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t, "./...") {
		from, _ := room(p.ImportPath)
		floor := floorOf(from)
		if floor < 0 {
			t.Errorf("%s is on no floor: give its room a place in the plan of the house", p.ImportPath)
			continue
		}
		for _, i := range p.Imports {
			to, ours := room(i)
			if ours && to != from && floorOf(to) >= floor {
				t.Errorf("%s imports %s, which is not on a lower floor", p.ImportPath, i)
			}
		}
	}
}

func TestDataRoomsKnowNoClient(t *testing.T) {
	t.Parallel()
	var paths []string
	for _, p := range clientFree {
		paths = append(paths, module+"/"+p)
	}
	for _, p := range goList(t, paths...) {
		for _, dep := range p.Deps {
			for _, client := range clients {
				if dep == client || strings.HasPrefix(dep, client+"/") {
					t.Errorf("%s depends on %s and is to be free of clients", p.ImportPath, dep)
				}
			}
		}
		for _, i := range p.Imports {
			if slices.Contains(outside, i) {
				t.Errorf("%s imports %s and is to do no input or output of its own", p.ImportPath, i)
			}
		}
	}
}

// TestNoTemplates: one reachable use of text/template keeps every exported method of every type in the binary, 10 MB of them. The
// program itself may not import it; what it builds on does, out of reach, which TestBinary sees to.
func TestNoTemplates(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t, "-deps", "./cmd/...") {
		if _, ours := room(p.ImportPath); !ours {
			continue
		}
		for _, i := range p.Imports {
			if i == "text/template" || i == "html/template" || i == "github.com/spf13/cobra/doc" {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}
