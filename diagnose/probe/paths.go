package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// Bounds of probing paths.
const (
	perPath   = time.Minute // for one of them
	workloads = 3           // are tried at most, where the first have no tools
)

// Paths sends a request along each path, a few at the same time, from a workload whose sidecar was looked at, and judges which way it
// went: the path's is a pass, another a failure, and what cannot be told is unknown. targets are the hosts that were asked for: a
// wildcard is many hosts, and one of them has to be known to be asked. Of o the target, the namespace and the workload do not count.
// An error means that the context has ended.
func Paths(ctx context.Context, c Client, o Options, targets []string, paths []trace.Path) ([]check.Finding, error) {
	o.fill()
	var (
		out   = make([][]check.Finding, len(paths))
		seen  = map[string]bool{}
		group sync.WaitGroup
		slots = make(chan struct{}, atOnce)
	)
	for i := range paths {
		p := &paths[i]
		if seen[p.String()] {
			continue
		}
		seen[p.String()] = true
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			hosts := known(p, targets)
			if len(hosts) == 0 {
				out[i] = []check.Finding{check.Probed(p, check.Finding{
					State: check.Skip, Message: fmt.Sprintf("no request was sent: which name below %s to ask for is not known", p.Host.Domain()),
					Fix: "kubectl egress check --probe www." + p.Host.Domain(),
				})}
			}
			for _, h := range hosts {
				out[i] = append(out[i], along(ctx, c, &o, p, h))
			}
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("send a request along each path: %w", errors.Join(context.Cause(ctx), ctx.Err()))
	}
	return slices.Concat(out...), nil
}

// known are the hosts to be asked for on a path: its own; of a wildcard those that somebody has named, or one that a gateway leads to.
func known(p *trace.Path, targets []string) []egress.Host {
	if !p.Host.IsWildcard() {
		return []egress.Host{p.Host}
	}
	var out, led []egress.Host
	add := func(to *[]egress.Host, name string) {
		name, _, _ = strings.Cut(name, ":")
		if h, err := egress.ParseHost(name); err == nil && !h.IsWildcard() && p.Host.Covers(h) && !slices.Contains(*to, h) {
			*to = append(*to, h)
		}
	}
	for _, t := range targets {
		add(&out, t)
	}
	for _, l := range p.Legs {
		for _, e := range l.Exits {
			if parts, ok := accesslog.SplitCluster([]byte(e.Cluster.Name)); ok {
				add(&led, string(parts.Host))
			}
			for _, h := range e.Hosts {
				add(&led, h.Hostname)
			}
		}
	}
	if len(out) == 0 && len(led) > 0 {
		out = []egress.Host{slices.Min(led)}
	}
	return out
}

// askers are the workloads that can ask on a path, those first of which the trace says that it works.
func askers(p *trace.Path) []*trace.Leg {
	legs := slices.DeleteFunc(p.At(egress.AtSidecar), func(l *trace.Leg) bool {
		return l.Stop != nil && slices.Contains([]trace.Kind{trace.NoWorkload, trace.NotSelected, trace.Bystander}, l.Stop.Kind)
	})
	egress.SortFunc(legs, func(a, b *trace.Leg) int { return cmp.Compare(rank(a), rank(b)) })
	return legs[:min(len(legs), workloads)]
}

func rank(l *trace.Leg) int {
	if l.Stop == nil {
		return 0
	}
	return 1
}

// along sends one request along a path.
func along(ctx context.Context, c Client, given *Options, p *trace.Path, host egress.Host) check.Finding {
	o := *given
	ctx, stop := context.WithTimeout(ctx, perPath)
	defer stop()
	o.Target = Target{Scheme: "http", Host: host, Port: p.Port, Path: "/"}
	if p.Protocol == egress.ProtocolTLS {
		o.Target.Scheme = https
	}
	if p.Mode == egress.Direct {
		o.Direct = cmp.Or(p.Set, "(made by hand)")
	}
	f := check.Finding{State: check.Unknown, Message: "no request was sent: no workload with a sidecar that has the path was looked at"}
	for _, l := range askers(p) {
		o.Namespace, o.From = l.Proxy.Namespace, "pod/"+l.Proxy.Pod
		r, err := Run(ctx, c, o)
		if err == nil {
			return check.Probed(p, r.finding(p))
		}
		f.Message = "no request was sent: " + err.Error()
		f.Fix = fmt.Sprintf("kubectl egress probe --url=%s -n %s --from=%s --image=curlimages/curl:8.16.0",
			o.Target.URL(), egress.ShellWord(o.Namespace), egress.ShellWord(l.Proxy.Pod))
		if _, none := errors.AsType[*NoToolError](err); !none {
			f.Fix = ""
			break
		}
	}
	return check.Probed(p, f)
}

// finding is what a request says of its path. One that took the path and failed for a reason that no proxy gives, such as a
// certificate that the workload does not trust, took the path.
func (r *Result) finding(p *trace.Path) check.Finding {
	f := check.Finding{State: check.Fail, Message: r.Asked() + "; " + r.Says()}
	flagged := false
	for _, h := range r.Hops {
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s %s: %s -> %s %s", h.Hop, h.Pod, cmp.Or(h.Local, "-"), cmp.Or(h.Remote, "-"), h.What()))
		flagged = flagged || h.Flags != ""
	}
	if r.Leaves != "" {
		f.Evidence = append(f.Evidence, "leaves from "+r.Leaves)
	}
	wanted := r.Verdict == Through && p.Mode != egress.Direct && r.Gateway == p.Gateway.String() || r.Verdict == Direct
	switch {
	case wanted && (r.Failed == "" || !flagged && r.Status == 0):
		f.State = check.Pass
	case r.Verdict == Unknown && r.Failed == "":
		f.State = check.Unknown
	default:
		f.Fix = fmt.Sprintf("kubectl egress check %s --from-pod=%s", p.Host, egress.ShellWord(r.Pod))
	}
	return f
}
