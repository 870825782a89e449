package trace

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// load reads a capture of a real cluster.
func load(t testing.TB, name string) *snapshot.Snapshot {
	t.Helper()
	f, err := os.Open(filepath.Join("../../testdata/captures", name, "snapshot.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := snapshot.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var gateway = egress.GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway"}

func to(host string, port int) egress.Path {
	p := egress.Path{Host: egress.Host(host), Port: port, Protocol: egress.ProtocolHTTP, Gateway: gateway}
	if port == 443 {
		p.Protocol = egress.ProtocolTLS
	}
	return p
}

// told writes a walk down: for each leg its hop, the values of its steps, and where it stops.
func told(p Path) []string {
	var out []string
	for _, l := range p.Legs {
		line := string(l.Hop) + ":"
		for _, s := range l.Steps {
			line += " " + s.Value + " >"
		}
		if l.Stop != nil {
			line += " " + string(l.Stop.Kind)
		}
		out = append(out, line)
	}
	return out
}

const (
	sidecarTLS = "sidecar: 0.0.0.0_443 > server name edition.cnn.com > tcp_proxy > "
	toGateway  = "istio-egressgateway.istio-system.svc.cluster.local >"
)

func TestWalk(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		capture string
		path    egress.Path
		want    []string
	}{
		"passthrough": {"working-passthrough", to("edition.cnn.com", 443), []string{
			sidecarTLS + "outbound|443||" + toGateway,
			"gateway: 0.0.0.0_8443 > server name edition.cnn.com > tcp_proxy > outbound|443||edition.cnn.com >",
		}},
		"http with mTLS": {"working-http", to("edition.cnn.com", 80), []string{
			"sidecar: 0.0.0.0_80 > application http/1.1, h2c > http_connection_manager > 80 / edition.cnn.com:80 > outbound|80|cnn|" + toGateway,
			"gateway: 0.0.0.0_8080 > server name edition.cnn.com > http_connection_manager > https.80.https.cnn.default / edition.cnn.com:80 > outbound|80||edition.cnn.com >",
		}},
		"TLS with mTLS around it": {"passthrough-mtls", to("edition.cnn.com", 443), []string{
			sidecarTLS + "outbound|443|cnn|" + toGateway,
			"gateway: 0.0.0.0_8443 > server name edition.cnn.com > tcp_proxy > outbound|443||edition.cnn.com >",
		}},
		"a wildcard by way of an internal listener": {"sni-dynamic", to("*.wikipedia.org", 443), []string{
			"sidecar: 0.0.0.0_443 > server name *.wikipedia.org > tcp_proxy > outbound|443|wildcard|" + toGateway,
			"gateway: 0.0.0.0_8443 > server name *.wikipedia.org > tcp_proxy > sni_cluster > sni_listener > server name *.wikipedia.org > " +
				"sni_dynamic_forward_proxy (looks up the server name, port 443) > tcp_proxy > dynamic_forward_proxy_cluster >",
		}},
		"the other port of the host goes round": {"working-passthrough", to("edition.cnn.com", 80), []string{
			"sidecar: 0.0.0.0_80 > application http/1.1, h2c > http_connection_manager > 80 / edition.cnn.com:80 > outbound|80||edition.cnn.com > bypass",
		}},
		"a host that nobody knows": {"working-passthrough", to("de.wikipedia.org", 443), []string{
			"sidecar: 0.0.0.0_443 > PassthroughFilterChain > tcp_proxy > PassthroughCluster > bypass",
		}},
		"a port that nobody knows": {"working-passthrough", egress.Path{Host: "de.wikipedia.org", Port: 8443, Protocol: egress.ProtocolTLS, Gateway: gateway}, []string{
			"sidecar: virtualOutbound > virtualOutbound-catchall-tcp > tcp_proxy > PassthroughCluster > bypass",
		}},
		"registry only, TLS": {"EGR002-registry-only", to("edition.cnn.com", 443), []string{
			"sidecar: virtualOutbound > virtualOutbound-catchall-tcp > tcp_proxy > BlackHoleCluster > blocked",
		}},
		"half of it goes round": {"weighted", to("edition.cnn.com", 443), []string{
			sidecarTLS + "outbound|443||" + toGateway + " outbound|443||edition.cnn.com > bypass",
		}},
		"nothing listens": {"EGR011", to("edition.cnn.com", 443), []string{
			sidecarTLS + "outbound|443||" + toGateway, "gateway: no-listener",
		}},
		"a server name that the gateway does not know": {"EGR017", to("edition.cnn.com", 80), []string{
			"sidecar: 0.0.0.0_80 > application http/1.1, h2c > http_connection_manager > 80 / edition.cnn.com:80 > outbound|80|cnn|" + toGateway,
			"gateway: 0.0.0.0_8080 > no-chain",
		}},
		"no route at the gateway": {"EGR019", to("edition.cnn.com", 80), []string{
			"sidecar: 0.0.0.0_80 > application http/1.1, h2c > http_connection_manager > 80 / edition.cnn.com:80 > outbound|80||" + toGateway,
			"gateway: 0.0.0.0_8080 > any > http_connection_manager > no-route",
		}},
		"no cluster at the sidecar": {"EGR023-tls", to("edition.cnn.com", 443), []string{sidecarTLS[:len(sidecarTLS)-1] + " no-cluster"}},
		"no endpoint at the gateway": {"EGR035", to("edition.cnn.com", 443), []string{
			sidecarTLS + "outbound|443||" + toGateway,
			"gateway: 0.0.0.0_8443 > server name edition.cnn.com > tcp_proxy > outbound|443||edition.cnn.com > no-endpoint",
		}},
		"Istio's TLS is not ended": {"EGR024c", to("edition.cnn.com", 443), []string{
			sidecarTLS + "outbound|443|cnn|" + toGateway,
			"gateway: 0.0.0.0_8443 > server name edition.cnn.com > tcp_proxy > outbound|443||edition.cnn.com > tls-to-plain",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := told(Walk(load(t, tt.capture), tt.path))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

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
				l.Chains[0].TLS = &admin.TLS{Mode: admin.IstioMutual}
				l.Chains[0].Filters[0] = admin.Filter{Name: "hcm", HTTP: &admin.HTTP{Routes: "r"}}
			}, Undecided, "takes the bytes for HTTP",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Walk(edit(load(t, "working-passthrough"), tt.role, tt.change), to("edition.cnn.com", 443))
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
	s := edit(load(t, "working-passthrough"), snapshot.AtGateway, func(p *snapshot.Proxy) {
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
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Walk(edit(load(t, "working-http"), snapshot.AtSidecar, tt.change), to("edition.cnn.com", 80))
			if stop := p.Legs[0].Stop; stop == nil || stop.Kind != tt.kind {
				t.Errorf("stops with %+v, want %s", stop, tt.kind)
			}
		})
	}
}

// TestConcerns: a path concerns the workloads that see its routes and its host; one that was named always.
func TestConcerns(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*snapshot.Snapshot)
		want   int
	}{
		"all": {func(*snapshot.Snapshot) {}, 2},
		"routes for one namespace": {func(s *snapshot.Snapshot) {
			s.Objects.VirtualServices[0].Spec.ExportTo = []string{"default", "istio-system"}
		}, 1},
		"entry for one namespace": {func(s *snapshot.Snapshot) { s.Objects.ServiceEntries[0].Spec.ExportTo = []string{"."} }, 1},
		"from one namespace": {func(s *snapshot.Snapshot) {
			s.Objects.VirtualServices[0].Spec.TLS[0].Match[0].SourceNamespace = "other"
		}, 1},
		"from some labels": {func(s *snapshot.Snapshot) {
			s.Objects.VirtualServices[0].Spec.TLS[0].Match[0].SourceLabels = map[string]string{"app": "sleep"}
		}, 2},
		"nobody by labels": {func(s *snapshot.Snapshot) {
			s.Objects.VirtualServices[0].Spec.TLS[0].Match[0].SourceLabels = map[string]string{"app": "x"}
		}, 0},
		"no routes at all":               {func(s *snapshot.Snapshot) { s.Objects.VirtualServices = nil }, 2},
		"no entry at all":                {func(s *snapshot.Snapshot) { s.Objects.ServiceEntries = nil }, 2},
		"named, though it is not meant":  {func(s *snapshot.Snapshot) { s.From = "x"; s.Objects.ServiceEntries[0].Spec.ExportTo = []string{"shop"} }, 2},
		"the mesh exports to nobody but": {func(s *snapshot.Snapshot) { s.Facts.Config.DefaultServiceExportTo = []string{"."} }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := load(t, "working-passthrough")
			s.From = ""
			s.Proxies = slices.DeleteFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtGateway })
			other := s.Proxies[0]
			other.Namespace = "other"
			s.Proxies = append(s.Proxies, other)
			tt.change(s)
			p := Walk(s, to("edition.cnn.com", 443))
			got := len(p.At(egress.AtSidecar))
			if got == 1 && p.Legs[0].Stop != nil && p.Legs[0].Stop.Kind == NoWorkload {
				got = 0
			}
			if got != tt.want {
				t.Errorf("%d workloads are concerned, want %d", got, tt.want)
			}
		})
	}
}

func TestNoWorkload(t *testing.T) {
	t.Parallel()
	s := load(t, "working-passthrough")
	s.Proxies = nil
	if stop := Walk(s, to("edition.cnn.com", 443)).Legs[0].Stop; stop.Kind != NoWorkload {
		t.Errorf("%+v", stop)
	}
	s.States[snapshot.Pods] = snapshot.State{Kind: snapshot.Forbidden, Detail: "cannot list pods"}
	if stop := Walk(s, to("edition.cnn.com", 443)).Legs[0].Stop; stop.Kind != Unread || !strings.Contains(stop.Says, "cannot list pods") {
		t.Errorf("%+v", stop)
	}
}

// TestUnknownPod: an address that is no pod of the gateway is not judged.
func TestUnknownPod(t *testing.T) {
	t.Parallel()
	s := load(t, "working-passthrough")
	s.Facts.Gateways[0].Pods = nil
	edit(s, snapshot.AtGateway, func(p *snapshot.Proxy) { p.IP = "10.9.9.9" })
	p := Walk(s, to("edition.cnn.com", 443))
	if stop := p.Legs[1].Stop; stop == nil || stop.Kind != UnknownPod {
		t.Errorf("%+v", stop)
	}
}

// TestSameAskOnce: two workloads that send the gateway the same are one leg there.
func TestSameAskOnce(t *testing.T) {
	t.Parallel()
	s := load(t, "working-passthrough")
	i := slices.IndexFunc(s.Proxies, func(p snapshot.Proxy) bool { return p.Role == snapshot.AtSidecar })
	s.Proxies = append(s.Proxies, s.Proxies[i])
	p := Walk(s, to("edition.cnn.com", 443))
	if s, g := len(p.At(egress.AtSidecar)), len(p.At(egress.AtGateway)); s != 2 || g != 1 {
		t.Errorf("%d sidecars, %d gateway legs", s, g)
	}
}

// TestOrigins: steps tell the Istio objects that istiod names behind them.
func TestOrigins(t *testing.T) {
	t.Parallel()
	var origins []string
	for _, l := range Walk(load(t, "passthrough-mtls"), to("edition.cnn.com", 443)).Legs {
		for _, s := range l.Steps {
			if s.Origin != "" {
				origins = append(origins, s.Name+" "+s.Origin)
			}
		}
	}
	want := []string{"chain VirtualService default/cnn", "cluster DestinationRule istio-system/cnn"}
	if diff := cmp.Diff(want, origins); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
