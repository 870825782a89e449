package plugin

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply"
)

// The exit codes of diff, where kubectl diff's convention goes before the house's: scripts ask "1, or worse?".
const (
	exitDiffers = 1
	exitNoDiff  = 2 // and above: no comparison came about
)

type diff struct {
	tool     *tool
	declared declared
	managed  bool
	options  apply.Options
	differ   differ
}

func newDiff(t *tool) *cobra.Command {
	d := &diff{tool: t}
	cmd := &cobra.Command{
		Use:   "diff --domains=HOST[,HOST...] | -f FILE",
		Short: "Show what enable would change, as kubectl diff does",
		Long: "Show what enable would change, object by object, as kubectl diff does: as it is on the cluster against what the API server says " +
			"it would become. Nothing is written; what enable refuses is refused here.\n\n" +
			externalDiff + " names another program than 'diff -u -N', with parameters of letters, digits, - and =; it gets two folders, " +
			"and is expected to exit as diff does.\n\n" +
			"Exit codes: 0 no difference, 1 differences, 2 and above an error",
		Example: t.examples(
			"what would another host in the set change?", "diff --domains=edition.cnn.com,en.wikipedia.org --name=news",
			"in a pipeline: does the cluster have what the repository says?", "diff -f set.yaml"),
		GroupID: groupWrite,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return asDiff(cmd.Context(), d.run(cmd)) },
	}
	d.declared.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&d.managed, "show-managed-fields", false, "Compare managedFields too")
	f.BoolVar(&d.options.Force, "force-conflicts", false, "As if fields that somebody else set were taken over")
	f.BoolVar(&d.options.Adopt, "adopt", false, "As if objects of the same name that were made by hand were taken over")
	return cmd
}

func (d *diff) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	d.differ = newDiffer(os.Getenv(externalDiff))
	if err := d.differ.find(); err != nil {
		return err
	}
	declaration, err := d.declared.declaration(d.tool, cmd)
	if err != nil {
		return err
	}
	set, client, err := d.tool.declare(declaration, "diff")
	if err != nil {
		return err
	}
	defer client.Close()
	set, facts, err := d.tool.settle(ctx, client, set, d.declared.selector)
	if err != nil {
		return err
	}
	done := d.tool.status("checking everything on the server")
	plan, err := apply.NewPlan(ctx, client, set, facts, d.options)
	done()
	if err != nil {
		return err
	}
	for _, n := range plan.Notes {
		d.tool.note("%s", n)
	}
	return d.show(ctx, plan.Changes)
}

// show has the program compare what changes. Its verdict is that of the command.
func (d *diff) show(ctx context.Context, changes []apply.Change) (err error) {
	folders, err := newDiffFolders()
	if err != nil {
		return err
	}
	defer func() {
		if gone := folders.remove(); err == nil {
			err = gone
		}
	}()
	some := false
	for _, c := range changes {
		if c.Action == apply.Unchanged { // what differs here is what the API server keeps for itself
			continue
		}
		some = true
		if err := folders.add(c, d.managed); err != nil {
			return err
		}
	}
	if !some {
		return nil
	}
	return d.differ.run(ctx, d.tool.IOStreams, folders.live, folders.merged)
}

// diffFailed is an error of a comparison that did not come about, with an exit code that nobody takes for a difference.
type diffFailed struct {
	err  error
	code int
}

func (d *diffFailed) Error() string { return d.err.Error() }
func (d *diffFailed) Unwrap() error { return d.err }

// asDiff keeps 1 for differences: what would exit with it otherwise exits with 2. Time-outs and signals keep their own codes.
func asDiff(ctx context.Context, err error) error {
	if _, said := err.(verdict); err == nil || said || exitCode(ctx, err) != exitFailed { //nolint:errorlint // a verdict is never wrapped
		return err
	}
	return &diffFailed{err: err, code: exitNoDiff}
}
