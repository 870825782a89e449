package plugin

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// examples makes the example text of a command from pairs of an explanation and the words after the program's name.
func (t *tool) examples(pairs ...string) string {
	var lines []string
	for i := 0; i+1 < len(pairs); i += 2 {
		lines = append(lines, "  # "+pairs[i], "  "+t.name+" "+pairs[i+1])
	}
	return strings.Join(lines, "\n")
}

// help prints what a command is for, how it is called and what can be told to it. Flags of every command stand apart, in `options`:
// they are kubectl's own, and there are two dozen of them.
func (t *tool) help(cmd *cobra.Command, _ []string) {
	w := cmd.OutOrStdout()
	about := cmd.Short
	if cmd.Long != "" {
		about = cmd.Long
	}
	fmt.Fprintf(w, "%s\n\nUsage:\n", wrap(strings.TrimSuffix(about, ".")+".", t.columns()))
	if !cmd.HasAvailableSubCommands() || strings.Contains(cmd.Use, " ") {
		fmt.Fprintf(w, "  %s\n", strings.TrimSuffix(cmd.UseLine(), " [flags]"))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s COMMAND\n", cmd.CommandPath())
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		helpCommands(w, cmd)
	}
	if flags := ownFlags(cmd); flags.HasAvailableFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", flags.FlagUsagesWrapped(t.columns()))
	}
	fmt.Fprintln(w)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "'%s COMMAND --help' tells more.\n", cmd.CommandPath())
	}
	fmt.Fprintln(w, wrap("'"+cmd.Root().CommandPath()+" options' lists kubectl's flags, which every command takes.", t.columns()))
}

// columns is how wide help may be: as the terminal, within reason; else what fits most.
func (t *tool) columns() int {
	if t.term.width == 0 {
		return 100
	}
	return min(max(t.term.width, 60), 120)
}

// noArguments refuses words after a command that takes none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	if isHostName(args[0]) && cmd.Flags().Lookup("domains") != nil {
		meant = "; did you mean --domains=" + args[0] + "?"
	}
	return usagef(cmd, "%s takes flags only, but was given %q%s", cmd.Name(), args[0], meant)
}

// helpCommands lists the subcommands by group, in the order in which they were added.
func helpCommands(w io.Writer, cmd *cobra.Command) {
	for _, group := range cmd.Groups() {
		fmt.Fprintf(w, "\n%s:\n", group.Title)
		for _, c := range cmd.Commands() {
			if c.GroupID == group.ID && c.IsAvailableCommand() {
				fmt.Fprintf(w, "  %-12s %s\n", c.Name(), c.Short)
			}
		}
	}
}

// ownFlags are the flags of a command without those that every command has.
func ownFlags(cmd *cobra.Command) *pflag.FlagSet {
	own := pflag.NewFlagSet(cmd.Name(), pflag.ContinueOnError)
	own.SortFlags = cmd.Flags().SortFlags
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && cmd.Root().PersistentFlags().Lookup(f.Name) == nil {
			own.AddFlag(f)
		}
	})
	return own
}

// newHelp is the help command; one that does not know a word says so, as every other does.
func newHelp(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Tell what a command does",
		Example: t.examples("of one command", "help check"),
		GroupID: groupOther,
		Args: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err == nil && found.HasSubCommands() && len(rest) > 0 {
				err = t.knownCommand(found, rest)
			}
			return err
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if found, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, c := range found.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, _, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

func newOptions(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:     "options",
		Short:   "List kubectl's flags, which every command takes",
		GroupID: groupOther,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(t.Out, cmd.Root().PersistentFlags().FlagUsagesWrapped(t.columns()))
			return err
		},
	}
}
