package trace

import (
	"slices"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// TestBystandersOf: clients of other namespaces that see a path's routes and not what belongs to them are told from those for whom it
// was made, where it works for these.
func TestBystandersOf(t *testing.T) {
	t.Parallel()
	const gw = "istio-egressgateway.istio-system.svc.cluster.local"
	s := routes(t, `{metadata: {namespace: home, name: v}, spec: {hosts: [edition.cnn.com], tls: [{match: [{port: 443, sniHosts: [edition.cnn.com]}], route: [{destination: {host: `+gw+`, subset: cnn}}]}]}}`)
	client := func(namespace string, stop *Stop) Leg {
		return Leg{Hop: egress.AtSidecar, Proxy: &snapshot.Proxy{Namespace: namespace, Pod: namespace}, Stop: stop}
	}
	arriving := func(stop *Stop, from ...string) Leg {
		return Leg{Hop: egress.AtGateway, Proxy: &snapshot.Proxy{Namespace: "istio-system", Pod: "gw"}, From: from, Stop: stop}
	}
	noCluster := func(name string) *Stop { return &Stop{Kind: NoCluster, Cluster: name} }
	const subset = "outbound|443|cnn|" + gw
	for name, tt := range map[string]struct {
		clients, onward []Leg
		want            []Kind // of all legs, the clients' first
	}{
		"the subset is not there for others":   {[]Leg{client("home", nil), client("other", noCluster(subset))}, nil, []Kind{"", Bystander}},
		"nor for its own":                      {[]Leg{client("home", noCluster(subset)), client("other", noCluster(subset))}, nil, []Kind{NoCluster, NoCluster}},
		"it works for others only":             {[]Leg{client("home", noCluster(subset)), client("other", nil)}, nil, []Kind{NoCluster, ""}},
		"nobody of its own":                    {[]Leg{client("other", noCluster(subset))}, nil, []Kind{NoCluster}},
		"one of its own, of two":               {[]Leg{client("home", nil), client("home", noCluster(subset))}, nil, []Kind{"", NoCluster}},
		"the gateway itself is not there":      {[]Leg{client("home", nil), client("other", noCluster("outbound|443||"+gw))}, nil, []Kind{"", NoCluster}},
		"a subset of something else":           {[]Leg{client("home", nil), client("other", noCluster("outbound|443|cnn|shop.home.svc.cluster.local"))}, nil, []Kind{"", NoCluster}},
		"a cluster of an EnvoyFilter":          {[]Leg{client("home", nil), client("other", noCluster("mine"))}, nil, []Kind{"", NoCluster}},
		"no endpoint for others":               {[]Leg{client("home", nil), client("other", &Stop{Kind: NoEndpoint, Cluster: subset})}, nil, []Kind{"", NoEndpoint}},
		"it works for all":                     {[]Leg{client("home", nil), client("other", nil)}, []Leg{arriving(nil, "home", "other")}, []Kind{"", "", ""}},
		"others send plain text":               {[]Leg{client("home", nil), client("other", nil)}, []Leg{arriving(nil, "home"), arriving(&Stop{Kind: PlainToTLS}, "other")}, []Kind{"", "", "", Bystander}},
		"others send another name":             {[]Leg{client("home", nil), client("other", nil)}, []Leg{arriving(nil, "home"), arriving(&Stop{Kind: NoChain}, "other")}, []Kind{"", "", "", Bystander}},
		"others come to no route":              {[]Leg{client("home", nil), client("other", nil)}, []Leg{arriving(nil, "home"), arriving(&Stop{Kind: NoRoute}, "other")}, []Kind{"", "", "", NoRoute}},
		"its own are among those":              {[]Leg{client("home", nil), client("other", nil)}, []Leg{arriving(nil, "home"), arriving(&Stop{Kind: NoChain}, "other", "home")}, []Kind{"", "", "", NoChain}},
		"its own do not arrive":                {[]Leg{client("home", nil), client("other", nil)}, []Leg{arriving(&Stop{Kind: NoRoute}, "home"), arriving(&Stop{Kind: NoChain}, "other")}, []Kind{"", "", NoRoute, NoChain}},
		"only others arrive":                   {[]Leg{client("home", nil), client("other", nil)}, []Leg{arriving(nil, "third"), arriving(&Stop{Kind: NoChain}, "other")}, []Kind{"", "", "", NoChain}},
		"its own arrive, and others somewhere": {[]Leg{client("home", nil), client("other", nil)}, []Leg{arriving(nil, "home"), arriving(nil, "other")}, []Kind{"", "", "", ""}},
	} {
		p := Path{Path: to("edition.cnn.com", 443), Legs: slices.Clone(tt.clients)}
		w := New(s)
		p.Wanted = w.wanted
		onward := slices.Clone(tt.onward)
		w.bystanders(&p, onward)
		var got []Kind
		for _, l := range slices.Concat(p.Legs, onward) {
			kind := Kind("")
			if l.Stop != nil {
				kind = l.Stop.Kind
				if l.Stop.Was != "" && l.Stop.Unknown() != (kind == Bystander) {
					t.Errorf("%s: %+v", name, l.Stop)
				}
			}
			got = append(got, kind)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestFromWhere: a gateway's leg tells the namespaces from which it is come to, each once.
func TestFromWhere(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "working-passthrough")
	other := s.Proxies[1]
	other.Namespace = "other"
	s.Proxies = append(s.Proxies, s.Proxies[1], other)
	s.From = "default/sleep"
	p := Walk(s, to("edition.cnn.com", 443))
	got := p.At(egress.AtGateway)
	if len(got) != 1 || !slices.Equal(got[0].From, []string{"default", "other"}) {
		t.Errorf("%+v", got)
	}
}

// TestNobody: why there is no sidecar to look at.
func TestNobody(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*snapshot.Snapshot)
		kind   Kind
		says   string
	}{
		"only objects": {func(s *snapshot.Snapshot) { s.States[snapshot.Pods] = snapshot.State{Kind: snapshot.NotGiven} }, NotSelected, "not looked at: only objects were given"},
		"not read": {func(s *snapshot.Snapshot) {
			s.States[snapshot.Pods] = snapshot.State{Kind: snapshot.TimedOut, Detail: "too late"}
		}, Unread, "pods could not be read: too late"},
		"none": {func(*snapshot.Snapshot) {}, NoWorkload, "there is no running pod with a sidecar to look at"},
		"one without": {
			func(s *snapshot.Snapshot) {
				s.Proxies = append(s.Proxies, snapshot.Proxy{Namespace: "a", Pod: "b", Role: snapshot.NoProxy})
			}, NoWorkload, "a/b has no sidecar: what it sends is not Istio's to lead, and is not traced",
		},
	} {
		s := captured.Load(t, "working-passthrough")
		s.Proxies = slices.DeleteFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtSidecar })
		tt.change(s)
		legs := Walk(s, to("edition.cnn.com", 443)).Legs
		if len(legs) != 1 || legs[0].Stop == nil || legs[0].Stop.Kind != tt.kind || legs[0].Stop.Says != tt.says {
			t.Errorf("%s: %+v", name, legs[0].Stop)
		}
	}
}
