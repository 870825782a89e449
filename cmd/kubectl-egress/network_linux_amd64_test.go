package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/plugin"
)

// watchedPrograms are those that TestMain needs besides: the tracer, and somebody who does what the tracer has to see.
func watchedPrograms() map[string]func() { return map[string]func(){"trace": trace, "reach": reach} }

// reach reaches others in each way that there is, and has a program do so that it starts.
func reach() {
	if len(os.Args) == 2 {
		if err := exec.Command(os.Args[0], os.Args[1], "again").Run(); err != nil {
			panic(err)
		}
	}
	tcp, err := net.Dial("tcp", os.Args[1])
	if err != nil {
		panic(err)
	}
	defer tcp.Close()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer packets.Close()
	if _, err := packets.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}); err != nil {
		panic(err)
	}
	if c, err := net.Dial("unix", "no-such-socket"); err == nil {
		c.Close()
	}
}

// reached runs a program under the tracer and gives whom it tried to reach, and what it started.
func reached(t *testing.T, env []string, program string, args ...string) (whom []string, output string) {
	t.Helper()
	self, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "reached")
	cmd := exec.CommandContext(t.Context(), "trace", append([]string{file, self}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 121 {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, programs+" ") || !strings.Contains(line, "kubectl-egress") {
			whom = append(whom, line)
		}
	}
	return whom, string(out)
}

// gate skips where the kernel lets nobody trace: that has to be said by the environment, since a machine that only forgot to let us
// would prove nothing.
func gate(t *testing.T) {
	t.Helper()
	if os.Getenv("NO_PTRACE") != "" {
		t.Skip("NO_PTRACE says that this machine lets nobody trace a process of his own")
	}
}

// TestTracerSees is about the test below: who reaches others is seen, however he does.
func TestTracerSees(t *testing.T) {
	t.Parallel()
	gate(t)
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	whom, out := reached(t, nil, "reach", address)
	for _, want := range []string{"connect " + address, "sendto 127.0.0.1:9", "connect unix "} {
		if !slices.ContainsFunc(whom, func(w string) bool { return strings.HasPrefix(w, want) }) {
			t.Errorf("%q is not among %q\n%s", want, whom, out)
		}
	}
	if !slices.ContainsFunc(whom, func(w string) bool { return strings.HasPrefix(w, programs+" ") && strings.HasSuffix(w, "/reach") }) {
		t.Errorf("the program that was started is not among %q", whom)
	}
}

// knowledgeable answers as the API servers of all scripts together.
func knowledgeable(t *testing.T) *httptest.Server {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join("..", "..", "testdata", "script", "*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	bodies := map[string]string{}
	for _, script := range scripts {
		archive, err := txtar.ParseFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			for paragraph := range strings.SplitSeq(string(f.Data), "\n\n") {
				head, body, _ := strings.Cut(strings.TrimSpace(paragraph), "\n")
				words := strings.Fields(head)
				if len(words) == 3 && words[2] == "200" && len(body) > len(bodies[words[0]+" "+words[1]]) {
					bodies[words[0]+" "+words[1]] = body
				}
			}
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.Method+" "+r.URL.Path]
		w.Header().Set("Content-Type", "application/json")
		if !ok {
			body = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"not here"}`
			w.WriteHeader(http.StatusNotFound)
		}
		if !json.Valid([]byte(body)) {
			w.Header().Set("Content-Type", "text/plain")
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Logf("%s: %v", r.URL.Path, err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// lines are command lines for the network test, by command: each command of the program has one that asks the cluster if it ever does.
var lines = map[string][]string{
	"enable":               {"--domains=edition.cnn.com", "--timeout=5s"},
	"cleanup":              {"--all", "--yes", "--dry-run=server"},
	"render":               {"--domains=edition.cnn.com"},
	"diff":                 {"--domains=edition.cnn.com"},
	"gateway install":      {"gw/other", "--timeout=5s"},
	"gateway list":         {},
	"gateway uninstall":    {"team/old", "--yes", "--dry-run=server"},
	"sample install":       {"sleep", "--timeout=5s"},
	"sample delete":        {"sleep", "--yes", "--timeout=5s"},
	"credential create":    {"x", "--cert=none", "--key=none", "--ca=none"},
	"credential delete":    {"x", "--gateway=istio-system/istio-egressgateway", "--yes"},
	"check":                {},
	"stats":                {},
	"stats record":         {"on", "--gateway=istio-system/istio-egressgateway", "--yes"},
	"certs":                {},
	"list":                 {"-A"},
	"get":                  {"news"},
	"explain":              {"EGR001"},
	"capture":              {"-o", "capture.tar.gz"},
	"logs":                 {},
	"probe":                {"edition.cnn.com", "--timeout=5s"},
	"completion":           {"bash"},
	"options":              {},
	"version":              {},
	"rbac":                 {"check"},
	"help":                 {"check"},
	"__complete get":       {""},
	"__complete explain":   {"EGR"},
	"__complete --context": {""},
}

// offline are the commands that ask nobody at all.
var offline = []string{"version", "rbac", "render", "explain", "completion", "options", "help", "__complete explain", "__complete --context"}

// TestOnlyTheAPIServerIsReached runs every command under a tracer: no call leaves but to the API server of the kubeconfig. There is no
// telemetry, no look for updates, no name that is looked up.
func TestOnlyTheAPIServerIsReached(t *testing.T) {
	t.Parallel()
	gate(t)
	server := knowledgeable(t)
	config := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(kubeconfig, "SERVER", server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"KUBECONFIG=" + config, "HOME=" + t.TempDir(), "KUBECTL_EXTERNAL_DIFF="}
	home := "connect " + server.Listener.Addr().String()
	for _, name := range allCommands(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args, ok := lines[name]
			if !ok {
				t.Fatalf("no line for the command %q: give it one", name)
			}
			whom, out := reached(t, env, "kubectl-egress", append(strings.Fields(name), args...)...)
			asks := false
			for _, w := range whom {
				switch {
				case w == home:
					asks = true
				case name == "diff" && strings.HasPrefix(w, programs+" ") && strings.Contains(w, "diff"):
				default:
					t.Errorf("reached: %s\n%s", w, out)
				}
			}
			if knows := slices.Contains(offline, name); asks == knows && name != "credential create" {
				t.Errorf("asked the API server: %t\n%s", asks, out)
			}
		})
	}
}

// allCommands are those of the program that do something, as people type them, and what completion runs.
func allCommands(t *testing.T) []string {
	t.Helper()
	var names []string
	var under func(c *cobra.Command, name string)
	under = func(c *cobra.Command, name string) {
		if c.RunE != nil && name != "" && (len(c.Commands()) == 0 || name == "stats") {
			names = append(names, name)
		}
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				under(sub, strings.TrimSpace(name+" "+sub.Name()))
			}
		}
	}
	under(plugin.New(genericiooptions.IOStreams{}, plugin.Program), "")
	for name := range lines {
		if strings.HasPrefix(name, "__complete") || name == "help" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) < 20 {
		t.Fatal(fmt.Sprint(names))
	}
	return slices.Compact(names)
}
