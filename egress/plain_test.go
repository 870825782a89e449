package egress

import (
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                "",
		"edition.cnn.com":                 "edition.cnn.com",
		"Zürich ✔ ─▶ 日本":                  "Zürich ✔ ─▶ 日本",
		"\x1b[31mred\x1b[0m":              `\u001b[31mred\u001b[0m`,
		"\x1b]0;title\x07\x1b]8;;u\x1b\\": `\u001b]0;title\u0007\u001b]8;;u\u001b\`,
		"a\nerror: fake":                  "a error: fake",
		"tab\there":                       "tab here",
		"over\rwritten":                   `over\u000dwritten`,
		"back\b\x7f":                      `back\u0008\u007f`,
		"C1 \u009b31m\u0085":              `C1 \u009b31m\u0085`,
		"right\u202eleft\u2066":           `right\u202eleft\u2066`,
		"zero\u200bwidth\ufeff\u00ad":     `zero\u200bwidth\ufeff\u00ad`,
		"tag \U000e0041":                  `tag \U000e0041`,
		"lines\u2028\u2029":               `lines\u2028\u2029`,
		"font \ue000":                     `font \ue000`,
		"bad \xff\x9b byte":               "bad \uFFFD byte",
		"half a rune \xe2\x94":            "half a rune \uFFFD",
	} {
		if got := Plain(in); got != want {
			t.Errorf("Plain(%q) = %q, want %q", in, got, want)
		}
	}
	if diff := cmp.Diff("one\ntwo \\u000d\nthree", PlainLines("one\ntwo\t\r\nthree")); diff != "" {
		t.Error(diff)
	}
}

// TestAppendPlain: the same as Plain, behind what is there, and without memory of its own for most text.
func TestAppendPlain(t *testing.T) {
	t.Parallel()
	for _, words := range []string{"", "edition.cnn.com", "Zürich", "\x1b[2J", "a\tb\nc", "\xff"} {
		if got, want := string(AppendPlain([]byte("> "), []byte(words))), "> "+Plain(words); got != want {
			t.Errorf("%q: %q, want %q", words, got, want)
		}
	}
}

// FuzzPlain: nothing that acts comes out, and once is enough.
func FuzzPlain(f *testing.F) {
	f.Add("a\x1b[0m\u009b\u202e\r\n\xff")
	f.Fuzz(func(t *testing.T, s string) {
		one, lines := Plain(s), PlainLines(s)
		if strings.ContainsFunc(one, Acts) || !utf8.ValidString(one) || Plain(one) != one {
			t.Errorf("Plain(%q) = %q", s, one)
		}
		if strings.ReplaceAll(lines, "\n", " ") != one {
			t.Errorf("PlainLines(%q) = %q, and Plain %q", s, lines, one)
		}
	})
}

// TestShellWord asks a shell itself.
func TestShellWord(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"egress-news":                     "egress-news",
		"outbound|443||edition.cnn.com":   "outbound|443||edition.cnn.com",
		"":                                "",
		"it's":                            "it's",
		"'; touch pwned; '":               "'; touch pwned; '",
		"$(touch pwned) `touch pwned` \\": "$(touch pwned) `touch pwned` \\",
		"two\nlines\x1b[2J":               `two lines\u001b[2J`,
		"--server=https://example.com":    `\u002d-server=https://example.com`,
		"*? [a-z] ~ {a,b} ! # & | < > ;":  "*? [a-z] ~ {a,b} ! # & | < > ;",
	} {
		word := ShellWord(in)
		got, err := exec.CommandContext(t.Context(), "sh", "-c", "printf '%s.' "+word).Output()
		if err != nil || string(got) != want+"." {
			t.Errorf("%q became %s, which a shell takes for %q (%v), want %q", in, word, got, err, want)
		}
	}
}
