package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
)

// The states of an object in get.
const (
	stateThere   = "there"
	stateMissing = "missing" // the set needs it and it is not on the cluster
	stateExtra   = "extra"   // it carries the set's label and the set as declared has no use for it
)

type get struct {
	tool   *tool
	output *choice
}

func newGet(t *tool) *cobra.Command {
	g := &get{tool: t}
	cmd := &cobra.Command{
		Use:   "get SET",
		Short: "Show one set with its objects and whether they are there",
		Example: t.examples(
			"a set and its objects", "get edition-cnn-com",
			"for scripts", "get edition-cnn-com -n default -o json"),
		GroupID: groupRead,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "name one set; '%s list' shows them", t.name)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.run(cmd.Context(), strings.TrimPrefix(args[0], setPrefix))
		},
	}
	g.output = chooseOutput(cmd, "How it is printed (default: for people)", "json", "yaml", "name")
	cmd.ValidArgsFunction = t.completeSets
	return cmd
}

// objectState is one object of a set and how it stands.
type objectState struct {
	apply.Ref
	State string `json:"state"`
}

// shownSet is what get -o json prints.
type shownSet struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	egress.Set
	Objects []objectState `json:"objects"`
}

func (g *get) run(ctx context.Context, name string) error {
	client, err := g.tool.connect("get")
	if err != nil {
		return err
	}
	defer client.Close()
	owned, err := findSet(ctx, client, client.Namespace(), name)
	if err != nil {
		return err
	}
	shown := shownSet{APIVersion: egress.APIVersion, Kind: egress.KindSet, Set: owned.Set}
	var why error
	shown.Objects, why = states(ctx, client, owned)
	if why != nil {
		g.tool.note("whether objects are missing could not be found out: %s", oneLine(why))
	}
	return g.print(shown)
}

// findSet gives one set by name, and says which there are if there is none of that name.
func findSet(ctx context.Context, client *kube.Client, namespace, name string) (apply.Owned, error) {
	sets, err := apply.Sets(ctx, client, namespace)
	if err != nil {
		return apply.Owned{}, err
	}
	names := make([]string, 0, len(sets))
	for _, s := range sets {
		if s.Set.Name == name {
			return s, nil
		}
		names = append(names, s.Set.Name)
	}
	switch near := egress.Nearest(name, names); {
	case near != "":
		return apply.Owned{}, fmt.Errorf("there is no set %q %s; did you mean %q?", name, where(namespace), near)
	case len(names) == 0:
		return apply.Owned{}, fmt.Errorf("there is no set %q %s, nor any other", name, where(namespace))
	}
	return apply.Owned{}, fmt.Errorf("there is no set %q %s; there are %s", name, where(namespace), strings.Join(names, ", "))
}

// states compares the objects on the cluster with those that the set needs. The error says why that could not be done; then all
// that is known is that they are there.
func states(ctx context.Context, client *kube.Client, owned apply.Owned) ([]objectState, error) {
	objects := []objectState{{apply.Ref{Kind: "ConfigMap", Namespace: owned.Set.Namespace, Name: owned.Set.ParentName()}, stateThere}}
	needed, err := needs(ctx, client, owned.Set)
	for _, m := range owned.Members {
		state := stateThere
		if err == nil && !slices.Contains(needed, m) {
			state = stateExtra
		}
		objects = append(objects, objectState{m, state})
	}
	for _, n := range needed {
		if !slices.Contains(owned.Members, n) {
			objects = append(objects, objectState{n, stateMissing})
		}
	}
	return objects, err
}

// needs lists the objects that a set consists of on this cluster, without the parent.
func needs(ctx context.Context, client *kube.Client, set egress.Set) ([]apply.Ref, error) {
	facts, err := discover.Discover(ctx, client)
	if err != nil {
		return nil, err
	}
	if facts, err = knowGateway(ctx, client, facts, set.Gateway); err != nil {
		return nil, err
	}
	objs, err := recipe.Render(set, facts)
	if err != nil {
		return nil, err
	}
	var refs []apply.Ref
	for _, o := range objs[1:] {
		refs = append(refs, apply.Ref{Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()})
	}
	return refs, nil
}

func (g *get) print(s shownSet) error {
	switch g.output.value {
	case "json", "yaml":
		text, err := encode(g.output.value, s)
		if err != nil {
			return err
		}
		_, err = g.tool.Out.Write(text)
		return err
	case "name":
		for _, o := range s.Objects {
			if _, err := fmt.Fprintln(g.tool.Out, objectName(o.Kind, groupOf(o.Kind), o.Name)); err != nil {
				return err
			}
		}
		return nil
	}
	mode := string(s.Mode)
	if s.Mode == egress.Auto {
		mode += " (" + modes(s.Set) + ")"
	}
	for _, line := range [][2]string{
		{"set", s.String()}, {"hosts", hostList(s.Hosts)}, {"mode", mode}, {"gateway", s.Gateway.String()}, {"Istio mTLS", string(s.MTLS)},
	} {
		if _, err := fmt.Fprintf(g.tool.Out, "%-12s%s\n", line[0], plain(line[1])); err != nil {
			return err
		}
	}
	fmt.Fprintln(g.tool.Out)
	rows := make([][]string, 0, len(s.Objects))
	for _, o := range s.Objects {
		rows = append(rows, []string{shortName(o.Kind, o.Name), o.Namespace, o.State})
	}
	return table(g.tool.Out, []string{"OBJECT", "NAMESPACE", "STATE"}, rows)
}
