package offline

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
)

// manifests are the objects of a capture as somebody would have them in a repository.
func manifests(t testing.TB, s *snapshot.Snapshot) []byte {
	t.Helper()
	var b strings.Builder
	put := func(apiVersion, kind string, o any) {
		raw, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("---\n" + strings.Replace(string(raw), "{", `{"apiVersion":"`+apiVersion+`","kind":"`+kind+`",`, 1) + "\n")
	}
	for i := range s.Objects.ServiceEntries {
		put("networking.istio.io/v1", "ServiceEntry", s.Objects.ServiceEntries[i])
	}
	for i := range s.Objects.Gateways {
		put("networking.istio.io/v1", "Gateway", s.Objects.Gateways[i])
	}
	for i := range s.Objects.VirtualServices {
		put("networking.istio.io/v1", "VirtualService", s.Objects.VirtualServices[i])
	}
	for i := range s.Objects.DestinationRules {
		put("networking.istio.io/v1", "DestinationRule", s.Objects.DestinationRules[i])
	}
	for i := range s.Objects.EnvoyFilters {
		put("networking.istio.io/v1alpha3", "EnvoyFilter", s.Objects.EnvoyFilters[i])
	}
	return []byte(b.String())
}

func loaded(t testing.TB, files map[string][]byte) *snapshot.Snapshot {
	t.Helper()
	f := New()
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := f.Add(name, files[name]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	s, err := f.Load(t.Context(), gather.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bad are the codes of what fails and warns.
func bad(s *snapshot.Snapshot) []string {
	var paths []trace.Path
	w := trace.New(s)
	for _, p := range check.Paths(s) {
		paths = append(paths, w.Walk(p))
	}
	var out []string
	for _, f := range check.Run(s, paths) {
		if f.State != check.Pass && f.State != check.Skip {
			out = append(out, string(f.State)+" "+string(f.Code)+" "+f.Path)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// decided are the captures of faults that objects alone show, with the code that must be found; of all others nothing may be found.
var decided = map[string]string{
	"EGR001": "EGR001", "EGR001-http": "EGR001", "EGR002": "EGR002", "EGR002-http": "EGR002", "EGR002-http-registry-only": "EGR002",
	"EGR002-registry-only": "EGR002", "EGR003": "EGR003", "EGR012": "EGR012", "EGR013": "EGR013", "EGR014": "EGR014", "EGR015": "EGR015",
	"EGR017": "EGR017", "EGR017-tls": "EGR017", "EGR018": "EGR018", "EGR019": "EGR019", "EGR019-mesh-only": "EGR019", "EGR020-protocol": "EGR020", "EGR020-target": "EGR020", "EGR023": "EGR023",
	"EGR023-exportto": "EGR023", "EGR023-none": "EGR023", "EGR023-tls": "EGR023", "EGR024a": "EGR024", "EGR024b": "EGR024",
	"EGR017-wide": "EGR017", "EGR023-wide": "EGR023", "EGR024-wide": "EGR024", "EGR024-own": "EGR024",
	"EGR024c": "EGR024", "EGR035": "EGR035", "EGR037": "EGR037", "set-broken-by-hand": "EGR001", "set-route-deleted": "EGR001",
}

// TestObjectsAlone takes of every capture of a real cluster the objects and nothing else, as they would stand in a repository: what is
// wrong with them is found by its own code and by no other, and what works raises no alarm.
func TestObjectsAlone(t *testing.T) {
	t.Parallel()
	found := 0
	for _, name := range captured.Names(t) {
		text := manifests(t, captured.Load(t, name))
		if len(text) == 0 {
			continue
		}
		s := loaded(t, map[string][]byte{"a.yaml": text})
		var codes []string
		for _, line := range bad(s) {
			if state, code, _ := strings.Cut(line, " "); state == "fail" {
				code, _, _ = strings.Cut(code, " ")
				codes = append(codes, code)
			} else {
				t.Errorf("%s: %s", name, line)
			}
		}
		codes = slices.Compact(codes)
		want := decided[name]
		if got := strings.Join(codes, " "); got != want {
			t.Errorf("%s: found %q, want %q", name, got, want)
		}
		if want != "" {
			found++
		}
		if !s.OnlyObjects() || len(s.Proxies) > 0 {
			t.Errorf("%s: proxies out of nowhere", name)
		}
	}
	if found != len(decided) {
		t.Errorf("%d of %d captures are there", found, len(decided))
	}
}

// TestPageNamesTheRules: the page about diagnosis without a cluster names those rules that are judged, and no others.
func TestPageNamesTheRules(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/offline.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "## Objects alone")
	if !found {
		t.Fatal("the page has no such section")
	}
	section, _, _ = strings.Cut(section, "are judged")
	judged := check.ByObjects()
	for _, c := range check.Table() {
		if named, want := strings.Contains(section, string(c.Code)), slices.Contains(judged, c.Code) || c.Code == "EGR057"; named != want {
			t.Errorf("%s: named %t, judged %t", c.Code, named, want)
		}
	}
}
