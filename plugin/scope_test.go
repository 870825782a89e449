package plugin

import (
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// aSet gives a checked set for tests.
func aSet(t *testing.T, name, mode string, domains ...string) egress.Set {
	t.Helper()
	set, err := egress.ParseSet(egress.Declaration{Name: name, Namespace: "default", Mode: mode, Domains: domains, Gateway: "istio-system/gw", MTLS: "on"})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestHostsNamesAFew(t *testing.T) {
	t.Parallel()
	seven := aSet(t, "s", "http", "a.example.com", "b.example.com", "c.example.com", "d.example.com", "e.example.com", "f.example.com", "g.example.com")
	if got, want := hosts(seven.Hosts), "a.example.com, b.example.com, c.example.com, d.example.com, e.example.com and 2 more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := hosts(seven.Hosts[:2]), "a.example.com, b.example.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := hostList(seven.Hosts); strings.Count(got, ", ") != 6 {
		t.Errorf("not all hosts: %q", got)
	}
}

func TestModesTellsWhatAutoIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ mode, want string }{{"auto", "passthrough and http"}, {"http", "http"}, {"passthrough", "passthrough"}} {
		if got := modes(aSet(t, "s", tt.mode, "b.example.com", "a.example.com")); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.mode, got, tt.want)
		}
	}
}

func TestOfHosts(t *testing.T) {
	t.Parallel()
	sets := []egress.Set{aSet(t, "news", "auto", "edition.cnn.com", "www.bbc.co.uk"), aSet(t, "wiki", "auto", "en.wikipedia.org")}
	for name, tt := range map[string]struct {
		hosts []string
		want  string // names of the sets
		err   string
	}{
		"one":           {[]string{"en.wikipedia.org"}, "wiki", ""},
		"all of a set":  {[]string{"www.bbc.co.uk", "edition.cnn.com"}, "news", ""},
		"two sets":      {[]string{"www.bbc.co.uk", "edition.cnn.com", "en.wikipedia.org"}, "news wiki", ""},
		"part of a set": {[]string{"edition.cnn.com"}, "", "set default/news has www.bbc.co.uk beside edition.cnn.com"},
		"nobody's":      {[]string{"example.com"}, "", "no set in namespace default has example.com"},
		"one too many":  {[]string{"en.wikipedia.org", "example.com"}, "", "no set in namespace default has example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wanted, err := egress.ParseHosts(tt.hosts)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ofHosts(sets, wanted, "in namespace default")
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, s := range got {
				names = append(names, s.Name)
			}
			if strings.Join(names, " ") != tt.want {
				t.Errorf("sets %v, want %q", names, tt.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	if got := objectName("ServiceEntry", groupOf("ServiceEntry"), "x"); got != "serviceentry.networking.istio.io/x" {
		t.Error(got)
	}
	if got := objectName("ConfigMap", groupOf("ConfigMap"), "x"); got != "configmap/x" {
		t.Error(got)
	}
	if got := where(""); got != "in any namespace" {
		t.Error(got)
	}
}
