package plugin

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

var (
	news  = egress.Set{Namespace: "default", Name: "news"}
	other = egress.Set{Namespace: "default", Name: "other"}
)

// actions is what becomes of each file, in order.
func actions(changes []fileChange) []string {
	var lines []string
	for _, c := range changes {
		lines = append(lines, filepath.Base(c.path)+" "+string(c.action))
	}
	return lines
}

// write has files written for a set.
func write(t *testing.T, folder string, set egress.Set, names ...string) []string {
	t.Helper()
	changes, err := planFiles(folder, set, configMaps(names...), false)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (&tool{IOStreams: genericiooptions.IOStreams{Out: &out}}).writeFiles(folder, changes); err != nil {
		t.Fatal(err)
	}
	if told := strings.Count(out.String(), "\n"); told != len(changes) {
		t.Errorf("%d lines for %d files:\n%s", told, len(changes), &out)
	}
	return actions(changes)
}

func configMaps(names ...string) []*unstructured.Unstructured {
	var objs []*unstructured.Unstructured
	for _, n := range names {
		objs = append(objs, configMap(n, map[string]any{"k": "v"}))
	}
	return objs
}

func TestFilesFollowTheSet(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "deep", "folder")
	for i, tt := range []struct {
		set   egress.Set
		names []string
		want  []string
	}{
		{news, []string{"b", "a"}, []string{"configmap-default-b.yaml created", "configmap-default-a.yaml created"}},
		{news, []string{"b", "a"}, []string{"configmap-default-b.yaml unchanged", "configmap-default-a.yaml unchanged"}},
		{other, []string{"o"}, []string{"configmap-default-o.yaml created"}},
		{news, []string{"a", "c"}, []string{"configmap-default-a.yaml unchanged", "configmap-default-c.yaml created", "configmap-default-b.yaml deleted"}},
		{other, []string{"o"}, []string{"configmap-default-o.yaml unchanged"}},
	} {
		if diff := cmp.Diff(tt.want, write(t, folder, tt.set, tt.names...)); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "configmap-default-b.yaml")); !os.IsNotExist(err) {
		t.Errorf("the file of what was left out: %v", err)
	}
}

func TestForeignFilesStay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file, text string
		refused    bool
	}{
		"by hand":                     {"configmap-default-a.yaml", "kind: ConfigMap\n", true},
		"empty":                       {"configmap-default-a.yaml", "", true},
		"another set's":               {"configmap-default-a.yaml", markOf + "default/other\nkind: ConfigMap\n", true},
		"of a name that begins alike": {"configmap-default-a.yaml", markOf + "default/news-2\nkind: ConfigMap\n", true},
		"ours":                        {"configmap-default-a.yaml", markOf + "default/news\nold\n", false},
		"elsewhere, by hand":          {"readme.yaml", "kind: ConfigMap\n", false},
		"elsewhere, no YAML":          {"readme.md", markOf + "default/news\n", false},
	} {
		folder := t.TempDir()
		path := filepath.Join(folder, tt.file)
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		changes, err := planFiles(folder, news, configMaps("a"), false)
		switch {
		case tt.refused && (err == nil || exitCode(t.Context(), err) != exitUsage || !strings.Contains(err.Error(), path)):
			t.Errorf("%s: error %v, want a refusal that names %s", name, err, path)
		case !tt.refused && (err != nil || len(changes) != 1):
			t.Errorf("%s: %v, %v, want one change", name, actions(changes), err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != tt.text {
			t.Errorf("%s: planning wrote: %q, %v", name, text, err)
		}
		if changes, err = planFiles(folder, news, configMaps("a"), true); err != nil || len(changes) != 1 {
			t.Errorf("%s: with --overwrite %v, %v, want one change", name, actions(changes), err)
		}
	}
}

// TestFilesOfAFolderThatCannotBe tells which.
func TestFilesOfAFolderThatCannotBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := planFiles(file, news, configMaps("a"), false); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one that names %s", err, file)
	}
}
