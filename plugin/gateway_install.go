package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/install"
	"github.com/kubectl-egress/kubectl-egress/apply/install/ready"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
)

// groupOnly is the one group of commands that have subcommands, so that help lists them.
const groupOnly = "only"

// newGateway is the command that the commands about gateways are under.
func newGateway(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Install, list and uninstall egress gateways",
		Long:  "Install, list and uninstall egress gateways. Sets go through one that is named with --gateway",
		Example: t.examples(
			"an egress gateway of one's own", "gateway install team/egress",
			"the egress gateways of the mesh", "gateway list"),
		GroupID: groupWrite,
		Args:    t.knownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddGroup(&cobra.Group{ID: groupOnly, Title: "Commands"})
	cmd.AddCommand(newGatewayInstall(t), newGatewayList(t), newGatewayUninstall(t))
	return cmd
}

type gatewayInstall struct {
	installing
	gateway      install.Gateway
	nodeSelector []string
	tolerations  []string
	proxied      bool // --sni-proxy
	proxy        install.SNIProxy
	resolver     string
	domains      []string
}

func newGatewayInstall(t *tool) *cobra.Command {
	g := &gatewayInstall{installing: installing{tool: t}}
	cmd := &cobra.Command{
		Use:   "install [NAMESPACE/NAME]",
		Short: "Install an egress gateway of one's own",
		Long: "Install an egress gateway of one's own: Service, Deployment, service account with the right to read credentials, autoscaler and " +
			"disruption budget. Istio's injection puts Envoy into its pods. Running it again with other flags changes the gateway; flags that are " +
			"left out go back to their defaults",
		Example: t.examples(
			"the gateway of Istio's blog post, "+install.DefaultGateway().String(), "gateway install",
			"one with an SNI proxy", "gateway install team/egress --sni-proxy",
			"one on nodes of its own", "gateway install team/egress --node-selector=dedicated=egress --toleration=dedicated",
			"the objects, for other tools to apply", "gateway install team/egress --dry-run=client -o yaml"),
		GroupID: groupOnly,
		Args:    func(cmd *cobra.Command, args []string) error { return g.parse(cmd, args) },
		RunE:    func(cmd *cobra.Command, _ []string) error { return g.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&g.proxied, "sni-proxy", false, "Put an nginx beside Envoy that forwards TLS by SNI, for mode sni-proxy")
	f.StringVar(&g.proxy.Image, "sni-proxy-image", install.DefaultSNIProxyImage, "Its image: the official one, or Debian's with libnginx-mod-stream")
	f.IntVar(&g.proxy.Port, "sni-proxy-port", install.DefaultSNIProxyPort, "Its port on 127.0.0.1")
	f.StringSliceVar(&g.domains, "sni-proxy-domains", nil, "Hosts that it forwards to, also when Istio mTLS hides the name from Envoy (default: any)")
	f.StringVar(&g.resolver, "resolver", "", "DNS server that it asks, as IP[:PORT] (default: the cluster's)")
	f.IntVar(&g.gateway.Min, "replicas-min", install.DefaultMin, "Least number of pods")
	f.IntVar(&g.gateway.Max, "replicas-max", install.DefaultMax, "Most pods, when the others use more than 80 % of the CPU that they request")
	f.StringSliceVar(&g.nodeSelector, "node-selector", nil, "Labels of the nodes that it runs on: KEY=VALUE, separated by commas")
	f.StringSliceVar(&g.tolerations, "toleration", nil, "Taints of nodes that it may run on all the same: KEY[=VALUE][:EFFECT]")
	f.StringVar(&g.gateway.Revision, "revision", "", "Revision of Istio whose Envoy it gets (default: the mesh's default)")
	g.flags(cmd)
	cmd.ValidArgsFunction = t.completeGateways()
	return cmd
}

// parse checks what can be checked before a cluster is asked.
func (g *gatewayInstall) parse(cmd *cobra.Command, args []string) (err error) {
	g.gateway.Ref = install.DefaultGateway()
	if g.gateway.Ref, err = gatewayArgument(cmd, args, g.gateway.Ref); err != nil {
		return err
	}
	if g.gateway.NodeSelector, err = install.ParseNodeSelector(g.nodeSelector); err != nil {
		return err
	}
	for _, t := range g.tolerations {
		toleration, err := install.ParseToleration(t)
		if err != nil {
			return err
		}
		g.gateway.Tolerations = append(g.gateway.Tolerations, toleration)
	}
	if !cmd.Flags().Changed("replicas-max") {
		g.gateway.Max = max(install.DefaultMax, g.gateway.Min)
	}
	if g.gateway.Min == 0 || g.gateway.Max == 0 {
		return egress.Inputf("a gateway has at least one replica; give --replicas-min and --replicas-max as 1 or more")
	}
	if err := g.gateway.Check(); err != nil {
		return err
	}
	if !g.proxied {
		for _, flag := range []string{"sni-proxy-image", "sni-proxy-port", "sni-proxy-domains", "resolver"} {
			if cmd.Flags().Changed(flag) {
				return usagef(cmd, "--%s is about the SNI proxy; say --sni-proxy too", flag)
			}
		}
		return nil
	}
	if g.proxy.Port == 0 {
		return egress.Inputf("--sni-proxy-port=0 is no port; leave it out for %d", install.DefaultSNIProxyPort)
	}
	if g.resolver != "" {
		if g.proxy.Resolver.Address, err = install.ParseResolver(g.resolver); err != nil {
			return err
		}
	}
	if len(g.domains) > 0 {
		g.proxy.Domains, err = egress.ParseHosts(g.domains)
	}
	return err
}

// gatewayArgument reads the one argument that commands about a gateway take, with a default if they have one.
func gatewayArgument(cmd *cobra.Command, args []string, otherwise egress.GatewayRef) (egress.GatewayRef, error) {
	switch {
	case len(args) > 1:
		return egress.GatewayRef{}, usagef(cmd, "name one gateway, not %d", len(args))
	case len(args) == 1:
		return egress.ParseGatewayRef(args[0])
	case otherwise == (egress.GatewayRef{}):
		return egress.GatewayRef{}, usagef(cmd, "name the gateway as NAMESPACE/NAME; 'gateway list' shows them")
	}
	return otherwise, nil
}

func (g *gatewayInstall) run(ctx context.Context) error {
	if g.dryRun.value == dryClient && (!g.proxied || g.resolver != "") { // no cluster need be there
		if g.proxied {
			g.gateway.SNIProxy = &g.proxy
			g.proxy.Resolver.IPv4Only = g.proxy.Resolver.Address.Addr().Is4() // as most clusters are that have such a DNS
			if err := g.gateway.Check(); err != nil {
				return err
			}
		}
		g.announce()
		return g.onlyShow(g.bundle())
	}
	client, err := g.tool.connect("gateway install")
	if err != nil {
		return err
	}
	defer client.Close()
	if err := g.findDNS(ctx, client); err != nil {
		return err
	}
	if err := g.gateway.Check(); err != nil {
		return err
	}
	ref := g.gateway.Ref
	if g.dryRun.value != dryClient {
		if err := g.keepProxy(ctx, client); err != nil {
			return err
		}
	}
	g.announce()
	stands, err := g.put(ctx, client, g.bundle())
	if err != nil || !stands {
		return err
	}
	if !g.wait {
		g.tool.note("Not waited until it is ready. See: %s gateway list", g.tool.name)
		return nil
	}
	pods, took, err := g.rolledOut(ctx, client, ref, g.gateway.Min, "gateway "+ref.String())
	if err != nil {
		return err
	}
	return g.report(ctx, client, pods, took)
}

func (g *gatewayInstall) bundle() apply.Bundle {
	ref := g.gateway.Ref
	return apply.NewBundle(install.KindGateway, ref.Namespace, ref.Service, nil, g.gateway.Objects())
}

// findDNS fills in what the SNI proxy has to know of the cluster.
func (g *gatewayInstall) findDNS(ctx context.Context, client *kube.Client) (err error) {
	if !g.proxied {
		return nil
	}
	g.gateway.SNIProxy = &g.proxy
	done := g.tool.status("looking for the cluster's DNS")
	defer done()
	if !g.proxy.Resolver.Address.IsValid() {
		g.proxy.Resolver, err = ready.Resolver(ctx, client)
		return err
	}
	g.proxy.Resolver.IPv4Only, err = ready.IPv4Only(ctx, client)
	return err
}

// keepProxy refuses to take away, or to move to another port, an SNI proxy that sets rely on.
func (g *gatewayInstall) keepProxy(ctx context.Context, client *kube.Client) error {
	now, err := discover.Gateway(ctx, client, g.gateway.Ref)
	if _, asked := errors.AsType[*kube.Error](err); asked && !absent(err) {
		return err
	}
	// Without a Service, or with nothing behind it that works, there is no proxy either.
	if err != nil || now.SNIProxy == nil || g.proxied && now.SNIProxy.Port == g.proxy.Port {
		return nil //nolint:nilerr // see above
	}
	users, err := usersOf(ctx, client, g.gateway.Ref)
	if err != nil {
		return err
	}
	users = slices.DeleteFunc(users, func(s egress.Set) bool { return s.Mode != egress.SNIProxy })
	if len(users) == 0 {
		return nil
	}
	return egress.Inputf("the SNI proxy of gateway %s on port %d is used by %s; say --sni-proxy --sni-proxy-port=%[2]d, or clean up what uses it first",
		g.gateway.Ref, now.SNIProxy.Port, setNames(users))
}

func (g *gatewayInstall) announce() {
	words := fmt.Sprintf("gateway %s: Envoy by injection, %d to %d pods", g.gateway.Ref, g.gateway.Min, g.gateway.Max)
	if p := g.gateway.SNIProxy; p != nil {
		words += fmt.Sprintf(", SNI proxy on 127.0.0.1:%d with DNS %s", p.Port, p.Resolver)
	}
	g.tool.note("%s", words)
}

// report says what stands, as discovery sees it: what enable will find.
func (g *gatewayInstall) report(ctx context.Context, client *kube.Client, pods int, took time.Duration) error {
	found, err := discover.Gateway(ctx, client, g.gateway.Ref)
	if err != nil {
		return err
	}
	use := fmt.Sprintf("%s enable --domains=HOST --gateway=%s", g.tool.name, g.gateway.Ref)
	words := fmt.Sprintf("%s ready, ports %s", count(pods, "pod"), portNumbers(found))
	if g.proxied {
		if found.SNIProxy == nil {
			return fmt.Errorf("gateway %s is on the cluster, but not every pod of Service %[1]s has the SNI proxy; do other pods have its labels?", g.gateway.Ref)
		}
		words += fmt.Sprintf(", SNI proxy on 127.0.0.1:%d", found.SNIProxy.Port)
		use = fmt.Sprintf("%s enable --domains='*.HOST' --mode=%s --gateway=%s", g.tool.name, egress.SNIProxy, g.gateway.Ref)
	}
	g.tool.note("%s (%.1f s). Use it: %s", words, took.Seconds(), use)
	return nil
}

// portNumbers lists the ports of a gateway's Service.
func portNumbers(gw mesh.Gateway) string {
	words := make([]string, 0, len(gw.Ports))
	for _, p := range gw.Ports {
		words = append(words, strconv.Itoa(p.Number))
	}
	return strings.Join(words, ", ")
}
