package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/hack/terminal"
)

// demo is where `make demo RECORD=1` keeps what it saw on a real cluster.
const demo = "testdata/demo/"

// act is one command of the session: its words, and either what it printed on the cluster or the capture of the cluster that the check
// is run on again, now with a terminal's colours, to end with a certain exit code.
type act struct {
	command, printed, capture string
	code                      int
}

// session is the main job: declared, proven, broken without anybody noticing, explained, taken away.
var session = []act{
	{command: "kubectl egress enable --domains edition.cnn.com", printed: "enable.txt"},
	{command: "kubectl egress check", capture: "healthy.json"},
	{
		command: `kubectl patch virtualservice egress-edition-cnn-com.edition.cnn.com --type=json -p '[{"op":"replace","path":"/spec/gateways","value":["egress-edition-cnn-com"]}]'`,
		printed: "break.txt",
	},
	{command: `kubectl exec deploy/sleep -c sleep -- curl -s -o /dev/null -w 'status %{http_code}\n' https://edition.cnn.com/politics`, printed: "broken-curl.txt"},
	{command: "kubectl egress check", capture: "broken.json", code: 3},
	{command: "kubectl egress cleanup --all --yes", printed: "cleanup.txt"},
}

// record puts the session together.
func record(ctx context.Context, file string) error {
	var all strings.Builder
	for _, a := range session {
		shown, err := os.ReadFile(demo + a.printed)
		if a.capture != "" {
			shown, err = again(ctx, a)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(&all, "\x1b[2m$\x1b[0m \x1b[1m%s\x1b[0m\n%s\n", a.command, shown)
	}
	return os.WriteFile(file, []byte(strings.TrimRight(all.String(), "\n")+"\n"), 0o644) //nolint:gosec // for everybody to read
}

// wiped is what was on a line before it was wiped.
var wiped = regexp.MustCompile(`(?m)^.*\r\x1b\[K`)

// again runs a check on a capture, on a terminal.
func again(ctx context.Context, a act) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "bin/kubectl-egress", "check", "--from", demo+a.capture) //nolint:gosec // the captures are listed in this file
	cmd.Env = append(os.Environ(), "TERM=xterm", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "NO_COLOR=")
	s, err := terminal.Start(cmd, 200)
	if err != nil {
		return nil, err
	}
	shown, code, err := s.Wait()
	if err == nil && code != a.code {
		err = fmt.Errorf("check --from %s: exit code %d, not %d: %s", a.capture, code, a.code, shown)
	}
	return wiped.ReplaceAll([]byte(strings.ReplaceAll(shown, "\r\n", "\n")), nil), err
}
