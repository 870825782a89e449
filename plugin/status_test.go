package plugin

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// lastLines is a terminal as far as the status line uses one: it knows the return and the wiping of a line.
type lastLines struct {
	mu    sync.Mutex
	all   bytes.Buffer
	lines []string
	grew  chan struct{}
}

func (s *lastLines) Write(b []byte) (int, error) {
	s.mu.Lock()
	s.all.Write(b)
	s.mu.Unlock()
	select {
	case s.grew <- struct{}{}:
	default:
	}
	return len(b), nil
}

// shows is what is to be seen, wiped lines left out.
func (s *lastLines) shows() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = s.lines[:0]
	for line := range strings.Lines(s.all.String()) {
		if i := strings.LastIndex(line, wipe); i >= 0 {
			line = line[i+len(wipe):]
		}
		s.lines = append(s.lines, line)
	}
	return strings.Join(s.lines, "")
}

func onScreen() (*tool, *lastLines) {
	s := &lastLines{grew: make(chan struct{}, 1)}
	line := &statusLine{w: s}
	return &tool{IOStreams: genericiooptions.IOStreams{ErrOut: line}, line: line}, s
}

func TestStatusOnlyWhereItCanBeTakenAway(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	pipe := &tool{IOStreams: genericiooptions.IOStreams{ErrOut: &b}}
	pipe.status("waiting")()
	if b.Len() > 0 {
		t.Errorf("a pipe got %q", b.String())
	}
	x, s := onScreen()
	done := x.status("wai\x1bting")
	if got := s.shows(); got != `wai\u001bting ...` {
		t.Errorf("the terminal shows %q", got)
	}
	done()
	done()
	if got := s.shows(); got != "" {
		t.Errorf("the terminal still shows %q", got)
	}
}

func TestStatusTellsHowLong(t *testing.T) {
	t.Parallel()
	x, s := onScreen()
	done := x.status("waiting")
	for !strings.HasPrefix(s.shows(), "waiting ... 1 s") && !strings.HasPrefix(s.shows(), "waiting ... 2 s") {
		select {
		case <-s.grew:
		case <-t.Context().Done():
			t.Fatalf("the terminal shows %q", s.shows())
		}
	}
	done()
	if got := s.shows(); got != "" {
		t.Errorf("the terminal still shows %q", got)
	}
}

// TestNotesComeAboveTheStatus: warnings of the API server and notes arrive while something is being done.
func TestNotesComeAboveTheStatus(t *testing.T) {
	t.Parallel()
	x, s := onScreen()
	done := x.status("writing")
	fmt.Fprint(x.ErrOut, "Warning: EnvoyFilter is for experts\n")
	x.note("a note")
	if got, want := s.shows(), "Warning: EnvoyFilter is for experts\na note\nwriting ..."; got != want {
		t.Errorf("the terminal shows %q, want %q", got, want)
	}
	done()
	done = x.status("reading")
	done()
	x.note("the end")
	if got, want := s.shows(), "Warning: EnvoyFilter is for experts\na note\nthe end\n"; got != want {
		t.Errorf("the terminal shows %q, want %q", got, want)
	}
}
