package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Trace first, explain after: what the proxies have decides whether a path works, and the objects only say why.

// faults are the captures that have a fault.
func faults() []string {
	var out []string
	for name, e := range expected {
		if len(e.said) == 1 && strings.HasPrefix(e.said[0], "fail ") && e.said[0] != "fail EGR056 "+tls {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// weaknesses are the captures that work and have something that weakens them.
func weaknesses() []string {
	var out []string
	for name, e := range expected {
		if slices.ContainsFunc(e.said, func(l string) bool { return strings.HasPrefix(l, "warn ") }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// goodFor names the capture of the same path in which all is well.
func goodFor(name string) string {
	switch said := expected[name].said[0]; {
	case name == "EGR045":
		return "direct-wildcard"
	case name == "EGR030", name == "EGR031":
		return "tls-origination-mtls"
	case strings.HasSuffix(said, ":80"):
		return "both-plain"
	case strings.HasPrefix(name, "EGR047"):
		return "sni-dynamic-plain"
	case strings.HasSuffix(said, wiki):
		return "sni-dynamic-mtls"
	}
	return "working-passthrough"
}

// TestObjectsAloneNeverFail puts the proxies of a path that works under the objects of every fault: the fault may be in an object
// that decides nothing, so nothing must fail.
func TestObjectsAloneNeverFail(t *testing.T) {
	t.Parallel()
	if len(faults()) < 25 {
		t.Fatalf("only %d faults", len(faults()))
	}
	for _, name := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, good := captured.Load(t, name), captured.Load(t, goodFor(name))
			if name == "EGR026" || name == "EGR048" {
				t.Log("the routes lead to another gateway, which these proxies do not have: nothing to compare")
				return
			}
			if strings.HasSuffix(expected[name].said[0], gaps) {
				t.Log("the objects are for a namespace of which these proxies have none: nothing to compare")
				return
			}
			if name == "EGR032" {
				t.Log("the path has no gateway, and these proxies go through one: nothing to compare")
				return
			}
			s.Proxies, s.Facts = good.Proxies, good.Facts
			_, findings := diagnosis(s)
			for _, f := range findings {
				if f.State == Fail || f.State == Warn || f.State == Unknown {
					t.Errorf("%s %s: %s", f.State, f.Code, f.Message)
				}
			}
		})
	}
}

// TestEnvoyWithoutCause puts the proxies of every fault under objects in which all is well, as when a proxy has not got a change
// yet: the path fails all the same, and no object is blamed for what it does not say.
func TestEnvoyWithoutCause(t *testing.T) {
	t.Parallel()
	for _, name := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, good := captured.Load(t, name), captured.Load(t, goodFor(name))
			s.Objects = good.Objects
			paths, findings := diagnosis(s)
			failed := false
			for i := range paths {
				failed = failed || len(paths[i].Failed()) > 0
			}
			if !failed {
				return // the fault is only in how objects and proxies go together, such as a Service without pods
			}
			codes := map[Code]bool{}
			for _, f := range findings {
				if f.State == Fail {
					codes[f.Code] = true
				}
			}
			if len(codes) == 0 {
				t.Error("the proxies do not lead the path, and nothing fails")
			}
		})
	}
}

// TestEveryStopIsTold: wherever a path stops for certain, some finding fails; whatever is unknown, some finding says so.
func TestEveryStopIsTold(t *testing.T) {
	t.Parallel()
	kinds := []trace.Kind{
		trace.Unread, trace.Undecided, trace.NoListener, trace.NoChain, trace.NoFilter, trace.NoRoute, trace.Answered, trace.NoCluster,
		trace.NoEndpoint, trace.PlainToTLS, trace.TLSToPlain, trace.Bypass, trace.Blocked, trace.Elsewhere, trace.UnknownPod, trace.NoWorkload,
	}
	for _, capture := range []string{"working-passthrough", "working-http", "passthrough-mtls", "sni-dynamic", "set-auto-mtls"} {
		for _, hop := range []egress.Hop{egress.AtSidecar, egress.AtGateway} {
			for _, kind := range kinds {
				s := captured.Load(t, capture)
				p := trace.Walk(s, Paths(s)[0])
				leg := p.At(hop)[0]
				leg.Stop = &trace.Stop{Kind: kind, Step: "cluster", Cluster: "x", Says: "it stops here"}
				want := Fail
				if leg.Stop.Unknown() {
					want = Unknown
				}
				if !slices.ContainsFunc(Run(s, []trace.Path{p}), func(f Finding) bool { return f.State == want && f.Path != "" }) {
					t.Errorf("%s: %s at %s is not told as %s", capture, kind, hop, want)
				}
			}
		}
	}
}

// TestLeftOutIsNoFault: a pod that the sample left out is neither a fault nor unknown.
func TestLeftOutIsNoFault(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "working-passthrough")
	p := trace.Walk(s, Paths(s)[0])
	p.Legs = append(p.Legs, trace.Leg{Hop: egress.AtGateway, Proxy: &snapshot.Proxy{}, Stop: &trace.Stop{Kind: trace.NotSelected}})
	if got := said(Run(s, []trace.Path{p})); !slices.Equal(got, []string{"skip EGR052 " + tls}) {
		t.Errorf("%v", got)
	}
}

// TestOrderIsStable: the same snapshot gives the same findings in the same order.
func TestOrderIsStable(t *testing.T) {
	t.Parallel()
	for name := range expected {
		_, first := diagnosis(captured.Load(t, name))
		_, second := diagnosis(captured.Load(t, name))
		for i := range first {
			if first[i].Code != second[i].Code || first[i].Path != second[i].Path || first[i].Message != second[i].Message || first[i].Fix != second[i].Fix {
				t.Errorf("%s: finding %d differs: %s and %s", name, i, first[i].Fix, second[i].Fix)
			}
		}
	}
}
