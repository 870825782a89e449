package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// markOf begins the first line of every file that render writes, before the set's name. By it a file is known to be render's own,
// and of which set it is.
const markOf = "# Made by kubectl egress render for set "

// fileChange is what becomes of a file.
type fileChange struct {
	path   string
	action apply.Action
	text   []byte // nil if deleted
}

// planFiles finds out what has to be written into a folder so that it holds a file for each object, and no more of the set: the file
// of a host that was left out goes. A file that is not this set's own is refused unless overwrite says otherwise. It writes nothing.
func planFiles(folder string, set egress.Set, objs []*unstructured.Unstructured, overwrite bool) ([]fileChange, error) {
	mark := []byte(markOf + set.String() + "\n")
	var changes []fileChange
	var foreign []string
	for _, o := range objs {
		text, err := recipe.YAML([]*unstructured.Unstructured{o})
		if err != nil {
			return nil, err
		}
		change := fileChange{path: filepath.Join(folder, fileName(o)), action: apply.Configured, text: slices.Concat(mark, text)}
		old, err := os.ReadFile(change.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			change.action = apply.Created
		case err != nil:
			return nil, egress.Inputf("%v", err)
		case bytes.Equal(old, change.text):
			change.action = apply.Unchanged
		case !bytes.HasPrefix(old, mark) && !overwrite:
			foreign = append(foreign, change.path)
		}
		changes = append(changes, change)
	}
	if len(foreign) > 0 {
		return nil, egress.Inputf("there already, and not made by render for set %s: %s; name another folder, or say --overwrite", set, strings.Join(foreign, ", "))
	}
	stale, err := staleFiles(folder, mark, changes)
	return append(changes, stale...), err
}

// staleFiles are those of the set that it no longer has.
func staleFiles(folder string, mark []byte, kept []fileChange) ([]fileChange, error) {
	there, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, egress.Inputf("%v", err)
	}
	var stale []fileChange
	for _, entry := range there {
		path := filepath.Join(folder, entry.Name())
		if filepath.Ext(path) != ".yaml" || !entry.Type().IsRegular() || slices.ContainsFunc(kept, func(c fileChange) bool { return c.path == path }) {
			continue
		}
		text, err := os.ReadFile(path) //nolint:gosec // in the folder that the user named
		if err != nil {
			return nil, egress.Inputf("%v", err)
		}
		if bytes.HasPrefix(text, mark) {
			stale = append(stale, fileChange{path: path, action: apply.Deleted})
		}
	}
	return stale, nil
}

// fileName is kind-namespace-name.yaml in lower case, which no two objects of a set share.
func fileName(o *unstructured.Unstructured) string {
	return strings.ToLower(o.GetKind()) + "-" + o.GetNamespace() + "-" + o.GetName() + ".yaml"
}

// writeFiles carries out a plan and tells a line for each file.
func (t *tool) writeFiles(folder string, changes []fileChange) error {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // as readable as the umask says: it is no secret
		return egress.Inputf("%v", err)
	}
	width := 0
	for _, c := range changes {
		width = max(width, len(c.path))
	}
	for _, c := range changes {
		var err error
		switch c.action {
		case apply.Unchanged:
		case apply.Deleted:
			err = os.Remove(c.path)
		default:
			err = os.WriteFile(c.path, c.text, 0o644) //nolint:gosec // likewise
		}
		if err != nil {
			return fmt.Errorf("write the objects as files: %w", err)
		}
		fmt.Fprintf(t.Out, "  %-*s   %s\n", width, plain(c.path), c.action)
	}
	return nil
}
