package plugin

import (
	"strings"
	"testing"
	"testing/quick"

	"github.com/google/go-cmp/cmp"
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
		if got := nearest(in, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
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

func TestWrap(t *testing.T) {
	t.Parallel()
	got := wrap("one two  three\nfour a-word-that-is-too-long five", 10)
	want := "one two\nthree four\na-word-that-is-too-long\nfive"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0 paths", 1: "1 path", 2: "2 paths"} {
		if got := count(n, "path"); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	err := table(&b, []string{"NAME", "HOSTS", "AGE"}, [][]string{{"edition-cnn-com", "edition.cnn.com", "1m"}, {"w", "\x1b[2Ja long one, with words", ""}, {"日本", "", "2d"}})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"NAME             HOSTS                            AGE",
		"edition-cnn-com  edition.cnn.com                  1m",
		`w                \u001b[2Ja long one, with words`,
		"日本                                              2d",
		"",
	}, "\n")
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}
