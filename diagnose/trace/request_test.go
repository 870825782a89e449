package trace

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// TestRequest: what is followed is a request that the routes to the gateway take.
func TestRequest(t *testing.T) {
	t.Parallel()
	text := func(exact, prefix, regex string) *snapshot.StringMatch {
		return &snapshot.StringMatch{Exact: exact, Prefix: prefix, Regex: regex}
	}
	for name, tt := range map[string]struct {
		matches []snapshot.RouteMatch
		want    Request
	}{
		"no match":        {nil, Request{Method: "GET", Path: "/"}},
		"an empty match":  {[]snapshot.RouteMatch{{}}, Request{Method: "GET", Path: "/"}},
		"a path":          {[]snapshot.RouteMatch{{URI: text("/health", "", "")}}, Request{Method: "GET", Path: "/health"}},
		"a prefix":        {[]snapshot.RouteMatch{{URI: text("", "/api", "")}}, Request{Method: "GET", Path: "/api"}},
		"every path":      {[]snapshot.RouteMatch{{URI: text("", "", "/.*")}}, Request{Method: "GET", Path: "/"}},
		"a pattern":       {[]snapshot.RouteMatch{{URI: text("", "", `/v[0-9]+/users/?`)}}, Request{Method: "GET", Path: "/", Unsampled: `routes ask for paths by the pattern /v[0-9]+/users/?`}},
		"a numbered path": {[]snapshot.RouteMatch{{URI: text("", "", `/v[0-9]+`)}}, Request{Method: "GET", Path: "/v1"}},
		"no pattern":      {[]snapshot.RouteMatch{{URI: text("", "", `(`)}}, Request{Method: "GET", Path: "/", Unsampled: `routes ask for paths by the pattern (`}},
		"the general one": {[]snapshot.RouteMatch{{URI: text("", "/api", "")}, {Port: 80}}, Request{Method: "GET", Path: "/"}},
		"the first":       {[]snapshot.RouteMatch{{URI: text("", "/api", "")}, {URI: text("", "/", "")}}, Request{Method: "GET", Path: "/api"}},
		"a method":        {[]snapshot.RouteMatch{{Method: text("POST", "", "")}}, Request{Method: "POST", Path: "/"}},
		"methods":         {[]snapshot.RouteMatch{{Method: text("", "", "PUT|POST")}}, Request{Method: "POST", Path: "/"}},
		"a header":        {[]snapshot.RouteMatch{{Headers: map[string]snapshot.StringMatch{"X-Team": {Exact: "shop"}}}}, Request{Method: "GET", Path: "/", Headers: map[string]string{"x-team": "shop"}}},
		"a header at all": {[]snapshot.RouteMatch{{Headers: map[string]snapshot.StringMatch{"x-team": {}}}}, Request{Method: "GET", Path: "/", Headers: map[string]string{"x-team": "1"}}},
		"two headers":     {[]snapshot.RouteMatch{{Headers: map[string]snapshot.StringMatch{"x-team": {Exact: "shop"}, "x-user": {}}}}, Request{Method: "GET", Path: "/", Headers: map[string]string{"x-team": "shop", "x-user": "1"}}},
		"a query":         {[]snapshot.RouteMatch{{Query: map[string]snapshot.StringMatch{"a": {}}}}, Request{Method: "GET", Path: "/", Unsampled: "routes ask for parameters of the query"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := captured.Load(t, "working-http")
			v := &s.Objects.VirtualServices[0]
			i := slices.IndexFunc(v.Spec.HTTP, func(r snapshot.HTTPRoute) bool {
				return slices.ContainsFunc(r.Match, func(m snapshot.RouteMatch) bool { return slices.Contains(m.Gateways, snapshot.Mesh) })
			})
			for j := range tt.matches {
				tt.matches[j].Gateways = []string{snapshot.Mesh}
			}
			v.Spec.HTTP[i].Match = tt.matches
			if diff := cmp.Diff(tt.want, Want(s).request("edition.cnn.com", 80)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestAbout: a match by authority is about those hosts alone.
func TestAbout(t *testing.T) {
	t.Parallel()
	hosts := []string{"a.example.com", "b.example.com", "*.example.org"}
	for name, tt := range map[string]struct {
		match *snapshot.StringMatch
		want  []string
	}{
		"none":               {nil, hosts},
		"one":                {&snapshot.StringMatch{Exact: "a.example.com"}, hosts[:1]},
		"with its port":      {&snapshot.StringMatch{Exact: "b.example.com:80"}, hosts[1:2]},
		"one of a wildcard":  {&snapshot.StringMatch{Exact: "c.example.org"}, []string{"c.example.org"}},
		"a prefix":           {&snapshot.StringMatch{Prefix: "b."}, hosts[1:2]},
		"a pattern":          {&snapshot.StringMatch{Regex: `[ab]\.example\.com(:80)?`}, hosts[:2]},
		"some of a wildcard": {&snapshot.StringMatch{Regex: `c\d\.example\.org`}, hosts},
	} {
		if diff := cmp.Diff(tt.want, about(hosts, &snapshot.RouteMatch{Authority: tt.match})); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(hosts, about(hosts, nil)); diff != "" {
		t.Error(diff)
	}
}

// TestSomePathsOnly: a route that leads some paths of a host to the gateway is followed by one of those; that others go their own way,
// or none, is no fault of it.
func TestSomePathsOnly(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "working-http")
	for i := range s.Objects.VirtualServices[0].Spec.HTTP {
		for j := range s.Objects.VirtualServices[0].Spec.HTTP[i].Match {
			s.Objects.VirtualServices[0].Spec.HTTP[i].Match[j].URI = &snapshot.StringMatch{Prefix: "/api"}
		}
	}
	changed := 0
	for i := range s.Proxies {
		for j := range s.Proxies[i].Config.Routes {
			for k := range s.Proxies[i].Config.Routes[j].Hosts {
				h := &s.Proxies[i].Config.Routes[j].Hosts[k]
				for l := range h.Routes {
					if slices.ContainsFunc(h.Domains, func(d string) bool { return d == "edition.cnn.com" }) {
						h.Routes[l].Prefix = "/api"
						changed++
					}
				}
			}
		}
	}
	if changed < 2 {
		t.Fatalf("%d routes of the capture are about the host", changed)
	}
	p := egress.Path{Host: "edition.cnn.com", Port: 80, Protocol: egress.ProtocolHTTP, Mode: egress.HTTP, Gateway: egress.GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway"}}
	got := Walk(s, p)
	if failed := got.Failed(); len(failed) > 0 || len(got.At(egress.AtGateway)) == 0 {
		t.Errorf("%d legs fail: %+v", len(failed), got.Legs)
	}
	s.Objects.VirtualServices[0].Spec.HTTP[0].Match[0].URI, s.Objects.VirtualServices[0].Spec.HTTP[1].Match[0].URI = nil, nil
	got = Walk(s, p)
	if failed := got.Failed(); len(failed) == 0 || failed[0].Stop.Kind != NoRoute {
		t.Errorf("GET / is taken by a route for /api: %+v", failed)
	}
}
