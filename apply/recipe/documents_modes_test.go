package recipe_test

import (
	"bytes"
	"errors"
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
	since    []gate // what of needs the recipe itself holds
	limits   []string
	source   string
	examples []example
}

// gate is the first Istio that carries a command; before it the command is refused. The zero version stands for every Istio.
type gate struct {
	command string // a render line without version
	minor   int    // of Istio 1
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

// TestModesNeedWhatTheirPagesSay tries each mode with the Istio that its page asks for, and with the one before.
func TestModesNeedWhatTheirPagesSay(t *testing.T) {
	t.Parallel()
	for _, p := range modePages {
		if len(p.since) == 0 {
			t.Errorf("page %s says nothing of Istio that could be held", p.mode)
		}
		for _, g := range p.since {
			set, facts := parseCommand(t, fmt.Sprintf("%s --istio-version=1.%d", g.command, g.minor))
			if _, err := recipe.Render(set, facts); err != nil {
				t.Errorf("%s with Istio 1.%d: %v", g.command, g.minor, err)
			}
			if g.minor == 0 {
				continue
			}
			if said := fmt.Sprintf("1.%d", g.minor); !strings.Contains(p.needs, said) {
				t.Errorf("page %s does not say that %s needs Istio %s: %s", p.mode, g.command, said, p.needs)
			}
			facts.Version.Minor--
			_, err := recipe.Render(set, facts)
			if input := (*egress.InputError)(nil); !errors.As(err, &input) || !strings.Contains(err.Error(), fmt.Sprintf("Istio 1.%d", g.minor)) {
				t.Errorf("%s with Istio %s is not refused with the version that is needed: %v", g.command, facts.Version, err)
			}
		}
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
