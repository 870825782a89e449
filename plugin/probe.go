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
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
	"github.com/kubectl-egress/kubectl-egress/stats/logstream"
)

// Bounds of a probe's time.
const (
	probeTimeout = 30 * time.Second
	madeTimeout  = time.Minute // where a container has to be made first
	leastProbe   = 2 * time.Second
)

// anyTool stands for the first that is there.
const anyTool = "any"

type probeCommand struct {
	tool    *tool
	target  probe.Target
	from    string
	url     string
	port    int
	path    string
	timeout time.Duration
	image   string
	bypass  bool
	program *choice
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
			"Where the workload has none of these programs, --image names an image that has one, and an ephemeral container asks in the " +
			"workload's pod, through the same sidecar. It ends within two minutes and stays in the pod's spec until the pod is gone.\n\n" +
			"--bypass tries, for your own mesh, to leave without a gateway: from the pod of --from, which has no sidecar, or from one that is made of " +
			"--image in the namespace and taken away again. Nothing is sent to any host but that one. That it could not is believed only if a " +
			"pod in the mesh gets an answer at the same time. A new pod has no labels of a workload's, so that NetworkPolicies for those do not hold it.\n\n" +
			"Needs the rights to create pods/exec for the workload, and to get pods/log and create pods/portforward there and at the gateways; " +
			"with --image to patch pods/ephemeralcontainers, or for --bypass to create, patch and delete pods.\n\n" +
			"Exit codes: 0 it went through a gateway, or straight where a set declares that, or with --bypass it could not go round; 1 it cannot be " +
			"told, or the cluster failed; 3 it went, or could go, round the gateways, or the request failed; 124 timed out",
		Example: t.examples(
			"does a request take the gateway?", "probe edition.cnn.com",
			"from another workload, by HTTP", "probe edition.cnn.com --port=80 --path=/politics --from=deploy/sleep -n other",
			"from a workload that has no tools of its own", "probe edition.cnn.com --from=deploy/web --image=curlimages/curl:8.16.0",
			"can a pod without a sidecar leave without the gateway?", "probe edition.cnn.com --bypass --image=curlimages/curl:8.16.0"),
		GroupID: groupRead,
		Args:    func(cmd *cobra.Command, args []string) error { return p.parse(cmd, args) },
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	p.output = choose(cmd, "output", "o", "How the way is printed", "text", "json")
	f.StringVar(&p.from, "from", "", "Who asks: deploy/NAME or POD (default: the namespace's first pod with a sidecar); --from-pod is the same")
	f.StringVar(&p.from, "from-pod", "", "As --from, by the name that check has for it")
	f.Lookup("from-pod").Hidden = true
	f.StringVar(&p.url, "url", "", "What is asked for, in place of HOST, with http:// or https://")
	f.IntVar(&p.port, "port", 0, "Port (default: 443; 80 is asked by HTTP)")
	f.StringVar(&p.path, "path", "", "Path, with its query (default: /)")
	p.program = choose(cmd, "tool", "", "Program that asks; any: the first that is there. openssl speaks TLS only; wget and openssl do not tell their own "+
		"address, so that others asking for the same host at that moment make it unclear which line is theirs", append([]string{anyTool}, probe.Tools()...)...)
	f.StringVar(&p.image, "image", "", "Image with one of these programs and sleep, for a container that is made where there is none to ask from")
	f.BoolVar(&p.bypass, "bypass", false, "Try to leave without a gateway, from a pod without a sidecar, and say whether it could")
	f.DurationVar(&p.timeout, "timeout", probeTimeout, "How long all may take, with --image or --bypass 1m unless given; with less than 26s, lines of TLS "+
		"connections may come too late")
	cmd.ValidArgsFunction = first(t.offering(offerHosts))
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
	if p.bypass && p.from == "" && p.image == "" {
		return usagef(cmd, "--bypass asks from a pod without a sidecar: name one with --from, or have one made with --image, for example curlimages/curl:8.16.0")
	}
	if (p.bypass || p.image != "") && !cmd.Flags().Changed("timeout") {
		p.timeout = madeTimeout
	}
	var err error
	if p.target, err = probe.ParseTarget(what, p.port, p.path); err != nil {
		return err
	}
	return probe.CheckTool(p.program.value, p.target)
}

func (p *probeCommand) run(ctx context.Context) error {
	open := p.tool.connectReading
	if p.image != "" {
		open = p.tool.connect
	}
	client, err := open("probe")
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	w := waiting{tool: p.tool, done: p.tool.status("asking from a workload")}
	r, err := p.probe(ctx, client, &w)
	w.done()
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

// waiting says what is being waited for, and between that what is to stay on the screen.
type waiting struct {
	tool *tool
	done func()
}

func (w *waiting) note(s string) {
	w.done()
	w.done = w.tool.status(s)
}

func (w *waiting) tell(s string) {
	w.done()
	w.tool.note("%s", s)
	w.done = func() {}
}

// probe gathers what has to be known, and probes.
func (p *probeCommand) probe(ctx context.Context, client *kube.Client, w *waiting) (probe.Result, error) {
	facts, err := discover.Discover(ctx, client)
	if err != nil {
		return probe.Result{}, err
	}
	for _, u := range facts.Unread {
		p.tool.note("not read: %s: %s", u.Source, u.Detail)
	}
	o := probe.Options{
		Target: p.target, Namespace: client.Namespace(), From: p.from, Gateways: facts.Gateways, Image: p.image,
		Patience: min(10*time.Second, p.timeout/2), Settle: min(13*time.Second, p.timeout/2-p.timeout/16), Note: w.note, Tell: w.tell,
		Templates: p.tool.logFormats(ctx, client, facts),
	}
	if p.program.value != anyTool {
		o.Tool = p.program.value
	}
	if p.bypass {
		return probe.Bypass(ctx, client, o)
	}
	if o.Direct, err = p.straight(ctx, client); err != nil {
		p.tool.note("which sets there are could not be found out: %s", oneLine(err))
	}
	return probe.Run(ctx, client, o)
}

// logFormats are the access log formats of the mesh's own.
func (t *tool) logFormats(ctx context.Context, client *kube.Client, facts mesh.Facts) []*accesslog.Template {
	namespace, revision := istiod(facts)
	templates, err := logstream.Formats(ctx, client, namespace, revision)
	if err != nil && !errors.Is(err, kube.ErrAbsent) {
		t.note("whether the mesh has an access log format of its own could not be found out: %s", oneLine(err))
	}
	return templates
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
	sets, err := apply.Declared(ctx, client, "")
	if errors.Is(err, kube.ErrForbidden) {
		sets, err = apply.Declared(ctx, client, client.Namespace())
	}
	if err != nil {
		return "", err
	}
	name := ""
	for _, s := range sets {
		for _, h := range s.Hosts {
			switch {
			case h != p.target.Host && !h.Covers(p.target.Host):
			case s.Mode != egress.Direct:
				return "", nil
			default:
				name = s.String()
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
