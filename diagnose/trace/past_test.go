package trace

import (
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestPast: what goes past the sidecar is told only where it is known.
func TestPast(t *testing.T) {
	t.Parallel()
	const address = "203.0.113.7"
	for _, c := range []struct {
		name    string
		past    snapshot.Past
		address string
		want    string // part of the reason; empty: it goes through
	}{
		{"nothing is left out", snapshot.Past{}, address, ""},
		{"the port", snapshot.Past{ExcludedPorts: "22, 443"}, "", "port 443"},
		{"another port", snapshot.Past{ExcludedPorts: "4430,44"}, address, ""},
		{"no port at all", snapshot.Past{ExcludedPorts: " ,x"}, address, ""},
		{"everything", snapshot.Past{IncludedRanges: snapshot.NoRanges}, "", "includeOutboundIPRanges is empty"},
		{"all included", snapshot.Past{IncludedRanges: "*"}, address, ""},
		{"its address excluded", snapshot.Past{ExcludedRanges: "203.0.113.0/24"}, address, "among excludeOutboundIPRanges"},
		{"another address excluded", snapshot.Past{ExcludedRanges: "198.51.100.0/24"}, address, ""},
		{"an address excluded, and its own not known", snapshot.Past{ExcludedRanges: "203.0.113.0/24"}, "", ""},
		{"all excluded, and its own not known", snapshot.Past{ExcludedRanges: "0.0.0.0/0"}, "", "excludeOutboundIPRanges is 0.0.0.0/0"},
		{"its address not included", snapshot.Past{IncludedRanges: "10.0.0.0/8"}, address, "not among includeOutboundIPRanges"},
		{"its address included", snapshot.Past{IncludedRanges: "10.0.0.0/8,203.0.113.7/32"}, address, ""},
		{"some included, and its own not known", snapshot.Past{IncludedRanges: "10.0.0.0/8"}, "", ""},
	} {
		proxy := &snapshot.Proxy{Past: c.past}
		if c.address != "" {
			proxy.Hosts = []admin.HostCounters{
				{Cluster: "outbound|443||edition.cnn.com", Hosts: []admin.HostStatus{{Address: c.address, Port: 443}}},
				{Cluster: "outbound|443||other.example.com", Hosts: []admin.HostStatus{{Address: "10.1.1.1", Port: 443}}},
			}
		}
		p := &Path{Path: egress.Path{Host: "edition.cnn.com", Port: 443}}
		if got := past(p, proxy); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
