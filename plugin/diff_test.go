package plugin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// shell is a differ that runs a script with the folders as $1 and $2.
func shell(script string) differ { return differ{name: "sh", args: []string{"-c", script, "sh"}} }

func configMap(name string, data map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": data,
		"metadata": map[string]any{"namespace": "default", "name": name, "managedFields": []any{map[string]any{"manager": "kubectl-egress"}}},
	}}
}

func changed(before, after *unstructured.Unstructured, action apply.Action) apply.Change {
	o := after
	if o == nil {
		o = before
	}
	return apply.Change{
		Ref: apply.Ref{Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()}, Action: action, Before: before, After: after,
	}
}

// everyAction are changes of each kind; same differs only in what is not looked at.
func everyAction() []apply.Change {
	old, now := map[string]any{"k": "old"}, map[string]any{"k": "new"}
	return []apply.Change{
		changed(nil, configMap("created", now), apply.Created),
		changed(configMap("changed", old), configMap("changed", now), apply.Configured),
		changed(configMap("same", old), configMap("same", now), apply.Unchanged),
		changed(configMap("gone", old), nil, apply.Deleted),
	}
}

func TestDiffHandsFoldersOver(t *testing.T) {
	t.Parallel()
	const script = `for d in "$1" "$2"; do cd "$d" && for f in *; do echo "$f: $(grep '^  k:' "$f")$(grep -c managedFields "$f")"; done; done; echo "$1"; echo "$2"; exit 1`
	for _, tt := range []struct {
		managed bool
		count   string
	}{{false, "0"}, {true, "1"}} {
		var out bytes.Buffer
		d := &diff{tool: &tool{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: io.Discard}}, managed: tt.managed, differ: shell(script)}
		err := d.show(t.Context(), everyAction())
		var code verdict
		if !errors.As(err, &code) || code != exitDiffers {
			t.Errorf("error %v, want the verdict 1", err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		folders, files := lines[len(lines)-2:], lines[:len(lines)-2]
		want := []string{
			"v1.ConfigMap.default.changed:   k: old" + tt.count, "v1.ConfigMap.default.gone:   k: old" + tt.count,
			"v1.ConfigMap.default.changed:   k: new" + tt.count, "v1.ConfigMap.default.created:   k: new" + tt.count,
		}
		if diff := cmp.Diff(want, files); diff != "" {
			t.Errorf("managed fields %t (-want +got):\n%s", tt.managed, diff)
		}
		for i, word := range []string{"LIVE-", "MERGED-"} {
			if !strings.Contains(folders[i], word) {
				t.Errorf("folder %s is not named %s…", folders[i], word)
			}
			if _, err := os.Stat(folders[i]); !os.IsNotExist(err) {
				t.Errorf("folder %s is left behind: %v", folders[i], err)
			}
		}
	}
}

func TestDiffExits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		script string
		code   int
		said   string
	}{
		{"exit 0", 0, ""},
		{"exit 1", 1, ""},
		{"exit 2", 2, "sh could not compare: exit code 2"},
		{"exit 7", 7, "sh could not compare: exit code 7"},
		{"kill -9 $$", 2, "compare by sh: signal: killed"},
	} {
		d := &diff{tool: &tool{IOStreams: genericiooptions.IOStreams{Out: io.Discard, ErrOut: io.Discard}}, differ: shell(tt.script)}
		err := asDiff(t.Context(), d.show(t.Context(), everyAction()))
		if got := exitCode(t.Context(), err); got != tt.code {
			t.Errorf("%s: exit code %d, want %d (%v)", tt.script, got, tt.code, err)
		}
		var said bytes.Buffer
		complain(t.Context(), &said, err)
		if want := tt.said; strings.TrimSpace(strings.TrimPrefix(said.String(), "error: ")) != want {
			t.Errorf("%s: said %q, want %q", tt.script, &said, want)
		}
	}
}

// TestDiffWithoutChange does not even call the program.
func TestDiffWithoutChange(t *testing.T) {
	t.Parallel()
	d := &diff{tool: &tool{IOStreams: genericiooptions.IOStreams{Out: io.Discard, ErrOut: io.Discard}}, differ: shell("exit 9")}
	if err := d.show(t.Context(), everyAction()[2:3]); err != nil {
		t.Error(err)
	}
}

// TestDiffKeepsOneForDifferences: what else fails says so with another code, and codes that mean more stay.
func TestDiffKeepsOneForDifferences(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{verdict(1), 1},
		{errors.New("the cluster failed"), 2},
		{egress.Inputf("no host"), 2},
		{&apply.RefusedError{Reason: apply.Foreign, Msg: "there already"}, 2},
		{fmt.Errorf("list: %w", context.DeadlineExceeded), 124},
		{Interrupted{Signal: syscall.SIGINT}, 130},
	} {
		got := asDiff(t.Context(), tt.err)
		if code := exitCode(t.Context(), got); code != tt.code {
			t.Errorf("%v: exit code %d, want %d", tt.err, code, tt.code)
		}
		if tt.err != nil && (!errors.Is(got, tt.err) || got.Error() != tt.err.Error()) {
			t.Errorf("%v became %v", tt.err, got)
		}
	}
}

// TestDiffIsStopped: Ctrl-C ends the program, and the folders go all the same.
func TestDiffIsStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	read, write := io.Pipe()
	d := &diff{
		tool:   &tool{IOStreams: genericiooptions.IOStreams{Out: write, ErrOut: io.Discard}},
		differ: shell(`echo "$1"; echo "$2"; exec sleep 600`),
	}
	ended := make(chan error, 1)
	go func() { ended <- asDiff(ctx, d.show(ctx, everyAction())) }()
	var folders []string
	for lines := bufio.NewScanner(read); len(folders) < 2 && lines.Scan(); {
		folders = append(folders, lines.Text())
	}
	for _, f := range folders {
		if _, err := os.Stat(f); err != nil {
			t.Errorf("before: %v", err)
		}
	}
	cancel(Interrupted{Signal: syscall.SIGINT})
	if code := exitCode(ctx, <-ended); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	for _, f := range folders {
		if _, err := os.Stat(f); !os.IsNotExist(err) {
			t.Errorf("folder %s is left behind: %v", f, err)
		}
	}
	if len(folders) != 2 {
		t.Errorf("folders %q, want two", folders)
	}
}
