package plugin

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
)

func newExplain(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain CODE",
		Short: "Tell what a check means, why it matters and how to mend it, offline",
		Example: t.examples(
			"what check means by EGR012", "explain EGR012",
			"all codes", "explain --list"),
		GroupID: groupRead,
	}
	var listed bool
	cmd.Flags().BoolVar(&listed, "list", false, "List all codes with what they are about")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if listed != (len(args) == 0) || len(args) > 1 {
			return usagef(cmd, "name one code, such as EGR012, or say --list")
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if listed {
			return listCodes(t.Out)
		}
		return explain(cmd, t.Out, t.columns(), args[0])
	}
	cmd.ValidArgsFunction = completeCodes
	return cmd
}

// listCodes prints all checks, one a line.
func listCodes(w io.Writer) error {
	var rows [][]string
	for _, c := range check.Table() {
		rows = append(rows, []string{string(c.Code), string(c.Severity), string(c.Hop), c.Title})
	}
	return table(w, []string{"CODE", "SEVERITY", "HOP", "TITLE"}, rows)
}

// explain prints one check. A rule's bare number will do: 12, R12, EGR12 and EGR012 are the same.
func explain(cmd *cobra.Command, w io.Writer, columns int, asked string) error {
	code := fullCode(asked)
	c, known := check.Find(code)
	if !known {
		return usagef(cmd, "there is no check %q; '%s --list' shows all", asked, cmd.CommandPath())
	}
	_, err := fmt.Fprintf(w, "%s  %s\n%s at the %s\n\nWhy\n%s\n\nFix\n%s\n", c.Code, c.Title, c.Severity, c.Hop, wrap(c.Why, columns), wrap(c.Fix, columns))
	return err
}

// fullCode makes EGR012 of what people type for it.
func fullCode(s string) check.Code {
	s = strings.ToUpper(strings.TrimSpace(s))
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "EG"), "R")
	if digits == "" || len(digits) > 3 || strings.Trim(digits, "0123456789") != "" {
		return check.Code(s)
	}
	return check.Code("EGR" + strings.Repeat("0", 3-len(digits)) + digits)
}

func completeCodes(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	var offered []string
	for _, c := range check.Table() {
		if len(args) == 0 && strings.HasPrefix(string(c.Code), strings.ToUpper(typed)) {
			offered = append(offered, cobra.CompletionWithDesc(string(c.Code), c.Title))
		}
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}
