package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/diagnose/measure"
	"github.com/kubectl-egress/kubectl-egress/stats/ask"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// leastInterval keeps --watch from asking faster than proxies answer.
const leastInterval = 100 * time.Millisecond

type statsCommand struct {
	tool     *tool
	options  measure.Options
	gather   sources
	via      *choice
	output   *choice
	watch    bool
	interval time.Duration
}

func newStats(t *tool) *cobra.Command {
	s := &statsCommand{tool: t}
	cmd := &cobra.Command{
		Use:   "stats [SET|HOST ...]",
		Short: "Counters of every hop: connections, requests, failures, bytes",
		Long: "Counters of egress paths at every gateway pod: connections opened, active and failed, requests, refused certificates, failed " +
			"look-ups, bytes. Envoy's statistics are asked first, where the proxy records them (/stats), then the counters of its hosts, which " +
			"are always there and begin anew when the hosts change (/clusters), then Istio's metrics (istio_*; where the admin interface has none, " +
			"those of ports 15020 and 15090). What no proxy records is told as " +
			"such, never as 0; 'stats record on' has a gateway record it.\n\n" +
			"Exit codes: 0 fine; 1 the cluster failed, or a proxy could not be asked",
		Example: t.examples(
			"every egress path, at every gateway pod", "stats",
			"one host, at the clients too, as it goes on", "stats edition.cnn.com --sidecars --watch",
			"have the gateway record what it does not", "stats record on --gateway=istio-system/istio-egressgateway"),
		GroupID: groupRead,
		Args:    func(cmd *cobra.Command, args []string) error { return s.parse(cmd, args) },
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	s.output = chooseOutput(cmd, "How they are printed (default: a table)", "wide", "json", "yaml", "prometheus")
	f.BoolVarP(&s.watch, "watch", "w", false, "Go on, with rates and the last minute; in place on a terminal, else as lines")
	f.DurationVar(&s.interval, "interval", 2*time.Second, "How often, with --watch")
	f.BoolVar(&s.options.Sidecars, "sidecars", false, "Every client too, not only the gateways")
	s.via = choose(cmd, "via", "", "How Envoy is asked; auto: through a port-forward or, where that is forbidden, by exec",
		string(ask.Auto), string(ask.Exec), string(ask.PortForward))
	f.StringVar(&s.gather.fromPod, "from-pod", "", "Only the sidecar of this workload: [NAMESPACE/]POD or the Deployment that made it")
	everywhere(cmd, &s.gather.everywhere, "All namespaces, whatever -n or the kubeconfig say; the default without -n")
	s.gather.maxPods = 1 // no flag of this command
	cmd.AddGroup(&cobra.Group{ID: groupOnly, Title: "Commands"})
	cmd.AddCommand(newStatsRecord(t))
	cmd.ValidArgsFunction = t.completeTargets()
	return cmd
}

func (s *statsCommand) parse(cmd *cobra.Command, args []string) error {
	for _, a := range args {
		s.options.Targets = append(s.options.Targets, strings.TrimPrefix(a, setPrefix))
	}
	switch {
	case s.interval < leastInterval:
		return usagef(cmd, "--interval=%s is too short; give at least %s", s.interval, leastInterval)
	case cmd.Flags().Changed("interval") && !s.watch:
		return usagef(cmd, "--interval is about --watch; say that too")
	case s.watch && s.output.value == "prometheus":
		return usagef(cmd, "choose one: --watch or -o prometheus, which is one moment")
	}
	return s.gather.parse(cmd)
}

func (s *statsCommand) run(ctx context.Context) error {
	client, err := s.tool.connect("stats")
	if err != nil {
		return err
	}
	defer client.Close()
	s.options.Namespace = *s.tool.config.Namespace
	s.options.Gather.From = s.gather.fromPod
	s.options.Gather.Namespace = client.Namespace()
	s.options.Via = ask.Via(s.via.value)
	if s.options.Gather.From != "" {
		s.options.Sidecars = true
	}
	if s.watch {
		return s.follow(ctx, client)
	}
	done := s.tool.status("asking the proxies")
	r, err := s.once(ctx, client)
	done()
	if err != nil {
		return err
	}
	if err := s.print(r); err != nil {
		return err
	}
	s.remarks(r)
	return unasked(r)
}

// once finds the paths and asks what is counted of them.
func (s *statsCommand) once(ctx context.Context, client measure.Client) (counter.Report, error) {
	m, err := measure.Find(ctx, client, s.options)
	if err != nil {
		return counter.Report{}, err
	}
	r, _, err := m.Read(ctx)
	return r, err
}

// unasked makes it an error that a proxy could not be asked: what it counts is missing in what was printed.
func unasked(r counter.Report) error {
	var failed []string
	for _, p := range r.Proxies {
		if p.Failed != "" {
			failed = append(failed, fmt.Sprintf("%s/%s: %s", p.Namespace, p.Pod, p.Failed))
		}
	}
	switch len(failed) {
	case 0:
		return nil
	case 1:
		return errors.New("a proxy could not be asked: " + failed[0])
	}
	return fmt.Errorf("%d proxies could not be asked: %s", len(failed), strings.Join(failed, "; "))
}
