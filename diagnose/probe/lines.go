package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
	"github.com/kubectl-egress/kubectl-egress/stats/logstream"
)

// skew is how far this machine's clock and a node's may be apart.
const skew = 5 * time.Second

// seen is what was found in the logs.
type seen struct {
	lines  int               // access log lines of the sidecar, whatever about
	ours   []*accesslog.Line // those of the sidecar that can be about the request
	rows   []*accesslog.Row  // of ours, with the gateway's lines
	exact  bool              // ours are about this very connection
	failed string            // why a log could not be read
}

// wait reads the logs again and again until they tell the whole way, or no more can come.
func wait(ctx context.Context, c Client, w *workload, o *Options, a *request) (seen, *accesslog.Row, error) {
	finder := &logstream.Finder{Client: c, Gateways: diagnose.GatewayLogs(o.Gateways)}
	sources, err := finder.Find(ctx)
	if err != nil {
		return seen{}, nil, fmt.Errorf("find the gateways' logs: %w", err)
	}
	sources = append(sources, logstream.Source{Kind: accesslog.Sidecar, Namespace: w.Namespace, Pod: w.Name, Container: proxyContainer, UID: w.UID})
	var (
		s   seen
		row *accesslog.Row
	)
	err = poll(ctx, o.Settle, func() bool {
		if s, err = look(ctx, c, sources, o, a); err != nil {
			s.failed = err.Error()
		}
		row = s.only()
		return s.exact && row != nil && complete(row)
	})
	return s, row, err
}

// poll calls look until it has seen enough or the time is over, and then once more.
func poll(ctx context.Context, limit time.Duration, look func() bool) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for over := false; ; {
		enough := look()
		if ctx.Err() != nil {
			return fmt.Errorf("wait for the access log: %w", errors.Join(context.Cause(ctx), ctx.Err()))
		}
		if enough || over {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-late.C:
			over = true
		case <-tick.C:
		}
	}
}

// only is the row of the request, if there is just one that it can be.
func (s *seen) only() *accesslog.Row {
	if len(s.ours) == 1 && len(s.rows) == 1 {
		return s.rows[0]
	}
	return nil
}

// complete says whether a row tells the whole way.
func complete(r *accesslog.Row) bool {
	switch r.Verdict {
	case accesslog.Round, accesslog.Blocked:
		return true
	case accesslog.Through:
		way := r.Gateway.Way()
		return (way != accesslog.ToInner || r.Inner != nil) && (way != accesslog.ToSNIProxy || r.SNIProxy != nil)
	}
	return false
}

// look reads the logs once.
func look(ctx context.Context, c Client, sources []logstream.Source, o *Options, a *request) (seen, error) {
	s := seen{exact: a.local != "" || !o.Target.encrypted()}
	joiner := newJoiner(o.Gateways, &s)
	parser := accesslog.Parser{Templates: o.Templates}
	var line accesslog.Line
	err := logstream.Read(ctx, c, sources, logstream.Options{Since: a.begin.Add(-skew)}, func(from logstream.Source, chunk []byte) error {
		for raw := range bytes.Lines(chunk) {
			if !parser.Parse(raw, &line) {
				continue
			}
			line.Source, line.Namespace, line.Pod = from.Kind, []byte(from.Namespace), []byte(from.Pod)
			if line.UserAgent != nil && string(line.UserAgent) != a.agent {
				continue // another's request, maybe in a connection that is shared
			}
			if from.Kind == accesslog.Sidecar {
				s.lines++
				if !about(&line, &o.Target, a) {
					continue
				}
				if line.UserAgent != nil && len(s.ours) > 0 {
					continue // wget followed a redirection: the first is what was asked for
				}
				s.ours = append(s.ours, line.Clone())
			}
			if err := joiner.Add(&line); err != nil {
				return err
			}
		}
		return nil
	})
	return s, errors.Join(err, joiner.Close())
}

func newJoiner(gateways []mesh.Gateway, s *seen) *accesslog.Joiner {
	return &accesslog.Joiner{
		Emit: func(r accesslog.Row) error {
			if r.Sidecar != nil {
				s.rows = append(s.rows, &r)
			}
			return nil
		},
		Gateway: func(namespace, name []byte) bool {
			return slices.ContainsFunc(gateways, func(g mesh.Gateway) bool { return g.Namespace == string(namespace) && g.Service == string(name) })
		},
	}
}

// about says whether a sidecar's line can be about the request: by its user agent where the proxy can read that, by the address that the
// workload had, else by name and time.
func about(l *accesslog.Line, t *Target, a *request) bool {
	switch {
	case l.Way() == accesslog.Inbound:
		return false
	case l.UserAgent != nil:
		return true // it is ours, or the line would have been passed over
	case a.local != "":
		return string(l.DownstreamRemote) == a.local
	}
	_, port, err := net.SplitHostPort(string(l.DownstreamLocal))
	if err == nil && port != fmt.Sprint(t.Port) {
		return false // wget followed a redirection
	}
	named := string(l.Host()) == string(t.Host) || l.Host() == nil && err == nil
	return named && !l.Time.Before(a.begin.Add(-skew)) && !l.Time.After(a.ended.Add(skew))
}
