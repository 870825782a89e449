// Package measure reads the counters of egress paths: it finds out by the proxies' real configuration which of their clusters a path
// uses, and asks for what they count.
package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
	"github.com/kubectl-egress/kubectl-egress/stats/ask"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// Bounds: how many pods of each gateway and how many clients are asked, how many at once, and how long one may take.
const (
	maxGatewayPods = 100
	maxClients     = 100
	parallel       = 8
	deadline       = 10 * time.Second
)

// Options say what is measured. The zero value means every path at the gateways.
type Options struct {
	Targets   []string // names of sets and hosts, as diagnose.Options has them; empty: every path
	Namespace string   // of the sets and VirtualServices; empty: all
	Sidecars  bool     // every client too; paths without a gateway are measured at the clients anyway
	Gather    gather.Options
	Via       ask.Via
}

// Client is what measuring needs of a kube.Client.
type Client = gather.Client

// Meter knows which proxies count what. It is not safe for use by more than one goroutine.
type Meter struct {
	asker   *ask.Asker
	targets []egress.Host // exact hosts that were asked for
	proxies []proxy
	points  []point
	notes   []string
}

// proxy is one that is asked.
type proxy struct {
	asked   counter.Asked
	matcher *admin.StatsMatcher
	known   bool // the matcher was asked for
	bare    bool // its ports for metrics were asked, and had none of Istio's
}

// point is one thing that one proxy counts.
type point struct {
	proxy int // index
	path  egress.Path
	dest  counter.Destination
}

// Find finds out what is to be counted, and where. An error means that nothing can be said: the cluster cannot be reached, or a target
// names nothing (*egress.InputError).
func Find(ctx context.Context, c Client, o Options) (*Meter, error) {
	m := &Meter{asker: ask.New(c, o.Via)}
	if o.Gather.MaxPods == 0 {
		o.Gather.MaxPods = maxGatewayPods
	}
	o.Gather.Via = o.Via
	s, err := gather.Gather(ctx, c, o.Gather)
	if err != nil {
		return nil, err
	}
	paths, err := diagnose.Follow(s, diagnose.Options{Targets: o.Targets, Namespace: o.Namespace})
	if unseen := hidden(s); len(paths) == 0 && unseen != nil {
		return nil, unseen
	}
	if err != nil {
		return nil, err
	}
	m.aim(o.Targets)
	m.notes = slices.Clone(s.Notes)
	f := &finding{Meter: m, s: s, index: map[string]int{}, have: map[point]bool{}}
	for i := range paths {
		f.gateways(&paths[i])
	}
	sent := f.clients(paths, o.Sidecars)
	if err := f.spread(ctx, c, sent, o.Gather.From != ""); err != nil {
		return nil, err
	}
	return m, nil
}

// hidden is an error where paths may be and could not be seen: nothing found is then no answer.
func hidden(s *snapshot.Snapshot) error {
	for _, source := range []snapshot.Source{snapshot.VirtualServices, snapshot.Gateways, snapshot.ServiceEntries, snapshot.Facts} {
		if state := s.State(source); !state.Known() {
			return fmt.Errorf("egress paths could not be looked for: %s could not be read: %s", source, state.Detail)
		}
	}
	return nil
}

// aim remembers which hosts were asked for by their exact names.
func (m *Meter) aim(targets []string) {
	for _, t := range targets {
		if h, err := egress.ParseHost(t); err == nil && !h.IsWildcard() {
			m.targets = append(m.targets, h)
		}
	}
}

// Read asks all proxies. An error means that the API server cannot be reached or the context ended; what goes wrong with one proxy is
// in the report. stale says that pods have gone: Find anew.
func (m *Meter) Read(ctx context.Context) (r counter.Report, stale bool, err error) {
	told := make([]counter.Proxy, len(m.proxies))
	gone := make([]bool, len(m.proxies))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i := range m.proxies {
		group.Go(func() error {
			one, stop := context.WithTimeout(groupCtx, deadline)
			defer stop()
			var err error
			told[i], gone[i], err = m.ask(one, &m.proxies[i])
			if groupCtx.Err() != nil {
				return groupCtx.Err()
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return r, false, err
	}
	r = counter.Report{Taken: time.Now().UTC(), Rows: m.rows(told), Notes: slices.Concat(m.notes, m.asker.Notes())}
	for _, p := range m.proxies {
		p.asked.Via = m.asker.How(p.asked.Namespace, p.asked.Pod)
		r.Proxies = append(r.Proxies, p.asked)
	}
	return r, slices.Contains(gone, true), nil
}

// ask asks one proxy for all sources. One that fails is told and leaves the others.
func (m *Meter) ask(ctx context.Context, p *proxy) (told counter.Proxy, gone bool, fatal error) {
	p.asked.Failed, p.asked.Missing = "", nil
	failed := func(what string, err error) {
		switch {
		case err == nil:
		case errors.Is(err, kube.ErrUnreachable), errors.Is(err, kube.ErrUnauthorized):
			fatal = err
		case errors.Is(err, kube.ErrAbsent), errors.Is(err, kube.ErrForbidden), errors.Is(err, kube.ErrTimeout):
			gone = gone || errors.Is(err, kube.ErrAbsent)
			p.asked.Failed = err.Error()
		default:
			p.asked.Missing = append(p.asked.Missing, fmt.Sprintf("%s: %v", what, err))
		}
	}
	get := func(what string, err error) bool {
		failed(what, err)
		return fatal == nil && p.asked.Failed == ""
	}
	ns, pod := p.asked.Namespace, p.asked.Pod
	var err error
	told.Hosts, err = ask.Read(ctx, m.asker, ns, pod, "/clusters?format=json", admin.ReadHosts)
	told.NoHosts = err != nil
	if !get(string(counter.FromHosts), err) {
		return told, gone, fatal
	}
	told.Stats, err = ask.Read(ctx, m.asker, ns, pod, counter.Path(), counter.Read)
	if !get(string(counter.FromStats), err) {
		return told, gone, fatal
	}
	told.Metrics, err = m.metrics(ctx, p)
	if !get(string(counter.FromMetrics), err) {
		return told, gone, fatal
	}
	if !p.known {
		p.matcher, err = ask.Read(ctx, m.asker, ns, pod, "/config_dump?mask=bootstrap.stats_config.stats_matcher", matcher)
		p.known = err == nil
		failed("which statistics are kept", err)
	}
	told.Matcher = p.matcher
	if p.matcher != nil {
		all := counter.Recording(p.matcher)
		p.asked.Recording = &all
	}
	return told, gone, fatal
}

// metrics asks a proxy for Istio's own metrics: its admin interface or, where that has none, the ports that are made for scraping.
func (m *Meter) metrics(ctx context.Context, p *proxy) (*counter.Metrics, error) {
	ns, pod := p.asked.Namespace, p.asked.Pod
	got, err := ask.Read(ctx, m.asker, ns, pod, counter.MetricsPath, counter.ReadMetrics)
	if err != nil || got.Any() || p.bare {
		return got, err
	}
	for _, at := range counter.MetricsPorts() {
		more, err := ask.ReadPort(ctx, m.asker, ns, pod, at.Port, counter.MetricsPortPath, counter.ReadMetrics)
		if err != nil { // a pod without an agent, or with one of long ago: nothing is missing that was promised
			continue
		}
		more.From(at.Source)
		p.bare = !more.Any()
		return more, ctx.Err()
	}
	p.bare = true
	return got, ctx.Err()
}

// matcher reads which statistics an Envoy keeps.
func matcher(r io.Reader) (*admin.StatsMatcher, error) {
	var c admin.Config
	if err := c.Read(r, ""); err != nil {
		return nil, err
	}
	return c.Stats, nil
}
