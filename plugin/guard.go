package plugin

import (
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// guard stands before a terminal, as the last door: whatever a format, a library or a program that compares may have let pass, the
// terminal is not steered by it. JSON and YAML are the reason: both are right to write C1 controls and bidirectional marks as they are.
// Pipes and files get every byte as it was written, since there it is data.
type guard struct {
	to *os.File

	mu   sync.Mutex
	half string // the begin of a character or of a sequence whose rest has yet to come
}

// ours are the sequences that this program itself writes, and programs that compare: colours, up so many lines, to the line's begin,
// clear to the end of the line or of the screen.
var ours = regexp.MustCompile(`^(\x1b\[([0-9;]{0,15}m|[0-9]{1,4}A|[KJ])|\r\x1b\[K|\r?\n)`)

// begun is what may become one of them.
var begun = regexp.MustCompile(`^(\x1b(\[[0-9;]{0,15})?|\r(\x1b\[?)?)$`)

// guarded puts a guard before each stream that is a terminal.
func guarded(s genericiooptions.IOStreams) genericiooptions.IOStreams {
	s.Out, s.ErrOut = guardOf(s.Out), guardOf(s.ErrOut)
	return s
}

func guardOf(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok && isTerminal(f) {
		return &guard{to: f}
	}
	return w
}

// unguarded gives the terminal itself, for a program that the user has chosen.
func unguarded(w io.Writer) io.Writer {
	if l, ok := w.(*statusLine); ok {
		w = l.w
	}
	if g, ok := w.(*guard); ok {
		return g.to
	}
	return w
}

// Fd lets the terminal's size be asked for.
func (g *guard) Fd() uintptr { return g.to.Fd() }

// Write passes on what may be passed on, and shows the rest.
func (g *guard) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shown, half := shownOnTerminal(g.half + string(p))
	g.half = half
	if _, err := g.to.WriteString(shown); err != nil {
		return 0, err
	}
	return len(p), nil
}

// shownOnTerminal gives text as a terminal may have it, and what has to wait for more to be judged.
func shownOnTerminal(text string) (shown, half string) {
	var b strings.Builder
	for text != "" {
		end := strings.IndexFunc(text, func(r rune) bool { return r == utf8.RuneError || r != '\t' && egress.Acts(r) })
		if end < 0 {
			end = len(text)
		}
		b.WriteString(text[:end])
		text = text[end:]
		sequence := ours.FindString(text)
		switch {
		case text == "":
		case sequence != "":
			b.WriteString(sequence)
			text = text[len(sequence):]
		case begun.MatchString(text) || !utf8.FullRuneInString(text):
			return b.String(), text
		default:
			_, size := utf8.DecodeRuneInString(text)
			b.WriteString(egress.Plain(text[:size]))
			text = text[size:]
		}
	}
	return b.String(), ""
}
