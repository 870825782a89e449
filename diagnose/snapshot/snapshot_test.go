package snapshot

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

func sample(t *testing.T) *Snapshot {
	t.Helper()
	set, err := egress.ParseSet(egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}, Gateway: "istio-system/istio-egressgateway"})
	if err != nil {
		t.Fatal(err)
	}
	s := &Snapshot{
		Taken: time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC), From: "default/sleep",
		Facts:  mesh.Facts{Version: mesh.Version{Major: 1, Minor: 31}, RootNamespace: "istio-system"},
		Sets:   []Set{{Set: set}, {Set: egress.Set{Namespace: "shop", Name: "x"}, Broken: "no YAML"}},
		States: map[Source]State{Sets: {Kind: Read}, Gateways: {Kind: Forbidden, Detail: "no right"}},
		Proxies: []Proxy{{
			Namespace: "istio-system", Pod: "gw", Role: AtGateway, State: State{Kind: Read}, Gateway: egress.GatewayRef{Namespace: "istio-system", Service: "gw"},
			Config: admin.Config{Listeners: []admin.Listener{{Name: "l", Port: 8443}}},
			Hosts:  []admin.HostCounters{{Cluster: "c", Hosts: []admin.HostStatus{{Address: "10.0.0.1", Opened: 1 << 63}}}},
		}},
		Notes: []string{"1 of 2"},
	}
	var gw Gateway
	gw.Namespace, gw.Name, gw.Spec.Selector = "default", "cnn", map[string]string{"istio": "egressgateway"}
	s.Objects.Gateways = []Gateway{gw}
	return s
}

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	want := sample(t)
	var b bytes.Buffer
	if err := want.Save(&b); err != nil {
		t.Fatal(err)
	}
	got, err := Load(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-saved +loaded\n%s", diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":         {``, "EOF"},
		"no JSON":         {`hello`, "invalid character"},
		"another kind":    {`{"apiVersion":"kubectl-egress/v1","kind":"Report"}`, `kind is "Report", not Snapshot`},
		"another version": {`{"apiVersion":"kubectl-egress/v2","kind":"Snapshot"}`, `"kubectl-egress/v2", this program reads kubectl-egress/v1`},
		"empty":           {`{"apiVersion":"kubectl-egress/v1","kind":"Snapshot"}`, "it is empty"},
		"a set that no one could declare": {
			`{"apiVersion":"kubectl-egress/v1","kind":"Snapshot","snapshot":{"sets":[{"name":"a","namespace":"b","hosts":["10.0.0.1"],"mode":"auto","mtls":"auto"}]}}`, "set b/a: 10.0.0.1 is an IP address",
		},
		"a gateway that is none": {
			`{"apiVersion":"kubectl-egress/v1","kind":"Snapshot","snapshot":{"proxies":[{"gateway":"x"}]}}`, `"x" is not a gateway`,
		},
	} {
		_, err := Load(strings.NewReader(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "load snapshot: ") {
			t.Errorf("%s: %v, want an error that says %q", name, err, tt.want)
		}
	}
}

// endless never ends, as a hostile file might.
type endless struct{ b byte }

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.b
	}
	return len(p), nil
}

func TestLoadIsBounded(t *testing.T) {
	t.Parallel()
	_, err := load(endless{' '}, 1<<20)
	if err == nil || !strings.Contains(err.Error(), "more than 1 MiB") {
		t.Errorf("%v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(`{"apiVersion":"kubectl-egress/v1","kind":"Snapshot","snapshot":{"sets":[{"name":"a","namespace":"b","hosts":["a.com"],"mode":"auto","mtls":"auto","gateway":"a/b"}],"states":{"sets":{"kind":"read"}}}}`)
	f.Add(`{"apiVersion":"kubectl-egress/v1","kind":"Snapshot","snapshot":{"objects":{"virtualServices":[{"metadata":{"name":"v"},"spec":{"tls":[{"match":[{"port":1}]}]}}]}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Load(strings.NewReader(text))
		if err != nil {
			return
		}
		var first, second bytes.Buffer
		if err := s.Save(&first); err != nil {
			t.Fatal(err)
		}
		again, err := Load(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatalf("what was saved cannot be loaded: %v\n%s", err, first.String())
		}
		if err := again.Save(&second); err != nil || first.String() != second.String() {
			t.Errorf("saved twice it differs (%v)\n%s\n%s", err, first.String(), second.String())
		}
	})
}

func TestState(t *testing.T) {
	t.Parallel()
	s := sample(t)
	if st := s.State(Gateways); st.Known() || st.Detail != "no right" {
		t.Errorf("%+v", st)
	}
	if st := s.State(Telemetries); st.Known() || st.Kind != Failed {
		t.Errorf("a source that was not asked for: %+v", st)
	}
	for kind, want := range map[Kind]bool{Read: true, Absent: true, Forbidden: false, TimedOut: false, Failed: false, Cut: false, "": false} {
		if got := (State{Kind: kind}).Known(); got != want {
			t.Errorf("%q is known: %t", kind, got)
		}
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		exportTo, fallback []string
		owner, viewer      string
		want               bool
	}{
		{nil, nil, "a", "b", true},
		{[]string{"*"}, []string{"."}, "a", "b", true},
		{[]string{"."}, nil, "a", "b", false},
		{[]string{"."}, nil, "a", "a", true},
		{[]string{"b", "c"}, nil, "a", "c", true},
		{[]string{"b"}, nil, "a", "a", false},
		{nil, []string{"."}, "a", "b", false},
		{nil, []string{"."}, "a", "a", true},
		{[]string{"~"}, nil, "a", "a", false},
	} {
		if got := Visible(tt.exportTo, tt.fallback, tt.owner, tt.viewer); got != tt.want {
			t.Errorf("%+v: %t", tt, got)
		}
	}
}

func TestVisibleTo(t *testing.T) {
	t.Parallel()
	s := &Snapshot{}
	s.Facts.Config = mesh.MeshConfig{
		DefaultServiceExportTo: []string{"."}, DefaultVirtualServiceExportTo: []string{"*"}, DefaultDestinationRuleExportTo: []string{"b"},
	}
	m := Meta{Namespace: "a", Name: "x"}
	if (&ServiceEntry{Meta: m}).VisibleTo(s, "b") || !(&VirtualService{Meta: m}).VisibleTo(s, "b") || !(&DestinationRule{Meta: m}).VisibleTo(s, "b") {
		t.Error("each kind has its own default")
	}
}

func TestHostCovers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host, name string
		want       bool
	}{
		{"a.com", "a.com", true},
		{"A.com.", "a.COM", true},
		{"*", "a.com", true},
		{"*.a.com", "b.a.com", true},
		{"*.a.com", "c.b.a.com", true},
		{"*.a.com", "a.com", false},
		{"*.a.com", ".a.com", false},
		{"*.a.com", "*.a.com", true},
		{"*.com", "*.a.com", true},
		{"*.a.com", "*.com", false},
		{"*a.com", "ba.com", false},
		{"b.a.com", "*.a.com", false},
	} {
		if got := HostCovers(tt.host, tt.name); got != tt.want {
			t.Errorf("HostCovers(%q, %q) = %t", tt.host, tt.name, got)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	s := &Snapshot{}
	if got := s.FullHost("gw", "istio-system"); got != "gw.istio-system.svc.cluster.local" {
		t.Error(got)
	}
	s.Facts.ClusterDomain = "home.local"
	for in, want := range map[string]string{"gw": "gw.a.svc.home.local", "gw.b": "gw.b", "*": "*"} {
		if got := s.FullHost(in, "a"); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
	if s.RootNamespace() != "istio-system" {
		t.Error(s.RootNamespace())
	}
	for in, want := range map[string][2]string{"a.com": {"*", "a.com"}, "./a.com": {".", "a.com"}, "ns/*.com": {"ns", "*.com"}, "*/*": {"*", "*"}} {
		if ns, name := ServerHost(in); ns != want[0] || name != want[1] {
			t.Errorf("%s: %s, %s", in, ns, name)
		}
	}
	if !Selects(nil, map[string]string{"a": "b"}) || !Selects(map[string]string{"a": "b"}, map[string]string{"a": "b", "c": "d"}) || Selects(map[string]string{"a": ""}, map[string]string{"a": "x"}) {
		t.Error("selectors")
	}
}

func TestBoundAndApplies(t *testing.T) {
	t.Parallel()
	var v VirtualService
	v.Namespace = "a"
	if diff := cmp.Diff([]string{Mesh}, v.Bound()); diff != "" {
		t.Error(diff)
	}
	v.Spec.Gateways = []string{"mesh", "gw", "b/gw"}
	if diff := cmp.Diff([]string{Mesh, "a/gw", "b/gw"}, v.Bound()); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct {
		match *RouteMatch
		want  []string
	}{
		{nil, []string{Mesh, "a/gw", "b/gw"}},
		{&RouteMatch{}, []string{Mesh, "a/gw", "b/gw"}},
		{&RouteMatch{Gateways: []string{"gw", "c/gw"}}, []string{"a/gw"}},
		{&RouteMatch{Gateways: []string{"other"}}, nil},
	} {
		if diff := cmp.Diff(tt.want, v.Applies(tt.match)); diff != "" {
			t.Errorf("%+v: -want +got\n%s", tt.match, diff)
		}
	}
}

// TestGatewayNamed: all the ways in which Istio lets a VirtualService write the same Gateway.
func TestGatewayNamed(t *testing.T) {
	t.Parallel()
	v := VirtualService{Meta: Meta{Namespace: "shop"}}
	for in, want := range map[string]string{
		"mesh": "mesh", "out": "shop/out", "./out": "shop/out", "net/out": "net/out", "out.net": "net/out",
		"out.net.svc.cluster.local": "net/out", "out.net.svc.home.lan": "net/out",
	} {
		if got := v.GatewayNamed(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	v.Spec.Gateways = []string{"mesh", "out.net.svc.cluster.local"}
	if diff := cmp.Diff([]string{"net/out"}, v.Applies(&RouteMatch{Gateways: []string{"net/out"}})); diff != "" {
		t.Error(diff)
	}
}
