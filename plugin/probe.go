package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/diagnose/probe"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
	"github.com/kubectl-egress/kubectl-egress/stats/logstream"
)

// Bounds of a probe's time.
const (
	probeTimeout = 30 * time.Second
	leastProbe   = 2 * time.Second
)

type probeCommand struct {
	tool    *tool
	target  probe.Target
	from    string
	url     string
	port    int
	path    string
	timeout time.Duration
	output  *choice
}

func newProbe(t *tool) *cobra.Command {
	p := &probeCommand{tool: t}
	cmd := &cobra.Command{
		Use:   "probe HOST",
		Short: "Send one real request from a workload, and prove hop by hop which way it went",
		Long: "Have a workload's own curl, wget, openssl or python3 send one request, and find the lines that its sidecar and the gateway wrote " +
			"about that very connection: both write the same address. An answer alone proves nothing. Lines about TLS connections are " +
			"written up to 10 s late. Where there is no access log, counters of both sides have to do, which is a weaker proof and told as such.\n\n" +
			"Needs the rights to create pods/exec for the workload, and to get pods/log and create pods/portforward there and at the gateways.\n\n" +
			"Exit codes: 0 it went through a gateway, or straight where a set declares that; 1 it cannot be told, or the cluster failed; " +
			"3 it went round the gateways, or the request failed; 124 timed out",
		Example: t.examples(
			"does a request take the gateway?", "probe edition.cnn.com",
			"from another workload, by HTTP", "probe edition.cnn.com --port=80 --path=/politics --from=deploy/sleep -n other"),
		GroupID: groupRead,
		Args:    func(cmd *cobra.Command, args []string) error { return p.parse(cmd, args) },
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	p.output = choose(cmd, "output", "o", "How the way is printed", "text", "json")
	f.StringVar(&p.from, "from", "", "Who asks: deploy/NAME or POD (default: the namespace's first pod with a sidecar)")
	f.StringVar(&p.url, "url", "", "What is asked for, in place of HOST, with http:// or https://")
	f.IntVar(&p.port, "port", 0, "Port (default: 443; 80 is asked by HTTP)")
	f.StringVar(&p.path, "path", "", "Path, with its query (default: /)")
	f.DurationVar(&p.timeout, "timeout", probeTimeout, "How long all may take; with less than 26s, lines of TLS connections may come too late")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return cmd
}

func (p *probeCommand) parse(cmd *cobra.Command, args []string) error {
	what := p.url
	switch {
	case len(args) > 1:
		return usagef(cmd, "one host at a time; there are %d", len(args))
	case len(args) == 1 && p.url != "":
		return usagef(cmd, "choose one: HOST or --url")
	case len(args) == 1:
		what = args[0]
	case p.url == "":
		return usagef(cmd, "name a host, for example edition.cnn.com")
	case cmd.Flags().Changed("port") || cmd.Flags().Changed("path"):
		return usagef(cmd, "--url has port and path in it")
	}
	switch {
	case cmd.Flags().Changed("port") && p.port < 1:
		return usagef(cmd, "--port=%d: ports are 1 to 65535", p.port)
	case p.timeout < leastProbe:
		return usagef(cmd, "--timeout=%s is too short; give at least %s", p.timeout, leastProbe)
	}
	if err := probe.CheckFrom(p.from); err != nil {
		return err
	}
	var err error
	p.target, err = probe.ParseTarget(what, p.port, p.path)
	return err
}

func (p *probeCommand) run(ctx context.Context) error {
	client, err := p.tool.connect(readOnly)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	done := p.tool.status("asking from a workload")
	r, err := p.probe(ctx, client, func(s string) {
		done()
		done = p.tool.status(s)
	})
	done()
	if err != nil {
		return err
	}
	if err := p.print(r); err != nil {
		return err
	}
	if r.ExitCode != exitOK {
		return verdict(r.ExitCode)
	}
	return nil
}

// probe gathers what has to be known, and probes.
func (p *probeCommand) probe(ctx context.Context, client *kube.Client, note func(string)) (probe.Result, error) {
	facts, err := discover.Discover(ctx, client)
	if err != nil {
		return probe.Result{}, err
	}
	for _, u := range facts.Unread {
		p.tool.note("not read: %s: %s", u.Source, u.Detail)
	}
	straight, err := p.straight(ctx, client)
	if err != nil {
		p.tool.note("which sets there are could not be found out: %s", oneLine(err))
	}
	o := probe.Options{
		Target: p.target, Namespace: client.Namespace(), From: p.from, Gateways: facts.Gateways, Direct: straight,
		Patience: min(10*time.Second, p.timeout/2), Settle: min(13*time.Second, p.timeout/2-p.timeout/16), Note: note,
	}
	namespace, revision := istiod(facts)
	o.Templates, err = logstream.Formats(ctx, client, namespace, revision)
	if err != nil && !errors.Is(err, kube.ErrAbsent) {
		p.tool.note("whether the mesh has an access log format of its own could not be found out: %s", oneLine(err))
	}
	return probe.Run(ctx, client, o)
}

// istiod is the namespace and revision of the control plane whose mesh configuration is read.
func istiod(facts mesh.Facts) (namespace, revision string) {
	if len(facts.Revisions) > 0 {
		return facts.Revisions[0].Namespace, facts.Revisions[0].Name
	}
	return facts.RootNamespace, ""
}

// straight names the set that declares that the host is reached without a gateway; empty if there is none. A set that sends any of
// its traffic through one wins over it.
func (p *probeCommand) straight(ctx context.Context, client *kube.Client) (string, error) {
	sets, err := apply.Sets(ctx, client, "")
	if errors.Is(err, kube.ErrForbidden) {
		sets, err = apply.Sets(ctx, client, client.Namespace())
	}
	if err != nil {
		return "", err
	}
	name := ""
	for _, s := range sets {
		for _, h := range s.Set.Hosts {
			switch {
			case h != p.target.Host && !h.Covers(p.target.Host):
			case s.Set.Mode != egress.Direct:
				return "", nil
			default:
				name = s.Set.Namespace + "/" + s.Set.Name
			}
		}
	}
	return name, nil
}

// print writes what was found out.
func (p *probeCommand) print(r probe.Result) error {
	if p.output.value == formatJSON {
		text, err := encode(formatJSON, r)
		if err != nil {
			return err
		}
		_, err = p.tool.Out.Write(text)
		return err
	}
	if _, err := fmt.Fprint(p.tool.Out, probeText(r, p.tool.term.unicode)); err != nil {
		return fmt.Errorf("print the way: %w", err)
	}
	return nil
}
