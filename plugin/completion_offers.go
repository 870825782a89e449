package plugin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
)

// offerTime bounds how long a cluster may take to answer somebody who pressed the tab key.
const offerTime = 3 * time.Second

// offer gives words to choose from, each with a description after a tab if there is something to say.
type offer func(ctx context.Context, client *kube.Client) ([]string, error)

// offers has the flags completed whose values are on the cluster or in the kubeconfig, wherever they are, and keeps file names away
// from commands that take none.
func (t *tool) offers(root *cobra.Command) {
	byFlag := map[string]cobra.CompletionFunc{
		"namespace": t.offering(offerNamespaces),
		"gateway":   t.offering(offerGateways),
		"domains":   listed(t.offering(offerHosts)),
		"context":   t.kubeconfig(func(c api.Config) []string { return keys(c.Contexts) }),
		"cluster":   t.kubeconfig(func(c api.Config) []string { return keys(c.Clusters) }),
		"user":      t.kubeconfig(func(c api.Config) []string { return keys(c.AuthInfos) }),
	}
	register := func(c *cobra.Command, flags *pflag.FlagSet) {
		flags.VisitAll(func(f *pflag.Flag) {
			if complete, ok := byFlag[f.Name]; ok {
				if err := c.RegisterFlagCompletionFunc(f.Name, complete); err != nil {
					panic("completion of --" + f.Name + ": " + err.Error())
				}
			}
		})
	}
	register(root, root.PersistentFlags())
	var under func(c *cobra.Command)
	under = func(c *cobra.Command) {
		register(c, c.LocalNonPersistentFlags())
		if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 {
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
		for _, sub := range c.Commands() {
			under(sub)
		}
	}
	for _, c := range root.Commands() {
		under(c)
	}
}

// offering completes by what the cluster says. What it does not say within offerTime is not offered; nor is an error, for nobody asked
// for anything yet.
func (t *tool) offering(offers ...offer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		client, err := t.connect("completion")
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer client.Close()
		ctx, stop := context.WithTimeout(cmd.Context(), offerTime)
		defer stop()
		var all []string
		for _, o := range offers {
			words, err := o(ctx, client)
			if err != nil {
				continue
			}
			for _, w := range words {
				name, _, _ := strings.Cut(w, "\t")
				if !slices.Contains(args, name) {
					all = append(all, w)
				}
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeTargets offers what check and its like can be asked about: sets, and hosts that the mesh knows.
func (t *tool) completeTargets() cobra.CompletionFunc { return t.offering(offerSets, offerHosts) }

// first completes one argument and no further ones.
func first(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, typed)
	}
}

// listed completes the last of values that are separated by commas.
func listed(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		words, directive := complete(cmd, strings.Split(before, ","), typed)
		for i, w := range words {
			words[i] = before + w
		}
		return words, directive | cobra.ShellCompDirectiveNoSpace
	}
}

// kubeconfig completes by names in the kubeconfig; no cluster is asked.
func (t *tool) kubeconfig(names func(api.Config) []string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		config, err := t.config.ToRawKubeConfigLoader().RawConfig()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(config), cobra.ShellCompDirectiveNoFileComp
	}
}

func keys[V any](m map[string]V) []string {
	var names []string
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// named is what completion reads of an object.
type named struct {
	Metadata struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
}

func offerNamespaces(ctx context.Context, client *kube.Client) ([]string, error) {
	all, err := kube.ListOf[named](ctx, client, kube.Resource{Version: "v1", Resource: "namespaces"}, "", kube.ListOptions{HeadsOnly: true})
	names := make([]string, 0, len(all))
	for _, n := range all {
		names = append(names, n.Metadata.Name)
	}
	return names, err
}

func offerGateways(ctx context.Context, client *kube.Client) ([]string, error) {
	facts, err := discover.Discover(ctx, client)
	names := make([]string, 0, len(facts.Gateways))
	for _, g := range facts.Gateways {
		names = append(names, g.Ref().String())
	}
	return names, err
}

func offerSets(ctx context.Context, client *kube.Client) ([]string, error) {
	sets, err := apply.Declared(ctx, client, client.Namespace())
	names := make([]string, 0, len(sets))
	for _, s := range sets {
		names = append(names, cobra.CompletionWithDesc(s.Name, hosts(s.Hosts)))
	}
	return names, err
}

// serviceEntry is what completion reads of a ServiceEntry.
type serviceEntry struct {
	named
	Spec struct {
		Hosts    []string `json:"hosts"`
		Location string   `json:"location"`
	} `json:"spec"`
}

// offerHosts are the outside hosts that the mesh knows, each with the ServiceEntry that says so. Who may not look everywhere is told
// of the own namespace.
func offerHosts(ctx context.Context, client *kube.Client) ([]string, error) {
	served, err := client.ServedVersions(ctx, recipe.Group)
	if err != nil || len(served) == 0 {
		return nil, err
	}
	entries := kube.Resource{Group: recipe.Group, Version: served[0], Resource: "serviceentries"}
	all, err := kube.ListOf[serviceEntry](ctx, client, entries, "", kube.ListOptions{})
	if errors.Is(err, kube.ErrForbidden) {
		all, err = kube.ListOf[serviceEntry](ctx, client, entries, client.Namespace(), kube.ListOptions{})
	}
	var names []string
	for _, e := range all {
		if e.Spec.Location == "MESH_INTERNAL" {
			continue
		}
		for _, h := range e.Spec.Hosts {
			names = append(names, cobra.CompletionWithDesc(h, "ServiceEntry "+e.Metadata.Namespace+"/"+e.Metadata.Name))
		}
	}
	slices.Sort(names)
	return names, err
}
