package plugin

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

type checkCommand struct {
	tool    *tool
	targets []string
	from    []string // files or folders
	gather  sources
	output  *choice
	colour  *choice
	failOn  *choice
	wait    bool
	probe   bool
	timeout time.Duration
}

func newCheck(t *tool) *cobra.Command {
	c := &checkCommand{tool: t}
	cmd := &cobra.Command{
		Use:   "check [SET|HOST ...]",
		Short: "Diagnose: does traffic take the gateway, and if not, why?",
		Long: "Diagnose egress paths: follow each host through the real configuration of the sidecars and of the gateway, and say why where " +
			"it does not arrive. Without an argument every egress path of the mesh is looked at, made by this tool or by hand; " +
			"-n narrows that to one namespace. It only reads.\n\n" +
			"--security also judges whether workloads can leave without the gateway, and who may use it: NetworkPolicies, outbound " +
			"traffic policy, pods without a sidecar, ports and addresses kept out of its sight, other ports of a host, the gateway's nodes " +
			"and callers. It needs the rights to list pods, namespaces, nodes, networkpolicies and authorizationpolicies in all namespaces; " +
			"what may not be read is unknown.\n\n" +
			"Exit codes: 0 fine; 1 the cluster failed, or something could not be read; 3 a check failed; " +
			"4 only warnings, with --fail-on=warning; 124 timed out. They are the same whatever --output says: junit is for CI servers, " +
			"sarif for code scanning, html one page for people who have no terminal",
		Example: t.examples(
			"every egress path of the mesh", "check",
			"can anybody go round the gateway?", "check --security",
			"one host, as a certain workload sees it", "check edition.cnn.com --from-pod=default/sleep",
			"what is in a repository, without a cluster: the rules that objects alone decide", "check --from=manifests/ -o junit",
			"in a pipeline: wait until all is well, at most two minutes", "check --wait --timeout=2m -o junit > egress.xml"),
		GroupID: groupRead,
		Args:    func(cmd *cobra.Command, args []string) error { return c.parse(cmd, args) },
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	formats := make([]string, 0, len(report.Formats()))
	for _, format := range report.Formats() {
		formats = append(formats, string(format))
	}
	c.output = choose(cmd, "output", "o", "How the report is printed", formats...)
	c.failOn = choose(cmd, "fail-on", "", "What makes the exit code other than 0; warning: warnings too", "failure", "warning")
	f.BoolVar(&c.wait, "wait", false, "Look again until nothing fails; stops early if only a change of an object or a right can mend it, and for 15s there was none")
	f.DurationVar(&c.timeout, "timeout", defaultWait, "How long to wait")
	f.StringArrayVar(&c.from, "from", nil, "Diagnose files instead of a cluster: a capture, an archive of istioctl bug-report, Envoy's config_dump of a sidecar and "+
		"of a gateway, or YAML of objects; a folder stands for the files in it, - for stdin. May be given more than once")
	c.gather.flags(cmd)
	c.probeFlag(cmd)
	c.colour = choose(cmd, "color", "", "Colors; auto: on a terminal, unless NO_COLOR is set", "auto", "always", "never")
	cmd.ValidArgsFunction = t.completeTargets()
	return cmd
}

// sources are the flags that bound what is gathered, the same for check and capture.
type sources struct {
	fromPod    string
	everywhere bool
	security   bool
	maxPods    int
	since      time.Duration
}

// lately is how far back log lines count where nobody says.
const lately = 10 * time.Minute

func (s *sources) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.fromPod, "from-pod", "", "Only the sidecar of this workload: [NAMESPACE/]POD or the Deployment that made it (default: one of each namespace)")
	everywhere(cmd, &s.everywhere, "All namespaces, whatever -n or the kubeconfig say; the default without -n")
	f.BoolVar(&s.security, "security", false, "Also who can go round the gateway, and who may use it")
	f.IntVar(&s.maxPods, "max-pods", 5, "How many pods of each gateway are looked at")
	f.DurationVar(&s.since, "since", lately, "How far back lines of access logs count as evidence, for example 1h; 0: as far as they go. Of a capture: before it was made")
}

// options says what is gathered. namespace is where --from-pod is looked for.
func (s *sources) options(c *kube.Client) gather.Options {
	return gather.Options{
		From: s.fromPod, Namespace: c.Namespace(), MaxPods: s.maxPods, Security: s.security, Logs: c.Logs, Since: s.since,
	}
}

func (s *sources) parse(cmd *cobra.Command) error {
	if s.maxPods < 1 {
		return usagef(cmd, "--max-pods=%d: at least one is needed", s.maxPods)
	}
	if s.since < 0 {
		return usagef(cmd, "--since=%s: give how far back, for example 10m", s.since)
	}
	if s.everywhere && cmd.Flags().Changed("namespace") {
		return usagef(cmd, "choose one: -n or -A")
	}
	return nil
}

func (c *checkCommand) parse(cmd *cobra.Command, args []string) error {
	for _, a := range args {
		c.targets = append(c.targets, strings.TrimPrefix(a, setPrefix))
	}
	if len(c.from) > 0 {
		for _, flag := range []string{"wait", "from-pod", "max-pods", "probe"} {
			if cmd.Flags().Changed(flag) {
				return usagef(cmd, "--%s asks a cluster; what was saved (--from) is what it is", flag)
			}
		}
	}
	if len(c.from) > 0 && !cmd.Flags().Changed("since") {
		c.gather.since = 0 // all that was captured
	}
	if err := c.probeArgs(cmd); err != nil {
		return err
	}
	return c.gather.parse(cmd)
}

func (c *checkCommand) run(ctx context.Context) error {
	options := diagnose.Options{
		Targets:       c.targets,
		FailOnWarning: c.failOn.value == "warning",
		ToolVersion:   Version(),
		Namespace:     *c.tool.config.Namespace,
		Security:      c.gather.security,
	}
	if len(c.from) > 0 {
		options.Since = c.gather.since
		s, err := c.tool.load(ctx, c.from)
		if err != nil {
			return err
		}
		r, err := diagnose.Judge(s, options)
		if err != nil {
			return err
		}
		return c.print(r)
	}
	client, err := c.tool.connect("check")
	if err != nil {
		return err
	}
	defer client.Close()
	options.Gather = c.gather.options(client)
	options.Probe = c.probes(client)
	look := func(ctx context.Context) (report.Report, *snapshot.Snapshot, error) {
		done := c.tool.status("following the paths")
		defer done()
		return diagnose.Check(ctx, client, options)
	}
	if c.wait {
		return c.until(ctx, look)
	}
	r, _, err := look(ctx)
	if err != nil {
		return err
	}
	return c.print(r)
}

// print writes the report and makes its exit code the program's.
func (c *checkCommand) print(r report.Report) error {
	err := report.Write(c.tool.Out, r, report.Format(c.output.value), report.Options{
		Color:   c.tool.term.paints(c.colour.value),
		Unicode: c.tool.term.unicode,
		Program: c.tool.name,
		Home:    Home,
		Width:   c.tool.term.width,
	})
	if err != nil {
		return err
	}
	for _, n := range r.Notes {
		told := func(s snapshot.Sample) bool { return n == s.String() }
		if report.Format(c.output.value) != report.Human || !slices.ContainsFunc(r.Samples, told) {
			c.tool.note("%s", n)
		}
	}
	if r.ExitCode != report.Fine {
		return verdict(r.ExitCode)
	}
	return nil
}
