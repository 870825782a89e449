package plugin

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// maxSidecars bounds how many sidecars are read unless told otherwise.
const maxSidecars = 100

type logsCommand struct {
	tool    *tool
	targets []string // sets and hosts
	from    string   // a file
	format  string
	gateway string
	fromPod string

	everywhere, follow, sidecars, join bool

	maxPods     int
	tail        int64
	since       time.Duration
	flags, code []string
	output      *choice

	filter    accesslog.Filter
	templates []*accesslog.Template
	ref       egress.GatewayRef
}

func newLogs(t *tool) *cobra.Command {
	c := &logsCommand{tool: t}
	cmd := &cobra.Command{
		Use:   "logs [SET|HOST ...]",
		Short: "Access log of gateway and sidecar, SNI proxy log, mixer log, as one stream",
		Long: "Print what the proxies of egress paths wrote about connections, whatever their Istio: each line read into the same shape, and " +
			"filtered. Without --follow lines come in the order in which they were written. Lines about a whole connection (TCP, TLS) are " +
			"written when it ends, and up to 10 s late.\n\n" +
			"--join shows both hops of a connection as one row and marks those that the gateway never saw. Lines that are no access log are " +
			"left as they are by -o raw without a filter, and only counted otherwise.",
		Example: t.examples(
			"what the gateways did for a host", "logs edition.cnn.com",
			"failures of a set, as they happen", "logs news -f --flag=any",
			"does traffic of a workload pass the gateway, connection by connection?", "logs --join --from-pod=default/sleep",
			"saved lines, no cluster", "logs --from=gateway.log --code=5xx -o json"),
		GroupID: groupRead,
		Args:    func(cmd *cobra.Command, args []string) error { return c.parse(cmd, args) },
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	c.output = choose(cmd, "output", "o", "How a line is printed; raw: as it was written", "text", "wide", "json", "raw")
	f.BoolVarP(&c.follow, "follow", "f", false, "Go on as lines are written, through restarts of pods, until stopped")
	f.BoolVar(&c.sidecars, "sidecars", false, "The sidecars of workloads too; -n narrows them to one namespace")
	f.BoolVar(&c.join, "join", false, "Both hops of a connection as one row; reads the sidecars")
	f.StringVar(&c.fromPod, "from-pod", "", "Only the sidecar of this workload: [NAMESPACE/]POD or the Deployment that made it; reads the sidecars")
	f.StringVar(&c.gateway, "gateway", "", "Only this gateway: NAMESPACE/SERVICE (default: all egress gateways)")
	f.StringSliceVar(&c.flags, "flag", nil, "Only lines with one of these response flags: UF,NR, any, none")
	f.StringSliceVar(&c.code, "code", nil, "Only lines with one of these HTTP codes: 404, 5xx, 500-599")
	f.DurationVar(&c.since, "since", 0, "Only lines written in the last so long: 30s, 10m, 2h (default: all there are)")
	f.Int64Var(&c.tail, "tail", 0, "Only so many last lines of each container (default: all)")
	f.StringVar(&c.from, "from", "", "Read saved lines instead of a cluster; - is stdin")
	f.StringVar(&c.format, "format", "", "A format of one's own: Envoy's operators or nginx's variables (default: Istio's, and what the mesh configuration says)")
	everywhere(cmd, &c.everywhere, "Sidecars of all namespaces, whatever -n or the kubeconfig say; the default without -n")
	f.IntVar(&c.maxPods, "max-pods", maxSidecars, "How many sidecars are read at most")
	cmd.ValidArgsFunction = t.completeTargets()
	return cmd
}

// parse turns the command line into checked values.
func (c *logsCommand) parse(cmd *cobra.Command, args []string) error {
	for _, a := range args {
		c.targets = append(c.targets, strings.TrimPrefix(a, setPrefix))
	}
	c.sidecars = c.sidecars || c.join || c.fromPod != ""
	if err := c.parseCombination(cmd); err != nil {
		return err
	}
	for _, s := range c.flags {
		flag, err := accesslog.ParseFlag(s)
		if err != nil {
			return egress.Inputf("--flag: %v", err)
		}
		c.filter.Flags = append(c.filter.Flags, flag)
	}
	for _, s := range c.code {
		codes, err := accesslog.ParseCodes(s)
		if err != nil {
			return egress.Inputf("--code: %v", err)
		}
		c.filter.Codes = append(c.filter.Codes, codes)
	}
	if c.since > 0 {
		c.filter.Since = time.Now().Add(-c.since)
	}
	if c.format != "" {
		t, err := accesslog.ParseTemplate(c.format)
		if err != nil {
			return egress.Inputf("--format: %v", err)
		}
		c.templates = []*accesslog.Template{t}
	}
	var err error
	if c.gateway != "" {
		c.ref, err = egress.ParseGatewayRef(c.gateway)
	}
	return err
}

func (c *logsCommand) parseCombination(cmd *cobra.Command) error {
	if c.from != "" {
		for _, flag := range []string{"follow", "sidecars", "from-pod", "gateway", "tail", "max-pods", "all-namespaces", "namespace"} {
			if cmd.Flags().Changed(flag) {
				return usagef(cmd, "--%s asks a cluster; saved lines (--from) are what they are", flag)
			}
		}
	}
	switch {
	case c.join && c.output.value == formatRaw:
		return usagef(cmd, "--join makes one row of several lines; -o raw prints lines as they were written")
	case c.since < 0:
		return usagef(cmd, "--since=%s: give how far back, for example 10m", c.since)
	case c.tail < 0:
		return usagef(cmd, "--tail=%d: at least 1; without it all lines are read", c.tail)
	case c.maxPods < 1:
		return usagef(cmd, "--max-pods=%d: at least one is needed", c.maxPods)
	case c.everywhere && cmd.Flags().Changed("namespace"):
		return usagef(cmd, "choose one: -n or -A")
	}
	return nil
}

func (c *logsCommand) run(ctx context.Context) error {
	if c.from != "" {
		return c.saved(ctx)
	}
	client, err := c.tool.connect("logs")
	if err != nil {
		return err
	}
	defer client.Close()
	for _, target := range c.targets {
		hosts, err := c.hosts(ctx, client, target)
		if err != nil {
			return err
		}
		c.filter.Hosts = append(c.filter.Hosts, hosts...)
	}
	return c.live(ctx, client)
}

// saved reads lines from a file.
func (c *logsCommand) saved(ctx context.Context) error {
	for _, target := range c.targets {
		if !isHostName(target) {
			return egress.Inputf("%s would be a set on a cluster; saved lines (--from) are looked through for hosts, name one like edition.cnn.com", target)
		}
		h, err := egress.ParseHost(target)
		if err != nil {
			return err
		}
		c.filter.Hosts = append(c.filter.Hosts, h)
	}
	in, done, err := c.tool.open(c.from)
	if err != nil {
		return err
	}
	defer done()
	out := c.printer(nil)
	return errors.Join(out.readFrom(ctx, in), out.end())
}

// isHostName tells hosts from names of sets, which have no dot.
func isHostName(s string) bool { return strings.Contains(s, ".") }
