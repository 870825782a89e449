package gather

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
	"github.com/kubectl-egress/kubectl-egress/stats/logstream"
)

// Logs reads a container's log, as a kube.Client does.
type Logs func(ctx context.Context, p kube.Pod, o kube.LogOptions) (io.ReadCloser, error)

// Bounds on what is read of a proxy's log: it also holds lines that are none of the access log.
const (
	maxLogTail  = 2000
	maxLogBytes = 4 << 20
)

// logs reads the last lines of the access logs of the proxies that were read.
func (g *gatherer) logs(ctx context.Context) error {
	if g.o.Logs == nil {
		return nil
	}
	formats := g.formats()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(g.o.Parallel)
	for i := range g.s.Proxies {
		p := &g.s.Proxies[i]
		if p.Role == snapshot.NoProxy {
			continue
		}
		group.Go(func() error {
			one, cancel := context.WithTimeout(ctx, g.o.Deadline)
			defer cancel()
			err := g.log(one, p, formats)
			if err != nil && fatal(ctx, err) {
				return err
			}
			p.Log.State = stateOf(err)
			return nil
		})
	}
	return group.Wait()
}

// formats are those of the mesh's own. A format that says nothing of use is as good as none: its lines are passed over.
func (g *gatherer) formats() []*accesslog.Template {
	t, err := accesslog.ParseTemplate(g.s.Facts.Config.AccessLogFormat)
	if g.s.Facts.Config.AccessLogFormat == "" || err != nil {
		return nil
	}
	return []*accesslog.Template{t}
}

// log reads what one proxy has written.
func (g *gatherer) log(ctx context.Context, p *snapshot.Proxy, formats []*accesslog.Template) error {
	o := kube.LogOptions{Tail: maxLogTail, LimitBytes: maxLogBytes}
	if g.o.Since > 0 {
		o.Since = g.o.Since
		p.Log.Since = g.s.Taken.Add(-g.o.Since)
	}
	body, err := g.o.Logs(ctx, kube.Pod{Namespace: p.Namespace, Name: p.Pod, Container: proxyContainer}, o)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // it was only read
	parser := accesslog.Parser{Templates: formats}
	var line accesslog.Line
	all := 0
	err = logstream.Chunks(body, func(chunk []byte) error {
		for raw := range bytes.Lines(chunk) {
			all++
			if parser.Parse(raw, &line) && line.Way() != accesslog.Inbound && !line.Time.Before(p.Log.Since) {
				p.Log.Lines = append(p.Log.Lines, kept(&line))
			}
		}
		return ctx.Err()
	})
	p.Log.Cut = all >= maxLogTail
	if extra := len(p.Log.Lines) - snapshot.MaxLines; extra > 0 {
		p.Log.Lines, p.Log.Cut = append([]snapshot.LogLine(nil), p.Log.Lines[extra:]...), true
	}
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("read the log of pod %s: %w", p.Name(), err)
	}
	return nil
}

// kept is what is kept of a line.
func kept(l *accesslog.Line) snapshot.LogLine {
	return snapshot.LogLine{
		Time: l.Time.UTC().Truncate(time.Millisecond), Code: int(max(l.Code, 0)), Flags: string(l.Flags), Details: string(l.Details), Failure: string(l.Failure), TCP: l.TCP(),
		SNI: string(l.SNI), Host: bare(string(l.Authority)), Cluster: string(l.UpstreamCluster), Upstream: string(l.UpstreamHost), Asked: string(l.DownstreamLocal),
	}
}

// bare is a Host header without its port.
func bare(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return strings.ToLower(host)
	}
	return strings.ToLower(authority)
}
