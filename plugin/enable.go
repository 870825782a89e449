package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// defaultWait bounds the waiting for proxies. Istio pushes within a second or two; a gateway that starts takes some ten more.
const defaultWait = time.Minute

// The values of --dry-run, as kubectl has them.
const (
	dryNone   = "none"
	dryClient = "client" // nothing is sent that writes, not even as a dry run
	dryServer = "server" // the API server checks everything and stores nothing
)

type enable struct {
	tool     *tool
	declared declared
	dryRun   *choice
	output   *choice
	wait     bool
	timeout  time.Duration
	options  apply.Options
}

func newEnable(t *tool) *cobra.Command {
	e := &enable{tool: t}
	cmd := &cobra.Command{
		Use:   "enable --domains=HOST[,HOST...] | -f FILE",
		Short: "Declare a set of hosts and have its configuration put on the cluster",
		Long: "Declare a set of hosts outside the mesh and have the documented Istio configuration put on the cluster, so that traffic " +
			"to them leaves through the egress gateway. Everything is first checked by a dry run on the server. Running it again changes nothing",
		Example: t.examples(
			"TLS and plain HTTP to one host leave through the gateway", "enable --domains=edition.cnn.com",
			"two hosts in one set, TLS only", "enable --domains=edition.cnn.com,en.wikipedia.org --name=news --mode=passthrough",
			"the same from a file, as a set keeps it in its ConfigMap", "enable -f set.yaml",
			"what would happen", "enable --domains=edition.cnn.com --dry-run=server"),
		GroupID: groupWrite,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return e.run(cmd) },
	}
	e.declared.flags(cmd)
	f := cmd.Flags()
	e.dryRun = choose(cmd, "dry-run", "", "Only tell what would be done; server: have the API server check it", dryNone, dryClient, dryServer)
	f.Lookup("dry-run").NoOptDefVal = dryServer
	e.output = chooseOutput(cmd, "Print the objects instead of a line for each", "yaml", "json", "name")
	f.BoolVar(&e.wait, "wait", true, "Wait until the sidecars and the gateway have the configuration")
	f.DurationVar(&e.timeout, "timeout", defaultWait, "How long to wait")
	f.BoolVar(&e.options.Force, "force-conflicts", false, "Take over fields that somebody else set")
	f.BoolVar(&e.options.NoRollback, "no-rollback", false, "Leave what was written if a later write fails")
	f.BoolVar(&e.options.Adopt, "adopt", false, "Take over objects of the same name that were made by hand")
	return cmd
}

func (e *enable) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	declaration, err := e.declared.declaration(e.tool, cmd)
	if err != nil {
		return err
	}
	set, client, err := e.tool.declare(declaration, "enable")
	if err != nil {
		return err
	}
	defer client.Close()
	set, facts, err := e.tool.settle(ctx, client, set, e.declared.selector)
	if err != nil {
		return err
	}
	if e.dryRun.value == dryClient {
		return e.renderOnly(set, facts)
	}
	planning := e.tool.status("checking everything on the server")
	plan, err := apply.NewPlan(ctx, client, set, facts, e.options)
	planning()
	if err != nil {
		return err
	}
	e.announce(set)
	e.tool.notes(plan)
	if e.dryRun.value == dryServer {
		return e.show(plan)
	}
	if err := e.carryOut(ctx, plan); err != nil {
		return err
	}
	return e.hold(ctx, client, plan)
}

func (e *enable) announce(set egress.Set) {
	e.tool.note("set %s: %s by %s", set.Name, hosts(set.Hosts), way(set))
}

// renderOnly is the dry run that asks the server for nothing but what the mesh is.
func (e *enable) renderOnly(set egress.Set, facts mesh.Facts) error {
	objs, err := recipe.Render(set, facts)
	if err != nil {
		return err
	}
	e.announce(set)
	return e.tool.onlyShow(e.output.value, objs)
}

// show prints a plan that is not carried out.
func (e *enable) show(plan *apply.Plan) error {
	if e.output.value != "" {
		return printObjects(e.tool.Out, e.output.value, results(plan))
	}
	e.tool.lines(plan, " (server dry run)").printAll(plan)
	return nil
}

// carryOut writes, telling each object as it is done, and says what is on the cluster if it could not finish.
func (e *enable) carryOut(ctx context.Context, plan *apply.Plan) error {
	done := e.tool.lines(plan, "").print
	if e.output.value != "" {
		done = func(apply.Change) {}
	}
	outcome, err := plan.Execute(ctx, done)
	if err != nil {
		return e.tool.unfinished(outcome, err)
	}
	if e.output.value != "" {
		return printObjects(e.tool.Out, e.output.value, results(plan))
	}
	return nil
}

// results are the objects of a plan as the API server has them, without the bookkeeping of field managers.
func results(plan *apply.Plan) []*unstructured.Unstructured {
	var objs []*unstructured.Unstructured
	for _, c := range plan.Changes {
		if c.After != nil {
			o := c.After.DeepCopy()
			o.SetManagedFields(nil)
			objs = append(objs, o)
		}
	}
	return objs
}

// hold waits until the proxies have what was written.
func (e *enable) hold(ctx context.Context, client *kube.Client, plan *apply.Plan) error {
	proof := fmt.Sprintf("%s check %s", e.tool.name, plan.Set.Name)
	if !e.wait {
		e.tool.note("Not waited until the proxies have it. Prove it: %s", proof)
		return nil
	}
	began := time.Now()
	waiting, stop := context.WithTimeout(ctx, e.timeout)
	defer stop()
	done := e.tool.status("waiting until " + holders(plan.Set) + " have it")
	err := diagnose.Hold(waiting, client, plan.Set)
	unseen, partly := errors.AsType[*diagnose.UnseenError](err)
	if names := secrets(plan.Set); len(names) > 0 && (err == nil || partly) {
		// Of a gateway that may not be looked at it is told already; what else is the matter with its secrets is not.
		inactive := diagnose.Active(waiting, client, plan.Set.Gateway, names...)
		told := partly && errors.Is(inactive, kube.ErrForbidden)
		if inactive != nil && !told {
			err, partly = inactive, false
		}
	}
	done()
	switch {
	case partly:
		e.tool.note("What may be looked at has it (%.1f s): %s. Prove it: %s", time.Since(began).Seconds(), oneLine(unseen), proof)
		return nil
	case err != nil:
		return e.tool.late(waiting, fmt.Sprintf("set %s is on the cluster", plan.Set.Name), err)
	}
	e.tool.note("%s have it (%.1f s). Prove it: %s", holders(plan.Set), time.Since(began).Seconds(), proof)
	return nil
}

// secrets are those that the gateway must hold before the set works, by Envoy's names.
func secrets(set egress.Set) []string {
	switch {
	case set.Credential != "":
		return []string{admin.CredentialSecret(set.Credential), admin.CASecret(set.Credential)}
	case set.CASecret != "":
		return []string{admin.CASecret(set.CASecret)}
	case set.CA != "":
		return []string{admin.CASecret(recipe.AuthorityName(set))}
	}
	return nil
}
