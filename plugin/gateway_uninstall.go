package plugin

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/install"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
)

type gatewayUninstall struct {
	removing
	ref   egress.GatewayRef
	force bool
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
	cmd.ValidArgsFunction = t.completeGateways()
	return cmd
}

func (g *gatewayUninstall) run(ctx context.Context) error {
	client, err := g.tool.connect("gateway uninstall")
	if err != nil {
		return err
	}
	defer client.Close()
	plan, err := g.plan(ctx, client, install.KindGateway, g.ref)
	if err != nil {
		return g.foreign(ctx, client, err)
	}
	if !g.force {
		if err := g.unused(ctx, client); err != nil {
			return err
		}
	}
	selected := install.Gateway{Ref: g.ref}.Labels()
	if err := g.seesPods(ctx, client, g.ref.Namespace, selected); err != nil {
		return err
	}
	gone, err := g.take(ctx, plan, g.ref.Namespace)
	if err != nil || !gone {
		return err
	}
	return g.podsGone(ctx, client, "gateway "+g.ref.String(), g.ref.Namespace, selected)
}

// foreign tells a gateway that others installed from one that is not there.
func (g *gatewayUninstall) foreign(ctx context.Context, client *kube.Client, err error) error {
	refused, ok := errors.AsType[*apply.RefusedError](err)
	if !ok || refused.Reason != apply.NoSet {
		return err
	}
	if _, there := discover.Gateway(ctx, client, g.ref); there != nil {
		return err
	}
	return egress.Inputf("gateway %s was not installed by this tool, which leaves it alone; take it away with what it was installed by", g.ref)
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
func (t *tool) completeGateways() cobra.CompletionFunc {
	return t.completeBundles(install.KindGateway, func(b apply.OwnedBundle) string { return b.Namespace + "/" + b.Name })
}
