package plugin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/install"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
)

type gatewayList struct {
	tool   *tool
	output *choice
}

func newGatewayList(t *tool) *cobra.Command {
	l := &gatewayList{tool: t}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the egress gateways of the mesh, in all namespaces",
		Long: "List the egress gateways of the mesh, in all namespaces: those that were installed by this tool, and those that were not. " +
			"One that does not look like an egress gateway can still be named with --gateway",
		Example: t.examples(
			"the egress gateways", "gateway list",
			"with labels, service account and pods", "gateway list -o wide"),
		GroupID: groupOnly,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return l.run(cmd.Context()) },
	}
	l.output = chooseOptional(cmd, "output", "o", "How they are printed (default: a table)", "wide", "json", "yaml", "name")
	return cmd
}

// listedGateway is a gateway in gateway list -o json.
type listedGateway struct {
	mesh.Gateway
	Managed bool     `json:"managed"` // installed by this tool
	Sets    []string `json:"sets"`    // NAMESPACE/NAME of those whose traffic goes through it
}

// gatewayItems is what gateway list -o json prints.
type gatewayItems struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Items      []listedGateway `json:"items"`
}

func (l *gatewayList) run(ctx context.Context) error {
	client, err := l.tool.connect(readOnly)
	if err != nil {
		return err
	}
	defer client.Close()
	done := l.tool.status("looking at the mesh")
	facts, err := discover.Discover(ctx, client)
	if err != nil {
		done()
		return err
	}
	gateways, err := l.gather(ctx, client, facts)
	done()
	if err != nil {
		return err
	}
	if len(gateways) == 0 && l.output.value != "json" && l.output.value != "yaml" {
		if blind := noGateway(facts); len(facts.Unread) > 0 && strings.Contains(blind.Error(), "could not be looked for") {
			return blind
		}
		l.tool.note("No egress gateways. Install one: %s gateway install", l.tool.name)
		return nil
	}
	return l.print(gateways)
}

// gather puts together what the mesh has and what is kept about it. Gateways of ours that do not look like one now, since
// something of them is missing, are there too: they can be installed again, or uninstalled.
func (l *gatewayList) gather(ctx context.Context, client *kube.Client, facts mesh.Facts) ([]listedGateway, error) {
	ours, err := apply.Bundles(ctx, client, install.KindGateway, "")
	if err != nil {
		return nil, fmt.Errorf("find out which gateways were installed by this tool: %w", err)
	}
	sets, err := apply.Sets(ctx, client, "")
	if err != nil {
		return nil, fmt.Errorf("find out which sets use the gateways: %w", err)
	}
	all := make([]listedGateway, 0, len(facts.Gateways))
	for _, g := range facts.Gateways {
		all = append(all, listedGateway{Gateway: g, Sets: []string{}})
	}
	at := func(ref egress.GatewayRef) int {
		return slices.IndexFunc(all, func(g listedGateway) bool { return g.Ref() == ref })
	}
	for _, b := range ours {
		ref := egress.GatewayRef{Namespace: b.Namespace, Service: b.Name}
		if at(ref) < 0 {
			all = append(all, listedGateway{Gateway: mesh.Gateway{Namespace: b.Namespace, Service: b.Name, Ports: []mesh.Port{}}, Sets: []string{}})
		}
		all[at(ref)].Managed = true
	}
	for _, s := range sets {
		if i := at(s.Set.Gateway); i >= 0 {
			all[i].Sets = append(all[i].Sets, s.Set.String())
		}
	}
	egress.SortFunc(all, func(a, b listedGateway) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Service, b.Service))
	})
	return all, nil
}

func (l *gatewayList) print(gateways []listedGateway) error {
	switch l.output.value {
	case "json", "yaml":
		text, err := encode(l.output.value, gatewayItems{APIVersion: egress.APIVersion, Kind: "GatewayList", Items: gateways})
		if err != nil {
			return err
		}
		_, err = l.tool.Out.Write(text)
		return err
	case "name":
		for _, g := range gateways {
			if _, err := fmt.Fprintln(l.tool.Out, plain(g.Ref().String())); err != nil {
				return err
			}
		}
		return nil
	}
	header := []string{"GATEWAY", "READY", "PORTS", "SNI PROXY", "SETS", "INSTALLED BY"}
	wide := l.output.value == "wide"
	if wide {
		header = append(header, "SELECTOR", "SERVICE ACCOUNT", "PODS")
	}
	rows := make([][]string, 0, len(gateways))
	for _, g := range gateways {
		row := g.row()
		if wide {
			row = append(row, g.more()...)
		}
		rows = append(rows, row)
	}
	return table(l.tool.Out, header, rows)
}

func (g listedGateway) row() []string {
	readyPods := 0
	for _, p := range g.Pods {
		if p.Ready {
			readyPods++
		}
	}
	proxy, by := "-", "others"
	if g.SNIProxy != nil {
		proxy = "127.0.0.1:" + strconv.Itoa(g.SNIProxy.Port)
	}
	if g.Managed {
		by = egress.ManagedBy
	}
	return []string{
		g.Ref().String(), fmt.Sprintf("%d/%d", readyPods, len(g.Pods)), dash(portNumbers(g.Gateway)), proxy, dash(strings.Join(g.Sets, ", ")), by,
	}
}

func (g listedGateway) more() []string {
	labels := make([]string, 0, len(g.Selector))
	for k, v := range g.Selector {
		labels = append(labels, k+"="+v)
	}
	slices.Sort(labels)
	pods := make([]string, 0, len(g.Pods))
	for _, p := range g.Pods {
		pods = append(pods, p.Name)
	}
	return []string{dash(strings.Join(labels, ",")), dash(g.ServiceAccount), dash(strings.Join(pods, ", "))}
}

// dash stands for nothing in a table.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
