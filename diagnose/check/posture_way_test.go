package check

import (
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
)

func TestExample(t *testing.T) {
	t.Parallel()
	hosts := []netip.Addr{netip.MustParseAddr("10.96.0.83"), netip.MustParseAddr("2001:db8::7")}
	for _, tt := range []struct {
		cidr   string
		except []string
		want   string // invalid: nothing outside is in the block
	}{
		{"0.0.0.0/0", nil, "10.96.0.83"},
		{"10.96.0.0/12", nil, "10.96.0.83"},
		{"10.96.0.0/12", []string{"10.96.0.83/32"}, "invalid IP"}, // private, and no known host in it
		{"0.0.0.0/0", []string{"10.0.0.0/8"}, "1.0.0.0"},
		{"0.0.0.0/0", []string{"10.0.0.0/8", "1.0.0.0/8", "2.0.0.0/7"}, "4.0.0.0"},
		{"0.0.0.0/0", []string{"10.0.0.0/8", "0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3"}, "invalid IP"},
		{"8.8.8.8/32", nil, "8.8.8.8"},
		{"8.8.8.0/30", []string{"8.8.8.0/31"}, "8.8.8.2"},
		{"192.168.0.0/16", nil, "invalid IP"},
		{"127.0.0.0/8", nil, "invalid IP"},
		{"100.64.0.0/10", nil, "invalid IP"},
		{"100.64.0.0/9", nil, "100.0.0.0"}, // half of it is not for carriers
		{"224.0.0.0/4", nil, "invalid IP"},
		{"255.255.255.255/32", nil, "invalid IP"},
		{"::/0", nil, "2001:db8::7"},
		{"::/0", []string{"2001:db8::/32"}, "2000::"},
		{"2001:db8::/31", []string{"2001:db8::7/128"}, "2001:db9::"},
		{"fd00::/8", nil, "invalid IP"},
		{"2600::/12", []string{"2600::/13", "2608::/13"}, "invalid IP"},
		{"nonsense", nil, "invalid IP"},
		{"1.1.1.0/24", []string{"nonsense"}, "1.1.1.0"},
	} {
		b := &snapshot.IPBlock{CIDR: tt.cidr, Except: tt.except}
		got := example(b, hosts)
		if got.String() != tt.want {
			t.Errorf("%s except %v: %s, want %s", tt.cidr, tt.except, got, tt.want)
		}
		if got.IsValid() && !holds(b, got) {
			t.Errorf("%s except %v: %s is not in it", tt.cidr, tt.except, got)
		}
	}
}

// FuzzExample holds the search to what it promises: an address in the block, in no exception and outside, and none only where a walk
// through the block finds none either.
func FuzzExample(f *testing.F) {
	f.Add(uint32(0x08080800), uint8(28), uint32(0x08080800), uint8(30), uint32(0x08080808), uint8(29))
	f.Add(uint32(0x0a000000), uint8(26), uint32(0x0a000000), uint8(26), uint32(0), uint8(32))
	f.Add(uint32(0xac100000), uint8(24), uint32(0xffffffff), uint8(32), uint32(0), uint8(25))
	prefix := func(a uint32, bits uint8) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}), int(24+bits%9))
	}
	f.Fuzz(func(t *testing.T, a uint32, aBits uint8, b uint32, bBits uint8, c uint32, cBits uint8) {
		p := prefix(a, aBits)
		block := &snapshot.IPBlock{CIDR: p.String(), Except: []string{prefix(b, bBits).String(), prefix(c, cBits).String()}}
		var want netip.Addr
		for x := p.Masked().Addr(); p.Contains(x); x = x.Next() {
			if holds(block, x) && !within(notPublic, x) {
				want = x
				break
			}
		}
		if got := example(block, nil); got != want {
			t.Errorf("%+v: %s, want %s", block, got, want)
		}
	})
}

func TestExamplePort(t *testing.T) {
	t.Parallel()
	tcp := func(port, end int) snapshot.PolicyPort {
		return snapshot.PolicyPort{Port: snapshot.Port{Number: port}, EndPort: end}
	}
	udp := func(port, end int) snapshot.PolicyPort {
		p := tcp(port, end)
		p.Protocol = "UDP"
		return p
	}
	named := snapshot.PolicyPort{Port: snapshot.Port{Name: "https"}}
	for name, tt := range map[string]struct {
		ports []snapshot.PolicyPort
		want  string
	}{
		"all":                        {nil, "TCP 443"},
		"DNS alone":                  {[]snapshot.PolicyPort{tcp(53, 0), udp(53, 0)}, ""},
		"DNS as a range":             {[]snapshot.PolicyPort{udp(53, 53)}, ""},
		"from DNS on":                {[]snapshot.PolicyPort{udp(53, 60)}, "UDP 54"},
		"names are of pods":          {[]snapshot.PolicyPort{named}, ""},
		"a name and a number":        {[]snapshot.PolicyPort{named, tcp(8080, 0)}, "TCP 8080"},
		"DNS and QUIC":               {[]snapshot.PolicyPort{udp(53, 0), udp(443, 0)}, "UDP 443"},
		"a range with the TLS port":  {[]snapshot.PolicyPort{tcp(1, 65535)}, "TCP 443"},
		"a range up to the TLS port": {[]snapshot.PolicyPort{tcp(80, 443)}, "TCP 443"},
		"the TLS port":               {[]snapshot.PolicyPort{tcp(443, 0)}, "TCP 443"},
		"a range up to DNS":          {[]snapshot.PolicyPort{tcp(50, 53)}, "TCP 50"},
		"below the TLS port":         {[]snapshot.PolicyPort{tcp(80, 442)}, "TCP 80"},
		"a range above the TLS port": {[]snapshot.PolicyPort{tcp(8000, 9000)}, "TCP 8000"},
		"a protocol":                 {[]snapshot.PolicyPort{{Protocol: "SCTP"}}, "SCTP 443"},
	} {
		got := ""
		if c, ok := examplePort(tt.ports); ok {
			got = c.protocol + " " + strconv.Itoa(c.port)
			if !allowsPort(tt.ports, c) {
				t.Errorf("%s: %s is not allowed", name, got)
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestLeaks: whatever is told as a way out, the policies let through; and where nothing is told, neither the hosts nor the outside of
// the table are reached.
func TestLeaks(t *testing.T) {
	t.Parallel()
	hosts := []netip.Addr{netip.MustParseAddr("10.96.0.83")}
	const name = "metadata: {name: p}\nspec: "
	for title, tt := range map[string]struct {
		policies string
		want     []string // as they are told
	}{
		"no policy":               {"", []string{"no NetworkPolicy for outgoing traffic selects it: it may reach any address, such as 10.96.0.83:443"}},
		"deny all":                {name + "{policyTypes: [Egress]}", nil},
		"DNS anywhere":            {name + "{policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}, {port: 53}]}]}", nil},
		"pods only":               {name + "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}]}", nil},
		"a private range":         {name + "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.168.0.0/16}}]}]}", nil},
		"a range with the host":   {name + "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}", []string{"NetworkPolicy p lets it reach 10.0.0.0/8, such as 10.96.0.83:443 (TCP)"}},
		"that range without it":   {name + "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.96.0.0/12]}}]}]}", nil},
		"the host on another one": {name + "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.83/32}}], ports: [{port: 8080}]}]}", []string{"NetworkPolicy p lets it reach 10.96.0.83/32, such as 10.96.0.83:8080 (TCP)"}},
		"every port of everywhere, after others": {
			name + "{policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}, {}, {to: [{podSelector: {}}, {ipBlock: {cidr: 8.8.8.8/32}}]}]}",
			[]string{"NetworkPolicy p lets it reach any address, such as 10.96.0.83:443 (TCP)", "NetworkPolicy p lets it reach 8.8.8.8/32, such as 8.8.8.8:443 (TCP)"},
		},
	} {
		n := newNetwork(nil, policies(t, tt.policies))
		var got []string
		for _, l := range n.leaks(shopPod, hosts) {
			got = append(got, l.says())
			if !n.sends(shopPod, l.to) {
				t.Errorf("%s: %s is told and refused", title, l.to)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", title, diff)
		}
		for _, a := range []string{"10.96.0.83", "93.184.216.34", "8.8.8.8"} {
			if open := n.sends(shopPod, call{addr: netip.MustParseAddr(a), protocol: "TCP", port: 443}); open && len(tt.want) == 0 {
				t.Errorf("%s: %s is open, and nothing is told", title, a)
			}
		}
		if len(n.leaks(hostPod, hosts)) != 1 {
			t.Errorf("%s: a pod in the host's network is held", title)
		}
	}
}

// TestClosing: the printed patches take away what leaks and nothing else, and never make a rule that is open to all.
func TestClosing(t *testing.T) {
	t.Parallel()
	list := policies(t, `
metadata: {name: p}
spec:
  policyTypes: [Egress]
  egress:
  - to: [{podSelector: {}}]
  - ports: [{port: 443}]
  - to: [{ipBlock: {cidr: 8.8.8.8/32}}, {podSelector: {}}, {ipBlock: {cidr: 1.1.1.0/24}}]
  - to: [{ipBlock: {cidr: 9.9.9.9/32}}]
  - ports: [{port: 53, protocol: UDP}]
---
metadata: {name: q}
spec: {policyTypes: [Egress], egress: [{}]}
`)
	n := newNetwork(nil, list)
	leaks := n.leaks(shopPod, nil)
	want := []string{
		`kubectl -n shop patch networkpolicy p --type=json -p '[{"op":"remove","path":"/spec/egress/3"},{"op":"remove","path":"/spec/egress/2/to/2"},` +
			`{"op":"remove","path":"/spec/egress/2/to/0"},{"op":"remove","path":"/spec/egress/1"}]'`,
		`kubectl -n shop patch networkpolicy q --type=json -p '[{"op":"remove","path":"/spec/egress/0"}]'`,
	}
	if diff := cmp.Diff(want, closing(slices.Concat(leaks, leaks))); diff != "" { // two pods leak by the same rules
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	var got []string
	for _, p := range ranges(" 10.0.0.0/8, 1.2.3.4,, ::1, nonsense,2001:db8::/32 ") {
		got = append(got, p.String())
	}
	if diff := cmp.Diff([]string{"10.0.0.0/8", "1.2.3.4/32", "::1/128", "2001:db8::/32"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
