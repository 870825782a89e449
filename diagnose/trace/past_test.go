package trace

import (
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
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

// TestAskedOfIstiosDNS: a workload whose names Istio's DNS proxy answers connects to the address that it gives, and to the real one
// where it gives none.
func TestAskedOfIstiosDNS(t *testing.T) {
	t.Parallel()
	given := func(host, value string) func(*snapshot.ServiceEntry) {
		return func(e *snapshot.ServiceEntry) {
			e.Status.Addresses = append(e.Status.Addresses, struct {
				Value string `json:"value"`
				Host  string `json:"host,omitempty"`
			}{value, host})
		}
	}
	for name, tt := range map[string]struct {
		capture bool
		change  func(*snapshot.ServiceEntry)
		want    string
	}{
		"the application's own DNS":    {false, func(e *snapshot.ServiceEntry) { e.Spec.Addresses = []string{"192.0.2.1"} }, ""},
		"no address":                   {true, func(*snapshot.ServiceEntry) {}, ""},
		"an address of the entry":      {true, func(e *snapshot.ServiceEntry) { e.Spec.Addresses = []string{"192.0.2.1"} }, "192.0.2.1"},
		"the first of the common kind": {true, func(e *snapshot.ServiceEntry) { e.Spec.Addresses = []string{"2001:db8::1", "192.0.2.1"} }, "192.0.2.1"},
		"a network is no address":      {true, func(e *snapshot.ServiceEntry) { e.Spec.Addresses = []string{"192.0.2.0/24"} }, ""},
		"one that istiod has given":    {true, given("edition.cnn.com", "240.240.0.1"), "240.240.0.1"},
		"one for another host":         {true, given("a.example.com", "240.240.0.1"), ""},
		"an entry that nobody sees": {true, func(e *snapshot.ServiceEntry) {
			e.Spec.Addresses, e.Spec.ExportTo = []string{"192.0.2.1"}, []string{"shop"}
		}, ""},
	} {
		s := captured.Load(t, "working-passthrough")
		s.Objects.ServiceEntries = s.Objects.ServiceEntries[:1]
		tt.change(&s.Objects.ServiceEntries[0])
		for i := range s.Proxies {
			s.Proxies[i].DNSCapture = tt.capture
		}
		p := Walk(s, to("edition.cnn.com", 443))
		if got := p.Legs[0].Ask.Address; got != tt.want {
			t.Errorf("%s: it asks for %q, want %q", name, got, tt.want)
		}
	}
}

// TestMadeUpAddress: what goes to the address that was asked for cannot go to one that nobody has.
func TestMadeUpAddress(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "direct-wildcard")
	s.Objects.ServiceEntries[0].Spec.Addresses = []string{"240.0.0.45"}
	w := egress.Path{Host: "*.wikipedia.org", Port: 443, Protocol: egress.ProtocolTLS, Mode: egress.Direct}
	if stop := Walk(s, w).Legs[0].Stop; stop != nil {
		t.Errorf("the application looks the name up by itself: %+v", stop)
	}
	for i := range s.Proxies {
		s.Proxies[i].DNSCapture = true
	}
	if stop := Walk(s, w).Legs[0].Stop; stop == nil || stop.Kind != MadeUp || stop.Unknown() {
		t.Errorf("%+v", stop)
	}
}
