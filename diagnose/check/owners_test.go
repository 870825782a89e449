package check

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// leading is a VirtualService that leads a.example.com:80 from the mesh to a gateway of the cluster, and on from there.
func leading(namespace, name, gateway, more string) string {
	return `{metadata: {namespace: ` + namespace + `, name: ` + name + more + `}, spec: {hosts: [a.example.com], gateways: [mesh, g],
 http: [{match: [{gateways: [mesh], port: 80}], route: [{destination: {host: ` + gateway + `.svc.cluster.local}}]}, {match: [{gateways: [g]}], route: [{destination: {host: a.example.com}}]}]}},`
}

// TestOwners: what objects of several people lead to several gateways is a path of each; what leads to the same gateway is one.
func TestOwners(t *testing.T) {
	t.Parallel()
	const one, two = "istio-egressgateway.istio-system", "door.own"
	const managed = `, labels: {app.kubernetes.io/managed-by: kubectl-egress}`
	ofSet := func(namespace, name, gateway string) snapshot.Set {
		s, err := egress.ParseSet(egress.Declaration{Namespace: namespace, Name: name, Domains: []string{"a.example.com"}, Mode: "http", Gateway: gateway})
		if err != nil {
			t.Fatal(err)
		}
		return snapshot.Set{Set: s}
	}
	own := "istio-system/istio-egressgateway"
	for name, tt := range map[string]struct {
		objects string
		sets    []snapshot.Set
		want    []string
	}{
		"one object":             {leading("a", "v", one, ""), nil, []string{"a.example.com:80 via " + own}},
		"two, to one gateway":    {leading("a", "v", one, "") + leading("b", "w", one, ""), nil, []string{"a.example.com:80 via " + own}},
		"two, to two gateways":   {leading("a", "v", one, "") + leading("b", "w", two, ""), nil, []string{"a.example.com:80 of VirtualService a/v via " + own, "a.example.com:80 of VirtualService b/w via own/door"}},
		"three, to two gateways": {leading("a", "v", one, "") + leading("b", "w", two, "") + leading("c", "x", one, ""), nil, []string{"a.example.com:80 of VirtualService a/v via " + own, "a.example.com:80 of VirtualService b/w via own/door"}},
		"a set and its object":   {leading("a", "v", one, managed), []snapshot.Set{ofSet("a", "s", own)}, []string{"a.example.com:80 via " + own}},
		"a set whose object somebody has changed": {
			leading("a", "v", two, managed), []snapshot.Set{ofSet("a", "s", own)}, []string{"a.example.com:80 via " + own},
		},
		"a set and somebody else's": {
			leading("b", "w", two, ""),
			[]snapshot.Set{ofSet("a", "s", own)},
			[]string{"a.example.com:80 of set a/s via " + own, "a.example.com:80 of VirtualService b/w via own/door"},
		},
		"two sets with two gateways": {"", []snapshot.Set{ofSet("a", "s", own), ofSet("b", "s", "own/door")}, []string{"a.example.com:80 of set a/s via " + own, "a.example.com:80 of set b/s via own/door"}},
		"two sets with one gateway":  {"", []snapshot.Set{ofSet("a", "s", own), ofSet("b", "s", own)}, []string{"a.example.com:80 of set a/s via " + own, "a.example.com:80 of set b/s via " + own}},
	} {
		s := written(t, `virtualServices: [`+tt.objects+`]`)
		s.Sets = tt.sets
		var got []string
		for _, p := range Paths(s) {
			got = append(got, fmt.Sprintf("%s via %s", p, p.Gateway))
			if p.Name() != "a.example.com:80" {
				t.Errorf("%s: name %s", name, p.Name())
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// TestOwnersApart: of two owners each has its own clients and routes; a client of one that is asked about the other is told that it
// goes elsewhere.
func TestOwnersApart(t *testing.T) {
	t.Parallel()
	for _, byHand := range []bool{false, true} {
		s := captured.Load(t, "set-two-owners")
		want := []string{"gaps-src", "gaps-two"}
		if byHand {
			s.Sets = nil
			for i := range s.Objects.VirtualServices {
				s.Objects.VirtualServices[i].Labels = nil
			}
		}
		paths, all := diagnosis(s)
		if got := said(all); len(paths) != 2 || len(got) != 2 || !strings.HasPrefix(got[0], "skip EGR052") || !strings.HasPrefix(got[1], "skip EGR052") {
			t.Errorf("by hand %t: %d paths, %q", byHand, len(paths), got)
		}
		for i := range paths {
			for _, l := range paths[i].At(egress.AtSidecar) {
				if l.Proxy.Namespace != want[i] {
					t.Errorf("%s is followed from %s", paths[i], l.Proxy.Name())
				}
			}
			for _, l := range paths[i].Toward() {
				if l.VirtualService.Namespace != want[i] || l.Gateway != paths[i].Gateway {
					t.Errorf("%s is led by %s to %s", paths[i], l.VirtualService, l.Gateway)
				}
			}
		}
		s.From = "gaps-two/sleep"
		s.Proxies = append([]snapshot.Proxy(nil), s.Proxies...)
		for i := range s.Proxies {
			if s.Proxies[i].Namespace == "gaps-src" {
				s.Proxies[i].Role = snapshot.NoProxy
			}
		}
		p := trace.Walk(s, paths[0].Path)
		if stop := p.Legs[0].Stop; stop == nil || stop.Kind != trace.Elsewhere {
			t.Errorf("by hand %t: %+v", byHand, stop)
		}
	}
}
