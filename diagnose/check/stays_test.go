package check

import (
	"slices"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
)

// TestWhatStays: these faults stand in objects that are there. None of the others may stay: what is missing may be on its way, as may
// pods, certificates and what proxies are sent.
func TestWhatStays(t *testing.T) {
	t.Parallel()
	stays := map[Code]string{ // by the capture that shows it
		"EGR003": "EGR003", "EGR012": "EGR012", "EGR013": "EGR013", "EGR014": "EGR014", "EGR015": "EGR015", "EGR017": "EGR017-tls",
		"EGR018": "EGR018", "EGR020": "EGR020", "EGR035": "EGR035", "EGR037": "EGR037",
	}
	for _, c := range Table() {
		capture := stays[c.Code]
		if want := capture != "" || c.Code == "EGR057"; c.Stays != want {
			t.Errorf("%s stays: %t", c.Code, c.Stays)
		}
		if capture == "" {
			continue
		}
		if !slices.Contains(ByObjects(), c.Code) {
			t.Errorf("%s is not decided by objects alone: a proxy that gets what it waits for may mend it", c.Code)
		}
		allStay(t, capture)
	}
	allStay(t, "EGR001") // which may also be about a VirtualService that is not there, see below
	allStay(t, "EGR001-http")
}

// allStay says whether the faults of a capture, and nothing else of it, stay.
func allStay(t *testing.T, capture string) {
	t.Helper()
	_, all := diagnosis(captured.Load(t, capture))
	failed := false
	for _, f := range all {
		failed = failed || f.State == Fail
		if f.Stays != (f.State == Fail) {
			t.Errorf("%s: %s %s stays: %t", capture, f.State, f.Code, f.Stays)
		}
	}
	if !failed {
		t.Errorf("%s: nothing fails: %q", capture, said(all))
	}
}

// TestWhatComesLater: what is not there yet does not stay away.
func TestWhatComesLater(t *testing.T) {
	t.Parallel()
	for _, capture := range []string{"EGR002", "EGR011", "EGR019", "EGR023-none", "EGR026", "EGR031", "EGR001-nomatch", "set-route-deleted"} {
		_, all := diagnosis(captured.Load(t, capture))
		if !slices.ContainsFunc(all, func(f Finding) bool { return f.State == Fail }) {
			t.Errorf("%s: nothing fails: %q", capture, said(all))
		}
		for _, f := range all {
			if f.Stays {
				t.Errorf("%s: %s stays", capture, f.Code)
			}
		}
	}
}

// TestRightsStay: what may not be read is not read a second later either, as opposed to what timed out.
func TestRightsStay(t *testing.T) {
	t.Parallel()
	for _, kind := range []snapshot.Kind{snapshot.Forbidden, snapshot.TimedOut, snapshot.Failed, snapshot.Cut} {
		for what, change := range map[string]func(*snapshot.Snapshot, snapshot.State){
			"objects": func(s *snapshot.Snapshot, st snapshot.State) { s.States[snapshot.Gateways] = st },
			"sets":    func(s *snapshot.Snapshot, st snapshot.State) { s.States[snapshot.Sets] = st },
			"a gateway's pod": func(s *snapshot.Snapshot, st snapshot.State) {
				s.Proxies[slices.IndexFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtGateway })].State = st
			},
			"no pods at all": func(s *snapshot.Snapshot, st snapshot.State) {
				s.States[snapshot.Pods] = st
				s.Proxies = slices.DeleteFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtSidecar })
			},
		} {
			s := captured.Load(t, "working-passthrough")
			change(s, snapshot.State{Kind: kind, Detail: "for a reason"})
			_, all := diagnosis(s)
			unknown := slices.DeleteFunc(all, func(f Finding) bool { return f.State != Unknown })
			if len(unknown) == 0 {
				t.Errorf("%s: nothing is unknown", what)
			}
			for _, f := range unknown {
				if f.Stays != (kind == snapshot.Forbidden) {
					t.Errorf("%s %s: %s stays: %t", what, kind, f.Code, f.Stays)
				}
			}
		}
	}
}
