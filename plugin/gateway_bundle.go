package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/install/ready"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// rolloutWait bounds the waiting for Deployments: images may have to be pulled.
const rolloutWait = 2 * time.Minute

// installing is what commands share that put a Deployment and what belongs to it on the cluster.
type installing struct {
	tool    *tool
	dryRun  *choice
	output  *choice
	wait    bool
	timeout time.Duration
	options apply.Options
}

func (i *installing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	i.dryRun = choose(cmd, "dry-run", "", "Only tell what would be done; server: have the API server check it", dryNone, dryClient, dryServer)
	f.Lookup("dry-run").NoOptDefVal = dryServer
	i.output = chooseOutput(cmd, "Print the objects instead of a line for each", "yaml", "json", "name")
	f.BoolVar(&i.wait, "wait", true, "Wait until the pods are ready")
	f.DurationVar(&i.timeout, "timeout", rolloutWait, "How long to wait")
	f.BoolVar(&i.options.Force, "force-conflicts", false, "Take over fields that somebody else set")
	f.BoolVar(&i.options.Adopt, "adopt", false, "Take over objects of the same name that were made by hand")
}

// put carries a bundle out, or tells what would be done. It says whether anything stands now that can be waited for.
func (i *installing) put(ctx context.Context, client *kube.Client, b apply.Bundle) (stands bool, err error) {
	if i.dryRun.value == dryClient {
		return false, i.onlyShow(b)
	}
	done := i.tool.status("checking everything on the server")
	plan, err := apply.PlanBundle(ctx, client, b, i.options)
	done()
	if err != nil {
		return false, err
	}
	i.tool.notes(plan)
	if i.dryRun.value == dryServer {
		if i.output.value != "" {
			return false, printObjects(i.tool.Out, i.output.value, results(plan))
		}
		i.tool.bundleLines(plan, b.Parent.GetNamespace(), " (server dry run)").printAll(plan)
		return false, nil
	}
	told := i.tool.bundleLines(plan, b.Parent.GetNamespace(), "").print
	if i.output.value != "" {
		told = func(apply.Change) {}
	}
	outcome, err := plan.Execute(ctx, told)
	if err != nil {
		return false, i.tool.unfinished(outcome, err)
	}
	if i.output.value != "" {
		return true, printObjects(i.tool.Out, i.output.value, results(plan))
	}
	return true, nil
}

// onlyShow is the dry run that asks the server nothing.
func (i *installing) onlyShow(b apply.Bundle) error {
	objs := []*unstructured.Unstructured{b.Parent}
	for _, m := range b.Members {
		if m.GetKind() == "Namespace" { // whoever applies these objects needs it first
			objs = append([]*unstructured.Unstructured{m}, objs...)
		} else {
			objs = append(objs, m)
		}
	}
	return i.tool.onlyShow(i.output.value, objs)
}

// rolledOut waits until a Deployment is there with at least so many pods, and says how many pods it has and how long that took.
func (i *installing) rolledOut(ctx context.Context, client *kube.Client, ref egress.GatewayRef, least int, what string) (pods int, took time.Duration, err error) {
	began := time.Now()
	waiting, stop := context.WithTimeout(ctx, i.timeout)
	defer stop()
	done := i.tool.status("waiting until the pods are ready")
	pods, err = ready.Deployment(waiting, client, ref, least)
	done()
	switch {
	case err == nil:
		return pods, time.Since(began), nil
	case waiting.Err() != nil:
		return 0, 0, i.tool.late(waiting, what+" is on the cluster", err)
	}
	return 0, 0, fmt.Errorf("%s is on the cluster, but %w", what, err)
}

// bundleLines is lines for objects most of which are in one namespace.
func (t *tool) bundleLines(p *apply.Plan, namespace, suffix string) changeLines {
	l := t.lines(p, suffix)
	l.namespace = namespace
	return l
}

// notes tells what a plan has people know.
func (t *tool) notes(p *apply.Plan) {
	for _, n := range p.Notes {
		t.note("%s", n)
	}
}

// removing is what commands share that take a bundle away.
type removing struct {
	tool    *tool
	yes     bool
	dryRun  *choice
	wait    bool
	timeout time.Duration
}

func (r *removing) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&r.yes, "yes", false, "Do not ask")
	r.dryRun = choose(cmd, "dry-run", "", "Only tell what would be taken away", dryNone, dryClient, dryServer)
	cmd.Flags().Lookup("dry-run").NoOptDefVal = dryServer
	cmd.Flags().BoolVar(&r.wait, "wait", true, "Wait until the pods are gone")
	cmd.Flags().DurationVar(&r.timeout, "timeout", defaultWait, "How long to wait")
}

// askable refuses a command line that needs an answer where nobody can give one.
func (r *removing) askable(cmd *cobra.Command) error {
	if !r.yes && r.dryRun.value == dryNone && !r.tool.term.asks {
		return usagef(cmd, "nobody can be asked here: say --yes to take away without asking, or --dry-run to see what would go")
	}
	return nil
}

// plan finds out what has to go.
func (r *removing) plan(ctx context.Context, client *kube.Client, kind string, ref egress.GatewayRef) (*apply.Plan, error) {
	done := r.tool.status("looking for what is there")
	defer done()
	return apply.PlanBundleRemoval(ctx, client, kind, ref.Namespace, ref.Service)
}

// take carries a removal out, or tells what would go. It says whether all of it is gone.
func (r *removing) take(ctx context.Context, plan *apply.Plan, namespace string) (gone bool, err error) {
	r.tool.notes(plan)
	if r.dryRun.value != dryNone {
		suffix := map[string]string{dryClient: " (dry run)", dryServer: " (server dry run)"}[r.dryRun.value]
		r.tool.bundleLines(plan, namespace, suffix).printAll(plan)
		return false, nil
	}
	if !r.yes {
		agreed, err := r.confirm(ctx, plan)
		if err != nil {
			return false, err
		}
		if !agreed {
			r.tool.note("Nothing was taken away.")
			return false, nil
		}
	}
	outcome, err := plan.Execute(ctx, r.tool.bundleLines(plan, namespace, "").print)
	if err != nil {
		return false, r.tool.unfinished(outcome, err)
	}
	return true, nil
}

// seesPods refuses, while nothing is taken away yet, what could not be waited for afterwards.
func (r *removing) seesPods(ctx context.Context, client *kube.Client, namespace string, selected map[string]string) error {
	if !r.wait {
		return nil
	}
	o := kube.ListOptions{Labels: labels.FormatLabels(selected)}
	err := client.List(ctx, kube.Resource{Version: "v1", Resource: "pods"}, namespace, o, func(json.RawMessage) error { return nil })
	if err != nil {
		return fmt.Errorf("nothing was taken away: %w; --wait=false does without a look at the pods", err)
	}
	return nil
}

// podsGone waits until what was taken away runs no longer.
func (r *removing) podsGone(ctx context.Context, client *kube.Client, what, namespace string, selected map[string]string) error {
	if !r.wait {
		return nil
	}
	waiting, stop := context.WithTimeout(ctx, r.timeout)
	defer stop()
	done := r.tool.status("waiting until the pods are gone")
	err := ready.Gone(waiting, client, namespace, selected)
	done()
	if err != nil {
		return r.tool.late(waiting, what+" is gone from the cluster", err)
	}
	r.tool.note("%s is gone", what)
	return nil
}

// confirm shows what will go and asks.
func (r *removing) confirm(ctx context.Context, plan *apply.Plan) (bool, error) {
	going := 0
	for _, c := range plan.Changes {
		if c.Action == apply.Deleted {
			r.tool.note("  %s", shortName(c.Ref.Kind, c.Ref.Name))
			going++
		}
	}
	return r.tool.ask(ctx, fmt.Sprintf("Take away %s of %s?", count(going, "object"), plan.What))
}

// usersOf lists the sets of all namespaces whose traffic goes through a gateway.
func usersOf(ctx context.Context, client *kube.Client, ref egress.GatewayRef) ([]egress.Set, error) {
	sets, err := apply.Declared(ctx, client, "")
	if err != nil {
		return nil, fmt.Errorf("whether sets use gateway %s could not be found out: %w", ref, err)
	}
	return slices.DeleteFunc(sets, func(s egress.Set) bool { return s.Gateway != ref }), nil
}

// setNames names sets for people.
func setNames(sets []egress.Set) string {
	words := make([]string, 0, len(sets))
	for _, s := range sets {
		words = append(words, s.String())
	}
	return strings.Join(words, ", ")
}

// absent says that what was asked for is not there, rather than that it could not be asked for.
func absent(err error) bool { return errors.Is(err, kube.ErrAbsent) }

// completeBundles offers the bundles of a kind that this tool made, each as offer writes it.
func (t *tool) completeBundles(kind string, offer func(apply.OwnedBundle) string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		client, err := t.connect("completion")
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		defer client.Close()
		ours, err := apply.Bundles(cmd.Context(), client, kind, "")
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		offered := make([]string, 0, len(ours))
		for _, b := range ours {
			offered = append(offered, offer(b))
		}
		return offered, cobra.ShellCompDirectiveNoFileComp
	}
}
