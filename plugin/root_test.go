package plugin

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// command runs one command line and gives its exit code and what it printed.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errs}
	code = execute(t.Context(), New(streams, Program), append([]string{Program}, args...), streams)
	return code, out.String(), errs.String()
}

// each visits all commands that people see, and those under them.
func each(t *testing.T, visit func(*cobra.Command)) {
	t.Helper()
	var under func(c *cobra.Command)
	under = func(c *cobra.Command) {
		visit(c)
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				under(sub)
			}
		}
	}
	under(New(genericiooptions.IOStreams{}, Program))
}

func TestEveryCommandHelps(t *testing.T) {
	t.Parallel()
	each(t, func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || len(c.Short) > 90 {
			t.Errorf("%s: short text %q", c.Name(), c.Short)
		}
		if c.Example == "" && c.Name() != "options" && c.Name() != "help" {
			t.Errorf("%s has no example", c.Name())
		}
		if c.HasParent() && c.GroupID == "" && c.Name() != "help" {
			t.Errorf("%s is in no group, so help does not list it", c.Name())
		}
	})
}

// TestHelpFits: help is made for a hundred columns where the terminal does not say, and for letters that every terminal has.
func TestHelpFits(t *testing.T) {
	t.Parallel()
	each(t, func(c *cobra.Command) {
		words := strings.Fields(c.CommandPath())[2:]
		code, stdout, stderr := command(t, append(words, "--help")...)
		if code != exitOK || stderr != "" {
			t.Fatalf("%s: exit code %d, %q", c.CommandPath(), code, stderr)
		}
		for line := range strings.Lines(stdout) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 || n != len(line)-1 {
				t.Errorf("%s: %d columns, %d bytes: %s", c.CommandPath(), n, len(line)-1, line)
			}
			if column := strings.Index(line, "   "); strings.HasPrefix(strings.TrimSpace(line), "-") && column > 50 {
				t.Errorf("%s: no room for what the flag means: %s", c.CommandPath(), line)
			}
		}
		if usage := "\nUsage:\n  " + c.CommandPath(); !strings.Contains(stdout, usage) {
			t.Errorf("%s: no usage: %s", c.CommandPath(), stdout)
		}
	})
	_, stats, _ := command(t, "stats", "--help")
	if want := "Usage:\n  kubectl egress stats [SET|HOST ...]\n  kubectl egress stats COMMAND\n"; !strings.Contains(stats, want) {
		t.Errorf("a command that has others and does something itself tells half of it: %s", stats)
	}
}

// TestExamplesParse runs the flags and arguments of each example through the command that it is about.
func TestExamplesParse(t *testing.T) {
	t.Parallel()
	tried := 0
	each(t, func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			words, found := strings.CutPrefix(strings.TrimSpace(line), "kubectl egress ")
			if !found {
				continue
			}
			if err := understood(words); err != nil {
				t.Errorf("%q: %v", line, err)
			}
			tried++
		}
	})
	if tried < 10 {
		t.Errorf("only %d examples were found", tried)
	}
}

// understood has a command line, as a shell reads it and without the program's name, parsed by the command that it is about.
func understood(line string) error {
	root := New(genericiooptions.IOStreams{}, Program)
	cmd, args, err := root.Find(shellWords(line))
	if err != nil || cmd == root {
		return fmt.Errorf("no such command: %w", err)
	}
	if cmd.Flags().Lookup("yes") != nil {
		args = append(args, "--yes") // nobody can be asked in a test
	}
	if err := cmd.ParseFlags(args); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// shellWords are the words of the first command of a line, without quotes.
func shellWords(line string) []string {
	var words []string
	for _, m := range regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`).FindAllString(line, -1) {
		if slices.Contains([]string{"|", ">", "&&", "#"}, m) {
			break
		}
		words = append(words, strings.NewReplacer("'", "", `"`, "").Replace(m))
	}
	return words
}

// TestKubeconfigFlagsAreEverywhere: a plugin gets none of kubectl's flags from kubectl.
func TestKubeconfigFlagsAreEverywhere(t *testing.T) {
	t.Parallel()
	each(t, func(c *cobra.Command) {
		for _, name := range []string{"kubeconfig", "context", "cluster", "user", "as", "as-group", "token", "server", "namespace", "request-timeout", "qps", "burst", "v"} {
			if c.Flag(name) == nil {
				t.Errorf("%s does not take --%s", c.CommandPath(), name)
			}
		}
	})
}

// TestFlagsAreTold: each flag says what it is for, in one line without a full stop, as kubectl's do.
func TestFlagsAreTold(t *testing.T) {
	t.Parallel()
	each(t, func(c *cobra.Command) {
		ownFlags(c).VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") || strings.Contains(f.Usage, "\n") {
				t.Errorf("%s --%s: %q", c.Name(), f.Name, f.Usage)
			}
		})
	})
}
