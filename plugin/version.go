package plugin

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newVersion(t *tool) *cobra.Command {
	var mesh bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of the program, and of the mesh if asked",
		Example: t.examples("of the program", "version", "and of the mesh", "version --mesh"),
		GroupID: groupOther,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			line := fmt.Sprintf("%s %s (%s %s/%s)", Program, Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if !mesh {
				_, err := fmt.Fprintln(t.Out, line)
				return err
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&mesh, "mesh", false, "Ask the cluster for Istio's version, the API version it serves and its egress gateways")
	return cmd
}

// or gives the second where the first is empty.
func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}
