package plugin

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/install"
	"github.com/kubectl-egress/kubectl-egress/apply/install/ready"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

type gatewayUninstall struct {
	removing
	ref     egress.GatewayRef
	force   bool
	wait    bool
	timeout time.Duration
}

func newGatewayUninstall(t *tool) *cobra.Command {
	g := &gatewayUninstall{removing: removing{tool: t}}
	cmd := &cobra.Command{
		Use:   "uninstall NAMESPACE/NAME",
		Short: "Take away an egress gateway that this tool installed",
		Long: "Take away an egress gateway that this tool installed: exactly the objects that were put on the cluster for it, and its namespace " +
			"if that was made for it and holds nothing else. Refused while a set's traffic goes through it",
		Example: t.examples(
			"a gateway", "gateway uninstall team/egress",
			"what would go", "gateway uninstall team/egress --dry-run"),
		GroupID: groupOnly,
		Args: func(cmd *cobra.Command, args []string) (err error) {
			if g.ref, err = gatewayArgument(cmd, args, egress.GatewayRef{}); err != nil {
				return err
			}
			return g.askable(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return g.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&g.force, "force", false, "Also if sets use it, or if that cannot be found out; their traffic then goes nowhere")
	g.flags(cmd)
	f.BoolVar(&g.wait, "wait", true, "Wait until its pods are gone")
	f.DurationVar(&g.timeout, "timeout", defaultWait, "How long to wait")
	cmd.ValidArgsFunction = t.completeGateways
	return cmd
}

func (g *gatewayUninstall) run(ctx context.Context) error {
	client, err := g.tool.connect(readWrite)
	if err != nil {
		return err
	}
	defer client.Close()
	plan, err := g.plan(ctx, client, install.KindGateway, g.ref)
	if err != nil {
		return err
	}
	if !g.force {
		if err := g.unused(ctx, client); err != nil {
			return err
		}
	}
	gone, err := g.take(ctx, plan, g.ref.Namespace)
	if err != nil || !gone || !g.wait {
		return err
	}
	waiting, stop := context.WithTimeout(ctx, g.timeout)
	defer stop()
	done := g.tool.status("waiting until the pods are gone")
	err = ready.Gone(waiting, client, g.ref.Namespace, install.Gateway{Ref: g.ref}.Labels())
	done()
	if err != nil {
		return g.tool.late(waiting, fmt.Sprintf("gateway %s is gone from the cluster", g.ref), err)
	}
	g.tool.note("gateway %s is gone", g.ref)
	return nil
}

// unused refuses to take a gateway away that sets use.
func (g *gatewayUninstall) unused(ctx context.Context, client *kube.Client) error {
	users, err := usersOf(ctx, client, g.ref)
	if err != nil {
		return fmt.Errorf("%w; say --force to take it away all the same", err)
	}
	if len(users) > 0 {
		return egress.Inputf("gateway %s is used by %s; clean up what uses it first, or say --force", g.ref, setNames(users))
	}
	return nil
}

// completeGateways offers the gateways that this tool installed.
func (t *tool) completeGateways(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	client, err := t.connect(readOnly)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer client.Close()
	ours, err := apply.Bundles(cmd.Context(), client, install.KindGateway, "")
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	offered := make([]string, 0, len(ours))
	for _, b := range ours {
		offered = append(offered, b.Namespace+"/"+b.Name)
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}
