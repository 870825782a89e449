package check

import (
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// stopsAt is a leg at the gateway that stops at a cluster for want of an endpoint.
func stopsAt(cluster string, exits ...admin.Cluster) trace.Leg {
	l := trace.Leg{
		Hop: egress.AtGateway, Proxy: &snapshot.Proxy{Namespace: "istio-system", Pod: "gateway"},
		Stop: &trace.Stop{Kind: trace.NoEndpoint, Step: "endpoint", Cluster: cluster, Says: "no endpoint"},
	}
	for i := range exits {
		l.Exits = append(l.Exits, trace.Exit{Cluster: &exits[i]})
	}
	return l
}

// cnnEntries are ServiceEntries for the path's host.
func cnnEntries(change ...func(*snapshot.ServiceEntry)) *snapshot.Snapshot {
	s := &snapshot.Snapshot{}
	for i, c := range change {
		e := snapshot.ServiceEntry{Meta: snapshot.Meta{Namespace: "istio-system", Name: "e" + string(rune('0'+i))}}
		e.Spec.Hosts = []string{"edition.cnn.com"}
		e.Spec.Ports = []snapshot.ServicePort{{Number: 443, Protocol: "TLS"}}
		c(&e)
		s.Objects.ServiceEntries = append(s.Objects.ServiceEntries, e)
	}
	return s
}

// following is a path on which the objects of a snapshot are looked at.
func following(s *snapshot.Snapshot, legs ...trace.Leg) trace.Path {
	p := cnnPath(legs...)
	p.Gateway = egress.GatewayRef{Namespace: "istio-system", Service: "egress"}
	p.Wanted = trace.Want(s)
	return *p
}

// TestLookedUp: the name that a cluster looks up in DNS is that of its first endpoint, where it looks one up at all.
func TestLookedUp(t *testing.T) {
	t.Parallel()
	named := []admin.Endpoint{{Address: "edition.cnn.com"}}
	for name, tt := range map[string]struct {
		cluster admin.Cluster
		want    string
	}{
		"strict":             {admin.Cluster{Name: cnn443, Type: admin.StrictDNS, Endpoints: named}, "edition.cnn.com"},
		"logical":            {admin.Cluster{Name: cnn443, Type: admin.LogicalDNS, Endpoints: named}, "edition.cnn.com"},
		"no endpoint":        {admin.Cluster{Name: cnn443, Type: admin.StrictDNS}, ""},
		"static":             {admin.Cluster{Name: cnn443, Type: "STATIC", Endpoints: named}, ""},
		"not where it stops": {admin.Cluster{Name: "outbound|80||edition.cnn.com", Type: admin.StrictDNS, Endpoints: named}, ""},
	} {
		l := stopsAt(cnn443, tt.cluster)
		if got := names(&l); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestNameNotFound: it is about what is looked up and not found, and not about other steps; the entry is blamed where there is one.
func TestNameNotFound(t *testing.T) {
	t.Parallel()
	plain := func(*snapshot.ServiceEntry) {}
	cluster := admin.Cluster{Name: cnn443, Type: admin.StrictDNS, Endpoints: []admin.Endpoint{{Address: "edition.cnn.com"}}}
	s := cnnEntries(plain)
	found := nameNotFound.Run(s, following(s, stopsAt(cnn443, cluster)))
	if len(found) != 1 || found[0].Object == nil || found[0].Object.Name != "e0" {
		t.Fatalf("%+v", found)
	}
	contains(t, found[0], "looks edition.cnn.com up", "getent ahosts edition.cnn.com")
	l := stopsAt(cnn443, cluster)
	l.Stop.Step = "cluster"
	if found := nameNotFound.Run(s, following(s, l)); len(found) > 0 {
		t.Errorf("another step: %+v", found)
	}
	none := &snapshot.Snapshot{}
	if found := nameNotFound.Run(none, following(none, stopsAt(cnn443, cluster))); len(found) != 1 || found[0].Object != nil {
		t.Errorf("no entry: %+v", found)
	}
	wild := cluster
	wild.Endpoints = []admin.Endpoint{{Address: "*.cnn.com"}}
	if found := nameNotFound.Run(s, following(s, stopsAt(cnn443, wild))); len(found) > 0 {
		t.Errorf("a wildcard: %+v", found)
	}
}

// TestResolutionNone: the entry that the gateway sees and that has no resolution is to blame, unless an EnvoyFilter leads on.
func TestResolutionNone(t *testing.T) {
	t.Parallel()
	resolution := func(r string) func(*snapshot.ServiceEntry) {
		return func(e *snapshot.ServiceEntry) { e.Spec.Resolution = r }
	}
	hidden := func(e *snapshot.ServiceEntry) { e.Spec.ExportTo = []string{"shop"} }
	for name, tt := range map[string]struct {
		entry   func(*snapshot.ServiceEntry)
		cluster string
		mode    egress.Mode
		set     string
		found   bool
	}{
		"NONE":                             {resolution("none"), cnn443, egress.Passthrough, "", true},
		"none is written":                  {resolution(""), cnn443, egress.Passthrough, "", true},
		"DNS":                              {resolution("DNS"), cnn443, egress.Passthrough, "", false},
		"the gateway does not see it":      {hidden, cnn443, egress.Passthrough, "", false},
		"another host's":                   {resolution("NONE"), "outbound|443||other.example.com", egress.Passthrough, "", false},
		"a cluster of no host":             {resolution("NONE"), "mine", egress.Passthrough, "", true},
		"a set of another mode":            {resolution("NONE"), cnn443, egress.Passthrough, "shop/news", true},
		"a set that looks up names":        {resolution("NONE"), cnn443, egress.SNIDynamic, "shop/news", false},
		"made by hand without any filters": {resolution("NONE"), cnn443, egress.SNIDynamic, "", true},
	} {
		s := cnnEntries(tt.entry)
		p := following(s, stopsAt(tt.cluster))
		p.Mode, p.Set = tt.mode, tt.set
		found := resolutionNone.Run(s, p)
		if (len(found) == 1) != tt.found {
			t.Errorf("%s: %+v", name, found)
		}
		for _, f := range found {
			contains(t, f, "has resolution NONE", `{"op":"add","path":"/spec/resolution","value":"DNS"}`)
		}
	}
	s := cnnEntries(func(e *snapshot.ServiceEntry) { e.Spec.Hosts = []string{"*.cnn.com"} })
	p := following(s, stopsAt("outbound|443||*.cnn.com"))
	p.Host, p.Mode = "*.cnn.com", egress.Passthrough
	if found := resolutionNone.Run(s, p); len(found) != 1 || strings.Contains(found[0].Fix, "DNS") {
		t.Errorf("DNS has no wildcards: %+v", found)
	}
}
