package recipe_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
)

var docsDir = filepath.Join("..", "..", "docs")

// holdPage compares a file with what is generated; -update writes it.
func holdPage(t *testing.T, file string, want []byte) {
	t.Helper()
	if updating() {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run go test with -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not what is generated, run go test with -update (-generated +there):\n%s", file, diff)
	}
}

// TestDocumentsPage holds docs/documents.md to the table that TestDocuments and TestInstallations prove.
func TestDocumentsPage(t *testing.T) {
	t.Parallel()
	holdPage(t, filepath.Join(docsDir, "documents.md"), documentsPage())
}

// TestRendered writes down what the render lines of the pages make. hack/docs holds the program's own output against it, so
// that what is compared here is what the user gets.
func TestRendered(t *testing.T) {
	t.Parallel()
	archive := &txtar.Archive{Comment: []byte("What each render line of docs/ prints. Written by go test ./apply/recipe -update, held against the program by hack/docs.\n\n")}
	for _, command := range renderLines() {
		set, facts := parseCommand(t, command)
		objs, err := recipe.Render(set, facts)
		if err != nil {
			t.Fatal(err)
		}
		text, err := recipe.YAML(objs)
		if err != nil {
			t.Fatal(err)
		}
		archive.Files = append(archive.Files, txtar.File{Name: command, Data: text})
	}
	holdPage(t, filepath.Join(documentsDir, "rendered.txtar"), txtar.Format(archive))
}

// renderLines are those of all pages, each once.
func renderLines() []string {
	var lines []string
	for _, d := range documents {
		for _, g := range d.groups {
			lines = append(lines, g.command)
		}
	}
	for _, p := range modePages {
		for _, e := range p.examples {
			lines = append(lines, e.command)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

const documentsHead = `# Coming from the Istio documents

Five documents tell how to send a mesh's traffic out through an egress gateway. Here is each block of configuration that they
print, the command that yields it, and what is not the same and why. The test that holds the two against each other by
meaning (` + "`apply/recipe/documents_test.go`" + `) reads the same table that this page is made of: a difference that is not listed
fails it, and so does one that is listed and gone.

- Equal in meaning: hosts are declared alike, sidecars and gateways send them to the same places with the same TLS. Names of
  objects, subsets and ports, API versions, and defaults that are written out or left out, mean nothing.
- ` + "`render`" + ` prints the objects without a cluster, for the Istio of the document's day. On a cluster, ` + "`enable`" + ` takes the same flags
  without ` + "`--istio-version`" + ` and ` + "`--gateway-selector`" + `, which it finds out, and without ` + "`--mtls`" + ` goes by what the mesh does.
- ` + "`--legacy-certs`" + ` is for Istio up to 1.4, which mounted certificates in /etc/certs; the documents of its day name those files. From
  1.5 on leave it out.
- ` + "`sni_hosts`" + ` of the old documents is ` + "`sniHosts`" + ` here. Rules are Istio's behaviour behind a difference; where a check is made of
  one, it has the rule's number (R12 is EGR012): [checks](checks.md).
- What each mode does, with a drawing: [modes](modes/README.md).
`

func documentsPage() []byte {
	var b bytes.Buffer
	b.WriteString(documentsHead)
	for _, d := range documents {
		d.page(&b)
	}
	return b.Bytes()
}

// page writes one document: its blocks, what else it has people do, and the differences.
func (d document) page(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n## %s\n\nIstio %s. The blocks as printed: [testdata](../testdata/documents/%s).\n\n", d.title, d.istio, d.folder)
	if d.note != "" {
		fmt.Fprintf(b, "%s\n\n", d.note)
	}
	notes := &footnotes{}
	b.WriteString("| in the document | command | differs |\n| --- | --- | --- |\n")
	for _, g := range d.groups {
		d.row(b, g.section, g.blocks, g.command, notes.refer(g.differs))
	}
	for _, i := range d.installs {
		d.row(b, i.section, i.blocks, i.command, notes.refer(i.differs))
	}
	for _, s := range d.steps {
		fmt.Fprintf(b, "| %s: %s | `%s` | |\n", s.section, s.action, s.command)
	}
	notes.write(b)
}

func (d document) row(b *bytes.Buffer, section string, blocks []string, command, refers string) {
	var links []string
	for _, name := range blocks {
		links = append(links, fmt.Sprintf("[%s](../testdata/documents/%s/%s)", strings.TrimSuffix(name, filepath.Ext(name)), d.folder, name))
	}
	fmt.Fprintf(b, "| %s: %s | `%s` | %s |\n", strings.ReplaceAll(section, "*", `\*`), strings.Join(links, ", "), command, refers)
}

// footnotes number the differences of one document. Those with one reason are one, whatever sentences they are about.
type footnotes struct{ all []difference }

func (f *footnotes) refer(differs []difference) string {
	if len(differs) == 0 {
		return "nothing"
	}
	var refers []string
	for _, d := range differs {
		at := slices.IndexFunc(f.all, func(other difference) bool { return d.why == other.why })
		if at < 0 {
			at = len(f.all)
			f.all = append(f.all, difference{why: d.why, rule: d.rule})
		}
		f.all[at].theirs = append(f.all[at].theirs, missingFrom(f.all[at].theirs, d.theirs)...)
		f.all[at].ours = append(f.all[at].ours, missingFrom(f.all[at].ours, d.ours)...)
		refers = append(refers, fmt.Sprint(at+1))
	}
	return strings.Join(refers, ", ")
}

func missingFrom(have, lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return slices.Contains(have, l) })
}

func (f *footnotes) write(b *bytes.Buffer) {
	for n, d := range f.all {
		fmt.Fprintf(b, "\n%d. %s.", n+1, sentence(d.why))
		if d.rule != "" {
			fmt.Fprintf(b, " Rule %s.", d.rule)
		}
		b.WriteString("\n\n   ```diff\n")
		for _, line := range slices.Concat(signed("-", d.theirs), signed("+", d.ours)) {
			fmt.Fprintf(b, "   %s\n", line)
		}
		b.WriteString("   ```\n")
	}
}

// sentence begins with a capital letter, unless it begins with the name of something.
func sentence(s string) string {
	if first, _, _ := strings.Cut(s, " "); first == "nginx" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
