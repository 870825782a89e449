package check

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
)

var update = flag.Bool("update", false, "write what is said now to testdata/changes")

const (
	changes    = "testdata/changes"
	asRecorded = "as recorded"
	caseMark   = "== "
)

// TestChanges tells of every capture all that is said of it, word by word, and what that becomes when one thing of it is changed, a
// few in some cases. A case begins with "== " and the change as a JSON patch of the snapshot; what follows is what is no longer said
// (its first line, after "- ") and what is said instead. The changes are those by which each condition of the checks is told from
// its contrary: see hack/mutate.
func TestChanges(t *testing.T) {
	t.Parallel()
	for _, name := range captured.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join(captured.Dir(t), name, "snapshot.json"))
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(changes, name+".txt")
			want, err := os.ReadFile(file)
			if err != nil && (!*update || !os.IsNotExist(err)) {
				t.Fatalf("%v; go test ./diagnose/check -run TestChanges -update writes it", err)
			}
			got := tellCases(t, raw, casesOf(string(want)))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got (if it is meant: go test ./diagnose/check -run TestChanges -update)\n%s", diff)
			}
		})
	}
}

// casesOf gives the changes of a file.
func casesOf(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if change, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), caseMark); ok && change != asRecorded {
			out = append(out, change)
		}
	}
	return out
}

func tellCases(t *testing.T, raw []byte, cases []string) string {
	t.Helper()
	recorded, err := blocks(raw)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(caseMark + asRecorded + "\n" + strings.Join(recorded, ""))
	for _, c := range cases {
		changed, err := changedBy(raw, c)
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		now, err := blocks(changed)
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		b.WriteString("\n" + caseMark + c + "\n" + gone(recorded, now))
	}
	return b.String()
}

// changedBy applies a JSON patch to a capture's snapshot.
func changedBy(raw []byte, change string) ([]byte, error) {
	p, err := jsonpatch.DecodePatch([]byte(change))
	if err != nil {
		return nil, err
	}
	var f struct {
		APIVersion string          `json:"apiVersion"`
		Kind       string          `json:"kind"`
		Snapshot   json.RawMessage `json:"snapshot"`
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, err
	}
	if f.Snapshot, err = p.Apply(f.Snapshot); err != nil {
		return nil, err
	}
	return json.Marshal(f)
}

// blocks is all that is said of a capture: the paths, and each finding that is no pass with its object, evidence and remedy.
func blocks(raw []byte) ([]string, error) {
	s, err := snapshot.Load(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return blocksOf(s), nil
}

func blocksOf(s *snapshot.Snapshot) []string {
	paths, findings := diagnosis(s)
	if s.Security != nil {
		findings = append(findings, Security(s, paths, "")...)
	}
	var out []string
	for _, p := range paths {
		out = append(out, fmt.Sprintf("path %s %s %s %s %s\n", p, p.Protocol, p.Mode, p.Gateway, p.Set))
	}
	for _, f := range findings {
		if f.State != Pass {
			out = append(out, tell(f))
		}
	}
	return out
}

// tell writes a finding as a block of lines.
func tell(f Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", strings.TrimSpace(fmt.Sprintf("%s %s %s %s", f.State, f.Code, f.Hop, f.Path)))
	if f.Object != nil {
		fmt.Fprintf(&b, "  of %s %s/%s %s\n", f.Object.Kind, f.Object.Namespace, f.Object.Name, f.Object.Field)
	}
	for _, part := range []struct{ mark, text string }{{"  ", f.Message}, {"  saw ", strings.Join(f.Evidence, "\n")}, {"  mend ", f.Fix}} {
		for line := range strings.Lines(part.text) {
			b.WriteString(part.mark + strings.TrimRight(line, "\n") + "\n")
		}
	}
	return b.String()
}

// gone tells the blocks that have gone, by their first lines, and those that have come.
func gone(before, after []string) string {
	var b strings.Builder
	left := slices.Clone(after)
	for _, one := range before {
		if i := slices.Index(left, one); i >= 0 {
			left = slices.Delete(left, i, i+1)
			continue
		}
		head, _, _ := strings.Cut(one, "\n")
		b.WriteString("- " + head + "\n")
	}
	for _, one := range left {
		b.WriteString(one)
	}
	return b.String()
}
