package plugin

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

type list struct {
	tool   *tool
	all    bool
	output *choice
}

func newList(t *tool) *cobra.Command {
	l := &list{tool: t}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the sets on the cluster",
		Example: t.examples(
			"the sets of this namespace", "list",
			"those of all namespaces, with their objects counted", "list -A -o wide"),
		GroupID: groupRead,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return l.run(cmd.Context()) },
	}
	everywhere(cmd, &l.all, "The sets of all namespaces")
	l.output = chooseOutput(cmd, "How they are printed (default: a table)", "wide", "json", "yaml", "name")
	return cmd
}

// listedSet is a set in list -o json and get -o json.
type listedSet struct {
	egress.Set
	Objects []apply.Ref `json:"objects"`
}

// setList is what list -o json prints.
type setList struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Items      []listedSet `json:"items"`
}

func (l *list) run(ctx context.Context) error {
	client, err := l.tool.connect("list")
	if err != nil {
		return err
	}
	defer client.Close()
	namespace := scope(client, l.all)
	sets, err := l.sets(ctx, client, namespace)
	if err != nil {
		return err
	}
	if len(sets) == 0 && (l.output.value == "" || l.output.value == "wide" || l.output.value == "name") {
		l.tool.note("No sets %s.", where(namespace))
		return nil
	}
	return l.print(sets)
}

// sets reads the sets, and their objects only where they are printed: that takes the right to list every kind of them.
func (l *list) sets(ctx context.Context, client *kube.Client, namespace string) ([]apply.Owned, error) {
	switch l.output.value {
	case "wide", "json", "yaml":
		return apply.Sets(ctx, client, namespace)
	}
	declared, err := apply.Declared(ctx, client, namespace)
	if err != nil {
		return nil, err
	}
	sets := make([]apply.Owned, 0, len(declared))
	for _, s := range declared {
		sets = append(sets, apply.Owned{Set: s})
	}
	return sets, nil
}

func (l *list) print(sets []apply.Owned) error {
	switch l.output.value {
	case "json", "yaml":
		all := setList{APIVersion: egress.APIVersion, Kind: "SetList", Items: []listedSet{}}
		for _, s := range sets {
			all.Items = append(all.Items, listedSet{s.Set, s.Members})
		}
		text, err := encode(l.output.value, all)
		if err != nil {
			return err
		}
		_, err = l.tool.Out.Write(text)
		return err
	case "name":
		for _, s := range sets {
			if _, err := l.tool.Out.Write([]byte(setPrefix + s.Set.Name + "\n")); err != nil {
				return err
			}
		}
		return nil
	}
	return l.table(sets)
}

func (l *list) table(sets []apply.Owned) error {
	wide := l.output.value == "wide"
	header := []string{"NAME", "HOSTS", "MODE", "GATEWAY"}
	if l.all {
		header = append([]string{"NAMESPACE"}, header...)
	}
	if wide {
		header = append(header, "ISTIO MTLS", "OBJECTS")
	}
	rows := make([][]string, 0, len(sets))
	for _, s := range sets {
		row := []string{s.Set.Name, hosts(s.Set.Hosts), string(s.Set.Mode), s.Set.Gateway.String()}
		if l.all {
			row = append([]string{s.Set.Namespace}, row...)
		}
		if wide {
			row = append(row, string(s.Set.MTLS), strconv.Itoa(len(s.Members)+1))
		}
		rows = append(rows, row)
	}
	return table(l.tool.Out, header, rows)
}
