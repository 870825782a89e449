package install

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

func TestParseToleration(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]Toleration{
		"dedicated=egress:NoSchedule":               {"dedicated", "egress", "NoSchedule"},
		"dedicated:NoExecute":                       {"dedicated", "", "NoExecute"},
		"dedicated=egress":                          {"dedicated", "egress", ""},
		"dedicated":                                 {"dedicated", "", ""},
		"node-role.kubernetes.io/egress:NoSchedule": {"node-role.kubernetes.io/egress", "", "NoSchedule"},
		"*":                  {},
		"*:PreferNoSchedule": {"", "", "PreferNoSchedule"},
	} {
		if got, err := ParseToleration(given); err != nil || got != want {
			t.Errorf("%s: %+v, %v", given, got, err)
		}
	}
	for _, given := range []string{"", ":NoSchedule", "=v", "a=", "a=:NoSchedule", "a=b=c", "a:noschedule", "a:", "a b", "/a", "a/", "UP/a", "a=-b", "*=b", "a:NoSchedule:NoExecute"} {
		_, err := ParseToleration(given)
		var input *egress.InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), "toleration") {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func TestTolerations(t *testing.T) {
	t.Parallel()
	got := tolerations([]Toleration{{"a", "b", "NoSchedule"}, {"a", "", ""}, {}})
	want := list{
		fields{"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"},
		fields{"key": "a", "operator": "Exists"},
		fields{"operator": "Exists"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseNodeSelector(t *testing.T) {
	t.Parallel()
	got, err := ParseNodeSelector([]string{"dedicated=egress", "node-role.kubernetes.io/egress=", "dedicated=egress"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"dedicated": "egress", "node-role.kubernetes.io/egress": ""}, got); diff != "" {
		t.Error(diff)
	}
	for _, given := range [][]string{{""}, {"a"}, {"=b"}, {"a=b=c"}, {"a=b", "a=c"}, {"a b=c"}, {"a=" + strings.Repeat("b", 64)}} {
		_, err := ParseNodeSelector(given)
		if _, ok := errors.AsType[*egress.InputError](err); !ok {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func TestLabelValue(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]bool{
		"": true, "a": true, "A-b_c.9": true, "-": false, "a-": false, ".a": false, "a b": false, "ä": false,
		strings.Repeat("a", 63): true, strings.Repeat("a", 64): false,
	} {
		if isLabelValue(v) != want {
			t.Errorf("%q: %t", v, !want)
		}
	}
}

// FuzzPlacement: what is taken is what Kubernetes takes, and comes back as it was given.
func FuzzPlacement(f *testing.F) {
	f.Add("dedicated=egress:NoSchedule")
	f.Add("a/b=c")
	f.Add("*:NoExecute")
	f.Fuzz(func(t *testing.T, given string) {
		if selector, err := ParseNodeSelector([]string{given}); err == nil {
			for k, v := range selector {
				if k+"="+v != given {
					t.Errorf("%q was read as %q and %q", given, k, v)
				}
			}
		}
		got, err := ParseToleration(given)
		if err != nil {
			return
		}
		back := got.Key
		if back == "" {
			back = "*"
		}
		if got.Value != "" {
			back += "=" + got.Value
		}
		if got.Effect != "" {
			back += ":" + got.Effect
		}
		if back != given {
			t.Errorf("%q was read as %+v", given, got)
		}
	})
}
