package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
	"github.com/kubectl-egress/kubectl-egress/stats/logstream"
)

// hosts are those that a target stands for: itself, or the hosts of the set of that name.
func (c *logsCommand) hosts(ctx context.Context, client *kube.Client, target string) ([]egress.Host, error) {
	if isHostName(target) {
		h, err := egress.ParseHost(target)
		return []egress.Host{h}, err
	}
	owned, err := findSet(ctx, client, client.Namespace(), target)
	if err != nil {
		return nil, err
	}
	return owned.Set.Hosts, nil
}

// live reads the logs of a cluster.
func (c *logsCommand) live(ctx context.Context, client *kube.Client) error {
	done := c.tool.status("looking for gateways")
	facts, err := c.facts(ctx, client)
	done()
	if err != nil {
		return err
	}
	c.formats(ctx, client, facts)
	finder := &logstream.Finder{
		Client: client, Gateways: diagnose.GatewayLogs(facts.Gateways), Sidecars: c.sidecars, MaxSidecars: c.maxPods,
		Namespace: *c.tool.config.Namespace, Workload: c.fromPod,
		Mixer: !facts.Version.IsZero() && !facts.Version.AtLeast(1, 8),
	}
	if c.everywhere {
		finder.Namespace = ""
	}
	if namespace, name, both := strings.Cut(c.fromPod, "/"); both {
		finder.Namespace, finder.Workload = namespace, name
	}
	out := c.printer(facts.Gateways)
	options := logstream.Options{Since: c.filter.Since, Tail: c.tail, Note: func(s string) { out.aside(func() { c.tool.note("%s", s) }) }}
	if c.follow {
		return errors.Join(c.tool.ended(ctx, c.watch(ctx, client, finder, options, out)), out.end())
	}
	sources, err := c.sources(ctx, finder)
	if err != nil {
		return err
	}
	printed := &used{Writer: out.out}
	out.out = printed
	if err := errors.Join(logstream.Read(ctx, client, sources, options, out.take), out.end()); err != nil {
		return err
	}
	switch {
	case out.lines == 0 && facts.Config.AccessLogFile == "" && !c.noted(facts, "configmap"):
		c.tool.note("no access log line: the mesh configuration has none switched on (accessLogFile), and no Telemetry object may have either; see '%s explain EGR051'", c.tool.name)
	case !printed.ever:
		c.tool.note("no such line; lines of TLS connections are written when they end, and up to 10 s late")
	}
	return nil
}

// used knows whether anything was ever written.
type used struct {
	io.Writer
	ever bool
}

func (u *used) Write(b []byte) (int, error) {
	u.ever = true
	return u.Writer.Write(b)
}

// noted says whether a source could not be read, and so says nothing.
func (c *logsCommand) noted(facts mesh.Facts, source string) bool {
	for _, u := range facts.Unread {
		if strings.HasPrefix(u.Source, source) {
			return true
		}
	}
	return false
}

// facts says which gateways there are.
func (c *logsCommand) facts(ctx context.Context, client *kube.Client) (mesh.Facts, error) {
	facts, err := discover.Discover(ctx, client)
	if err != nil {
		return mesh.Facts{}, err
	}
	if c.gateway != "" {
		g, err := discover.Gateway(ctx, client, c.ref)
		facts.Gateways = []mesh.Gateway{g}
		return facts, err
	}
	if len(facts.Gateways) == 0 && !c.sidecars {
		for _, u := range facts.Unread {
			c.tool.note("not read: %s: %s", u.Source, u.Detail)
		}
		return mesh.Facts{}, errors.New("no egress gateway was found; name one with --gateway=NAMESPACE/SERVICE, or read the sidecars with --sidecars")
	}
	return facts, nil
}

// formats adds the mesh's own access log formats to what is known. That they cannot be read is no reason to read nothing.
func (c *logsCommand) formats(ctx context.Context, client *kube.Client, facts mesh.Facts) {
	if c.format != "" {
		return
	}
	namespace, revision := facts.RootNamespace, ""
	if len(facts.Revisions) > 0 {
		namespace, revision = facts.Revisions[0].Namespace, facts.Revisions[0].Name
	}
	templates, err := logstream.Formats(ctx, client, namespace, revision)
	if err != nil && !errors.Is(err, kube.ErrAbsent) {
		c.tool.note("whether the mesh has an access log format of its own could not be found out: %s", oneLine(err))
	}
	c.templates = templates
}

// sources lists what is to be read, and says what is left out.
func (c *logsCommand) sources(ctx context.Context, finder *logstream.Finder) ([]logstream.Source, error) {
	sources, err := finder.Find(ctx)
	if err != nil {
		return nil, err
	}
	if finder.Missed > 0 {
		c.tool.note("%s of %d are read; --max-pods reads more, -n and --from-pod narrow them", count(c.maxPods, "sidecar"), c.maxPods+finder.Missed)
	}
	if len(sources) == 0 {
		if c.fromPod != "" {
			return nil, fmt.Errorf("no pod with a sidecar is, or is of a Deployment, %q %s", finder.Workload, where(finder.Namespace))
		}
		return nil, errors.New("the gateways have no pods")
	}
	return sources, nil
}

// watch follows until stopped.
func (c *logsCommand) watch(ctx context.Context, client *kube.Client, finder *logstream.Finder, o logstream.Options, out *logPrinter) error {
	if _, err := c.sources(ctx, finder); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if c.join {
		go func() { stop(out.expire(ctx)) }()
	}
	return logstream.Follow(ctx, client, finder.Find, o, out.take)
}

// expire gives rows whose other line does not come any more, for as long as the context lasts.
func (p *logPrinter) expire(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			if err := p.expireAt(now); err != nil {
				return err
			}
		}
	}
}
