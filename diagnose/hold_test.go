package diagnose

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// ofSets are the captures of one set each, as enable left the cluster.
var ofSets = []string{
	"set-direct", "set-tls-origination", "set-mtls-origination", "set-common-host", "set-sni-proxy", "set-sni-dynamic", "set-sni-dynamic-off",
	"set-auto-mixed", "set-auto-mtls",
}

// setOf gives the set of a capture as enable resolves it.
func setOf(t *testing.T, capture string) egress.Set {
	t.Helper()
	s := captured.Load(t, capture)
	if len(s.Sets) != 1 {
		t.Fatalf("%s has %d sets", capture, len(s.Sets))
	}
	set := s.Sets[0].Set
	if set.MTLS == egress.MTLSAuto && !set.Direct() {
		set = set.Resolved(set.Gateway, true)
	}
	return set
}

// bare is a capture as Hold sees it: proxies and facts, and no objects.
func bare(t *testing.T, capture string) *snapshot.Snapshot {
	t.Helper()
	s := captured.Load(t, capture)
	s.Objects, s.From = snapshot.Objects{}, ""
	return s
}

// TestHoldEachMode: each set is held in its own capture and in no other, and given up only where nothing of it is left.
func TestHoldEachMode(t *testing.T) {
	t.Parallel()
	for _, name := range ofSets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := setOf(t, name)
			if says := leads(bare(t, name), set); says != "" {
				t.Errorf("it is there, and Hold waits: %s", says)
			}
			if says := rid(bare(t, name), set); says == "" {
				t.Error("it is there, and HoldNot does not wait")
			}
			none := bare(t, "none")
			if says := leads(none, set); says == "" {
				t.Error("nothing is there, and Hold does not wait")
			}
			if says := rid(none, set); says != "" {
				t.Errorf("nothing is there, and HoldNot waits: %s", says)
			}
		})
	}
}

// TestHoldChange: of a set that is changed, what was there before leads outside as well, and does not count.
func TestHoldChange(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before string
		change func(egress.Set) egress.Set
		want   string
	}{
		"Istio mTLS goes off":       {"set-sni-dynamic", func(s egress.Set) egress.Set { s.MTLS = egress.MTLSOff; return s }, "still begins TLS to the gateway"},
		"Istio mTLS goes on":        {"set-sni-dynamic-off", func(s egress.Set) egress.Set { s.MTLS = egress.MTLSOn; return s }, "does not begin Istio's TLS"},
		"another host serves all":   {"set-common-host", func(s egress.Set) egress.Set { s.CommonHost = "en.wikipedia.org"; return s }, "and not to en.wikipedia.org"},
		"common host to dynamic":    {"set-common-host", func(s egress.Set) egress.Set { s.Mode = egress.SNIDynamic; return s }, "does not look up the server name"},
		"dynamic to common host":    {"set-sni-dynamic", func(s egress.Set) egress.Set { s.Mode, s.CommonHost = egress.CommonHost, "www.wikipedia.org"; return s }, "and not to www.wikipedia.org"},
		"dynamic to SNI proxy":      {"set-sni-dynamic", func(s egress.Set) egress.Set { s.Mode = egress.SNIProxy; return s }, "does not send to the SNI proxy"},
		"origination to plain HTTP": {"set-tls-origination", func(s egress.Set) egress.Set { s.Mode = egress.HTTP; return s }, "still begins TLS for"},
		"to a client certificate":   {"set-tls-origination", func(s egress.Set) egress.Set { s.Mode = egress.MTLSOrigination; return s }, "without a client certificate"},
		"plain HTTP to origination": {"set-auto-mtls", func(s egress.Set) egress.Set { s.Mode = egress.TLSOrigination; return s }, "in plain text"},
		"no gateway any more": {"set-sni-dynamic", func(s egress.Set) egress.Set {
			s.Mode, s.Gateway = egress.Direct, egress.GatewayRef{}
			return s
		}, "sends *.wikipedia.org:443 to outbound|443|"},
		"through a gateway now": {"set-direct", func(s egress.Set) egress.Set {
			s.Mode = egress.SNIDynamic
			return s.Resolved(egress.GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway"}, true)
		}, "sends *.wikipedia.org:443 to outbound|443||*.wikipedia.org"},
		"a host more": {"set-auto-mixed", func(s egress.Set) egress.Set {
			s.Hosts = append(slices.Clone(s.Hosts), "www.example.com")
			return s
		}, "www.example.com:80"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if says := leads(bare(t, tt.before), tt.change(setOf(t, tt.before))); !strings.Contains(says, tt.want) {
				t.Errorf("%q, want %q", says, tt.want)
			}
		})
	}
}

// gatewayOf gives the pod of the set's gateway in a capture.
func gatewayOf(t *testing.T, s *snapshot.Snapshot) *snapshot.Proxy {
	t.Helper()
	i := slices.IndexFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtGateway && p.Gateway == s.Sets[0].Gateway })
	if i < 0 {
		t.Fatal("no gateway")
	}
	return &s.Proxies[i]
}

// TestHoldParts: a part of the set that is not there yet, or not gone yet, is waited for.
func TestHoldParts(t *testing.T) {
	t.Parallel()
	t.Run("the listener of the filter", func(t *testing.T) {
		t.Parallel()
		s, set := bare(t, "set-sni-dynamic"), setOf(t, "set-sni-dynamic")
		p := gatewayOf(t, s)
		p.Config.Listeners = slices.DeleteFunc(p.Config.Listeners, func(l admin.Listener) bool { return l.Internal })
		if says := leads(s, set); !strings.HasPrefix(says, p.Name()+": there is no internal listener sni_listener_default_dynamic-on") {
			t.Errorf("%q", says)
		}
		if says := rid(s, set); !strings.Contains(says, "still has cluster") {
			t.Errorf("%q", says)
		}
	})
	t.Run("the patch of the filter", func(t *testing.T) {
		t.Parallel()
		s, set := bare(t, "set-sni-dynamic-off"), setOf(t, "set-sni-dynamic-off")
		p := gatewayOf(t, s)
		for i := range p.Config.Listeners {
			for j, c := range p.Config.Listeners[i].Chains {
				p.Config.Listeners[i].Chains[j].Filters = slices.DeleteFunc(c.Filters, func(f admin.Filter) bool { return f.SNI != nil })
			}
		}
		if says := leads(s, set); !strings.Contains(says, "without looking up the server name") {
			t.Errorf("%q", says)
		}
	})
	t.Run("the Secret", func(t *testing.T) {
		t.Parallel()
		s, set := bare(t, "set-mtls-origination"), setOf(t, "set-mtls-origination")
		p := gatewayOf(t, s)
		for i, c := range p.Config.Clusters {
			p.Config.Clusters[i].Warming = c.TLS != nil && c.TLS.Mode == admin.Mutual
		}
		if says := leads(s, set); !strings.Contains(says, "waits for its Secret (kubernetes://client-credential)") {
			t.Errorf("%q", says)
		}
	})
	t.Run("what Envoy refuses", func(t *testing.T) {
		t.Parallel()
		s, set := bare(t, "set-sni-dynamic"), setOf(t, "set-sni-dynamic")
		p := gatewayOf(t, s)
		p.Config.Listeners = []admin.Listener{{Name: "sni_listener", Rejected: &admin.Rejection{Detail: "different settings"}}}
		if says := leads(s, set); !strings.HasSuffix(says, "refuses listener sni_listener: different settings") {
			t.Errorf("%q", says)
		}
		p.Config.Listeners, p.Config.Clusters = nil, []admin.Cluster{{Name: "c", Rejected: &admin.Rejection{Detail: "odd"}}}
		if says := leads(s, set); !strings.HasSuffix(says, "refuses cluster c: odd") {
			t.Errorf("%q", says)
		}
	})
	t.Run("the rule of a host of the cluster", func(t *testing.T) {
		t.Parallel()
		s, set := bare(t, "set-tls-origination"), setOf(t, "set-tls-origination")
		p := gatewayOf(t, s)
		p.Config.Listeners, p.Config.Routes = nil, nil // a Service's cluster stays, with what the rule has made of it
		s.Proxies = []snapshot.Proxy{*p}
		if says := rid(s, set); !strings.Contains(says, "still has cluster outbound|") {
			t.Errorf("%q", says)
		}
	})
	t.Run("the SNI proxy's cluster", func(t *testing.T) {
		t.Parallel()
		s, set := bare(t, "set-sni-proxy"), setOf(t, "set-sni-proxy")
		p := gatewayOf(t, s)
		p.Config.Listeners = nil
		s.Proxies = []snapshot.Proxy{*p}
		if says := rid(s, set); !strings.Contains(says, "default.sni-proxy.local") {
			t.Errorf("%q", says)
		}
	})
}

// TestHoldNotLeavesOthers: a wildcard of another set that takes the host over holds nobody up.
func TestHoldNotLeavesOthers(t *testing.T) {
	t.Parallel()
	set, err := egress.ParseSet(egress.Declaration{Name: "one", Domains: []string{"en.wikipedia.org"}, Mode: "passthrough"})
	if err != nil {
		t.Fatal(err)
	}
	set = set.Resolved(egress.GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway"}, true)
	for _, capture := range []string{"set-sni-dynamic", "set-common-host"} {
		s := bare(t, capture)
		if p := trace.Walk(s, set.Paths()[0]); p.Legs[0].Stop != nil {
			t.Fatalf("%s: the wildcard does not take it over: %s", capture, p.Legs[0].Stop.Says)
		}
		if says := rid(s, set); says != "" {
			t.Errorf("%s: %s", capture, says)
		}
	}
}

// TestHoldAbsentGateway: a gateway that cannot be read just now is waited for, one that may not be read is not.
func TestHoldAbsentGateway(t *testing.T) {
	t.Parallel()
	set := setOf(t, "set-sni-dynamic")
	s := bare(t, "set-sni-dynamic")
	s.Facts.Gateways, s.Proxies = nil, slices.DeleteFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtGateway })
	for kind, want := range map[snapshot.Kind]string{
		snapshot.TimedOut: "gateway istio-system/istio-egressgateway could not be looked at: slow",
		snapshot.Failed:   "gateway istio-system/istio-egressgateway could not be looked at: slow",
	} {
		s.States[snapshot.Facts] = snapshot.State{Kind: kind, Detail: "slow"}
		if says := unseen(s, set); says != want {
			t.Errorf("%s: %q", kind, says)
		}
		if err := unseeable(s, set); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	s.States[snapshot.Facts] = snapshot.State{Kind: snapshot.Forbidden, Right: "get services in namespace istio-system"}
	var e *UnseenError
	if says := unseen(s, set); says != "" || !errors.As(unseeable(s, set), &e) || !slices.Equal(e.Right, []string{"get services in namespace istio-system"}) {
		t.Errorf("%q, %v", says, e)
	}
	if direct := setOf(t, "set-direct"); unseeable(s, direct) != nil || unseen(s, direct) != "" {
		t.Error("a set without a gateway needs to look at none")
	}
}

// BenchmarkHold looks at a thousand hosts, as Hold and HoldNot do four times a second.
func BenchmarkHold(b *testing.B) {
	s := manyPaths(b, 1000)
	s.Objects, s.From = snapshot.Objects{}, ""
	set := egress.Set{Name: "many", Namespace: "default", Mode: egress.Passthrough}
	for i := range 1000 {
		set.Hosts = append(set.Hosts, egress.Host("h"+strconv.Itoa(i)+".example.com"))
	}
	set = set.Resolved(egress.GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway"}, false)
	for name, missing := range map[string]func(*snapshot.Snapshot, egress.Set) string{"leads": leads, "rid": rid} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if says := missing(s, set); (says == "") != (name == "leads") {
					b.Fatal(says)
				}
			}
		})
	}
	b.Run("rid, gone", func(b *testing.B) {
		for i := range set.Hosts {
			set.Hosts[i] = "x" + set.Hosts[i]
		}
		for b.Loop() {
			if says := rid(s, set); says != "" {
				b.Fatal(says)
			}
		}
	})
}
