package plugin

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

type rbac struct {
	tool       *tool
	gateways   []string
	istio      string
	everywhere bool
	only       bool
	needed     bool
	with       []string
	name       string
	users      []string
	groups     []string
	accounts   []string
	output     *choice

	chosen   []kube.Command
	together bool // one role for all that was chosen
	subjects []subject
	at       kube.Namespaces
}

func newRBAC(t *tool) *cobra.Command {
	r := &rbac{tool: t}
	cmd := &cobra.Command{
		Use:   "rbac [COMMAND ...]",
		Short: "Print the least Role and ClusterRole that each command needs",
		Long: "Print the least roles for a command, for several together, or for each of all: a ClusterRole for what is looked at in all namespaces, " +
			"and Roles for namespaces. They are made from the table that every request is held to before it is sent: what is not in it is not " +
			"asked for. No cluster is asked.\n\n" +
			"Rights that only a flag or a circumstance needs are left out and named; --with adds them as roles of their own. " +
			"What is marked as optional is not needed for the command to work: without it, it says what it could not see. " +
			"--namespaced is for tenants: what is looked at in all namespaces is granted in their own, or not at all",
		Example: t.examples(
			"what check may ask, for a CI job's service account", "rbac check --service-account=ci/robot",
			"one role for those who look", "rbac check logs stats --group=developers",
			"a tenant who has a namespace alone", "rbac enable cleanup --namespaced -n team --user=ann",
			"all commands and what each right is for", "rbac -o wide"),
		GroupID: groupOther,
		Args:    func(cmd *cobra.Command, args []string) error { return r.parse(cmd, args) },
		RunE:    func(*cobra.Command, []string) error { return r.run() },
	}
	f := cmd.Flags()
	f.SortFlags = false
	r.output = choose(cmd, "output", "o", "How they are printed; wide: a table, with what each right is for", "yaml", "json", "wide")
	f.StringSliceVar(&r.with, "with", nil, "Also the rights that a flag or a circumstance needs, by its word: security, sidecars, ...; all: all of them")
	f.BoolVar(&r.needed, "needed", false, "Leave out what is optional")
	f.BoolVar(&r.only, "namespaced", false, "Roles only: nothing in all namespaces")
	f.BoolVarP(&r.everywhere, "all-namespaces", "A", false, "For sets and workloads of all namespaces, rather than that of -n or the kubeconfig")
	f.StringSliceVar(&r.gateways, "gateway", []string{"istio-system/istio-egressgateway"}, "Egress gateways as NAMESPACE/SERVICE; the rights about gateways are in their namespaces")
	f.StringVar(&r.istio, "istio-namespace", "istio-system", "Istio's root namespace")
	f.StringVar(&r.name, "name", "", "Name of the roles (default: "+Program+"-COMMAND)")
	f.StringSliceVar(&r.users, "user", nil, "Bind them to a user")
	f.StringSliceVar(&r.groups, "group", nil, "Bind them to a group")
	f.StringSliceVar(&r.accounts, "service-account", nil, "Bind them to a service account: NAMESPACE/NAME")
	cmd.ValidArgsFunction = completeAskers
	return cmd
}

func (r *rbac) parse(cmd *cobra.Command, args []string) error {
	if r.everywhere && r.only {
		return usagef(cmd, "choose one: -A or --namespaced")
	}
	r.at = kube.Namespaces{Istio: r.istio, DNS: "kube-system", All: r.everywhere, Only: r.only}
	for _, g := range r.gateways {
		gateway, err := egress.ParseGatewayRef(g)
		if err != nil {
			return err
		}
		if !slices.Contains(r.at.Gateways, gateway.Namespace) {
			r.at.Gateways = append(r.at.Gateways, gateway.Namespace)
		}
	}
	var err error
	if r.chosen, err = askers(cmd, args); err != nil {
		return err
	}
	r.together = len(args) > 0
	if r.name != "" && !r.together {
		return usagef(cmd, "--name names the roles of one command or of several together; name them")
	}
	for _, w := range r.with {
		if words := circumstances(r.chosen); w != "all" && !slices.Contains(words, w) {
			return usagef(cmd, "--with=%s: there are all, %s", w, strings.Join(words, ", "))
		}
	}
	return r.bind(cmd)
}

// bind reads to whom the roles are to be bound.
func (r *rbac) bind(cmd *cobra.Command) error {
	for _, u := range r.users {
		r.subjects = append(r.subjects, subject{Kind: "User", APIGroup: rbacGroup, Name: u})
	}
	for _, g := range r.groups {
		r.subjects = append(r.subjects, subject{Kind: "Group", APIGroup: rbacGroup, Name: g})
	}
	for _, a := range r.accounts {
		namespace, name, ok := strings.Cut(a, "/")
		if !ok || namespace == "" || name == "" {
			return usagef(cmd, "--service-account=%s: write NAMESPACE/NAME", a)
		}
		r.subjects = append(r.subjects, subject{Kind: "ServiceAccount", Namespace: namespace, Name: name})
	}
	return nil
}

// askers gives the commands that arguments name: "check logs", "gateway install", and "gateway" for all that begin so.
func askers(cmd *cobra.Command, args []string) ([]kube.Command, error) {
	all := kube.Commands()
	if len(args) == 0 {
		return all, nil
	}
	var chosen []kube.Command
	take := func(named func(string) bool) bool {
		found := false
		for _, c := range all {
			if named(c.Name) {
				found = true
				if !slices.ContainsFunc(chosen, func(have kube.Command) bool { return have.Name == c.Name }) {
					chosen = append(chosen, c)
				}
			}
		}
		return found
	}
	for i := 0; i < len(args); i++ {
		a := args[i]
		if i+1 < len(args) && take(func(name string) bool { return name == a+" "+args[i+1] }) {
			i++
			continue
		}
		if !take(func(name string) bool { return name == a }) && !take(func(name string) bool { return strings.HasPrefix(name, a+" ") }) {
			if found, _, err := cmd.Root().Find(strings.Fields(a)); err == nil && found.HasParent() {
				return nil, usagef(cmd, "%s asks no API server, so that it needs no rights", a)
			}
			meant := "there are " + strings.Join(askerNames(), ", ")
			if near := egress.Nearest(a, askerNames()); near != "" {
				meant = "did you mean " + strconv.Quote(near) + "?"
			}
			return nil, usagef(cmd, "there is no command %q that asks the API server; %s", a, meant)
		}
	}
	return chosen, nil
}

func askerNames() []string {
	var names []string
	for _, c := range kube.Commands() {
		names = append(names, c.Name)
	}
	return names
}

func completeAskers(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	words := askerNames()
	for i, w := range words {
		words[i], _, _ = strings.Cut(w, " ")
	}
	words = slices.DeleteFunc(slices.Compact(words), func(w string) bool { return slices.Contains(args, w) })
	return words, cobra.ShellCompDirectiveNoFileComp
}

// circumstances are the words that --with takes for some commands, sorted.
func circumstances(commands []kube.Command) []string {
	var words []string
	for _, c := range commands {
		for _, right := range c.Rights {
			words = append(words, right.Word())
		}
	}
	slices.Sort(words)
	return slices.DeleteFunc(slices.Compact(words), func(w string) bool { return w == "" })
}

func (r *rbac) run() error {
	if r.output.value == "wide" {
		return r.wide()
	}
	home, _, err := r.tool.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return fmt.Errorf("reading the namespace of the kubeconfig: %w", err)
	}
	r.at.Home = home
	var all []granted
	if r.together {
		all = r.grants(r.chosen)
	} else {
		for _, c := range r.chosen {
			all = append(all, r.grants([]kube.Command{c})...)
		}
	}
	if r.output.value == formatJSON {
		return printRolesJSON(r.tool.Out, all, r.subjects)
	}
	_, err = fmt.Fprint(r.tool.Out, rolesYAML(r.tool.name, all, r.subjects))
	return err
}

// granted is what is printed together.
type granted struct {
	kube.Granted
	commands []string
	with     string       // in what circumstance
	apart    []kube.Right // one of each circumstance that is not among them
}

// grants gives the roles of commands together, and those of what --with adds, each under a name of its own.
func (r *rbac) grants(commands []kube.Command) []granted {
	var names []string
	byWord := map[string][]kube.Right{}
	for _, c := range commands {
		names = append(names, c.Name)
		for _, right := range c.Rights {
			if !right.Optional || !r.needed {
				byWord[right.Word()] = append(byWord[right.Word()], right)
			}
		}
	}
	name := cmp.Or(r.name, Program+"-"+strings.ReplaceAll(strings.Join(names, "-"), " ", "-"))
	all := []granted{{Granted: kube.Grants(name, byWord[""], r.at), commands: names}}
	for _, word := range circumstances(commands) {
		rights := byWord[word]
		switch {
		case len(rights) == 0:
		case slices.Contains(r.with, "all") || slices.Contains(r.with, word):
			all = append(all, granted{Granted: kube.Grants(name+"-"+word, rights, r.at), commands: names, with: " " + rights[0].Circumstance()})
		default:
			all[0].apart = append(all[0].apart, rights[0])
		}
	}
	return all
}
