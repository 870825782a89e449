package egress

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Plain makes words of a cluster, an Envoy, a file or a user fit for a terminal: what could move the cursor, recolour the screen, fake
// a line, or reorder and hide text (ESC and all other controls, C1, bidirectional marks, zero width characters, line separators, private
// use) is shown as \u001b, so that the attempt is seen. Tabs and line ends become spaces, and bytes that are
// no UTF-8 become U+FFFD. All text for people goes through it.
func Plain(s string) string { return plain(s, func(r rune) bool { return r == '\n' || r == '\t' }) }

// AppendPlain appends what Plain makes of the words, and takes no memory of its own where there is nothing to be made plain.
func AppendPlain(b, words []byte) []byte {
	if inert(words) {
		return append(b, words...)
	}
	return append(b, Plain(string(words))...)
}

// PlainLines is Plain for text of several lines, whose ends it keeps.
func PlainLines(s string) string { return plain(s, func(r rune) bool { return r == '\t' }) }

func plain(s string, spaces func(rune) bool) string {
	if inert(s) {
		return s
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case spaces(r):
			b.WriteByte(' ')
		case r == '\n' || !Acts(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// inert is most text: letters of ASCII.
func inert[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// Acts says whether a terminal may do something else with a character than show it in its place.
func Acts(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r > '~'
	}
	// Cc are controls, Cf reorder or hide text, Zl and Zp end lines, Co is whatever somebody's font makes of it.
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
}

// ShellWord quotes a word for a POSIX shell where it needs it, for commands that people copy: whatever a name holds, it stays one word
// and no flag. It is fit for a terminal as well. No object has a name with characters that act, so that a command with one in it finds nothing.
func ShellWord(s string) string {
	s = Plain(s)
	if rest, option := strings.CutPrefix(s, "-"); option {
		s = `\u002d` + rest // --server=… as a name would send the user's credentials elsewhere
	}
	bare := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !bare(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
