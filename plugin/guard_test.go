package plugin

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

func TestShownOnTerminal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"plain words ✔ ─▶\n":              {"plain words ✔ ─▶\n", ""},
		"a\tb":                            {"a\tb", ""},
		"\x1b[31m✘\x1b[0m\n":              {"\x1b[31m✘\x1b[0m\n", ""},
		"\x1b[2Ax\x1b[K\n\x1b[J":          {"\x1b[2Ax\x1b[K\n\x1b[J", ""},
		"waiting ...\r\x1b[K":             {"waiting ...\r\x1b[K", ""},
		"-old\r\n+new\n":                  {"-old\r\n+new\n", ""}, // a program that compares files with such line ends
		"over\rwritten":                   {`over\u000dwritten`, ""},
		"\x1b]0;title\x07":                {`\u001b]0;title\u0007`, ""},
		"\x1b[2J\x1b[10;10H\x1b[6n":       {`\u001b[2J\u001b[10;10H\u001b[6n`, ""},
		"\x1b[?1049h\x1bc":                {`\u001b[?1049h\u001bc`, ""},
		"\u009b31m\u202e\u200b":           {`\u009b31m\u202e\u200b`, ""},
		"\x9b31m\xff":                     {"\uFFFD31m\uFFFD", ""},
		"half \xe2\x94":                   {"half ", "\xe2\x94"},
		"half \x1b":                       {"half ", "\x1b"},
		"half \x1b[3":                     {"half ", "\x1b[3"},
		"half \r":                         {"half ", "\r"},
		"half \r\x1b":                     {"half ", "\r\x1b"},
		"\x1b[" + strings.Repeat("1", 40): {`\u001b[` + strings.Repeat("1", 40), ""},
	} {
		shown, half := shownOnTerminal(in)
		if shown != want[0] || half != want[1] {
			t.Errorf("%q is shown as %q and %q waits, want %q and %q", in, shown, half, want[0], want[1])
		}
	}
}

// FuzzGuard: nothing reaches a terminal but letters and our own sequences, in whatever pieces it is written, and what waits for more is short.
func FuzzGuard(f *testing.F) {
	f.Add([]byte("a\x1b[31m\u009b\r\x1b[K✔\xff"), uint8(3))
	f.Add([]byte("\r\n\x1b[\x1b[A\xe2\x94\x80"), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		var got strings.Builder
		rest := ""
		for len(text) > 0 {
			n := min(int(size)%7+1, len(text))
			shown, half := shownOnTerminal(rest + string(text[:n]))
			got.WriteString(shown)
			rest, text = half, text[n:]
		}
		if len(rest) > 20 {
			t.Errorf("%d bytes wait", len(rest))
		}
		for left := got.String(); left != ""; {
			next := ours.FindString(left)
			if r, size := utf8.DecodeRuneInString(left); next == "" {
				if next = left[:size]; r != '\t' && egress.Acts(r) {
					t.Fatalf("%q lets %q through", got.String(), r)
				}
			}
			left = left[len(next):]
		}
	})
}
