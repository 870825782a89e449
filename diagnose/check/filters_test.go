package check

import (
	"slices"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// filterFor is an EnvoyFilter with one patch of a network filter.
func filterFor(namespace, listener, more string) string {
	return `{metadata: {namespace: ` + namespace + `, name: f}, spec: {` + more + `configPatches: [{applyTo: NETWORK_FILTER, match: {context: GATEWAY, listener: {` + listener + `}}}]}}`
}

const tcpProxy = `filterChain: {filter: {name: envoy.filters.network.tcp_proxy}}`

// readFilters says that the EnvoyFilters were read.
func readFilters(s *snapshot.Snapshot) {
	s.States = map[snapshot.Source]snapshot.State{snapshot.EnvoyFilters: {Kind: snapshot.Read}}
}

// TestFilterOfASet: where no filter of a set is there, it is made; where it is there and arrives, it is not to blame.
func TestFilterOfASet(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		filters, set string
		found        bool
	}{
		{"", "shop/news", true},
		{"", "", false},
		{filterFor("istio-system", tcpProxy, ""), "shop/news", false},
		{filterFor("a", tcpProxy, ""), "shop/news", true},
		{filterFor("a", tcpProxy, ""), "", true},
	} {
		s, p := atGateway(t, `envoyFilters: [`+tt.filters+`]`, trace.Stop{Kind: trace.NoLookup})
		readFilters(s)
		p.Mode, p.Set = egress.SNIDynamic, tt.set
		found := filterNotApplied.Run(s, p)
		if (len(found) == 1) != tt.found {
			t.Errorf("%+v: %+v", tt, found)
		}
		for _, f := range found {
			if tt.set != "" {
				contains(t, f, "kubectl egress enable -f -")
			}
		}
	}
}

// TestWideFilter: a filter with a server name is not too wide; what is unknown is not broken.
func TestWideFilter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		filter string
		stop   *trace.Stop
		want   State
	}{
		{filterFor("istio-system", tcpProxy, ""), nil, ""},
		{filterFor("istio-system", tcpProxy, ""), &trace.Stop{Kind: trace.NoEndpoint}, Fail},
		{filterFor("istio-system", tcpProxy, ""), &trace.Stop{Kind: trace.Undecided}, ""},
		{filterFor("istio-system", "portNumber: 8443, "+tcpProxy, ""), nil, Pass},
		{filterFor("istio-system", `filterChain: {sni: "*.cnn.com", filter: {name: envoy.filters.network.tcp_proxy}}`, ""), nil, Pass},
		{filterFor("a", tcpProxy, ""), nil, Pass},
	} {
		s, p := atGateway(t, `envoyFilters: [`+tt.filter+`]`, trace.Stop{})
		readFilters(s)
		p.Legs[0].Stop, p.Legs[0].Internal = tt.stop, 1
		found := filterTooWide.Run(s, p)
		if (len(found) == 0) != (tt.want == Pass) || len(found) > 0 && found[0].State != tt.want {
			t.Errorf("%s %+v: %+v", tt.filter, tt.stop, found)
		}
	}
}

// TestNamesMeant: those of chains on the gateway's port that the inner listener knows as well, each once.
func TestNamesMeant(t *testing.T) {
	t.Parallel()
	listener := func(port int, internal bool, names ...string) admin.Listener {
		l := admin.Listener{Port: port, Internal: internal}
		for _, n := range names {
			c := admin.FilterChain{}
			c.Match.ServerNames = []string{n}
			l.Chains = append(l.Chains, c)
		}
		return l
	}
	for name, tt := range map[string]struct {
		listeners []admin.Listener
		want      []string
	}{
		"known inside":     {[]admin.Listener{listener(8443, false, "a", "b"), listener(0, true, "b", "c")}, []string{"b"}},
		"in either order":  {[]admin.Listener{listener(0, true, "b", "c"), listener(8443, false, "a", "b")}, []string{"b"}},
		"twice":            {[]admin.Listener{listener(8443, false, "b"), listener(8443, false, "b"), listener(0, true, "b")}, []string{"b"}},
		"on another port":  {[]admin.Listener{listener(9443, false, "b"), listener(0, true, "b")}, nil},
		"inside only":      {[]admin.Listener{listener(8443, true, "b")}, nil},
		"not known at all": {[]admin.Listener{listener(8443, false, "b")}, nil},
	} {
		l := trace.Leg{Proxy: &snapshot.Proxy{}, Ask: trace.Ask{Port: 8443}}
		l.Proxy.Config.Listeners = tt.listeners
		if got := (networkPatch{}).meant(&l); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestRefusedStep: a change that was refused counts where the leg goes through it, or where it has found nothing.
func TestRefusedStep(t *testing.T) {
	t.Parallel()
	steps := []trace.Step{{Name: "listener", Value: "0.0.0.0_8443"}, {Name: "cluster", Value: cnn443}}
	for name, tt := range map[string]struct {
		kind, value string
		stop        *trace.Stop
		want        bool
		state       State
	}{
		"gone through":        {"cluster", cnn443, nil, true, ""},
		"another of its name": {"listener", cnn443, nil, false, ""},
		"another":             {"cluster", "x", nil, false, ""},
		"nothing listens":     {"listener", "x", &trace.Stop{Kind: trace.NoListener}, true, Fail},
		"no cluster":          {"cluster", "x", &trace.Stop{Kind: trace.NoCluster}, true, Fail},
		"it stops otherwise":  {"cluster", "x", &trace.Stop{Kind: trace.NoChain}, false, ""},
		"nothing is known":    {"cluster", cnn443, &trace.Stop{Kind: trace.Undecided}, true, ""},
	} {
		s, p := atGateway(t, "{}", trace.Stop{})
		p.Legs[0].Stop, p.Legs[0].Steps = tt.stop, steps
		p.Legs[0].Refused = []trace.Refusal{{Kind: tt.kind, Name: tt.value, Rejection: &admin.Rejection{Detail: "no"}}}
		found := updateRefused.Run(s, p)
		if (len(found) == 1) != tt.want || len(found) == 1 && found[0].State != tt.state {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// TestSuspects: a filter of the pod's namespace or of the root's that is for all pods or selects it.
func TestSuspects(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string]string{
		filterFor("istio-system", "", ""): "-n istio-system edit envoyfilter f",
		filterFor("root", "", ""):         "-n root edit envoyfilter f",
		filterFor("a", "", ""):            "logs gw",
		filterFor("istio-system", "", "workloadSelector: {labels: {istio: egressgateway}}, "): "edit envoyfilter f",
		filterFor("istio-system", "", "workloadSelector: {labels: {istio: ingress}}, "):       "logs gw",
	} {
		s, p := atGateway(t, `envoyFilters: [`+filter+`]`, trace.Stop{})
		s.Facts.RootNamespace, p.Legs[0].Proxy.Labels = "root", map[string]string{"istio": "egressgateway"}
		contains(t, Finding{Fix: suspects(s, &p.Legs[0])}, want)
	}
}
