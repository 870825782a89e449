package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// poison is what a lying cluster, pod or file puts into its words: a title, a cleared screen, colour by ESC and by C1, a line that is
// written over, reordered letters, a line of its own, a letter that nobody sees, and what is no UTF-8.
const poison = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u009b31m\roverwritten\u202egnp\nerror: faked\u200b\u2028"

// TestHostileCluster runs the commands of every script again, against an API server that lies: in turn, each member of its answers that
// is a string, wherever it is, has the poison at its end; then each answer is a refusal in such words. Whatever a command says of it to
// people, on stdout or stderr, must not act on their terminal.
func TestHostileCluster(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob(filepath.Join("..", "testdata", "script", "*.txtar"))
	if err != nil || len(scripts) < 20 {
		t.Fatalf("%d scripts: %v", len(scripts), err)
	}
	told := &tally{}
	t.Run("scripts", func(t *testing.T) {
		for _, file := range scripts {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				t.Parallel()
				played(t, file, told)
			})
		}
	})
	// The attack has to arrive, or nothing was shown: these commands tell people words of the cluster.
	for _, command := range []string{"cleanup", "diff", "get", "list", "logs", "gateway list", "gateway install", "gateway uninstall", "certs", "check", "credential delete", "stats", "probe"} {
		if told.of(command) == 0 {
			t.Errorf("no poison ever came to people through %q: %v", command, told.seen)
		}
	}
}

// tally counts by command how often the poison came out, made harmless.
type tally struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *tally) add(args []string, text string) {
	if !strings.Contains(text, `\u001b`) && !strings.Contains(text, `\u009b`) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[args[0]]++
	if len(args) > 1 {
		c.seen[args[0]+" "+args[1]]++
	}
}

func (c *tally) of(command string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[command]
}

// played runs one script's commands against every variant of its answers.
func played(t *testing.T, file string, told *tally) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	text := map[string]string{}
	for _, f := range archive.Files {
		text[f.Name] = string(f.Data)
		name := filepath.Join(folder, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for answers, commands := range commandsOf(t, string(archive.Comment), folder, text) {
		for name, lie := range lies(text[answers]) {
			config := hostileServer(t, lie)
			for _, args := range commands {
				out := run(t, config, args)
				harmless(t, name, args, out)
				told.add(args, out)
			}
		}
	}
}

// commandsOf are a script's commands, by the file with the answers that they meet. Those that write files of their own are left out:
// they would write where tests run.
func commandsOf(t *testing.T, script, folder string, text map[string]string) map[string][][]string {
	t.Helper()
	out := map[string][][]string{}
	answers := ""
	for line := range strings.Lines(script) {
		words := scriptWords(line)
		switch {
		case len(words) == 2 && words[0] == "apiserver":
			answers = words[1]
		case len(words) < 3 || words[0] != "exits" || !strings.HasSuffix(words[2], "kubectl-egress") || answers == "":
		case slices.Contains(words, "capture"), strings.Contains(line, "--output-dir"), strings.Contains(line, "-dir="), strings.Contains(line, "--watch"):
		default:
			args := words[3:]
			for i, a := range args {
				flag, value, is := strings.Cut(a, "=")
				if _, known := text[a]; known && (i == 0 || args[i-1] != "-o") {
					args[i] = filepath.Join(folder, a)
				} else if _, known := text[value]; is && known {
					args[i] = flag + "=" + filepath.Join(folder, value)
				}
			}
			if len(args) > 0 {
				out[answers] = append(out[answers], args)
			}
		}
	}
	return out
}

// scriptWords takes a line apart as testscript does, whose quotes are single.
func scriptWords(line string) []string {
	var out []string
	word, quoted, begun := "", false, false
	for _, r := range strings.TrimSpace(line) {
		switch {
		case r == '\'':
			quoted, begun = !quoted, true
		case unicode.IsSpace(r) && !quoted:
			if begun {
				out = append(out, word)
			}
			word, begun = "", false
		default:
			word, begun = word+string(r), true
		}
	}
	if begun {
		out = append(out, word)
	}
	return out
}

// reply is one answer of an API server.
type reply struct {
	status int
	body   string
}

// lies are variants of a script's answers: for each name of a JSON member one in which that is poisoned, one with poisoned lines of
// logs, and refusals.
func lies(answers string) map[string]map[string]reply {
	truth := map[string]reply{}
	members := map[string]bool{}
	for paragraph := range strings.SplitSeq(answers, "\n\n") {
		head, body, _ := strings.Cut(strings.TrimSpace(paragraph), "\n")
		words := strings.Fields(head)
		if len(words) != 3 {
			continue
		}
		status := http.StatusOK
		if _, err := fmt.Sscan(words[2], &status); err != nil {
			continue
		}
		truth[words[0]+" "+words[1]] = reply{status, body}
		poisoned(body, func(member string) bool { members[member] = true; return false })
	}
	out := map[string]map[string]reply{}
	for member := range members {
		lie := map[string]reply{}
		for target, r := range truth {
			lie[target] = reply{r.status, poisoned(r.body, func(m string) bool { return m == member })}
		}
		out[member] = lie
	}
	for _, status := range []int{http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusUnauthorized} {
		lie := map[string]reply{}
		for target := range truth {
			lie[target] = reply{status, refusal(status)}
		}
		out[fmt.Sprintf("refused with %d", status)] = lie
	}
	return out
}

// poisoned gives JSON with poison at the end of all strings that are values of the members which which names; lines that are no JSON
// have it in the place of their last word.
func poisoned(body string, which func(member string) bool) string {
	var tree any
	if json.Unmarshal([]byte(body), &tree) != nil {
		if !which("") {
			return body
		}
		var lines []string
		for line := range strings.Lines(body) {
			lines = append(lines, strings.TrimSpace(line)+strings.ReplaceAll(poison, "\n", ""))
		}
		return strings.Join(lines, "\n")
	}
	text, err := json.Marshal(spoiltBy(tree, "", poison, which))
	if err != nil {
		return body
	}
	return string(text)
}

func spoiltBy(v any, member, poison string, which func(string) bool) any {
	switch v := v.(type) {
	case string:
		if which(member) {
			return v + poison
		}
	case []any:
		for i := range v {
			v[i] = spoiltBy(v[i], member, poison, which)
		}
	case map[string]any:
		for name := range v {
			v[name] = spoiltBy(v[name], name, poison, which)
		}
	}
	return v
}

// refusal is what an API server says that does not do what it is asked for.
func refusal(status int) string {
	reasons := map[int]string{http.StatusForbidden: "Forbidden", http.StatusConflict: "Conflict", http.StatusUnprocessableEntity: "Invalid", http.StatusUnauthorized: "Unauthorized"}
	causes := []any{map[string]any{"reason": "FieldManagerConflict", "message": `conflict with "` + poison + `"`, "field": ".spec" + poison}}
	text, err := json.Marshal(map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reasons[status], "code": status, "message": "no" + poison,
		"details": map[string]any{"name": "x" + poison, "kind": "y" + poison, "causes": causes},
	})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// hostileServer serves a lie and gives a kubeconfig for it, whose names are poisoned too.
func hostileServer(t *testing.T, lie map[string]reply) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := lie[r.Method+" "+r.URL.Path]
		if !ok {
			a = reply{http.StatusNotFound, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"not here"}`}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Warning", `299 - "told\" `+strings.Map(func(r rune) rune {
			if r == '\n' || r == '\r' {
				return -1 // would end the header
			}
			return r
		}, poison)+`"`)
		w.WriteHeader(a.status)
		if _, err := w.Write([]byte(a.body)); err != nil {
			t.Logf("answer %s: %v", r.URL.Path, err)
		}
	}))
	t.Cleanup(server.Close)
	return kubeconfigOf(t, server.URL)
}

// kubeconfigOf writes a kubeconfig whose context, cluster and user have poisoned names.
func kubeconfigOf(t *testing.T, address string) string {
	t.Helper()
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: %[1]s, cluster: {server: %[2]s}}]
contexts: [{name: %[1]s, context: {cluster: %[1]s, user: %[1]s, namespace: default}}]
users: [{name: %[1]s, user: {token: secret}}]
current-context: %[1]s
`, strconv.QuoteToASCII("lab"+poison), address)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// run carries out a command and gives all that it said.
func run(t *testing.T, kubeconfig string, args []string) string {
	t.Helper()
	var out bytes.Buffer
	streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	argv := append([]string{"kubectl-egress"}, args...)
	if args[0] != "__complete" {
		argv = append(argv, "--kubeconfig="+kubeconfig)
	}
	execute(ctx, New(streams, argv[0]), argv, streams)
	return out.String()
}

// harmless complains about what would act on a terminal. Formats that are data, and not for people, are held to what is left of them
// there: no control of ASCII. A guard before the terminal sees to the rest; see guard.
func harmless(t *testing.T, lie string, args []string, text string) {
	t.Helper()
	line := strings.Join(args, " ")
	if strings.Contains(line, "raw") {
		return // lines of a log as they were written, for another program; see TestRawIsUntouched for terminals
	}
	data := strings.Contains(line, "json") || strings.Contains(line, "yaml") || args[0] == "render" || args[0] == "diff"
	if at := strings.IndexFunc(text, func(r rune) bool {
		if r == '\n' || r == '\t' || data && r > unicode.MaxASCII {
			return false
		}
		return egress.Acts(r)
	}); at >= 0 {
		t.Errorf("%s with %q poisoned lets through %.60q:\n%q", line, lie, text[at:], text)
	}
	if strings.HasPrefix(text, "error: faked") || strings.Contains(text, "\nerror: faked") {
		t.Errorf("%s with %q poisoned fakes a line:\n%s", line, lie, text)
	}
}
