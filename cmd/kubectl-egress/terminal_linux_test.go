package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/kubectl-egress/kubectl-egress/hack/terminal"
)

// broken is a mesh whose two paths go round the gateway: a capture of a real one.
var broken = filepath.Join("..", "..", "testdata", "demo", "broken.json")

// emptyMesh is an Istio without an egress path.
const emptyMesh = `GET /apis/networking.istio.io 200
{"kind":"APIGroup","versions":[{"version":"v1"}]}

GET /api/v1/pods 200
{"kind":"PodList","metadata":{},"items":[]}

GET /api/v1/services 200
{"kind":"ServiceList","metadata":{},"items":[]}

GET /api/v1/configmaps 200
{"kind":"ConfigMapList","metadata":{},"items":[]}

GET /apis/networking.istio.io/v1/virtualservices 200
{"items":[]}

GET /apis/networking.istio.io/v1/gateways 200
{"items":[]}

GET /apis/networking.istio.io/v1/serviceentries 200
{"items":[]}

GET /apis/networking.istio.io/v1/destinationrules 200
{"items":[]}
`

// program is the program with an environment of the test's own: no locale, colour or kubeconfig of the machine's counts.
func program(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "kubectl-egress", args...)
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "LC_") && !slices.Contains([]string{"LANG", "TERM", "NO_COLOR", "KUBECONFIG"}, name) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "KUBECONFIG="+filepath.Join(t.TempDir(), "none"))
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// onTerminal runs the program on a terminal to its end.
func onTerminal(t *testing.T, columns uint16, env []string, args ...string) (shown string, code int) {
	t.Helper()
	s, err := terminal.Start(program(t, env, args...), columns)
	if err != nil {
		t.Fatal(err)
	}
	shown, code, err = s.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return shown, code
}

func TestColourOnATerminal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		env   []string
		flags []string
		want  bool
	}{
		{"a terminal", []string{"TERM=xterm"}, nil, true},
		{"NO_COLOR", []string{"TERM=xterm", "NO_COLOR=1"}, nil, false},
		{"an empty NO_COLOR", []string{"TERM=xterm", "NO_COLOR="}, nil, true},
		{"a dumb terminal", []string{"TERM=dumb"}, nil, false},
		{"asked for", []string{"TERM=dumb", "NO_COLOR=1"}, []string{"--color=always"}, true},
		{"refused", []string{"TERM=xterm"}, []string{"--color=never"}, false},
		{"left to it", []string{"TERM=xterm"}, []string{"--color=auto"}, true},
		{"data", []string{"TERM=xterm"}, []string{"-o", "json"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"check", "--from", broken}, tt.flags...)
			shown, code := onTerminal(t, 120, append(tt.env, "LANG=C.UTF-8"), args...)
			if code != 3 || !strings.Contains(shown, "EGR001") || strings.Contains(shown, "\x1b[31m") != tt.want {
				t.Errorf("on a terminal: exit code %d, colour wanted: %v\n%q", code, tt.want, shown)
			}
			cmd := program(t, append(tt.env, "LANG=C.UTF-8"), args...)
			cmd.Stderr = &strings.Builder{}
			piped, _ := cmd.Output() // the exit code is told by the process
			asked := slices.Contains(tt.flags, "--color=always")
			if cmd.ProcessState.ExitCode() != 3 || strings.Contains(string(piped), "\x1b") != asked {
				t.Errorf("in a pipe: exit code %d, colour wanted: %v\n%q", cmd.ProcessState.ExitCode(), asked, piped)
			}
		})
	}
}

// TestLettersOfATerminal: where the locale is not UTF-8 nothing is drawn with letters that would come out as rubbish.
func TestLettersOfATerminal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		env   []string
		plain bool
	}{
		{[]string{"TERM=xterm", "LANG=C"}, true},
		{[]string{"TERM=xterm", "LANG=en_US.ISO-8859-1"}, true},
		{[]string{"TERM=xterm"}, true},
		{[]string{"TERM=xterm", "LANG=en_US.UTF-8", "LC_ALL=POSIX"}, true},
		{[]string{"TERM=dumb", "LANG=C.UTF-8"}, true},
		{[]string{"TERM=xterm", "LANG=C", "LC_CTYPE=de_DE.utf8"}, false},
		{[]string{"TERM=xterm", "LANG=en_US.UTF-8"}, false},
	} {
		shown, _ := onTerminal(t, 120, tt.env, "check", "--from", broken)
		if plain := utf8.RuneCountInString(shown) == len(shown); plain != tt.plain {
			t.Errorf("%v: ASCII only %v\n%s", tt.env, plain, shown)
		}
		if want := map[bool]string{true: "workload -> sidecar", false: "workload ─▶ sidecar"}[tt.plain]; !strings.Contains(shown, want) {
			t.Errorf("%v: no drawing %q\n%s", tt.env, want, shown)
		}
	}
}

// TestWidthOfATerminal: what people read keeps within the terminal. What mends a fault is one line however long it is, to be copied.
func TestWidthOfATerminal(t *testing.T) {
	t.Parallel()
	for _, columns := range []uint16{60, 80, 100, 250} {
		for _, args := range [][]string{{"check", "--from", broken, "--color=never"}, {"explain", "EGR012"}, {"check", "--help"}} {
			shown, _ := onTerminal(t, columns, []string{"TERM=xterm", "LANG=C.UTF-8"}, args...)
			widest := 0
			for line := range strings.SplitSeq(shown, "\r\n") {
				copied := strings.Contains(line, "mend: ") || strings.HasPrefix(line, "  kubectl egress ") || strings.HasPrefix(line, "  # ")
				if n := utf8.RuneCountInString(line); !copied {
					widest = max(widest, n)
				}
			}
			if widest > int(columns) || widest < 45 {
				t.Errorf("%v on %d columns is %d wide\n%s", args, columns, widest, shown)
			}
		}
	}
}

// held is an API server that answers when it is let go.
func held(t *testing.T) (kubeconfigEnv string, letGo func()) {
	t.Helper()
	all, err := parseAnswers(emptyMesh)
	if err != nil {
		t.Fatal(err)
	}
	going, stop := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-going.Done():
			all.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(stop)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(kubeconfig, "SERVER", server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	return "KUBECONFIG=" + file, stop
}

// patience is ample for a program that takes a tenth of a second on a machine that has nothing else to do.
const patience = 3 * time.Minute

// TestProgressOnATerminal: what is being done is told while it is done, in one line that is taken away; never in a pipe.
func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	for _, columns := range []uint16{20, 120} {
		config, letGo := held(t)
		s, err := terminal.Start(program(t, []string{"TERM=xterm", "LANG=C.UTF-8", config}, "stats"), columns)
		if err != nil {
			t.Fatal(err)
		}
		line := "asking the proxies"[:min(18, int(columns)-9)] + " ... 1 s"
		if _, err := s.See(ctx, line); err != nil {
			t.Fatal(err)
		}
		letGo()
		shown, code, err := s.Wait()
		if err != nil || code != 0 {
			t.Fatalf("exit code %d, %v: %q", code, err, shown)
		}
		before, after, _ := strings.Cut(shown, "\r\x1b[K"+line)
		if strings.Contains(before, "\n") || !strings.HasPrefix(after, "\r\x1b[K") {
			t.Errorf("%d columns: %q", columns, shown)
		}
		for left := range strings.SplitSeq(shown, "\r\x1b[K") {
			if strings.HasPrefix(left, "asking") && len(left) >= int(columns) {
				t.Errorf("%q wraps on %d columns, and cannot be wiped", left, columns)
			}
		}
		if last := shown[strings.LastIndex(shown, "\x1b[K")+3:]; !strings.HasPrefix(last, "No egress paths.") {
			t.Errorf("%d columns: at the end there is %q", columns, last)
		}
	}
}

// TestNoProgressElsewhere: a pipe and a terminal that cannot take a line back get what is told at the end.
func TestNoProgressElsewhere(t *testing.T) {
	t.Parallel()
	config, letGo := held(t)
	letGo()
	said, err := program(t, []string{"TERM=xterm", config}, "stats").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	shown, code := onTerminal(t, 120, []string{"TERM=dumb", config}, "stats")
	if code != 0 || strings.ReplaceAll(shown, "\r\n", "\n") != string(said) || !strings.HasPrefix(shown, "No egress paths.") {
		t.Errorf("exit code %d, a dumb terminal shows %q, a pipe has %q", code, shown, said)
	}
}

// TestWatchOnATerminal: a table that is drawn over itself keeps its place when the terminal gets another size, and Ctrl-C leaves a
// terminal as it was, with the cursor at the begin of a line.
func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	config, letGo := held(t)
	letGo()
	s, err := terminal.Start(program(t, []string{"TERM=xterm", "LANG=C.UTF-8", config}, "stats", "--watch", "--interval=1h"), 120)
	if err != nil {
		t.Fatal(err)
	}
	const header = "\x1b[KHOST  HOP  POD  OPENED  RATE  ACTIVE  FAILED  TLS FAILED  DNS FAILED  LAST MINUTE"
	if _, err := s.See(ctx, header+"\r\n\x1b[J"); err != nil {
		t.Fatal(err)
	}
	before, err := s.Settings()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		columns uint16
		draws   string
	}{
		{40, "\x1b[3A" + header[:3+40] + "\r\n\x1b[J"}, // its 84 letters have wrapped into three lines
		{100, "\x1b[1A" + header + "\r\n\x1b[J"},
		{84, "\x1b[1A" + header + "\r\n\x1b[J"},
	} {
		if err := s.Resize(step.columns); err != nil {
			t.Fatal(err)
		}
		if shown, err := s.See(ctx, step.draws); err != nil || shown != step.draws {
			t.Fatalf("resized to %d columns: %q, %v", step.columns, shown, err)
		}
	}
	if err := s.Type("\x03"); err != nil {
		t.Fatal(err)
	}
	if shown, err := s.See(ctx, "^C\r\n"); err != nil || shown != "^C\r\n" {
		t.Errorf("Ctrl-C shows %q, %v", shown, err)
	}
	after, err := s.Settings()
	if err != nil || after != before {
		t.Errorf("the terminal's settings were %+v and are %+v, %v", before, after, err)
	}
	shown, code, err := s.Wait()
	if err != nil || code != 130 || strings.Contains(shown, "\x1b[?") || !strings.HasSuffix(shown, "^C\r\n") {
		t.Errorf("exit code %d, %v: %q", code, err, shown)
	}
}
