package recipe

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

func TestLabelOf(t *testing.T) {
	t.Parallel()
	long := egress.Host(strings.Repeat("label.", 12) + "com")
	for _, tt := range []struct {
		host  egress.Host
		limit int
		want  string
	}{
		{"edition.cnn.com", 63, "edition-cnn-com"},
		{"a-b.com", 63, "a-b-com-" + egress.Hash("a-b.com")},
		{"*.wikipedia.org", 63, "wikipedia-org-" + egress.Hash("*.wikipedia.org")},
		{long, 63, "label-label-label-label-label-label-label-label-label-" + egress.Hash(string(long))},
		{"abcdefgh.ijk.com", 15, "abcdef-" + egress.Hash("abcdefgh.ijk.com")},
		{"abcde.fghijk.com", 15, "abcde-" + egress.Hash("abcde.fghijk.com")},
	} {
		got := labelOf(tt.host, tt.limit)
		if got != tt.want || len(got) > tt.limit {
			t.Errorf("labelOf(%s, %d) = %q (%d), want %q", tt.host, tt.limit, got, len(got), tt.want)
		}
	}
	if labelOf("a-b.com", 63) == labelOf("a.b.com", 63) || labelOf("*.a.com", 63) == labelOf("a.com", 63) {
		t.Error("two hosts share a name")
	}
}

func TestObjectNames(t *testing.T) {
	t.Parallel()
	set := declare(t, egress.Declaration{Name: "a", Domains: []string{"b-c.com"}})
	other := declare(t, egress.Declaration{Name: "a-b", Domains: []string{"c.com"}})
	if a, b := hostObject(set, "b-c.com"), hostObject(other, "c.com"); a != "egress-a.b-c.com" || b != "egress-a-b.c.com" {
		t.Errorf("names %s and %s", a, b)
	}
	if a, b := hostObject(set, "*.x.com"), hostObject(set, "wildcard.x.com"); a == b || strings.Contains(a, "*") {
		t.Errorf("names %s and %s", a, b)
	}
	long := egress.Host(strings.Repeat(strings.Repeat("a", 61)+".", 4) + "com")
	if n := hostObject(set, long); len(n) > maxObjectName || !strings.HasSuffix(n, "-"+egress.Hash(string(long))) {
		t.Errorf("name %s has %d characters", n, len(n))
	}
	if a, b, c := entryObject(set, exact, 1), entryObject(set, exact, 2), awayFromHome(set, "istio-system"); a != "egress-a" || b != "egress-a.2" || c != "egress-a.default" {
		t.Errorf("names %s, %s and %s", a, b, c)
	}
	if a := awayFromHome(set, "default"); a != "egress-a" {
		t.Errorf("at home the rule is called %s", a)
	}
}

// TestManyHosts: a ServiceEntry takes 256 hosts at most; what does not fit goes into another one.
func TestManyHosts(t *testing.T) {
	t.Parallel()
	var d egress.Declaration
	for i := range 600 {
		d.Domains = append(d.Domains, fmt.Sprintf("h%03d.example.com", i))
	}
	d.Name, d.MTLS = "many", "on"
	b := buildAll(t, declare(t, d), chart())
	total := 0
	for i, e := range b.entries {
		total += len(e.Spec.Hosts)
		if want := entryObject(b.set, exact, i+1); len(e.Spec.Hosts) > maxHosts || e.Name != want {
			t.Errorf("ServiceEntry %s has %d hosts", e.Name, len(e.Spec.Hosts))
		}
		e.Spec.Ports[0].Name = "changed"
	}
	if len(b.entries) != 3 || total != 600 {
		t.Errorf("%d hosts in %d ServiceEntries", total, len(b.entries))
	}
	again := buildAll(t, b.set, chart())
	if again.entries[0].Spec.Ports[0].Name != "http" || again.entries[1].Spec.Ports[0] == again.entries[0].Spec.Ports[0] {
		t.Error("ServiceEntries share their ports")
	}
	b.checkRoutes(t)
}
