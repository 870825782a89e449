package plugin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestNewDiffer(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]differ{
		"":                           {name: "diff", args: []string{"-u", "-N"}},
		"   ":                        {name: "diff", args: []string{"-u", "-N"}},
		"colordiff":                  {name: "colordiff"},
		"colordiff -N  -u":           {name: "colordiff", args: []string{"-N", "-u"}},
		"git diff --no-index":        {name: "git", args: []string{"diff", "--no-index"}},
		"/opt/bin/dyff between":      {name: "/opt/bin/dyff", args: []string{"between"}},
		"diff --width=80 -U3":        {name: "diff", args: []string{"--width=80", "-U3"}},
		"diff -u; rm -rf /":          {name: "diff", args: []string{"rm", "-rf"}, dropped: []string{"-u;", "/"}},
		"diff $(id) `id` a|b >c é":   {name: "diff", dropped: []string{"$(id)", "`id`", "a|b", ">c", "é"}},
		"diff --from-file=../secret": {name: "diff", dropped: []string{"--from-file=../secret"}},
	} {
		if diff := cmp.Diff(want, newDiffer(variable), cmp.AllowUnexported(differ{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", variable, diff)
		}
	}
}

// FuzzNewDiffer: nothing is passed on that a shell or a file system would take for more than a word.
func FuzzNewDiffer(f *testing.F) {
	for _, seed := range []string{"", "diff -u -N", "a b;c", "x \x00 é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, variable string) {
		d := newDiffer(variable)
		if d.name == "" {
			t.Error("no program")
		}
		const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-="
		for _, a := range d.args {
			if a == "" || strings.Trim(a, allowed) != "" {
				t.Errorf("%q passes %q on", variable, a)
			}
		}
		if words := len(strings.Fields(variable)); words > 0 && 1+len(d.args)+len(d.dropped) != words {
			t.Errorf("%q: %d words became %d, %d", variable, words, len(d.args), len(d.dropped))
		}
	})
}

func TestFindsDiffer(t *testing.T) {
	t.Parallel()
	if err := shell("").find(); err != nil {
		t.Errorf("sh: %v", err)
	}
	for _, absent := range []string{"no-such-differ", "/no/such/differ", t.TempDir()} {
		err := newDiffer(absent).find()
		if err == nil || exitCode(t.Context(), err) != exitUsage || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), externalDiff) {
			t.Errorf("%s: %v, want one line about it and %s", absent, err, externalDiff)
		}
	}
}

func TestDiffName(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]map[string]any{
		"v1.ConfigMap.default.egress-news": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "default", "name": "egress-news"}},
		"networking.istio.io.v1.VirtualService.apps.egress-news.a.com": {
			"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": map[string]any{"namespace": "apps", "name": "egress-news.a.com"},
		},
		"v1.Namespace..egress": {"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "egress"}}, // as kubectl has it
	} {
		if got := diffName(&unstructured.Unstructured{Object: o}); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func secret(data map[string]any, annotations map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "ca"}}}
	if data != nil {
		o.Object["data"] = data
	}
	if annotations != nil {
		o.Object["metadata"].(map[string]any)["annotations"] = annotations
	}
	return o
}

func TestMask(t *testing.T) {
	t.Parallel()
	type values = map[string]any
	for _, tt := range []struct {
		name                  string
		before, after         *unstructured.Unstructured
		wantBefore, wantAfter *unstructured.Unstructured
	}{
		{"created", nil, secret(values{"a": "MQ=="}, nil), nil, secret(values{"a": masked}, nil)},
		{"deleted", secret(values{"a": "MQ=="}, nil), nil, secret(values{"a": masked}, nil), nil},
		{
			"each key for itself",
			secret(values{"same": "MQ==", "other": "MQ==", "old": "MQ=="}, nil), secret(values{"same": "MQ==", "other": "Mg==", "new": "Mg=="}, nil),
			secret(values{"same": masked, "other": maskedBefore, "old": masked}, nil), secret(values{"same": masked, "other": maskedAfter, "new": masked}, nil),
		},
		{"without values", secret(nil, nil), secret(values{"a": "MQ=="}, nil), secret(nil, nil), secret(values{"a": masked}, nil)},
		{
			"what kubectl apply kept",
			secret(values{"a": "MQ=="}, values{lastApplied: `{"data":{"a":"MQ=="}}`, "mine": "x"}), nil,
			secret(values{"a": masked}, values{lastApplied: masked, "mine": "x"}), nil,
		},
		{"no secret", configMap("a", values{"k": "v"}), configMap("a", values{"k": "w"}), configMap("a", values{"k": "v"}), configMap("a", values{"k": "w"})},
	} {
		mask(tt.before, tt.after)
		if diff := cmp.Diff([]*unstructured.Unstructured{tt.wantBefore, tt.wantAfter}, []*unstructured.Unstructured{tt.before, tt.after}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestForDiffLeavesTheOriginal: the plan's objects are not what is masked and stripped.
func TestForDiffLeavesTheOriginal(t *testing.T) {
	t.Parallel()
	o := secret(map[string]any{"a": "MQ=="}, nil)
	o.Object["metadata"].(map[string]any)["managedFields"] = []any{map[string]any{"manager": "kubectl"}}
	kept := o.DeepCopy()
	copied := forDiff(o, false)
	mask(copied, nil)
	if diff := cmp.Diff(kept, o); diff != "" {
		t.Errorf("the original changed (-want +got):\n%s", diff)
	}
	if len(copied.GetManagedFields()) > 0 || len(forDiff(o, true).GetManagedFields()) != 1 {
		t.Error("managedFields are kept by --show-managed-fields, and only by it")
	}
	if forDiff(nil, true) != nil {
		t.Error("an object that is not there stays away")
	}
}
