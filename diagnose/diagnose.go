// Package diagnose is the reading side: it gathers what a cluster is, follows every egress path through the real configuration of
// its proxies, and says why a path fails.
package diagnose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Options say what is diagnosed. The zero value means every path found.
type Options struct {
	// Targets are names of sets (NAME or NAMESPACE/NAME) and hosts; empty: every path.
	Targets []string
	// Namespace narrows to paths whose set or VirtualService is there; empty: all.
	Namespace string
	// FailOnWarning makes warnings alone end with exit code 4.
	FailOnWarning bool
	// Security judges also who can go round the gateway; what that needs has to be gathered (gather.Options.Security).
	Security bool
	// Since is how far before the snapshot's time log lines count as evidence; 0: all that were gathered.
	Since       time.Duration
	ToolVersion string
	Gather      gather.Options
	// Probe, if given, has real requests sent along the paths and says what they have shown.
	Probe func(context.Context, *snapshot.Snapshot, []trace.Path) ([]check.Finding, error)

	probed []check.Finding
}

// Check diagnoses a cluster, and gives what it was judged by as well. It only reads. An error means that there is no report: the cluster
// cannot be reached, or a target names nothing (*egress.InputError).
func Check(ctx context.Context, c gather.Client, o Options) (report.Report, *snapshot.Snapshot, error) {
	start := time.Now()
	s, err := gather.Gather(ctx, c, o.Gather)
	if err != nil {
		return report.Report{}, nil, err
	}
	if o.Probe != nil {
		paths, err := Follow(s, o)
		if err == nil {
			o.probed, err = o.Probe(ctx, s, paths)
		}
		if err != nil {
			return report.Report{}, nil, err
		}
	}
	r, err := Judge(s, o)
	r.Took = time.Since(start)
	return r, s, err
}

// Judge diagnoses what was gathered, from a cluster or a file.
func Judge(s *snapshot.Snapshot, o Options) (report.Report, error) {
	start := time.Now()
	wanted, err := asked(s, o)
	if err != nil {
		return report.Report{}, err
	}
	if o.Since > 0 {
		narrow(s, o.Since)
	}
	walker, judge := trace.New(s), check.Begin(s)
	findings := judge.Whole()
	rows := make([]report.Path, 0, len(wanted))
	var kept []trace.Path // what is seen of a path is much, and only the question about security is about all of them
	for _, w := range wanted {
		p := walker.Walk(w)
		findings = append(findings, judge.Path(&p)...)
		rows = append(rows, report.Row(&p))
		if o.Security {
			kept = append(kept, p)
		}
	}
	findings = check.WithProbes(findings, o.probed)
	if o.Security {
		findings = append(findings, check.Security(s, kept, o.Namespace)...)
	}
	return report.Build(report.Input{
		ToolVersion: o.ToolVersion, IstioVersion: s.Facts.Version.String(), Rows: rows, Findings: findings, Notes: s.Notes, Samples: s.Samples,
		FailOnWarning: o.FailOnWarning, Took: time.Since(start),
	}), nil
}

// Follow walks the paths that are asked for, without judging them.
func Follow(s *snapshot.Snapshot, o Options) ([]trace.Path, error) {
	wanted, err := asked(s, o)
	if err != nil {
		return nil, err
	}
	walker := trace.New(s)
	paths := make([]trace.Path, 0, len(wanted))
	for _, p := range wanted {
		paths = append(paths, walker.Walk(p))
	}
	return paths, nil
}

// asked finds the paths that are asked for.
func asked(s *snapshot.Snapshot, o Options) ([]egress.Path, error) {
	ask(s, o.Targets)
	return choose(s, check.Paths(s), o)
}

// narrow leaves of the logs what is new enough, and says where less than that was gathered.
func narrow(s *snapshot.Snapshot, last time.Duration) {
	have := 0
	for i := range s.Proxies {
		if s.Proxies[i].Log.Asked() {
			have++
		}
	}
	switch short := s.Narrow(last); {
	case have == 0:
		s.Notes = append(s.Notes, "no access log was gathered: --since has nothing to choose from")
	case short > 0:
		s.Notes = append(s.Notes, fmt.Sprintf("of %d of %d proxies the access log was not gathered as far back as %s", short, have, last))
	}
}

// ask adds the hosts that are asked for where no object was given that could tell what is wanted: the proxies show what becomes of
// them. The port is that of TLS.
func ask(s *snapshot.Snapshot, targets []string) {
	if s.State(snapshot.VirtualServices).Kind != snapshot.NotGiven || len(s.Facts.Gateways) != 1 {
		return
	}
	for _, target := range targets {
		host, err := egress.ParseHost(target)
		if err != nil || slices.ContainsFunc(s.Seen, func(p egress.Path) bool { return names(target, p) }) {
			continue
		}
		s.Seen = append(s.Seen, egress.Path{Host: host, Port: 443, Protocol: egress.ProtocolTLS, Mode: egress.Passthrough, Gateway: s.Facts.Gateways[0].Ref()})
	}
}

// choose narrows the paths to what was asked for.
func choose(s *snapshot.Snapshot, all []egress.Path, o Options) ([]egress.Path, error) {
	if o.Namespace != "" {
		all = within(s, all, o.Namespace)
	}
	if len(o.Targets) == 0 {
		return meantFor(s, all), nil
	}
	var out []egress.Path
	for _, target := range o.Targets {
		found := slices.DeleteFunc(slices.Clone(all), func(p egress.Path) bool { return !names(target, p) })
		if len(found) == 0 {
			return nil, nothing(s, all, target)
		}
		out = append(out, found...)
	}
	return slices.DeleteFunc(slices.Clone(all), func(p egress.Path) bool { return !slices.Contains(out, p) }), nil
}

// meantFor leaves out, where one workload was named and no path, what is not exported to its namespace at all: it is other people's. Who
// names such a path is told why it does not work.
func meantFor(s *snapshot.Snapshot, all []egress.Path) []egress.Path {
	i := slices.IndexFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtSidecar })
	if s.From == "" || i < 0 {
		return all
	}
	w, namespace := trace.Want(s), s.Proxies[i].Namespace
	var others []string
	kept := slices.DeleteFunc(slices.Clone(all), func(p egress.Path) bool {
		entries, toward := w.Entries(string(p.Host)), w.Own(p)
		hidden := len(entries) > 0 && len(toward) > 0 &&
			(p.Owner != "" || !slices.ContainsFunc(entries, func(e *snapshot.ServiceEntry) bool { return e.VisibleTo(s, namespace) })) &&
			!slices.ContainsFunc(toward, func(l trace.Line) bool { return l.VirtualService.VisibleTo(s, namespace) })
		if hidden {
			others = append(others, p.String())
		}
		return hidden
	})
	if len(others) > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("not exported to namespace %s, and left out: %s", namespace, strings.Join(others, ", ")))
	}
	return kept
}

// within keeps the paths of a namespace's sets and VirtualServices.
func within(s *snapshot.Snapshot, all []egress.Path, namespace string) []egress.Path {
	w := trace.Want(s)
	return slices.DeleteFunc(slices.Clone(all), func(p egress.Path) bool {
		if p.Set != "" {
			return !strings.HasPrefix(p.Set, namespace+"/")
		}
		return !slices.ContainsFunc(w.For(string(p.Host)), func(l trace.Line) bool { return l.VirtualService.Namespace == namespace })
	})
}

// names says whether a target is the path's set or host.
func names(target string, p egress.Path) bool {
	if p.Set == target || strings.HasSuffix(p.Set, "/"+target) {
		return true
	}
	host, err := egress.ParseHost(target)
	return err == nil && (p.Host == host || p.Host.Covers(host))
}

// nothing says that a target names no path, or that it cannot be known.
func nothing(s *snapshot.Snapshot, all []egress.Path, target string) error {
	for _, source := range []snapshot.Source{snapshot.Sets, snapshot.VirtualServices} {
		if st := s.State(source); !st.Known() {
			return fmt.Errorf("find %s: %s could not be read: %s", target, source, st.Detail)
		}
	}
	var known, words []string
	for _, p := range all {
		known = append(known, p.String())
		_, set, _ := strings.Cut(p.Set, "/")
		words = append(words, string(p.Host), set)
	}
	if len(known) == 0 {
		return egress.Inputf("%q is no set and no host with an egress path; there is no egress path at all", target)
	}
	const most = 10
	more := ""
	if len(known) > most {
		more = fmt.Sprintf(" and %d more", len(known)-most)
		known = known[:most]
	}
	meant := ""
	if near := egress.Nearest(target, words); near != "" {
		meant = "did you mean " + near + "? "
	}
	return egress.Inputf("%q is no set and no host with an egress path; %spaths are %s%s", target, meant, strings.Join(known, ", "), more)
}
