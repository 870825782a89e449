package plugin

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
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
