package egress

import (
	"testing"
	"testing/quick"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"enable", "cleanup", "check", "list", "get", "render", "explain", "version", "completion"}
	for in, want := range map[string]string{
		"enabel":    "enable",
		"chekc":     "check",
		"chck":      "check",
		"expl":      "explain",
		"completon": "completion",
		"lst":       "list",
		"foo":       "",
		"x":         "",
		"":          "",
		"probe":     "",
	} {
		if got := Nearest(in, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSlips(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "bca", 2}, {"abc", "abd", 1}, {"abc", "ab", 1}, {"kitten", "sitting", 3}} {
		if got := slips(tt.a, tt.b); got != tt.want {
			t.Errorf("slips(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	symmetric := func(a, b string) bool { return slips(a, b) == slips(b, a) && slips(a, a) == 0 }
	if err := quick.Check(symmetric, nil); err != nil {
		t.Error(err)
	}
}
