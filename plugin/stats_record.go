package plugin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply/install/ready"
	"github.com/kubectl-egress/kubectl-egress/apply/record"
	"github.com/kubectl-egress/kubectl-egress/diagnose/measure"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

type statsRecord struct {
	tool    *tool
	on      bool
	gateway egress.GatewayRef
	named   string
	yes     bool
	force   bool
	wait    bool
	timeout time.Duration
}

func newStatsRecord(t *tool) *cobra.Command {
	s := &statsRecord{tool: t}
	cmd := &cobra.Command{
		Use:   "record on|off",
		Short: "Have a gateway record the statistics that Istio leaves out, or no longer",
		Long: "Have an egress gateway record the statistics that Istio leaves out, by the annotation " + counter.ConfigAnnotation + " of its pod " +
			"template; off restores what was there before. Envoy reads it when it starts: the gateway's pods are restarted, one after the other " +
			"as its Deployment, DaemonSet or StatefulSet says",
		Example: t.examples(
			"record", "stats record on --gateway=istio-system/istio-egressgateway",
			"as before", "stats record off --gateway=istio-system/istio-egressgateway --yes"),
		GroupID:   groupOnly,
		ValidArgs: []string{"on", "off"},
		Args:      func(cmd *cobra.Command, args []string) error { return s.parse(cmd, args) },
		RunE:      func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&s.named, "gateway", "", "Egress gateway as NAMESPACE/SERVICE (default: the mesh's only one)")
	f.BoolVarP(&s.yes, "yes", "y", false, "Do not ask before the pods are restarted")
	f.BoolVar(&s.force, "force-conflicts", false, "Take the annotation over from another manager")
	f.BoolVar(&s.wait, "wait", true, "Wait until every pod records, or no longer does")
	f.DurationVar(&s.timeout, "timeout", 5*time.Minute, "How long to wait")
	return cmd
}

func (s *statsRecord) parse(cmd *cobra.Command, args []string) (err error) {
	if len(args) != 1 || args[0] != "on" && args[0] != "off" {
		return usagef(cmd, "say on or off")
	}
	s.on = args[0] == "on"
	if s.named != "" {
		s.gateway, err = egress.ParseGatewayRef(s.named)
	}
	return err
}

func (s *statsRecord) run(ctx context.Context) error {
	client, err := s.tool.connect("stats record")
	if err != nil {
		return err
	}
	defer client.Close()
	if s.gateway == (egress.GatewayRef{}) {
		facts, err := discover.Discover(ctx, client)
		if err != nil {
			return err
		}
		if s.gateway, err = onlyGateway(facts); err != nil {
			return err
		}
	}
	gateway, err := discover.Gateway(ctx, client, s.gateway)
	if err != nil {
		return err
	}
	plan, err := record.NewPlan(ctx, client, gateway, s.on, s.force)
	if err != nil {
		return err
	}
	if !plan.Changes() {
		s.said(plan, "unchanged")
		return nil
	}
	if err := s.consent(ctx, plan); err != nil {
		return err
	}
	if err := plan.Execute(ctx, client); err != nil {
		return err
	}
	s.said(plan, "configured")
	return s.await(ctx, client, plan)
}

func (s *statsRecord) said(plan record.Plan, what string) {
	fmt.Fprintf(s.tool.Out, "%s/%s   %s   (%s)\n", strings.ToLower(plan.Workload.Kind), plan.Workload.Name, what, plan.Workload.Namespace)
}

// consent tells that pods restart, and asks.
func (s *statsRecord) consent(ctx context.Context, plan record.Plan) error {
	how := "will be restarted, one after the other; connections through them end"
	if plan.ByHand {
		how = "will do so once you delete them (update strategy OnDelete)"
	}
	s.tool.note("gateway %s: %s of %s %s", s.gateway, count(plan.Pods, "pod"), plan.Workload, how)
	if s.yes {
		return nil
	}
	if !s.tool.term.asks {
		return egress.Inputf("nobody is there to be asked whether the pods may be restarted; say --yes")
	}
	yes, err := s.tool.ask(ctx, "Go on?")
	if err != nil {
		return err
	}
	if !yes {
		return egress.Inputf("nothing was changed")
	}
	return nil
}

// await waits until all pods do as they were told.
func (s *statsRecord) await(ctx context.Context, client *kube.Client, plan record.Plan) error {
	if !s.wait || plan.ByHand {
		s.tool.note("Not waited until the pods are restarted. See: %s stats -o wide", s.tool.name)
		return nil
	}
	began := time.Now()
	waiting, stop := context.WithTimeout(ctx, s.timeout)
	defer stop()
	done := s.tool.status("waiting until the pods are restarted")
	pods, err := s.restarted(waiting, client, plan)
	if err == nil && s.on {
		pods, err = measure.Recording(waiting, client, s.gateway)
	}
	done()
	if err != nil {
		return s.tool.late(waiting, "the annotation is on the cluster", err)
	}
	words := map[bool]string{true: "records", false: "records as it did before"}[s.on]
	s.tool.note("gateway %s %s (%s, %.1f s)", s.gateway, words, count(pods, "pod"), time.Since(began).Seconds())
	return nil
}

func (s *statsRecord) restarted(ctx context.Context, client *kube.Client, plan record.Plan) (pods int, err error) {
	if w := plan.Workload; w.Kind == "Deployment" {
		return ready.Deployment(ctx, client, egress.GatewayRef{Namespace: w.Namespace, Service: w.Name}, 1)
	}
	return plan.Restarted(ctx, client)
}
