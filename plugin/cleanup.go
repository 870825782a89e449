package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

type cleanup struct {
	tool       *tool
	names      []string
	domains    []string
	hosts      []egress.Host
	all        bool
	everywhere bool
	yes        bool
	dryRun     *choice
	wait       bool
	timeout    time.Duration
}

func newCleanup(t *tool) *cobra.Command {
	c := &cleanup{tool: t}
	cmd := &cobra.Command{
		Use:   "cleanup SET... | --domains=HOST[,HOST...] | --all",
		Short: "Take sets away, exactly what was put there for them",
		Long: "Take sets away: exactly the objects that were put on the cluster for them, and no other. VirtualServices go first, so that " +
			"traffic is never sent where nothing listens",
		Example: t.examples(
			"one set", "cleanup edition-cnn-com",
			"what would go", "cleanup --all --dry-run",
			"all sets of this namespace, in a script", "cleanup --all --yes"),
		GroupID: groupWrite,
		Args:    func(cmd *cobra.Command, args []string) error { return c.parse(cmd, args) },
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&c.domains, "domains", nil, "The sets of these hosts; refused where a set has others too")
	f.BoolVar(&c.all, "all", false, "All sets of the namespace")
	everywhere(cmd, &c.everywhere, "With --all or --domains: the sets of all namespaces")
	f.BoolVar(&c.yes, "yes", false, "Do not ask")
	c.dryRun = choose(cmd, "dry-run", "", "Only tell what would be taken away", dryNone, dryClient, dryServer)
	f.Lookup("dry-run").NoOptDefVal = dryServer
	f.BoolVar(&c.wait, "wait", true, "Wait until the sidecars and the gateway have let go of it")
	f.DurationVar(&c.timeout, "timeout", defaultWait, "How long to wait")
	cmd.ValidArgsFunction = t.completeSets
	return cmd
}

// parse settles which of the three ways the sets are chosen by.
func (c *cleanup) parse(cmd *cobra.Command, args []string) error {
	ways := 0
	for _, chosen := range []bool{len(args) > 0, len(c.domains) > 0, c.all} {
		if chosen {
			ways++
		}
	}
	switch {
	case ways == 0:
		return usagef(cmd, "name the sets to take away, or say --domains=HOST or --all; '%s list' shows them", c.tool.name)
	case ways > 1:
		return usagef(cmd, "choose one: names of sets, --domains or --all")
	case c.everywhere && len(args) > 0:
		return usagef(cmd, "names of sets are looked up in one namespace; give -n instead of -A")
	case !c.yes && c.dryRun.value == dryNone && !c.tool.term.asks:
		return usagef(cmd, "nobody can be asked here: say --yes to take away without asking, or --dry-run to see what would go")
	}
	for _, a := range args {
		name := strings.TrimPrefix(a, setPrefix)
		if !slices.Contains(c.names, name) {
			c.names = append(c.names, name)
		}
	}
	var err error
	if len(c.domains) > 0 {
		c.hosts, err = egress.ParseHosts(c.domains)
	}
	return err
}

func (c *cleanup) run(ctx context.Context) error {
	client, err := c.tool.connect("cleanup")
	if err != nil {
		return err
	}
	defer client.Close()
	plans, err := c.plan(ctx, client)
	if err != nil || len(plans) == 0 {
		return err
	}
	if c.dryRun.value != dryNone {
		for _, p := range plans {
			c.announce(p)
			c.tool.lines(p, map[string]string{dryClient: " (dry run)", dryServer: " (server dry run)"}[c.dryRun.value]).printAll(p)
		}
		return nil
	}
	if !c.yes {
		agreed, err := c.confirm(ctx, plans)
		if err != nil {
			return err
		}
		if !agreed {
			c.tool.note("Nothing was taken away.")
			return nil
		}
	}
	for _, p := range plans {
		if err := c.remove(ctx, client, p); err != nil {
			return err
		}
	}
	return nil
}

// plan finds the sets and what has to go for them. Nothing is taken away unless all of them can be.
func (c *cleanup) plan(ctx context.Context, client *kube.Client) ([]*apply.Plan, error) {
	done := c.tool.status("looking for what is there")
	defer done()
	refs := make([]egress.Set, 0, len(c.names))
	for _, n := range c.names {
		refs = append(refs, egress.Set{Namespace: client.Namespace(), Name: n})
	}
	if len(c.names) == 0 {
		chosen, err := c.choose(ctx, client)
		if err != nil {
			return nil, err
		}
		refs = chosen
	}
	plans := make([]*apply.Plan, 0, len(refs))
	for _, r := range refs {
		p, err := apply.PlanRemoval(ctx, client, r.Namespace, r.Name)
		if err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// choose gives the sets that --all or --domains mean.
func (c *cleanup) choose(ctx context.Context, client *kube.Client) ([]egress.Set, error) {
	namespace := scope(client, c.everywhere)
	sets, err := apply.Declared(ctx, client, namespace)
	if err != nil {
		return nil, err
	}
	if c.all {
		if len(sets) == 0 {
			c.tool.note("No sets %s.", where(namespace))
		}
		return sets, nil
	}
	return ofHosts(sets, c.hosts, where(namespace))
}

// ofHosts gives the sets that consist of nothing but the hosts. A set that has others too is not silently taken away with them.
func ofHosts(sets []egress.Set, wanted []egress.Host, scope string) ([]egress.Set, error) {
	var chosen []egress.Set
	var found []egress.Host
	for _, s := range sets {
		var has, others []egress.Host
		for _, h := range s.Hosts {
			if slices.Contains(wanted, h) {
				has = append(has, h)
			} else {
				others = append(others, h)
			}
		}
		if len(has) == 0 {
			continue
		}
		if len(others) > 0 {
			return nil, egress.Inputf("set %s has %s beside %s; take all of it away by its name, or enable it anew with the hosts that shall stay",
				s, hosts(others), hosts(has))
		}
		chosen = append(chosen, s)
		found = append(found, has...)
	}
	for _, h := range wanted {
		if !slices.Contains(found, h) {
			return nil, fmt.Errorf("no set %s has %s", scope, h)
		}
	}
	return chosen, nil
}

func (c *cleanup) announce(p *apply.Plan) {
	if len(p.Set.Hosts) == 0 {
		c.tool.note("set %s (its declaration cannot be read)", p.Set.Name)
		return
	}
	c.tool.note("set %s: %s by %s", p.Set.Name, hosts(p.Set.Hosts), way(p.Set))
}

// confirm shows what will go and asks.
func (c *cleanup) confirm(ctx context.Context, plans []*apply.Plan) (bool, error) {
	objects := 0
	for _, p := range plans {
		c.announce(p)
		for _, change := range p.Changes {
			c.tool.note("  %s (%s)", shortName(change.Ref.Kind, change.Ref.Name), change.Ref.Namespace)
		}
		objects += len(p.Changes)
	}
	return c.tool.ask(ctx, fmt.Sprintf("Take away %s of %s?", count(objects, "object"), count(len(plans), "set")))
}

// remove carries one removal out and waits until the proxies have let go.
func (c *cleanup) remove(ctx context.Context, client *kube.Client, p *apply.Plan) error {
	if c.yes {
		c.announce(p)
	}
	c.tool.notes(p)
	outcome, err := p.Execute(ctx, c.tool.lines(p, "").print)
	if err != nil {
		return c.tool.unfinished(outcome, err)
	}
	if !c.wait || len(p.Set.Hosts) == 0 {
		return nil
	}
	began := time.Now()
	waiting, stop := context.WithTimeout(ctx, c.timeout)
	defer stop()
	done := c.tool.status("waiting until " + holders(p.Set) + " have let go of it")
	err = diagnose.HoldNot(waiting, client, p.Set)
	done()
	if unseen, partly := errors.AsType[*diagnose.UnseenError](err); partly {
		c.tool.note("What may be looked at has let go of it (%.1f s): %s", time.Since(began).Seconds(), oneLine(unseen))
		return nil
	}
	if err != nil {
		return c.tool.late(waiting, fmt.Sprintf("set %s is gone from the cluster", p.Set.Name), err)
	}
	c.tool.note("%s have let go of it (%.1f s)", holders(p.Set), time.Since(began).Seconds())
	return nil
}
