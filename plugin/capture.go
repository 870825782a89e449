package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

type capture struct {
	tool   *tool
	gather sources
	output string
}

func newCapture(t *tool) *cobra.Command {
	c := &capture{tool: t}
	cmd := &cobra.Command{
		Use:   "capture --output=FILE",
		Short: "Save what check reads to a file, without secrets; check --from FILE diagnoses it",
		Example: t.examples(
			"for a colleague", "capture --output=egress.json",
			"diagnose it without the cluster", "check --from=egress.json"),
		GroupID: groupRead,
		Args: func(cmd *cobra.Command, args []string) error {
			if c.output == "" {
				return usagef(cmd, "say where to with --output=FILE; - is stdout")
			}
			if err := noArguments(cmd, args); err != nil {
				return err
			}
			return c.gather.parse(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "File to write; - is stdout")
	c.gather.flags(cmd)
	return cmd
}

func (c *capture) run(ctx context.Context) error {
	client, err := c.tool.connect(readOnly)
	if err != nil {
		return err
	}
	defer client.Close()
	done := c.tool.status("reading the mesh and its proxies")
	s, err := gather.Gather(ctx, client, c.gather.options(client.Namespace()))
	done()
	if err != nil {
		return err
	}
	if err := c.tool.create(c.output, s.Save); err != nil {
		return err
	}
	for _, n := range s.Notes {
		c.tool.note("%s", n)
	}
	if c.output != "-" {
		c.tool.note("%s captured in %s. Diagnose it: %s check --from=%[2]s", count(len(s.Proxies), "pod"), c.output, c.tool.name)
	}
	return nil
}

// open opens a file to read; - is stdin.
func (t *tool) open(name string) (io.Reader, func(), error) {
	if name == "-" {
		return t.In, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, egress.Inputf("%v", err)
	}
	return f, func() { _ = f.Close() }, nil // nothing was written that closing could lose
}

// create writes a file as a whole or not at all: it gets its name only when all is written. - is stdout.
func (t *tool) create(name string, write func(io.Writer) error) (err error) {
	if name == "-" {
		return write(t.Out)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(write(f), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(f.Name(), name)
}
