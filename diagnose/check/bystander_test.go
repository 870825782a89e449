package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// withOther adds to a capture a sidecar of another namespace, which sees the routes and not the subset beside them.
func withOther(t *testing.T, capture string) *snapshot.Snapshot {
	t.Helper()
	s := captured.Load(t, capture)
	s.From = ""
	i := slices.IndexFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtSidecar })
	other := s.Proxies[i]
	other.Namespace, other.Pod = "other", "sleep-other"
	other.Config.Clusters = slices.DeleteFunc(slices.Clone(other.Config.Clusters), func(c admin.Cluster) bool { return strings.Contains(c.Name, "|wikipedia|") })
	if len(other.Config.Clusters) == len(s.Proxies[i].Config.Clusters) {
		t.Fatal("the capture has no such subset")
	}
	s.Proxies = append(s.Proxies, other)
	return s
}

// TestBystanders: the documents' objects work in the namespace that they are put into, and break clients of others, which see the
// routes and do not find the subset. The path works, and the others are told of.
func TestBystanders(t *testing.T) {
	t.Parallel()
	for _, capture := range []string{"common-host-plain", "common-host-mtls", "sni-dynamic-mtls"} {
		s := withOther(t, capture)
		f := finding(t, s, "EGR023")
		if f.State != Warn || f.Hop != egress.AtSidecar || f.Object == nil || f.Object.Kind != "DestinationRule" {
			t.Errorf("%s: %+v", capture, f)
		}
		contains(t, f, "sidecars of other do not look", `"namespace":"istio-system"`)
		paths, all := diagnosis(s)
		if got := said(all); !slices.Equal(got, []string{"skip EGR052 " + wiki, "warn EGR023 " + wiki}) {
			t.Errorf("%s: %q", capture, got)
		}
		if len(paths[0].Failed()) > 0 {
			t.Errorf("%s: the path itself fails", capture)
		}
		if _, all := diagnosis(follow(t, s, f.Fix)); slices.ContainsFunc(all, func(f Finding) bool { return f.Code == "EGR023" && f.State == Warn }) {
			t.Errorf("%s: still there after\n%s", capture, f.Fix)
		}
	}
}

// TestNoBystanders: where it fails for those that it was made for, or where the other is the one that was asked about, it fails.
func TestNoBystanders(t *testing.T) {
	t.Parallel()
	s := withOther(t, "common-host-plain")
	s.Proxies = slices.DeleteFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtSidecar && p.Namespace != "other" })
	if f := finding(t, s, "EGR023"); f.State != Fail {
		t.Errorf("nobody is left for whom it works: %+v", f)
	}
	s = withOther(t, "common-host-plain")
	for i := range s.Objects.VirtualServices {
		s.Objects.VirtualServices[i].Namespace = "other"
	}
	if f := finding(t, s, "EGR023"); f.State != Fail {
		t.Errorf("it was made for the other: %+v", f)
	}
	// what could not be read explains nothing
	s = withOther(t, "common-host-plain")
	s.States[snapshot.DestinationRules] = snapshot.State{Kind: snapshot.Forbidden, Detail: "cannot list it"}
	p := trace.Walk(s, Paths(s)[0])
	if !slices.ContainsFunc(Run(s, []trace.Path{p}), func(f Finding) bool { return f.Code == "EGR056" && f.State == Unknown }) {
		t.Error("nothing says that others are hit")
	}
}
