package plugin

import (
	"fmt"

	"github.com/spf13/cobra"
)

// shells are what completion knows; kubectl stands for the shim that kubectl itself calls.
const shells = "bash, zsh, fish, powershell or kubectl"

func newCompletion(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell|kubectl",
		Short: "Print the completion script of a shell, or the shim that kubectl's own completion calls",
		Long: "Print the completion script of a shell for " + Program + ", or the shim that lets kubectl's own completion (1.26 and later) complete " +
			"the plugin: it belongs on PATH as an executable " + shim(t.argv0),
		Example: t.examples(
			"for kubectl's own completion, where $HOME/bin is on PATH", "completion kubectl > $HOME/bin/"+shim(t.argv0)+" && chmod +x $HOME/bin/"+shim(t.argv0),
			"for this bash, when called as "+Program, "completion bash > /tmp/egress.bash && source /tmp/egress.bash"),
		GroupID:   groupOther,
		ValidArgs: []string{"bash", "zsh", "fish", "powershell", "kubectl"},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "name one shell: %s", shells)
			}
			if err := cobra.OnlyValidArgs(cmd, args); err != nil {
				return usagef(cmd, "%q is no shell that completion knows; there are %s", args[0], shells)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(t.Out, true)
			case "zsh":
				return root.GenZshCompletion(t.Out)
			case "fish":
				return root.GenFishCompletion(t.Out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(t.Out)
			default:
				_, err := fmt.Fprintf(t.Out, "#!/bin/sh\nexec %s %s \"$@\"\n", program(t.argv0), cobra.ShellCompRequestCmd)
				return err
			}
		},
	}
}
