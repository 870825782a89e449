package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestFilterNotApplied: every part of a match that does not fit.
func TestFilterNotApplied(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR042")
	s.Objects.EnvoyFilters[0].Namespace = "shop"
	f := finding(t, s, "EGR042")
	contains(t, f, "neither in the gateway's namespace istio-system nor in the root namespace", `{"op":"replace","path":"/metadata/namespace","value":"istio-system"}`, "kubectl -n shop delete envoyfilter sni")

	s = captured.Load(t, "EGR042")
	s.Objects.EnvoyFilters = nil
	if _, all := diagnosis(s); slices.ContainsFunc(all, func(f Finding) bool { return f.Code == "EGR042" && f.State == Fail }) {
		t.Error("nobody has wanted a filter by hand")
	}

	s = captured.Load(t, "set-sni-dynamic")
	s.Objects.EnvoyFilters = nil
	for i := range s.Proxies {
		if p := &s.Proxies[i]; p.Role == snapshot.AtGateway {
			for j := range p.Config.Listeners {
				for k := range p.Config.Listeners[j].Chains {
					for _, filter := range p.Config.Listeners[j].Chains[k].Filters {
						if filter.TCP != nil && strings.HasPrefix(filter.TCP.Cluster, "sni_cluster") {
							filter.TCP.Cluster = "outbound|443||*.wikipedia.org"
						}
					}
				}
			}
		}
	}
	f = finding(t, s, "EGR042")
	contains(t, f, "no EnvoyFilter has the gateway look up the server names of *.wikipedia.org", "get configmap egress-dynamic-on")
	if _, all := diagnosis(s); len(said(all)) != 1 {
		t.Errorf("one fault, one code: %q", said(all))
	}
}

// TestFilterTooWide: a patch that is bound to several names becomes one for each.
func TestFilterTooWide(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR044")
	for i := range s.Proxies {
		for j := range s.Proxies[i].Config.Listeners {
			if l := &s.Proxies[i].Config.Listeners[j]; l.Internal || l.Port == 8443 {
				more := l.Chains[0]
				more.Match.ServerNames = []string{"*.wiktionary.org"}
				l.Chains = append(l.Chains, more)
			}
		}
	}
	f := findingOn(t, s, "EGR044", wiki)
	after := follow(t, s, f.Fix).Objects.EnvoyFilters[0].Spec
	var names []string
	for _, p := range after.ConfigPatches {
		if p.ApplyTo == "NETWORK_FILTER" {
			names = append(names, p.Match.Listener.FilterChain.SNI)
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"*.wikipedia.org", "*.wiktionary.org"}) || after.WorkloadSelector.Labels["istio"] != "egressgateway" {
		t.Errorf("%q, %+v", names, after.WorkloadSelector)
	}
	for name, change := range map[string]func(*snapshot.EnvoyFilter){
		"it is for other pods": func(e *snapshot.EnvoyFilter) {
			e.Spec.WorkloadSelector = &snapshot.Selector{Labels: map[string]string{"app": "x"}}
		},
		"it is of another namespace": func(e *snapshot.EnvoyFilter) { e.Namespace = "shop" },
		"it patches another filter": func(e *snapshot.EnvoyFilter) {
			e.Spec.ConfigPatches[3].Match.Listener.FilterChain.Filter.Name = "envoy.filters.network.rbac"
		},
		"it is about sidecars": func(e *snapshot.EnvoyFilter) { e.Spec.ConfigPatches[3].Match.Context = "SIDECAR_OUTBOUND" },
	} {
		s := captured.Load(t, "EGR044")
		change(&s.Objects.EnvoyFilters[0])
		_, all := diagnosis(s)
		if slices.ContainsFunc(all, func(f Finding) bool { return f.Code == "EGR044" && f.State != Pass }) {
			t.Errorf("%s, and is blamed: %q", name, said(all))
		}
	}
}

// TestRefusedChange: where the path stops because of it, it is the fault and not only a weakness.
func TestRefusedChange(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR043")
	for i := range s.Proxies {
		for j := range s.Proxies[i].Config.Listeners {
			if l := &s.Proxies[i].Config.Listeners[j]; l.Internal {
				*l = admin.Listener{Name: l.Name, Rejected: l.Rejected}
			}
		}
	}
	f := finding(t, s, "EGR043")
	if f.State != Fail || !slices.ContainsFunc(f.Evidence, func(e string) bool { return strings.Contains(e, "with different settings") }) {
		t.Errorf("%+v", f)
	}
	s.Objects.EnvoyFilters = nil
	contains(t, finding(t, s, "EGR043"), "logs istio-egressgateway-")
}

// TestFiltersHidden: who may not read EnvoyFilters is told so where they matter, and is not held up where they do not.
func TestFiltersHidden(t *testing.T) {
	t.Parallel()
	for capture, codes := range map[string][]Code{
		"working-passthrough": nil, "set-sni-dynamic-off": nil, "set-auto-mtls": nil, "EGR042": {"EGR042"}, "sni-dynamic-mtls": {"EGR044"}, "EGR044": {"EGR044"},
	} {
		s := captured.Load(t, capture)
		s.States[snapshot.EnvoyFilters] = snapshot.State{Kind: snapshot.Forbidden, Detail: "cannot list it"}
		_, all := diagnosis(s)
		var got []Code
		for _, f := range all {
			if f.State == Unknown && !slices.Contains(got, f.Code) {
				got = append(got, f.Code)
			}
			if f.State == Unknown && !strings.Contains(f.Message, "cannot list it") {
				t.Errorf("%s: %s", capture, f.Message)
			}
		}
		if !slices.Equal(got, codes) {
			t.Errorf("%s: unknown are %q, want %q", capture, got, codes)
		}
	}
}
