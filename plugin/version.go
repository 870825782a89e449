package plugin

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
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
			client, err := t.connect("version")
			if err != nil {
				return err
			}
			defer client.Close()
			facts, err := discover.Discover(cmd.Context(), client)
			if err != nil {
				return err
			}
			gateways, none := []string{}, "none"
			for _, u := range facts.Unread {
				if strings.HasPrefix(u.Source, "services") || strings.HasPrefix(u.Source, "pods") {
					none = "unknown (" + u.Kind + ")"
				}
			}
			for _, g := range facts.Gateways {
				gateways = append(gateways, g.Ref().String())
			}
			_, err = fmt.Fprintf(t.Out, "%s\nIstio %s, networking.istio.io/%s, egress gateways: %s\n", line,
				or(facts.Version.String(), "of unknown version"), or(facts.Networking, "absent"), or(strings.Join(gateways, ", "), none))
			return err
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
