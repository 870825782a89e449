package plugin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrap(t *testing.T) {
	t.Parallel()
	got := wrap("one two  three\nfour a-word-that-is-too-long five", 10)
	want := "one two\nthree four\na-word-that-is-too-long\nfive"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, want := wrap("one two three\n\nfour five", 10), "one two\nthree\n\nfour five"; got != want {
		t.Errorf("paragraphs become %q, want %q", got, want)
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
