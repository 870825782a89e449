package plugin

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// shells are what completion knows; kubectl stands for the shim that kubectl itself calls, install for having it put in place.
const shells = "bash, zsh, fish, powershell or kubectl"

func newCompletion(t *tool) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "completion install|bash|zsh|fish|powershell|kubectl",
		Short: "Have kubectl complete the plugin's words, or print a shell's completion script",
		Long: "Have kubectl's own completion (1.26 and later) complete the plugin: install puts a link to the program on PATH, " + shim(t.argv0) +
			", which is where kubectl looks; kubectl prints a script that does the same. The others print the completion script of a shell for those who call the program " +
			program(t.argv0),
		Example: t.examples(
			"for kubectl's own completion, beside the program", "completion install",
			"the same, where only another folder on PATH can be written to", "completion install --dir=$HOME/bin",
			"for this bash, when called as "+program(t.argv0), "completion bash > /tmp/egress.bash && source /tmp/egress.bash"),
		GroupID:   groupOther,
		ValidArgs: []string{"install", "bash", "zsh", "fish", "powershell", "kubectl"},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "name one shell: %s; or say install", shells)
			}
			if err := cobra.OnlyValidArgs(cmd, args); err != nil {
				return usagef(cmd, "%q is no shell that completion knows; there are %s; or say install", args[0], shells)
			}
			if dir != "" && args[0] != "install" {
				return usagef(cmd, "--dir is for install; %s is printed", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "install":
				return t.installShim(dir, os.Getenv("PATH"))
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
	cmd.Flags().StringVar(&dir, "dir", "", "Folder on PATH for the link (default: where the program is)")
	return cmd
}
