package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// aloneFile tells of every capture what its objects say without any proxy: the rules that pass, and each finding in full.
const aloneFile = "testdata/objects-alone.txt"

// withoutProxies leaves the objects of a capture, as they would stand in a repository.
func withoutProxies(s *snapshot.Snapshot) *snapshot.Snapshot {
	s.Proxies = nil
	s.States[snapshot.Pods] = snapshot.State{Kind: snapshot.NotGiven}
	return s
}

// tellAlone tells what is said of objects alone; what is skipped is skipped in silence.
func tellAlone(s *snapshot.Snapshot) string {
	var b strings.Builder
	_, all := diagnosis(withoutProxies(s))
	path, passes := "", ""
	for _, f := range append(all, Finding{}) {
		if f.Path != path && passes != "" {
			b.WriteString("passes " + path + passes + "\n")
			passes = ""
		}
		switch path = f.Path; f.State {
		case Pass:
			passes += " " + strings.TrimPrefix(string(f.Code), "EGR")
		case Fail, Warn, Unknown:
			b.WriteString(tell(f))
		}
	}
	return b.String()
}

// TestOnlyObjects holds what is said of the objects of each capture alone. -update writes it anew.
func TestOnlyObjects(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, name := range captured.Names(t) {
		b.WriteString(caseMark + name + "\n" + tellAlone(captured.Load(t, name)))
	}
	if *update {
		if err := os.WriteFile(filepath.FromSlash(aloneFile), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(aloneFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("-want +got (if it is meant: go test ./diagnose/check -run TestOnlyObjects -update)\n%s", diff)
	}
}

// TestMadeUpPods: of pods that are only supposed it is known that the Gateway selects them, and nothing else.
func TestMadeUpPods(t *testing.T) {
	t.Parallel()
	s := withoutProxies(captured.Load(t, "EGR011"))
	if _, all := diagnosis(s); !says(all, "EGR011") || !slices.ContainsFunc(all, func(f Finding) bool { return f.Code == "EGR001" && f.State == Pass }) {
		t.Errorf("%q", said(all))
	}
	for i := range s.Facts.Gateways {
		s.Facts.Gateways[i].Pods = []mesh.Pod{{Labels: map[string]string{"app": "any"}}}
	}
	_, all := diagnosis(s)
	if i := slices.IndexFunc(all, func(f Finding) bool { return f.Code == "EGR011" }); i < 0 || all[i].State != Skip || all[i].Message != onlyObjects {
		t.Errorf("%q", said(all))
	}
}

// TestSupposedClient: who asks is guessed by the set, then by the routes, then by the entry.
func TestSupposedClient(t *testing.T) {
	t.Parallel()
	s := withoutProxies(captured.Load(t, "working-passthrough"))
	s.Objects.VirtualServices[0].Namespace, s.Objects.ServiceEntries[0].Namespace = "routes", "entries"
	client := func() string {
		paths, _ := diagnosis(s)
		return clientOf(&paths[0])
	}
	if got := client(); got != "routes" {
		t.Error(got)
	}
	s.Objects.VirtualServices = nil
	if got := client(); got != "entries" {
		t.Error(got)
	}
	paths, _ := diagnosis(s)
	paths[0].Set = "shop/news"
	if got := clientOf(&paths[0]); got != "shop" {
		t.Error(got)
	}
	paths[0].Set, paths[0].Host = "", egress.Host("other.example.com")
	if got := clientOf(&paths[0]); got != "default" {
		t.Error(got)
	}
}
