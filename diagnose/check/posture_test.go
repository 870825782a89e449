package check

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// security says what must be found in captures where somebody asks who can go round the gateway. The lab has one node.
var security = map[string][]string{
	"posture-open": {
		"fail EGR050", "fail EGR059", "fail EGR061", "fail EGR062", "fail EGR063", "fail EGR064", "skip EGR065", "warn EGR066",
	},
	"posture-tight": {"skip EGR065", "warn EGR060", "warn EGR067"},
	"posture-held":  {"skip EGR065"},
}

// posed judges the security of a capture after a change.
func posed(t *testing.T, name string, change func(*snapshot.Snapshot)) []Finding {
	t.Helper()
	s := captured.Load(t, name)
	if change != nil {
		change(s)
	}
	paths, _ := diagnosis(s)
	return Security(s, paths, "")
}

// only gives the findings of a code that are no passes.
func only(findings []Finding, code Code) []Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Code != code || f.State == Pass })
}

// one gives the only finding of a code that is no pass.
func one(t *testing.T, findings []Finding, code Code) Finding {
	t.Helper()
	found := only(findings, code)
	if len(found) != 1 {
		t.Fatalf("%d findings of %s, want one; said %v", len(found), code, said(findings))
	}
	return found[0]
}

func TestSecurityOfCaptures(t *testing.T) {
	t.Parallel()
	for name, want := range security {
		if diff := cmp.Diff(want, said(posed(t, name, nil))); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// TestSecurityPasses: what is in order is told as well, by every check, and what cannot be known of it.
func TestSecurityPasses(t *testing.T) {
	t.Parallel()
	told := map[Code]string{}
	for _, f := range posed(t, "posture-held", nil) {
		if f.State == Pass {
			told[f.Code] = f.Message
		}
	}
	for code := range SecurityCodes() {
		if _, passes := told[code]; passes == (code == "EGR065") { // the lab has one node
			t.Errorf("%s passes: %t", code, passes)
		}
	}
	if !strings.Contains(told["EGR059"], "cannot be known from objects") {
		t.Errorf("%q", told["EGR059"])
	}
}

// TestSecurityOnlyWhereAsked: without the question none of its codes is in the findings, not even as a pass.
func TestSecurityOnlyWhereAsked(t *testing.T) {
	t.Parallel()
	codes := SecurityCodes()
	if len(codes) != 10 {
		t.Errorf("%d codes", len(codes))
	}
	for name := range expected {
		_, findings := diagnosis(captured.Load(t, name))
		for _, f := range findings {
			if codes[f.Code] {
				t.Errorf("%s: %s", name, f.Code)
			}
		}
	}
}

// TestSecurityFindingsAreOfUse: every finding has a message, evidence and a command that is complete.
func TestSecurityFindingsAreOfUse(t *testing.T) {
	t.Parallel()
	for name := range security {
		for _, f := range posed(t, name, nil) {
			if f.Path != "" {
				t.Errorf("%s: %s is about path %s", name, f.Code, f.Path)
			}
			if f.State == Pass || f.State == Skip {
				continue
			}
			if f.Message == "" || len(f.Evidence) == 0 || f.Object == nil || strings.Contains(f.Message+f.Fix, "%!") {
				t.Errorf("%s: %+v", name, f)
			}
			if !strings.HasPrefix(f.Fix, "kubectl ") {
				t.Errorf("%s: %s: the fix is no command: %q", name, f.Code, f.Fix)
			}
		}
	}
}

// TestSecurityUnread: what may not be read is unknown, with the words that tell which right is missing, and nothing else changes.
func TestSecurityUnread(t *testing.T) {
	t.Parallel()
	for source, codes := range map[snapshot.Source][]Code{
		snapshot.NetworkPolicies:       {"EGR059", "EGR060", "EGR061", "EGR062", "EGR063", "EGR064"},
		snapshot.Workloads:             {"EGR059", "EGR060", "EGR061", "EGR062", "EGR063", "EGR064", "EGR065", "EGR067"},
		snapshot.Namespaces:            {"EGR059", "EGR060", "EGR061", "EGR062", "EGR063", "EGR064", "EGR065", "EGR067"},
		snapshot.Nodes:                 {"EGR065"},
		snapshot.AuthorizationPolicies: {"EGR050", "EGR067"},
		snapshot.Sidecars:              {"EGR061"},
	} {
		all := posed(t, "posture-open", func(s *snapshot.Snapshot) {
			s.States[source] = snapshot.State{Kind: snapshot.Forbidden, Detail: "cannot list it"}
		})
		var unknown []Code
		for _, f := range all {
			if f.State == Unknown {
				unknown = append(unknown, f.Code)
				if !strings.Contains(f.Message, "forbidden") || !strings.Contains(f.Message, "cannot list it") {
					t.Errorf("%s: %s", f.Code, f.Message)
				}
			}
		}
		if diff := cmp.Diff(codes, unknown); diff != "" {
			t.Errorf("%s: -want +got\n%s", source, diff)
		}
	}
}

// TestSecurityNotGathered: a capture of before cannot answer, and says how to make one that can.
func TestSecurityNotGathered(t *testing.T) {
	t.Parallel()
	for _, f := range posed(t, "working-passthrough", nil) {
		if f.Code == "EGR066" { // the proxies and Istio's objects answer this one
			if f.State == Unknown {
				t.Errorf("%s: %s", f.Code, f.Message)
			}
			continue
		}
		if f.State != Unknown || !strings.Contains(f.Fix, "capture --security") {
			t.Errorf("%s is %s: %s, fix %q", f.Code, f.State, f.Message, f.Fix)
		}
	}
}

// TestSecurityWithoutGateway: where no path takes a gateway there is none to go round.
func TestSecurityWithoutGateway(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "posture-open")
	s.Sets, s.Objects.VirtualServices, s.Objects.Gateways = nil, nil, nil
	for _, f := range Security(s, nil, "") {
		if f.State != Skip || !strings.Contains(f.Message, "no path takes an egress gateway") {
			t.Errorf("%s is %s: %s", f.Code, f.State, f.Message)
		}
	}
}

// TestSecurityOfOneNamespace: -n narrows whose workloads are judged, but what fixes let through stays what all need.
func TestSecurityOfOneNamespace(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "posture-open")
	for _, ns := range []string{"shop", "bank"} {
		s.Security.Workloads = append(s.Security.Workloads, snapshot.Workload{Namespace: ns, Pod: "a", Owner: "deployment/a", Sidecar: true})
	}
	paths, _ := diagnosis(s)
	f := one(t, Security(s, paths, "shop"), "EGR059")
	if f.Object.Name != "shop" || !strings.Contains(f.Fix, "namespace: shop") {
		t.Errorf("%+v", f)
	}
	for _, want := range []string{"- bank\n", "- egress-posture\n", "- shop\n"} {
		if !strings.Contains(f.Fix, want) {
			t.Errorf("the policy cuts off %q:\n%s", want, f.Fix)
		}
	}
	if n := len(only(Security(s, paths, ""), "EGR059")); n != 3 {
		t.Errorf("%d findings for all namespaces", n)
	}
}

// TestSecurityOfGuests: a namespace that makes no path of its own is judged by those of others that it sees; where all are asked
// for and none makes a path of what was named, by those of everybody.
func TestSecurityOfGuests(t *testing.T) {
	t.Parallel()
	if f := one(t, Security(captured.Load(t, "posture-open"), nil, ""), "EGR059"); f.State != Fail || f.Object.Name != "egress-posture" {
		t.Errorf("%+v", f)
	}
	for exportTo, want := range map[string]State{"*": Fail, ".": Skip} {
		s := captured.Load(t, "posture-open")
		s.Security.Workloads = append(s.Security.Workloads, snapshot.Workload{Namespace: "shop", Pod: "a", Owner: "deployment/a", Sidecar: true})
		for i := range s.Objects.VirtualServices {
			s.Objects.VirtualServices[i].Spec.ExportTo = []string{exportTo}
		}
		if f := one(t, Security(s, nil, "shop"), "EGR059"); f.State != want || want == Fail && f.Object.Name != "shop" {
			t.Errorf("exported to %s: %+v", exportTo, f)
		}
	}
}

// TestSecurityOfOnePath: asked about one host, a policy still lets workloads reach the gateways of the others.
func TestSecurityOfOnePath(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "posture-open")
	other := s.Facts.Gateways[0]
	other.Service, other.Selector = "second", map[string]string{"istio": "second"}
	s.Facts.Gateways = append(s.Facts.Gateways, other)
	for i := range s.Objects.VirtualServices {
		v := &s.Objects.VirtualServices[i]
		if v.Name == "de" {
			v.Spec.TLS[0].Route[0].Destination.Host = "second.egress-posture.svc.cluster.local"
		}
	}
	all, _ := diagnosis(s)
	asked := slices.DeleteFunc(slices.Clone(all), func(p tracePath) bool { return p.Host != "edition.cnn.com" })
	if len(asked) != 1 || len(all) < 2 {
		t.Fatalf("%d of %d paths", len(asked), len(all))
	}
	if f := one(t, Security(s, asked, ""), "EGR059"); !strings.Contains(f.Fix, "istio: second") {
		t.Errorf("the policy cuts off the second gateway:\n%s", f.Fix)
	}
}

// TestSecurityIsSteady: the same snapshot gives the same findings, whatever the order of maps.
func TestSecurityIsSteady(t *testing.T) {
	t.Parallel()
	text := func() string {
		raw, err := json.Marshal(posed(t, "posture-open", nil))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	first := text()
	for range 10 {
		if text() != first {
			t.Fatal("two runs differ")
		}
	}
}

// TestMeshed: Istio's own namespaces and Kubernetes' are not judged, those of sets and injected ones are.
func TestMeshed(t *testing.T) {
	t.Parallel()
	label := func(name, key, value string) snapshot.Namespace {
		return snapshot.Namespace{Meta: snapshot.Meta{Name: name, Labels: map[string]string{key: value}}}
	}
	s := &snapshot.Snapshot{Security: &snapshot.Security{
		Namespaces: []snapshot.Namespace{
			label("a", "istio-injection", "enabled"), label("b", "istio.io/rev", "1-31"), label("c", "istio-injection", "disabled"), label("d", "x", "y"),
			label("istio-system", "istio-injection", "enabled"),
			{Meta: snapshot.Meta{Name: "f", Labels: map[string]string{"istio.io/rev": "1-31", "istio-injection": "disabled"}}},
		},
		Workloads: []snapshot.Workload{{Namespace: "e", Sidecar: true}, {Namespace: "kube-system", Sidecar: true}, {Namespace: "g"}},
	}}
	p := &posture{s: s}
	if diff := cmp.Diff([]string{"a", "b", "e"}, p.meshed()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	p.all = gatewayPaths([]tracePath{{Path: egress.Path{Set: "shop/news", Mode: egress.Passthrough, Gateway: egress.GatewayRef{Namespace: "x", Service: "y"}}, Wanted: wantedOf(s)}})
	if diff := cmp.Diff([]string{"a", "b", "e", "shop"}, p.meshed()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
