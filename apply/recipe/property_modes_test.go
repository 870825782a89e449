package recipe

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// randomAnyMode draws sets of every mode, with wildcards where the mode takes them.
func randomAnyMode(t *testing.T, r *rand.Rand) egress.Set {
	t.Helper()
	mode := egress.Modes()[r.IntN(len(egress.Modes()))]
	exactOnly := slices.Contains([]egress.Mode{egress.HTTP, egress.Passthrough, egress.TLSOrigination, egress.MTLSOrigination}, mode)
	parts := []string{"a", "b", "a-b", "wildcard", "sni-proxy", "default"}
	hosts := map[string]bool{}
	for range 1 + r.IntN(6) {
		h := parts[r.IntN(len(parts))] + "." + parts[r.IntN(len(parts))] + ".com"
		if !exactOnly && r.IntN(2) == 0 {
			h = "*." + h
		}
		hosts[h] = true
	}
	d := egress.Declaration{
		Name: []string{"a", "a-b", "default"}[r.IntN(3)], Namespace: []string{"default", "istio-system", "sni-proxy"}[r.IntN(3)],
		Mode: string(mode), MTLS: []string{"on", "off"}[r.IntN(2)], ExportTo: [][]string{nil, {"."}, {".", "shop"}, {"*"}}[r.IntN(4)],
	}
	for h := range hosts {
		d.Domains = append(d.Domains, h)
	}
	switch mode {
	case egress.CommonHost:
		d.CommonHost = "www.common.com"
	case egress.MTLSOrigination:
		d.Credential = "client-credential"
	}
	return declare(t, d)
}

// TestInvariantsOfModes holds what is true of every mode: names are fit and apart, every object is marked, every host stands once
// wherever the mode needs it, and an EnvoyFilter touches nothing but the set's own chains of the gateway's own pods (rule R44).
func TestInvariantsOfModes(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	names := map[string]string{} // object -> set
	for range 500 {
		set := randomAnyMode(t, r)
		objs := render(t, set, chart())
		if diff := cmp.Diff(objs, render(t, set, chart())); diff != "" {
			t.Errorf("%+v: not the same every time: %s", set, diff)
		}
		seen := map[string]bool{}
		for _, o := range objs {
			id := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
			if seen[id] || !dnsSubdomain.MatchString(o.GetName()) {
				t.Errorf("%s: bad or repeated name %s", set, id)
			}
			seen[id] = true
			if other, taken := names[id]; taken && other != set.String() {
				t.Errorf("sets %s and %s share %s", set, other, id)
			}
			names[id] = set.String()
			if o.GetKind() != "ConfigMap" && o.GetLabels()[egress.LabelPartOf] != set.ApplySetID() {
				t.Errorf("%s: %s is not marked as its own", set, id)
			}
			if set.Private() && o.GetNamespace() != set.Namespace && o.GetKind() != "EnvoyFilter" {
				t.Errorf("private set %s (%s) has %s", set, set.Mode, id)
			}
		}
		holdHosts(t, set, objs)
		holdFilter(t, set, objs)
		if t.Failed() {
			t.Fatalf("set %+v", set)
		}
	}
}

// holdHosts counts where each host stands.
func holdHosts(t *testing.T, set egress.Set, objs []*unstructured.Unstructured) {
	t.Helper()
	count := map[string]int{}
	for _, o := range objs {
		switch o.GetKind() {
		case "ServiceEntry", "VirtualService":
			hosts, _, err := unstructured.NestedStringSlice(o.Object, "spec", "hosts")
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range hosts {
				count[o.GetKind()+" "+h]++
			}
		case "Gateway":
			servers, _, err := unstructured.NestedSlice(o.Object, "spec", "servers")
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range servers {
				server := s.(map[string]any)
				for _, h := range server["hosts"].([]any) {
					count[fmt.Sprintf("Gateway %v %v", server["port"].(map[string]any)["number"], h)]++
				}
			}
		}
	}
	for _, h := range set.Hosts {
		if count["ServiceEntry "+string(h)] != 1 || count["VirtualService "+string(h)] != 1 {
			t.Errorf("%s (%s): %s is in %d ServiceEntries and %d VirtualServices", set, set.Mode, h, count["ServiceEntry "+string(h)], count["VirtualService "+string(h)])
		}
	}
	for _, route := range set.Routes() {
		served := count[fmt.Sprintf("Gateway 80 %s", route.Host)] + count[fmt.Sprintf("Gateway 443 %s", route.Host)]
		want := 1
		switch {
		case set.Direct():
			want = 0
		case set.Mode == egress.Auto && !route.Host.IsWildcard():
			want = 2
		}
		if served != want {
			t.Errorf("%s (%s): %s has %d servers, want %d", set, set.Mode, route.Host, served, want)
		}
	}
}

// holdFilter looks at every patch of an EnvoyFilter.
func holdFilter(t *testing.T, set egress.Set, objs []*unstructured.Unstructured) {
	t.Helper()
	for _, o := range objs {
		if o.GetKind() != "EnvoyFilter" {
			continue
		}
		labels, _, err := unstructured.NestedStringMap(o.Object, "spec", "workloadSelector", "labels")
		if err != nil || labels["istio"] != "egressgateway" || o.GetNamespace() != "istio-system" {
			t.Errorf("%s: the filter is for %v in %s, %v", set, labels, o.GetNamespace(), err)
		}
		patches, _, err := unstructured.NestedSlice(o.Object, "spec", "configPatches")
		if err != nil {
			t.Fatal(err)
		}
		chains := map[string]int{}
		for _, p := range patches {
			patch := p.(map[string]any)
			name, _, err := unstructured.NestedString(patch, "patch", "value", "name")
			if err != nil {
				t.Fatal(err)
			}
			if patch["applyTo"] != "NETWORK_FILTER" {
				if !strings.HasSuffix(name, "_"+set.Namespace+"_"+set.Name) {
					t.Errorf("%s adds %s under a name that others may have", set, name)
				}
				continue
			}
			port, _, err := unstructured.NestedInt64(patch, "match", "listener", "portNumber")
			if err != nil || port != 8443 {
				t.Errorf("%s: a patch for port %d, %v", set, port, err)
			}
			sni, _, err := unstructured.NestedString(patch, "match", "listener", "filterChain", "sni")
			if err != nil {
				t.Fatal(err)
			}
			chains[sni]++
		}
		for _, h := range set.Hosts {
			plain := set.Mode == egress.Auto || set.MTLS == egress.MTLSOff
			if want := !plain || h.IsWildcard(); (chains[string(h)] == 1) != want {
				t.Errorf("%s: %d patches for %s", set, chains[string(h)], h)
			}
		}
	}
}
