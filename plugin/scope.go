package plugin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// setPrefix begins a set's name in -o name; commands that take names of sets take it too.
const setPrefix = "set/"

// everywhere registers -A.
func everywhere(cmd *cobra.Command, all *bool, usage string) {
	cmd.Flags().BoolVarP(all, "all-namespaces", "A", false, usage)
}

// scope is the namespace that a command looks at: that of the flags or the kubeconfig, or all, which is "".
func scope(client *kube.Client, all bool) string {
	if all {
		return ""
	}
	return client.Namespace()
}

// where says the scope in words.
func where(namespace string) string {
	if namespace == "" {
		return "in any namespace"
	}
	return "in namespace " + namespace
}

// hosts names hosts for people: all of a few, else the first and how many more.
func hosts(list []egress.Host) string {
	const most = 5
	words := make([]string, 0, most)
	for i, h := range list {
		if i == most {
			return strings.Join(words, ", ") + fmt.Sprintf(" and %d more", len(list)-most)
		}
		words = append(words, string(h))
	}
	return strings.Join(words, ", ")
}

// modes names what a set really does, TLS first: auto is told as what it stands for.
func modes(set egress.Set) string {
	var words []string
	for _, r := range slices.Backward(set.Routes()) {
		if !slices.Contains(words, string(r.Mode)) {
			words = append(words, string(r.Mode))
		}
	}
	return strings.Join(words, " and ")
}

// way says how a set's hosts leave the mesh.
func way(set egress.Set) string {
	if set.Direct() {
		return modes(set) + ", through no gateway"
	}
	return modes(set) + " through " + set.Gateway.String() + ", " + mtlsWords(set)
}

// holders names the proxies that have to know of a set.
func holders(set egress.Set) string {
	if set.Direct() {
		return "the sidecars"
	}
	return "both proxies"
}

// mtlsWords says whether Istio mTLS is used to the gateway.
func mtlsWords(set egress.Set) string { return "Istio mTLS " + string(set.MTLS) }

// hostList names all hosts.
func hostList(list []egress.Host) string {
	words := make([]string, len(list))
	for i, h := range list {
		words[i] = string(h)
	}
	return strings.Join(words, ", ")
}

// shortName is how progress and tables name an object: serviceentry/egress-news.
func shortName(kind, name string) string { return plain(strings.ToLower(kind) + "/" + name) }

// groupOf is the API group of a member's kind: all but the parent are Istio's.
func groupOf(kind string) string {
	if kind == "ConfigMap" {
		return ""
	}
	return recipe.Group
}

// completeSets offers the names of sets on the cluster.
func (t *tool) completeSets(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	client, err := t.connect("completion")
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer client.Close()
	sets, err := apply.Declared(cmd.Context(), client, client.Namespace())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var offered []string
	for _, s := range sets {
		if !slices.Contains(args, s.Name) {
			offered = append(offered, cobra.CompletionWithDesc(s.Name, hosts(s.Hosts)))
		}
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}
