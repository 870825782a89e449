package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

type credentialDelete struct {
	removing
	name    string
	gateway egress.GatewayRef
	force   bool
}

func newCredentialDelete(t *tool) *cobra.Command {
	c := &credentialDelete{removing: removing{tool: t}}
	var gateway string
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Take away a credential that this tool created",
		Long: "Take away a credential that this tool created. Refused while a set or any other rule has the gateway use it: the gateway would " +
			"go on with what it holds until it starts anew, and then have nothing",
		Example: t.examples(
			"a credential", "credential delete client-credential",
			"what would go", "credential delete client-credential --dry-run"),
		GroupID: groupOnly,
		Args: func(cmd *cobra.Command, args []string) (err error) {
			if c.name, err = credentialArgument(cmd, args); err != nil {
				return err
			}
			if gateway != "" {
				if c.gateway, err = egress.ParseGatewayRef(gateway); err != nil {
					return err
				}
			}
			return c.askable(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&gateway, "gateway", "", "Egress gateway as NAMESPACE/SERVICE in whose namespace it is (default: the mesh's only one)")
	f.BoolVar(&c.force, "force", false, "Also if something uses it, or if that cannot be found out")
	c.flags(cmd)
	cmd.ValidArgsFunction = t.completeCredentials()
	return cmd
}

func (c *credentialDelete) run(ctx context.Context) error {
	client, err := c.tool.connect("credential delete")
	if err != nil {
		return err
	}
	defer client.Close()
	facts, namespace, err := c.where(ctx, client)
	if err != nil {
		return err
	}
	plan, err := c.plan(ctx, client, apply.KindCredential, egress.GatewayRef{Namespace: namespace, Service: c.name})
	if err != nil {
		return err
	}
	if !c.force {
		if err := c.unused(ctx, client, facts, namespace); err != nil {
			return err
		}
	}
	_, err = c.take(ctx, plan, namespace)
	return err
}

// where finds the credential's namespace: that of the gateway, also if the gateway is no more. Where it is open which gateway is
// meant, a credential of that name that there is only once is the one.
func (c *credentialDelete) where(ctx context.Context, client *kube.Client) (mesh.Facts, string, error) {
	facts, gateway, err := c.tool.credentialGateway(ctx, client, c.gateway)
	switch {
	case err == nil:
		return facts, gateway.Namespace, nil
	case ctx.Err() != nil:
		return facts, "", err
	case c.gateway != (egress.GatewayRef{}) && absent(err):
		return facts, c.gateway.Namespace, nil
	case c.gateway != (egress.GatewayRef{}):
		return facts, "", err
	}
	ours, lookErr := apply.Bundles(ctx, client, apply.KindCredential, "")
	if lookErr != nil {
		return facts, "", err
	}
	ours = slices.DeleteFunc(ours, func(b apply.OwnedBundle) bool { return b.Name != c.name })
	if len(ours) != 1 {
		return facts, "", err
	}
	return facts, ours[0].Namespace, nil
}

// unused refuses to take away what sets or rules made by hand use.
func (c *credentialDelete) unused(ctx context.Context, client *kube.Client, facts mesh.Facts, namespace string) error {
	what := fmt.Sprintf("credential %s/%s", namespace, c.name)
	all, err := apply.Declared(ctx, client, "")
	if err != nil {
		return fmt.Errorf("whether sets use %s could not be found out: %w; say --force to take it away all the same", what, err)
	}
	var sets []egress.Set
	for _, s := range all {
		if s.Gateway.Namespace == namespace && (s.Credential == c.name || s.CASecret == c.name) {
			sets = append(sets, s)
		}
	}
	if len(sets) > 0 {
		return egress.Inputf("%s is used by %s; clean up what uses it first, or say --force", what, setNames(sets))
	}
	for _, right := range client.Refused() {
		// a gateway that cannot be seen may use it all the same
		if verb, rest, _ := strings.Cut(right, " "); verb != "create" && (strings.HasPrefix(rest, "services ") || strings.HasPrefix(rest, "pods ")) {
			return fmt.Errorf("whether rules use %s could not be found out, for want of the right to %s; say --force to take it away all the same", what, right)
		}
	}
	var rules []string
	for _, gw := range facts.Gateways {
		if gw.Namespace != namespace {
			continue
		}
		users, err := diagnose.CredentialUsers(ctx, client, facts, gw, c.name)
		if err != nil {
			return fmt.Errorf("%w; say --force to take it away all the same", err)
		}
		for _, u := range users {
			rules = append(rules, u.String())
		}
	}
	if len(rules) > 0 {
		slices.Sort(rules)
		return egress.Inputf("%s is used by %s; take out its credentialName first, or say --force", what, strings.Join(slices.Compact(rules), ", "))
	}
	return nil
}
