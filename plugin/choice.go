package plugin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// choice is a flag with a handful of values. It is checked where it is parsed, so that nobody has to check it again.
type choice struct {
	value   string
	allowed []string
}

// choose registers a flag whose first allowed value is the default, with completion.
func choose(cmd *cobra.Command, name, shorthand, usage string, allowed ...string) *choice {
	c := &choice{value: allowed[0], allowed: allowed}
	if c.Type() == "string" {
		usage += ": " + strings.Join(allowed, ", ")
	}
	cmd.Flags().VarP(c, name, shorthand, usage)
	completes(cmd, name, allowed...)
	return c
}

// chooseOutput registers -o, whose default is what people read.
func chooseOutput(cmd *cobra.Command, usage string, allowed ...string) *choice {
	c := &choice{allowed: allowed}
	cmd.Flags().VarP(c, "output", "o", usage)
	completes(cmd, "output", allowed...)
	return c
}

// completes offers values for a flag. The flag exists: it was registered the line before.
func completes(cmd *cobra.Command, name string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic("completion of --" + name + ": " + err.Error())
	}
}

// String is the value; pflag shows it as the default.
func (c *choice) String() string { return c.value }

// Type is what help shows for the value. A list that is too long for help's first column is a part of the usage instead.
func (c *choice) Type() string {
	if all := strings.Join(c.allowed, "|"); len(all) <= 30 {
		return all
	}
	return "string"
}

// Set takes one of the allowed values, or the nearest it knows is offered.
func (c *choice) Set(s string) error {
	if slices.Contains(c.allowed, s) {
		c.value = s
		return nil
	}
	if near := egress.Nearest(s, c.allowed); near != "" {
		return fmt.Errorf("did you mean %q? There are %s", near, strings.Join(c.allowed, ", "))
	}
	return fmt.Errorf("there are %s", strings.Join(c.allowed, ", "))
}

var _ pflag.Value = (*choice)(nil)
