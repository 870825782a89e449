// Command docs writes what is generated under docs/: a page for each command and the checks' reference. A test holds the files to
// what it would write.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/plugin"
)

func main() {
	pages, err := generate(context.Background())
	if err == nil {
		err = write("docs", pages)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// generate gives the text of each page by its path under docs/.
func generate(ctx context.Context) (map[string]string, error) {
	root := plugin.New(genericiooptions.IOStreams{In: strings.NewReader(""), Out: io.Discard, ErrOut: io.Discard}, plugin.Program)
	pages := map[string]string{"checks.md": checks(), "rbac.md": rights()}
	var index strings.Builder
	fmt.Fprintf(&index, "# Commands\n\n%s.\n\n| command | does |\n| --- | --- |\n", root.Short)
	for _, cmd := range root.Commands() {
		if !cmd.IsAvailableCommand() {
			continue
		}
		page, err := page(ctx, cmd)
		if err != nil {
			return nil, err
		}
		pages["commands/"+cmd.Name()+".md"] = page + "\n[all commands](README.md)\n"
		fmt.Fprintf(&index, "| [%s](%[1]s.md) | %s |\n", cmd.Name(), cmd.Short)
	}
	pages["commands/README.md"] = index.String()
	return pages, nil
}

// page is the text of a command and of those below it.
func page(ctx context.Context, cmd *cobra.Command) (string, error) {
	text, err := help(ctx, cmd)
	if err != nil {
		return "", err
	}
	var all strings.Builder
	fmt.Fprintf(&all, "# %s\n\n```\n%s```\n", cmd.CommandPath(), text)
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		text, err := page(ctx, sub)
		if err != nil {
			return "", err
		}
		all.WriteString("\n#" + text)
	}
	return all.String(), nil
}

// help is what a command says of itself; options says it by what it prints.
func help(ctx context.Context, cmd *cobra.Command) (string, error) {
	var out, errs bytes.Buffer
	argv := append([]string{plugin.Program}, strings.Fields(cmd.CommandPath())[len(strings.Fields(cmd.Root().CommandPath())):]...)
	if cmd.Name() != "options" {
		argv = append(argv, "--help")
	}
	if code := plugin.Run(ctx, argv, genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errs}); code != 0 {
		return "", fmt.Errorf("%s: exit code %d: %s", strings.Join(argv, " "), code, &errs)
	}
	return out.String(), nil
}

// write puts pages under a folder and takes away pages of commands that are no more.
func write(dir string, pages map[string]string) error {
	old, err := filepath.Glob(filepath.Join(dir, "commands", "*.md"))
	if err != nil {
		return err
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	for name, text := range pages {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // likewise
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // pages are for everybody to read
			return err
		}
	}
	return nil
}
