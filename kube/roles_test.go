package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// places are namespaces that are all different, so that nothing is merged by accident.
var places = Namespaces{Home: "team", Gateways: []string{"edge"}, Istio: "istio-system", DNS: "kube-system"}

func TestGrants(t *testing.T) {
	t.Parallel()
	rights := []Right{
		{Can: "get configmaps", In: OfIstio, Why: "settings"},
		{Can: "list pods", In: AtGateway, Optional: true, Why: "seen anyway"},
		{Can: "list pods,nodes", In: Everywhere, Else: Home, Why: "pods"},
		{Can: "list,create pods,gateways.networking.istio.io,pods/exec", In: Home, Why: "work"},
		{Can: "list pods", In: Everywhere, Else: Home, Optional: true, Why: "again"},
		{Can: "list services", In: HomeOrAll, Why: "more"},
		{Can: "create pods", In: Home, Optional: true, Why: "no news"},
		{Can: "get services", In: OfDNS, Why: "names"},
	}
	both := []Grant{
		{Resources: []string{"pods"}, Verbs: []string{"create"}, Why: "work"},
		{Group: "networking.istio.io", Resources: []string{"gateways"}, Verbs: []string{"list", "create"}, Why: "work"},
		{Resources: []string{"pods/exec"}, Verbs: []string{"list", "create"}, Why: "work"},
	}
	settings := Role{Name: "r", Namespace: "istio-system", Grants: []Grant{{Resources: []string{"configmaps"}, Verbs: []string{"get"}, Why: "settings"}}}
	dns := Role{Name: "r", Namespace: "kube-system", Grants: []Grant{{Resources: []string{"services"}, Verbs: []string{"get"}, Why: "names"}}}
	everywhere := Grant{Resources: []string{"pods", "nodes"}, Verbs: []string{"list"}, Why: "pods"}
	more := Grant{Resources: []string{"services"}, Verbs: []string{"list"}, Why: "more"}
	for name, test := range map[string]struct {
		all, only bool
		want      Granted
	}{
		"a ClusterRole and Roles": {want: Granted{Name: "r", Roles: []Role{
			{Name: "r", Grants: []Grant{everywhere}},
			settings,
			{Name: "r", Namespace: "team", Grants: append(both[:3:3], more)},
			dns,
		}}},
		"all namespaces": {all: true, want: Granted{Name: "r", Roles: []Role{
			{Name: "r", Grants: append([]Grant{everywhere}, both[0], both[1], both[2], more)}, settings, dns,
		}}},
		"namespaces only": {only: true, want: Granted{Name: "r", Roles: []Role{
			settings,
			{Name: "r", Namespace: "team", Grants: append([]Grant{everywhere}, append(both[:3:3], more)...)},
			dns,
			{Name: "r", Namespace: "edge", Grants: []Grant{{Resources: []string{"pods"}, Verbs: []string{"list"}, Why: "seen anyway", Optional: true}}},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := places
			n.All, n.Only = test.all, test.only
			if diff := cmp.Diff(test.want, Grants("r", rights, n)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestGrantsBeyond: what has no lesser place is not silently left out.
func TestGrantsBeyond(t *testing.T) {
	t.Parallel()
	rights := []Right{{Can: "list nodes", In: Everywhere, Why: "labels"}, {Can: "list pods", In: Everywhere, Else: Home, Why: "pods"}}
	n := places
	n.Only = true
	got := Grants("r", rights, n)
	if diff := cmp.Diff(rights[:1], got.Beyond); diff != "" || len(got.Roles) != 1 || got.Roles[0].Namespace != "team" {
		t.Errorf("%+v %s", got, diff)
	}
	if got := Grants("r", rights, places); len(got.Beyond) > 0 || len(got.Roles) != 1 || got.Roles[0].Namespace != "" {
		t.Errorf("%+v", got)
	}
}

// TestEveryCommandIsGranted: the roles of each command hold its whole table, each rule once, and nothing that the table does not have.
func TestEveryCommandIsGranted(t *testing.T) {
	t.Parallel()
	for _, c := range Commands() {
		for _, n := range []Namespaces{places, {Home: "a", Gateways: []string{"a", "b"}, Istio: "a", DNS: "a"}, {Home: "team", Gateways: []string{"edge"}, Istio: "istio-system", DNS: "kube-system", All: true}} {
			granted := Grants(c.Name, c.Rights, n)
			have := map[string]map[Rule]bool{}
			for _, role := range granted.Roles {
				if have[role.Namespace] != nil {
					t.Errorf("%s: two roles in namespace %q", c.Name, role.Namespace)
				}
				have[role.Namespace] = map[Rule]bool{}
				for _, g := range role.Grants {
					for _, resource := range g.Resources {
						for _, verb := range g.Verbs {
							rule := Rule{verb, g.Group, resource}
							if have[role.Namespace][rule] || have[""][rule] && role.Namespace != "" {
								t.Errorf("%s: %s twice", c.Name, rule)
							}
							have[role.Namespace][rule] = true
						}
					}
				}
			}
			count := 0
			for _, right := range c.Rights {
				for _, rule := range right.Rules() {
					for _, namespace := range append(n.of(right), "")[:max(1, len(n.of(right)))] {
						if !have[""][rule] && !have[namespace][rule] {
							t.Errorf("%s: %s in %s is not granted in namespace %q", c.Name, rule, right.In, namespace)
						}
					}
				}
			}
			for _, rules := range have {
				for rule := range rules {
					count++
					if _, listed := c.allowed()[rule]; !listed {
						t.Errorf("%s: %s is granted and not in the table", c.Name, rule)
					}
				}
			}
			if count == 0 {
				t.Errorf("%s: nothing is granted", c.Name)
			}
		}
	}
}
