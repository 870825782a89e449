package trace

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// edit changes the proxies of one role in a capture.
func edit(s *snapshot.Snapshot, role snapshot.Role, change func(*snapshot.Proxy)) *snapshot.Snapshot {
	for i := range s.Proxies {
		if s.Proxies[i].Role == role {
			change(&s.Proxies[i])
		}
	}
	return s
}

func listener(p *snapshot.Proxy, name string) *admin.Listener {
	i := slices.IndexFunc(p.Config.Listeners, func(l admin.Listener) bool { return l.Name == name })
	return &p.Config.Listeners[i]
}

// TestStops changes the configuration of a path that works, one thing at a time, and looks where the walk ends.
func TestStops(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		role   snapshot.Role
		change func(*snapshot.Proxy)
		kind   Kind
		says   string
	}{
		"not read": {
			snapshot.AtSidecar, func(p *snapshot.Proxy) { p.State = snapshot.State{Kind: snapshot.Forbidden, Detail: "no right"} }, Unread, "no right",
		},
		"gateway not read": {
			snapshot.AtGateway, func(p *snapshot.Proxy) { p.State = snapshot.State{Kind: snapshot.Cut, Detail: "too long"} }, Unread, "too long",
		},
		"no outbound listener": {
			snapshot.AtSidecar, func(p *snapshot.Proxy) { p.Config.Listeners = nil }, NoListener, "no listener for outbound traffic",
		},
		"chains by matcher": {
			snapshot.AtSidecar, func(p *snapshot.Proxy) { listener(p, "0.0.0.0_443").Matcher = true }, Undecided, "filter_chain_matcher",
		},
		"chains by source": {
			snapshot.AtSidecar, func(p *snapshot.Proxy) { listener(p, "0.0.0.0_443").Chains[0].Match.Sourced = true }, Undecided, "source address",
		},
		"no filter": {
			snapshot.AtSidecar, func(p *snapshot.Proxy) { listener(p, "0.0.0.0_443").Chains[0].Filters = nil }, NoFilter, "no filter",
		},
		"cluster by header": {
			snapshot.AtSidecar, func(p *snapshot.Proxy) { listener(p, "0.0.0.0_443").Chains[0].Filters[0].TCP.Cluster = "" }, Undecided, "by a header",
		},
		"another service": {
			snapshot.AtSidecar, func(p *snapshot.Proxy) {
				listener(p, "0.0.0.0_443").Chains[0].Filters[0].TCP.Cluster = "outbound|443||kubernetes.default.svc.cluster.local"
			}, Elsewhere, "sends edition.cnn.com:443 to outbound|443||kubernetes",
		},
		"no endpoint": {
			snapshot.AtSidecar, func(p *snapshot.Proxy) { p.Hosts = nil }, NoEndpoint, "no healthy endpoint",
		},
		"endpoints that are not healthy": {
			snapshot.AtSidecar, func(p *snapshot.Proxy) {
				for i := range p.Hosts {
					for j := range p.Hosts[i].Hosts {
						p.Hosts[i].Hosts[j].Unhealthy = true
					}
				}
			}, NoEndpoint, "no healthy endpoint",
		},
		"an endpoint that nobody knows": {
			snapshot.AtGateway, func(p *snapshot.Proxy) { p.IP = "10.9.9.9" }, NotSelected, "was not looked at",
		},
		"warming cluster": {
			snapshot.AtGateway, func(p *snapshot.Proxy) {
				for i := range p.Config.Clusters {
					p.Config.Clusters[i].Warming = true
				}
			}, NoCluster, "does not exist",
		},
		"warming listener": {
			snapshot.AtGateway, func(p *snapshot.Proxy) { listener(p, "0.0.0.0_8443").Warming = true }, NoListener, "nothing listens",
		},
		"back to itself": {
			snapshot.AtGateway, func(p *snapshot.Proxy) {
				listener(p, "0.0.0.0_8443").Chains[0].Filters[0].TCP.Cluster = "outbound|443||istio-egressgateway.istio-system.svc.cluster.local"
			}, Elsewhere, "back to the gateway itself",
		},
		"black hole at the gateway": {
			snapshot.AtGateway, func(p *snapshot.Proxy) {
				listener(p, "0.0.0.0_8443").Chains[0].Filters[0].TCP.Cluster = "BlackHoleCluster"
			}, Blocked, "go nowhere",
		},
		"an internal listener that is not there": {
			snapshot.AtGateway, func(p *snapshot.Proxy) { p.Config.Clusters = internalCluster(p, "sni_listener") }, NoListener, "no internal listener sni_listener",
		},
		"plain text to TLS": {
			snapshot.AtGateway, func(p *snapshot.Proxy) {
				l := listener(p, "0.0.0.0_8443")
				l.Chains[0].TLS = &admin.TLS{Mode: admin.Simple}
				l.Chains[0].Filters[0] = admin.Filter{Name: "hcm", HTTP: &admin.HTTP{Routes: "r"}}
			}, Undecided, "takes the bytes for HTTP",
		},
		"the application's own TLS to Istio's": {
			snapshot.AtGateway, func(p *snapshot.Proxy) {
				listener(p, "0.0.0.0_8443").Chains[0].TLS = &admin.TLS{Mode: admin.IstioMutual}
			}, PlainToTLS, "the application's own TLS arrives",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Walk(edit(captured.Load(t, "working-passthrough"), tt.role, tt.change), to("edition.cnn.com", 443))
			last := p.Legs[len(p.Legs)-1]
			if last.Stop == nil || last.Stop.Kind != tt.kind || !strings.Contains(last.Stop.Says, tt.says) {
				t.Fatalf("stops with %+v, want %s that says %q", last.Stop, tt.kind, tt.says)
			}
			if got := len(p.Failed()) > 0; got == last.Stop.Unknown() {
				t.Errorf("fails for certain: %t, but unknown: %t", got, last.Stop.Unknown())
			}
		})
	}
}

// internalCluster makes the gateway's cluster lead to an internal listener.
func internalCluster(p *snapshot.Proxy, name string) []admin.Cluster {
	for i := range p.Config.Clusters {
		if p.Config.Clusters[i].Name == "outbound|443||edition.cnn.com" {
			p.Config.Clusters[i].Endpoints = []admin.Endpoint{{Listener: name}}
		}
	}
	return p.Config.Clusters
}

// TestInternalCircle: internal listeners that lead to each other end, and not in a pass.
func TestInternalCircle(t *testing.T) {
	t.Parallel()
	s := edit(captured.Load(t, "working-passthrough"), snapshot.AtGateway, func(p *snapshot.Proxy) {
		p.Config.Clusters = internalCluster(p, "loop")
		p.Config.Listeners = append(p.Config.Listeners, admin.Listener{Name: "loop", Internal: true, Default: &admin.FilterChain{
			Filters: []admin.Filter{{Name: "tcp", TCP: &admin.TCPProxy{Cluster: "outbound|443||edition.cnn.com"}}},
		}})
	})
	p := Walk(s, to("edition.cnn.com", 443))
	if stop := p.Legs[len(p.Legs)-1].Stop; stop == nil || stop.Kind != Undecided {
		t.Errorf("ends with %+v", stop)
	}
}

// TestHTTPStops does the same for what only HTTP can meet.
func TestHTTPStops(t *testing.T) {
	t.Parallel()
	host := func(p *snapshot.Proxy) *admin.VirtualHost {
		rc := &p.Config.Routes[slices.IndexFunc(p.Config.Routes, func(rc admin.RouteConfig) bool { return rc.Name == "80" })]
		return &rc.Hosts[slices.IndexFunc(rc.Hosts, func(vh admin.VirtualHost) bool { return vh.Name == "edition.cnn.com:80" })]
	}
	for name, tt := range map[string]struct {
		change func(*snapshot.Proxy)
		kind   Kind
	}{
		"no route configuration": {func(p *snapshot.Proxy) { p.Config.Routes = nil }, NoRoute},
		"answers by itself":      {func(p *snapshot.Proxy) { host(p).Routes[0].Status = 502 }, Answered},
		"redirects":              {func(p *snapshot.Proxy) { host(p).Routes[0].Redirect = true }, Answered},
		"no route for the path":  {func(p *snapshot.Proxy) { host(p).Routes[0].Prefix = "/politics" }, NoRoute},
		"no virtual host":        {func(p *snapshot.Proxy) { p.Config.Routes = []admin.RouteConfig{{Name: "80"}} }, NoRoute},
		"weights of nothing else": {func(p *snapshot.Proxy) {
			host(p).Routes[0].Weighted = []admin.Weighted{{Cluster: "PassthroughCluster", Weight: 1}, {Cluster: "x"}}
		}, Bypass},
		"weights that add up to nothing": {func(p *snapshot.Proxy) {
			host(p).Routes[0].Weighted = []admin.Weighted{{Cluster: "PassthroughCluster", Weight: 1}, {Cluster: "x", Weight: -1}}
		}, Bypass},
		"weights that nobody can add up": {func(p *snapshot.Proxy) {
			one := admin.Weighted{Cluster: "PassthroughCluster", Weight: 1 << 62}
			host(p).Routes[0].Weighted = []admin.Weighted{one, one, one, one}
		}, Bypass},
		"no weight at all": {func(p *snapshot.Proxy) { host(p).Routes[0].Weighted = []admin.Weighted{{Cluster: "x"}} }, Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Walk(edit(captured.Load(t, "working-http"), snapshot.AtSidecar, tt.change), to("edition.cnn.com", 80))
			if stop := p.Legs[0].Stop; stop == nil || stop.Kind != tt.kind {
				t.Errorf("stops with %+v, want %s", stop, tt.kind)
			}
		})
	}
}
