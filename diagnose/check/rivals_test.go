package check

import (
	"slices"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// routed is a VirtualService for the path's host, bound to the mesh, that leads to a host.
func routed(name, created, to string, change ...func(*snapshot.VirtualService)) snapshot.VirtualService {
	v := snapshot.VirtualService{Meta: snapshot.Meta{Namespace: "default", Name: name, Created: created}}
	v.Spec.Hosts, v.Spec.Gateways = []string{"edition.cnn.com"}, []string{"mesh"}
	d := snapshot.Destination{}
	d.Destination.Host = to
	v.Spec.TLS = []snapshot.L4Route{{Match: []snapshot.RouteMatch{{Port: 443, SNIHosts: []string{"edition.cnn.com"}}}, Route: []snapshot.Destination{d}}}
	for _, c := range change {
		c(&v)
	}
	return v
}

// asHTTP makes http routes of an object's tls routes.
func asHTTP(v *snapshot.VirtualService) {
	v.Spec.HTTP = []snapshot.HTTPRoute{{Route: v.Spec.TLS[0].Route}}
	v.Spec.TLS = nil
}

func exportedTo(namespaces ...string) func(*snapshot.VirtualService) {
	return func(v *snapshot.VirtualService) { v.Spec.ExportTo = namespaces }
}

// withRoutes is a path of a client in namespace default, on which these objects are looked at.
func withRoutes(t *testing.T, routes ...snapshot.VirtualService) (*snapshot.Snapshot, trace.Path) {
	t.Helper()
	s := captured.Load(t, "working-passthrough")
	s.Objects = snapshot.Objects{VirtualServices: routes}
	p := cnnPath(trace.Leg{Hop: egress.AtSidecar, Proxy: &snapshot.Proxy{Namespace: "default", Pod: "client"}, Stop: &trace.Stop{Kind: trace.Bypass}})
	p.Gateway, p.Want, p.Wanted = s.Facts.Gateways[0].Ref(), s.Facts.Gateways[0], trace.Want(s)
	return s, *p
}

// TestRivals: the object that wins is one that the sidecar sees, for the same host, port and list, and older or known to be followed.
func TestRivals(t *testing.T) {
	t.Parallel()
	const early, late = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
	port := func(v *snapshot.VirtualService) { v.Spec.TLS[0].Match[0].Port = 8443 }
	wide := func(v *snapshot.VirtualService) {
		v.Spec.Hosts, v.Spec.TLS[0].Match[0].SNIHosts = []string{"*.cnn.com"}, []string{"*.cnn.com"}
	}
	bound := func(v *snapshot.VirtualService) { v.Spec.Gateways = []string{"cnn"} }
	ours := routed("ours", late, toGateway)
	older := routed("older", early, "edition.cnn.com")
	for name, tt := range map[string]struct {
		routes []snapshot.VirtualService
		origin string // what Envoy's configuration names
		ours   string
		winner string
	}{
		"older":                         {[]snapshot.VirtualService{ours, older}, "", "ours", "older"},
		"younger":                       {[]snapshot.VirtualService{routed("ours", early, toGateway), routed("other", late, "edition.cnn.com")}, "", "ours", ""},
		"younger and followed":          {[]snapshot.VirtualService{routed("ours", early, toGateway), routed("other", late, "edition.cnn.com")}, "other", "ours", "other"},
		"older and another is followed": {[]snapshot.VirtualService{ours, older}, "ours", "ours", ""},
		"no age is known":               {[]snapshot.VirtualService{routed("ours", "", toGateway), routed("other", "", "edition.cnn.com")}, "", "ours", "other"},
		"nobody knows when":             {[]snapshot.VirtualService{routed("ours", early, toGateway), routed("other", "", "edition.cnn.com")}, "", "ours", "other"},
		"the first of two":              {[]snapshot.VirtualService{ours, older, routed("oldest", early, "edition.cnn.com")}, "", "ours", "older"},
		"the second is followed":        {[]snapshot.VirtualService{ours, older, routed("third", late, "edition.cnn.com")}, "third", "ours", "third"},
		"ours is not seen":              {[]snapshot.VirtualService{routed("ours", late, toGateway, exportedTo("shop")), older}, "", "", ""},
		"of two of ours one is seen":    {[]snapshot.VirtualService{routed("hidden", early, toGateway, exportedTo("shop")), ours, older}, "", "ours", "older"},
		"the other is not seen":         {[]snapshot.VirtualService{ours, routed("older", early, "edition.cnn.com", exportedTo("shop"))}, "", "ours", ""},
		"for gateways":                  {[]snapshot.VirtualService{ours, routed("older", early, "edition.cnn.com", bound)}, "", "ours", ""},
		"another port":                  {[]snapshot.VirtualService{ours, routed("older", early, "edition.cnn.com", port)}, "", "ours", ""},
		"another list":                  {[]snapshot.VirtualService{ours, routed("older", early, "edition.cnn.com", asHTTP)}, "", "ours", ""},
		"a wildcard":                    {[]snapshot.VirtualService{ours, routed("older", early, "edition.cnn.com", wide)}, "", "ours", ""},
		"both lead to the gateway":      {[]snapshot.VirtualService{ours, routed("older", early, toGateway)}, "", "ours", ""},
	} {
		s, p := withRoutes(t, tt.routes...)
		if tt.origin != "" {
			p.Legs[0].Steps = []trace.Step{{Origin: "VirtualService default/" + tt.origin}}
		}
		mine, winner := rivals(s, &p, &p.Legs[0])
		if nameOf(mine) != tt.ours || nameOf(winner) != tt.winner {
			t.Errorf("%s: %q is ours and %q wins", name, nameOf(mine), nameOf(winner))
		}
	}
}

func nameOf(v *snapshot.VirtualService) string {
	if v == nil {
		return ""
	}
	return v.Name
}

// importing is a Sidecar object that lets these in.
func importing(namespace, name string, hosts ...string) snapshot.Sidecar {
	c := snapshot.Sidecar{Meta: snapshot.Meta{Namespace: namespace, Name: name}}
	c.Spec.Egress = append(c.Spec.Egress, struct {
		Hosts []string `json:"hosts,omitempty"`
	}{Hosts: hosts})
	return c
}

// TestHiddenFrom: what a client does not see anyway need not be imported, and one of several is enough.
func TestHiddenFrom(t *testing.T) {
	t.Parallel()
	in := func(namespace string) func(*snapshot.VirtualService) {
		return func(v *snapshot.VirtualService) { v.Namespace = namespace }
	}
	onGateway := func(v *snapshot.VirtualService) { v.Spec.Gateways = []string{"cnn"} }
	entry := func(namespace string, exportTo ...string) snapshot.ServiceEntry {
		e := snapshot.ServiceEntry{Meta: snapshot.Meta{Namespace: namespace, Name: "e"}}
		e.Spec.Hosts, e.Spec.ExportTo = []string{"edition.cnn.com"}, exportTo
		return e
	}
	visible, other := routed("a", "", toGateway, in("a")), routed("b", "", toGateway, in("b"))
	for name, tt := range map[string]struct {
		routes  []snapshot.VirtualService
		entries []snapshot.ServiceEntry
		hosts   []string
		want    []string
	}{
		"nothing is there":              {nil, nil, []string{"./*"}, nil},
		"neither is let in":             {[]snapshot.VirtualService{visible}, []snapshot.ServiceEntry{entry("e")}, []string{"./*"}, []string{"a/edition.cnn.com", "e/edition.cnn.com"}},
		"the route is":                  {[]snapshot.VirtualService{visible}, []snapshot.ServiceEntry{entry("e")}, []string{"a/*"}, []string{"e/edition.cnn.com"}},
		"one of two routes is":          {[]snapshot.VirtualService{visible, other}, nil, []string{"a/*"}, nil},
		"the entry is":                  {[]snapshot.VirtualService{visible}, []snapshot.ServiceEntry{entry("e")}, []string{"e/*"}, []string{"a/edition.cnn.com"}},
		"one of two entries is":         {nil, []snapshot.ServiceEntry{entry("e"), entry("f")}, []string{"e/*"}, nil},
		"a route that is not seen":      {[]snapshot.VirtualService{routed("a", "", toGateway, in("a"), exportedTo("shop"))}, nil, []string{"./*"}, nil},
		"a route for gateways":          {[]snapshot.VirtualService{routed("a", "", toGateway, in("a"), onGateway)}, nil, []string{"./*"}, nil},
		"an entry that is not seen":     {nil, []snapshot.ServiceEntry{entry("e", "shop")}, []string{"./*"}, nil},
		"the Sidecar's own namespace":   {[]snapshot.VirtualService{routed("a", "", toGateway)}, nil, []string{"./*"}, nil},
		"its own, by another's name":    {[]snapshot.VirtualService{routed("a", "", toGateway)}, nil, []string{"x/*"}, []string{"default/edition.cnn.com"}},
		"all hosts of every namespace":  {[]snapshot.VirtualService{visible}, nil, []string{"*/*"}, nil},
		"a host without any namespace":  {[]snapshot.VirtualService{visible}, nil, []string{"edition.cnn.com"}, nil},
		"another host of the namespace": {[]snapshot.VirtualService{visible}, nil, []string{"a/other.example.com"}, []string{"a/edition.cnn.com"}},
	} {
		s, p := withRoutes(t, tt.routes...)
		s.Objects.ServiceEntries = tt.entries
		p.Wanted = trace.Want(s)
		c := importing("default", "c", tt.hosts...)
		if got := hiddenFrom(s, &p, &c, p.Legs[0].Proxy); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q", name, got)
		}
		c.Spec.Egress = nil
		if got := hiddenFrom(s, &p, &c, p.Legs[0].Proxy); got != nil {
			t.Errorf("%s: a Sidecar object without egress hides %q", name, got)
		}
	}
}

// TestOneSidecarIsBlamed: of several Sidecar objects that hide a path the first is told, along with its own clients only.
func TestOneSidecarIsBlamed(t *testing.T) {
	t.Parallel()
	s, p := withRoutes(t, routed("a", "", toGateway, func(v *snapshot.VirtualService) { v.Namespace = "a" }))
	s.Objects.Sidecars = []snapshot.Sidecar{importing("other", "second", "./*"), importing("default", "first", "./*")}
	second := p.Legs[0]
	second.Proxy = &snapshot.Proxy{Namespace: "other", Pod: "other"}
	nobody := p.Legs[0]
	nobody.Proxy = &snapshot.Proxy{Namespace: "free", Pod: "free"}
	p.Legs = append(p.Legs, second, nobody, p.Legs[0])
	found := hiddenBySidecar.Run(s, p)
	if len(found) != 1 || found[0].Object.Name != "first" || len(found[0].explains) != 2 {
		t.Errorf("%+v", found)
	}
	// one of another namespace that selects the pod's labels is not the pod's
	far := importing("other", "far", "./*")
	far.Spec.WorkloadSelector = &snapshot.Selector{Labels: map[string]string{"app": "x"}}
	root := importing(s.RootNamespace(), "root", "./*")
	root.Spec.WorkloadSelector = far.Spec.WorkloadSelector
	s.Objects.Sidecars = []snapshot.Sidecar{far, root}
	if c := sidecarFor(s, &snapshot.Proxy{Namespace: "default", Labels: map[string]string{"app": "x"}}); c != nil {
		t.Errorf("%s holds for a pod of another namespace", c)
	}
}
