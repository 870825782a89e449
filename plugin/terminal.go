package plugin

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// terminal is what the user's side can show, found out once at the door.
type terminal struct {
	asks    bool // somebody sits there and can be asked
	colour  bool // stdout shows colour
	unicode bool // arrows and ticks come out as such
	redraws bool // a line on stderr can be written over
	width   int  // columns of stdout; 0 if it is no terminal
}

// lookAt finds out about a terminal. getenv is os.Getenv outside tests.
func lookAt(streams genericiooptions.IOStreams, getenv func(string) string) terminal {
	dumb := getenv("TERM") == "dumb"
	out := isTerminal(streams.Out)
	return terminal{
		asks:    isTerminal(streams.In) && isTerminal(streams.ErrOut),
		colour:  out && !dumb && getenv("NO_COLOR") == "",
		unicode: !dumb && readsUTF8(getenv),
		redraws: isTerminal(streams.ErrOut) && !dumb,
		width:   width(streams.Out),
	}
}

// paints decides about colour as the flag --color says.
func (t terminal) paints(flag string) bool {
	switch flag {
	case "always":
		return true
	case "never":
		return false
	default:
		return t.colour
	}
}

// readsUTF8 goes by the locale as C programs do: the first of these variables that is set decides. Windows has no locale there;
// its newer terminal says so.
func readsUTF8(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return runtime.GOOS == "windows" && getenv("WT_SESSION") != ""
}

func isTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr }) // a file, or a guard before one
	return ok && term.IsTerminal(int(f.Fd()))
}

func width(w io.Writer) int {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0 // no terminal: nothing is wrapped
	}
	return columns
}

// note writes one line for people to stderr.
func (t *tool) note(format string, args ...any) {
	fmt.Fprintln(t.ErrOut, plain(fmt.Sprintf(format, args...)))
}
