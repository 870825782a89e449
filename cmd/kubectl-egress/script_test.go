package main

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what commands print into the scripts' golden files")

// TestMain lets the test binary stand in for the program under the names that it is called by.
func TestMain(m *testing.M) {
	commands := map[string]func(){}
	for _, name := range []string{"kubectl-egress", "kubectl-istio_egress", "kubectl_complete-egress", "kubectl_complete-istio_egress"} {
		commands[name] = main
		commands[name+".exe"] = main
	}
	maps.Copy(commands, watchedPrograms())
	testscript.Main(m, commands)
}

// TestScripts runs whole commands as users do, without a cluster: testdata/script/*.txtar. Beside testscript's own commands there
// are
//
//	exits CODE COMMAND...   runs a command and holds it to its exit code
//	apiserver [FILE]        starts an API server and points KUBECONFIG at it; see answers
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("KUBECONFIG", filepath.Join(env.WorkDir, "no-kubeconfig"))
			env.Setenv("LANG", "C.UTF-8")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "apiserver": apiserver},
	})
}

// exits runs a command and compares the exit code, which testscript itself does not tell.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s\n%s%s", code, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// apiserver serves what a file says, one answer per paragraph: "METHOD PATH STATUS" and the body below it. What no paragraph
// answers is not found, in the API server's own words.
func apiserver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: apiserver FILE")
	}
	answers, err := parseAnswers(ts.ReadFile(args[0]))
	if err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	server := httptest.NewServer(answers)
	ts.Defer(server.Close)
	config := strings.ReplaceAll(kubeconfig, "SERVER", server.URL)
	if err := os.WriteFile(ts.MkAbs("kubeconfig"), []byte(config), 0o600); err != nil {
		ts.Fatalf("%v", err)
	}
	ts.Setenv("KUBECONFIG", ts.MkAbs("kubeconfig"))
}

// answers of an API server by method and path.
type answers map[string]answer

func parseAnswers(text string) (answers, error) {
	all := answers{}
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		head, body, _ := strings.Cut(strings.TrimSpace(paragraph), "\n")
		words := strings.Fields(head)
		if len(words) == 0 {
			continue
		}
		if len(words) != 3 || statuses[words[2]] == 0 {
			return nil, fmt.Errorf("%q is not METHOD PATH STATUS", head)
		}
		all[words[0]+" "+words[1]] = answer{statuses[words[2]], body}
	}
	return all, nil
}

func (all answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, ok := all[r.Method+" "+r.URL.Path]
	if !ok {
		a = answer{http.StatusNotFound, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"the server could not find the requested resource"}`}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body)) // a client that has gone has told why
}

type answer struct {
	status int
	body   string
}

var statuses = map[string]int{"200": http.StatusOK, "403": http.StatusForbidden, "404": http.StatusNotFound, "500": http.StatusInternalServerError}

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: SERVER}}]
contexts: [{name: test, context: {cluster: test, user: test, namespace: default}}]
users: [{name: test, user: {}}]
current-context: test
`
