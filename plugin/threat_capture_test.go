package plugin

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// markup is what would act in a page, in XML, in a spreadsheet and in Markdown, beside what acts on terminals.
const markup = "`pwned`" + `$(pwned);pwned'$(pwned)'"></td><script>alert(1)</script><img src=x onerror=alert(2)>]]>&#27;=cmd|'/c calc'!A1 [x](javascript:alert(3))`

// TestHostileCapture diagnoses captures of real meshes in which, in turn, each member that is a string lies: whatever format the report
// has, it stays what it is.
func TestHostileCapture(t *testing.T) {
	t.Parallel()
	for name, formats := range map[string][]string{
		"EGR031":         {"human", "html", "junit", "sarif", "json"},
		"sni-proxy-mtls": {"human", "json"},
		"posture-open":   {"human", "json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join(captures, name, "snapshot.json"))
			if err != nil {
				t.Fatal(err)
			}
			came := 0
			for member, lie := range liesOf(t, text) {
				file := filepath.Join(t.TempDir(), "snapshot.json")
				if err := os.WriteFile(file, lie, 0o600); err != nil {
					t.Fatal(err)
				}
				for _, format := range formats {
					args := []string{"check", "--security", "--from=" + file, "-o", format}
					out := run(t, file, args)
					harmless(t, member, args, out)
					holds[format](t, member, out)
					came += strings.Count(out, `\u009b`)
				}
			}
			if came < 20 {
				t.Errorf("the poison came out only %d times", came)
			}
		})
	}
}

// liesOf are variants of a capture, by the name of the member that lies.
func liesOf(t *testing.T, capture []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	poisoned(string(capture), func(member string) bool { out[member] = nil; return false })
	delete(out, "apiVersion") // would not be a capture
	for member := range out {
		var tree any
		err := json.Unmarshal(capture, &tree)
		if err == nil {
			out[member], err = json.Marshal(spoiltBy(tree, "", markup+poison, func(m string) bool { return m == member }))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// holds has, for each format, what makes it fit for the program that reads it.
var holds = map[string]func(t *testing.T, lie, text string){
	"human": func(*testing.T, string, string) {},
	"html":  holdsPage,
	"junit": holdsXML,
	"sarif": holdsJSON,
	"json":  holdsCommands,
}

// holdsPage: no element, and no attribute, of anybody else.
func holdsPage(t *testing.T, lie, page string) {
	t.Helper()
	if strings.HasPrefix(page, "error: ") {
		return // it was refused
	}
	for _, bad := range []string{"<script", "<img", "]]>", "</td><", "&#27;=", "javascript:alert(3)\""} {
		if bad != "</td><" && strings.Contains(page, bad) {
			t.Errorf("%q poisoned: the page has %s", lie, bad)
		}
	}
	if n := strings.Count(page, "<html"); n != 1 || !strings.Contains(page, "default-src 'none'") {
		t.Errorf("%q poisoned: %d pages, or one that may load something", lie, n)
	}
}

func holdsXML(t *testing.T, lie, text string) {
	t.Helper()
	if strings.HasPrefix(text, "error: ") {
		return
	}
	text, _, _ = strings.Cut(text, "</testsuites>\n") // notes on stderr follow it
	for d := xml.NewDecoder(strings.NewReader(text + "</testsuites>\n")); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("%q poisoned: no XML: %v", lie, err)
			return
		}
		if e, ok := token.(xml.StartElement); ok && !slices.Contains([]string{"testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out"}, e.Name.Local) {
			t.Errorf("%q poisoned: element %s", lie, e.Name.Local)
		}
	}
}

func holdsJSON(t *testing.T, lie, text string) {
	t.Helper()
	if strings.HasPrefix(text, "error: ") {
		return
	}
	var report any
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&report); err != nil {
		t.Errorf("%q poisoned: no JSON: %v", lie, err)
	}
	// A report's own strings are fit for terminals, since people look at JSON too.
	if at := strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII && egress.Acts(r) }); at >= 0 {
		t.Errorf("%q poisoned: %.40q", lie, text[at:])
	}
}

// quoted is what a shell does not look into: here-documents whose end is quoted, words in single quotes, and single quotes themselves.
var quoted = regexp.MustCompile(`(?s)<<'EOF'\n.*?\nEOF|'[^']*'|\\'`)

// holdsCommands: what a report tells people to copy into their shell runs nothing that the capture brought along.
func holdsCommands(t *testing.T, lie, text string) {
	t.Helper()
	holdsJSON(t, lie, text)
	var report struct {
		Findings []struct{ Code, Fix string }
	}
	if strings.HasPrefix(text, "error: ") {
		return
	}
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&report); err != nil {
		t.Fatalf("%q poisoned: %v", lie, err)
	}
	for _, f := range report.Findings {
		if strings.HasPrefix(f.Fix, "kubectl ") && strings.Contains(quoted.ReplaceAllString(f.Fix, ""), "pwned") {
			t.Errorf("%q poisoned: %s gives a shell\n%s", lie, f.Code, f.Fix)
		}
	}
}
