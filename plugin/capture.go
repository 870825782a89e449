package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

type capture struct {
	tool      *tool
	gather    sources
	output    string
	overwrite bool
}

func newCapture(t *tool) *cobra.Command {
	c := &capture{tool: t}
	cmd := &cobra.Command{
		Use:   "capture --output=FILE",
		Short: "Save what check reads to a file, without secrets; check --from FILE diagnoses it",
		Long: "Save what check reads to a file: Istio's objects, facts about the mesh, and the configuration of its proxies. Secrets are never " +
			"read, and what looks like a key, a token or a password in other objects is taken out. The file is a .tar.gz of JSON parts with a " +
			"manifest of their sizes and SHA-256; with a name that ends in .json it is one JSON document. check --from=FILE diagnoses either",
		Example: t.examples(
			"for a colleague", "capture --output=egress.tar.gz",
			"diagnose it without the cluster", "check --from=egress.tar.gz"),
		GroupID: groupRead,
		Args: func(cmd *cobra.Command, args []string) error {
			if c.output == "" {
				return usagef(cmd, "say where to with --output=FILE; - is stdout")
			}
			if err := noArguments(cmd, args); err != nil {
				return err
			}
			if err := c.gather.parse(cmd); err != nil {
				return err
			}
			return c.free()
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "File to write; - is stdout")
	cmd.Flags().BoolVar(&c.overwrite, "overwrite", false, "Replace the file if it is there already")
	c.gather.flags(cmd)
	return cmd
}

// free refuses a file that is there already, before anything is asked of a cluster.
func (c *capture) free() error {
	if c.output == "-" || c.overwrite {
		return nil
	}
	if _, err := os.Lstat(c.output); !errors.Is(err, os.ErrNotExist) {
		return occupied(c.output)
	}
	return nil
}

func occupied(name string) error {
	return egress.Inputf("%s is there already: name another file, or say --overwrite", name)
}

func (c *capture) run(ctx context.Context) error {
	client, err := c.tool.connect("capture")
	if err != nil {
		return err
	}
	defer client.Close()
	done := c.tool.status("reading the mesh and its proxies")
	s, err := gather.Gather(ctx, client, c.gather.options(client))
	done()
	if err != nil {
		return err
	}
	save := s.SaveArchive
	if strings.HasSuffix(c.output, ".json") {
		save = s.Save
	}
	if err := c.tool.create(c.output, c.overwrite, save); err != nil {
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
	f, err := os.Open(name) //nolint:gosec // the file that the user named
	if err != nil {
		return nil, nil, egress.Inputf("%v", err)
	}
	return f, func() { _ = f.Close() }, nil // nothing was written that closing could lose
}

// create writes a file as a whole or not at all: it gets its name only when all is written, and unless told to it takes no other
// file's name. - is stdout.
func (t *tool) create(name string, overwrite bool, write func(io.Writer) error) (err error) {
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
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if overwrite {
		return os.Rename(f.Name(), name)
	}
	// a link fails where a rename would replace what somebody has put there meanwhile
	switch err := os.Link(f.Name(), name); {
	case errors.Is(err, os.ErrExist):
		return occupied(name)
	case err != nil: // this file system has no links
		return os.Rename(f.Name(), name)
	}
	return os.Remove(f.Name())
}
