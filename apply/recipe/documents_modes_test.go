package recipe_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// modePage tells one mode: what path it makes, when to take it, what it needs.
type modePage struct {
	mode     egress.Mode
	title    string
	path     string // a drawing
	when     string
	how      string // what of Istio carries it, and what one sees of it
	needs    string // of Istio and of the gateway
	limits   []string
	source   string
	examples []example
}

// example is a command whose objects the page shows.
type example struct {
	what    string
	command string // a render line
}

// TestModePages holds docs/modes to the pages below, whose YAML is what the recipes make.
func TestModePages(t *testing.T) {
	t.Parallel()
	var index strings.Builder
	index.WriteString("# Modes\n\nHow hosts leave the mesh: one mode per documented configuration. `--mode=auto`, the default, takes for exact hosts\n" +
		"[passthrough](passthrough.md) on port 443 and [http](http.md) on port 80, so that neither port goes round the gateway, and for wildcards\n" +
		"[sni-dynamic](sni-dynamic.md). Where each comes from: [coming from the Istio documents](../documents.md).\n\n| mode | does | needs |\n| --- | --- | --- |\n")
	for _, p := range modePages {
		fmt.Fprintf(&index, "| [%s](%[1]s.md) | %s | %s |\n", p.mode, p.title, p.needs)
		holdPage(t, filepath.Join(docsDir, "modes", string(p.mode)+".md"), p.page(t))
	}
	holdPage(t, filepath.Join(docsDir, "modes", "README.md"), []byte(index.String()))
}

// TestEveryModeHasItsPage, and its examples are of that mode.
func TestEveryModeHasItsPage(t *testing.T) {
	t.Parallel()
	var told []egress.Mode
	for _, p := range modePages {
		told = append(told, p.mode)
		for _, e := range p.examples {
			if set, _ := parseCommand(t, e.command); set.Mode != p.mode {
				t.Errorf("page %s shows mode %s: %s", p.mode, set.Mode, e.command)
			}
		}
		if len(p.examples) == 0 || p.path == "" || p.when == "" || p.needs == "" || len(p.limits) == 0 {
			t.Errorf("page %s lacks something", p.mode)
		}
	}
	modes := slices.DeleteFunc(egress.Modes(), func(m egress.Mode) bool { return m == egress.Auto })
	slices.Sort(modes)
	slices.Sort(told)
	if diff := cmp.Diff(modes, told); diff != "" {
		t.Errorf("pages (-modes +pages): %s", diff)
	}
}

func (p modePage) page(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Mode %s\n\n%s.\n\n```\n%s\n```\n\n", p.mode, p.title, strings.Trim(p.path, "\n"))
	fmt.Fprintf(&b, "**When.** %s\n\n**How.** %s\n\n**Needs.** %s.\n\n**Limits.**\n\n", p.when, p.how, sentence(p.needs))
	for _, l := range p.limits {
		fmt.Fprintf(&b, "- %s\n", l)
	}
	fmt.Fprintf(&b, "\n**Source.** %s; block by block: [coming from the Istio documents](../documents.md).\n", p.source)
	for _, e := range p.examples {
		fmt.Fprintf(&b, "\n## %s\n\n`%s` makes, beside the ConfigMap that keeps the declaration, and apart from the labels of ownership:\n\n```yaml\n%s```\n",
			e.what, e.command, objectsOf(t, e.command))
	}
	b.WriteString("\n[all modes](README.md)\n")
	return b.Bytes()
}

// objectsOf is what a render line makes, as short as can be: without the set's ConfigMap, and without labels.
func objectsOf(t *testing.T, command string) string {
	t.Helper()
	set, facts := parseCommand(t, command)
	objs, err := recipe.Render(set, facts)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, o := range objs {
		if o.GetKind() == "ConfigMap" {
			continue
		}
		o = o.DeepCopy()
		o.SetLabels(nil)
		doc, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		if b.Len() > 0 {
			b.WriteString("---\n")
		}
		b.Write(doc)
	}
	return b.String()
}
