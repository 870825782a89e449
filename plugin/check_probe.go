package plugin

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/probe"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// probeFlag registers --probe of check.
func (c *checkCommand) probeFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.probe, "probe", false, "Also send a real request along each path, from a workload that has it, and prove which way it went: "+
		"up to 25s for eight paths. Of a wildcard a host that is named, or one that the gateway leads to, is asked for")
}

// probeArgs refuses to send requests again and again.
func (c *checkCommand) probeArgs(cmd *cobra.Command) error {
	if c.probe && c.wait {
		return usagef(cmd, "choose one: --probe sends requests, and --wait would send them each second")
	}
	return nil
}

// probes sends requests along paths, as the diagnosis asks for; nil unless --probe was given.
func (c *checkCommand) probes(client *kube.Client) func(context.Context, *snapshot.Snapshot, []trace.Path) ([]check.Finding, error) {
	if !c.probe {
		return nil
	}
	return func(ctx context.Context, s *snapshot.Snapshot, paths []trace.Path) ([]check.Finding, error) {
		o := probe.Options{Gateways: s.Facts.Gateways, Templates: c.tool.logFormats(ctx, client, s.Facts)}
		return probe.Paths(ctx, client, o, c.targets, paths)
	}
}
