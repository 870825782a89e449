package plugin

import (
	"cmp"
	"context"
	"errors"
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
	l.output = chooseOutput(cmd, "How they are printed (default: a table)", "wide", "json", "yaml", "name")
	return cmd
}

// listedGateway is a gateway in gateway list -o json.
type listedGateway struct {
	mesh.Gateway
	Managed *bool    `json:"managed"` // installed by this tool; nil: that may not be looked at
	Sets    []string `json:"sets"`    // NAMESPACE/NAME of those whose traffic goes through it; nil: they may not be looked at
}

// gatewayItems is what gateway list -o json prints.
type gatewayItems struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Items      []listedGateway `json:"items"`
}

func (l *gatewayList) run(ctx context.Context) error {
	client, err := l.tool.connect("gateway list")
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
	unseen := slices.DeleteFunc(slices.Clone(facts.Unread), func(u mesh.Unread) bool {
		return !strings.HasPrefix(u.Source, "services") && !strings.HasPrefix(u.Source, "pods")
	})
	if len(gateways) == 0 && len(unseen) > 0 {
		return fmt.Errorf("egress gateways could not be looked for: %s", unseen[0].Detail)
	}
	for _, u := range unseen {
		l.tool.note("there may be others: %s", u.Detail)
	}
	if len(gateways) == 0 && l.output.value != "json" && l.output.value != "yaml" {
		l.tool.note("No egress gateways. Install one: %s gateway install", l.tool.name)
		return nil
	}
	return l.print(gateways)
}

// gather puts together what the mesh has and what is kept about it.
func (l *gatewayList) gather(ctx context.Context, client *kube.Client, facts mesh.Facts) ([]listedGateway, error) {
	all := make([]listedGateway, 0, len(facts.Gateways))
	for _, g := range facts.Gateways {
		all = append(all, listedGateway{Gateway: g})
	}
	ours, err := apply.Bundles(ctx, client, install.KindGateway, "")
	if seen, err := l.seen(err, "which gateways were installed by this tool"); err != nil {
		return nil, err
	} else if seen {
		all = withManaged(all, ours)
	}
	sets, err := apply.Declared(ctx, client, "")
	if seen, err := l.seen(err, "which sets use the gateways"); err != nil {
		return nil, err
	} else if seen {
		for i := range all {
			all[i].Sets = []string{}
			for _, s := range sets {
				if s.Gateway == all[i].Ref() {
					all[i].Sets = append(all[i].Sets, s.String())
				}
			}
		}
	}
	egress.SortFunc(all, func(a, b listedGateway) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Service, b.Service))
	})
	return all, nil
}

// seen says whether something could be looked at. Who may not is told so, and sees the rest.
func (l *gatewayList) seen(err error, what string) (bool, error) {
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, kube.ErrForbidden):
		l.tool.note("%s could not be found out: %s", what, oneLine(err))
		return false, nil
	}
	return false, fmt.Errorf("find out %s: %w", what, err)
}

// withManaged marks gateways of ours. Those that do not look like gateways now, since something of them is missing, are listed too:
// they can be installed again, or uninstalled.
func withManaged(all []listedGateway, ours []apply.OwnedBundle) []listedGateway {
	for i := range all {
		managed := slices.ContainsFunc(ours, func(b apply.OwnedBundle) bool { return b.Namespace == all[i].Namespace && b.Name == all[i].Service })
		all[i].Managed = &managed
	}
	for _, b := range ours {
		if !slices.ContainsFunc(all, func(g listedGateway) bool { return g.Namespace == b.Namespace && g.Service == b.Name }) {
			managed := true
			all = append(all, listedGateway{Gateway: mesh.Gateway{Namespace: b.Namespace, Service: b.Name, Ports: []mesh.Port{}}, Managed: &managed})
		}
	}
	return all
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
	proxy, by, sets := "-", "?", "?"
	if g.SNIProxy != nil {
		proxy = "127.0.0.1:" + strconv.Itoa(g.SNIProxy.Port)
	}
	if g.Managed != nil {
		by = map[bool]string{true: egress.ManagedBy, false: "others"}[*g.Managed]
	}
	if g.Sets != nil {
		sets = dash(strings.Join(g.Sets, ", "))
	}
	return []string{
		g.Ref().String(), fmt.Sprintf("%d/%d", readyPods, len(g.Pods)), dash(portNumbers(g.Gateway)), proxy, sets, by,
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
