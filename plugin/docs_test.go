package plugin

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// inDocs finds a command line of the program in a page: in a line of its own, or between backticks.
var inDocs = regexp.MustCompile("(?m)^(?:\\$ )?kubectl[ -]egress (.+)$|`kubectl[ -]egress ([^`]+)`")

// TestDocsAreUnderstood: every command line in a page that people read is one that the program takes, with the flags and arguments
// as they are printed.
func TestDocsAreUnderstood(t *testing.T) {
	t.Parallel()
	tried := map[string]int{}
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(file) != ".md" {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range inDocs.FindAllStringSubmatch(string(text), -1) {
			line := m[1] + m[2]
			if strings.ContainsAny(line, "[…") { // the form of a command, as in help
				continue
			}
			words := strings.NewReplacer("CODE", "EGR012", "COMMAND", "check", "HOST", "edition.cnn.com", "DOMAIN", "wikipedia.org",
				"NAMESPACE", "team", "SERVICE", "egress", "NAME", "egress", "LABEL", "dedicated", "KEY", "dedicated").Replace(line)
			if err := understood(words); err != nil {
				t.Errorf("%s: kubectl egress %s: %v", file, line, err)
			}
			if flags, found := strings.CutPrefix(words, "enable "); found {
				words = "render " + flags // takes the same, and needs no cluster
			}
			if strings.HasPrefix(words, "render ") {
				if code, _, stderr := command(t, shellWords(words)...); code != exitOK {
					t.Errorf("%s: kubectl egress %s: exit code %d, %s", file, words, code, stderr)
				}
			}
			tried[filepath.Base(file)]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for file, least := range map[string]int{"README.md": 3, "coming-from-istio.md": 30, "troubleshooting.md": 15, "probe.md": 2, "documents.md": 30} {
		if tried[file] < least {
			t.Errorf("%d command lines were found in %s, at least %d are there", tried[file], file, least)
		}
	}
}

func TestShellWords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"check":                              "check",
		"enable --domains='*.a.org,*.b.org'": "enable;--domains=*.a.org,*.b.org",
		`logs "a b" | less`:                  "logs;a b",
		"check -o junit > egress.xml   # CI": "check;-o;junit",
	} {
		if got := strings.Join(shellWords(line), ";"); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	for _, line := range []string{"enabel", "enable --domain=a.org", "check -o xml", "explain EGR999 EGR998", "sample install wake", "gateway install a"} {
		if err := understood(line); err == nil {
			t.Errorf("%q is understood", line)
		}
	}
}
