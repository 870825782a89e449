package trace

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

func by(mode egress.Mode, host string, port int) egress.Path {
	p := to(host, port)
	p.Mode = mode
	if mode == egress.Direct {
		p.Gateway = egress.GatewayRef{}
	}
	return p
}

// TestWalkModes follows every documented configuration through captures of them, step by step.
func TestWalkModes(t *testing.T) {
	t.Parallel()
	const (
		wiki    = "*.wikipedia.org"
		nginx   = "my-nginx.mesh-external.svc.cluster.local"
		toWiki  = "sidecar: 0.0.0.0_443 > server name *.wikipedia.org > tcp_proxy > outbound|443|wikipedia|" + toGateway
		atWiki  = "gateway: 0.0.0.0_8443 > server name *.wikipedia.org > "
		lookup  = "sni_dynamic_forward_proxy (looks up the server name, port 443) > tcp_proxy > "
		toProxy = "sidecar: 0.0.0.0_443 > server name *.wikipedia.org > tcp_proxy > outbound|443|wikipedia|istio-egressgateway-with-sni-proxy.istio-system.svc.cluster.local >"
	)
	withProxy := by(egress.SNIProxy, wiki, 443)
	withProxy.Gateway.Service = "istio-egressgateway-with-sni-proxy"
	for capture, tt := range map[string]struct {
		path egress.Path
		want []string
	}{
		"direct-wildcard": {by(egress.Direct, wiki, 443), []string{"sidecar: 0.0.0.0_443 > server name *.wikipedia.org > tcp_proxy > outbound|443||*.wikipedia.org >"}},
		"direct-exact":    {by(egress.Direct, "edition.cnn.com", 443), []string{sidecarTLS + "outbound|443||edition.cnn.com >"}},
		"mtls-origination": {by(egress.MTLSOrigination, nginx, 80), []string{
			"sidecar: 0.0.0.0_80 > application http/1.1, h2c > http_connection_manager > 80 / " + nginx + ":80 > outbound|443|nginx|" + toGateway,
			"gateway: 0.0.0.0_8443 > server name " + nginx + " > http_connection_manager > https.443.https.istio-egressgateway.default / " + nginx + ":443 > outbound|443||" + nginx + " >",
		}},
		"common-host-plain": {by(egress.CommonHost, wiki, 443), []string{toWiki, atWiki + "tcp_proxy > outbound|443||www.wikipedia.org >"}},
		"sni-proxy-mtls":    {withProxy, []string{toProxy, atWiki + "tcp_proxy > outbound|18443||sni-proxy.local >"}},
		"sni-dynamic-plain": {by(egress.SNIDynamic, wiki, 443), []string{toWiki, atWiki + lookup + "outbound|443||*.wikipedia.org >"}},
		"sni-dynamic-mtls": {by(egress.SNIDynamic, wiki, 443), []string{
			toWiki, atWiki + "tcp_proxy > sni_cluster_default_wikipedia > sni_listener_default_wikipedia > server name *.wikipedia.org > " +
				lookup + "dynamic_forward_proxy_cluster_default_wikipedia >",
		}},
	} {
		t.Run(capture, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, told(Walk(captured.Load(t, capture), tt.path))); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestStopsOfModes changes what makes a mode, one thing at a time, and looks where the walk ends.
func TestStopsOfModes(t *testing.T) {
	t.Parallel()
	cluster := func(p *snapshot.Proxy, name string) *admin.Cluster {
		i := slices.IndexFunc(p.Config.Clusters, func(c admin.Cluster) bool { return c.Name == name })
		return &p.Config.Clusters[i]
	}
	for name, tt := range map[string]struct {
		capture string
		path    egress.Path
		role    snapshot.Role
		change  func(*snapshot.Proxy)
		kind    Kind
		says    string
	}{
		"direct, and nobody has registered the host": {
			"direct-exact", by(egress.Direct, "edition.cnn.com", 443), snapshot.AtSidecar, func(p *snapshot.Proxy) { listener(p, "0.0.0.0_443").Chains = nil },
			Bypass, "to PassthroughCluster",
		},
		"direct, and it goes to a gateway": {
			"working-passthrough", by(egress.Direct, "edition.cnn.com", 443), snapshot.AtSidecar, func(*snapshot.Proxy) {}, Elsewhere, "to outbound|443|",
		},
		"direct, and the name is not found": {
			"direct-exact", by(egress.Direct, "edition.cnn.com", 443), snapshot.AtSidecar, func(p *snapshot.Proxy) { p.Hosts = nil }, NoEndpoint, "no address for edition.cnn.com",
		},
		"direct, and the sidecar begins TLS around it": {
			"direct-exact", by(egress.Direct, "edition.cnn.com", 443), snapshot.AtSidecar,
			func(p *snapshot.Proxy) {
				cluster(p, "outbound|443||edition.cnn.com").TLS = &admin.TLS{Mode: admin.Simple}
			}, DoubleTLS, "begins TLS (SIMPLE) around",
		},
		"the gateway begins TLS around the application's": {
			"working-passthrough", by(egress.Passthrough, "edition.cnn.com", 443), snapshot.AtGateway,
			func(p *snapshot.Proxy) {
				cluster(p, "outbound|443||edition.cnn.com").TLS = &admin.TLS{Mode: admin.Mutual}
			}, DoubleTLS, "begins TLS (MUTUAL) around",
		},
		"no TLS is begun": {
			"tls-origination-mtls", by(egress.TLSOrigination, "edition.cnn.com", 80), snapshot.AtGateway,
			func(p *snapshot.Proxy) { cluster(p, "outbound|443||edition.cnn.com").TLS = nil }, NotBegun, "in plain text",
		},
		"no certificate is shown": {
			"mtls-origination", by(egress.MTLSOrigination, "my-nginx.mesh-external.svc.cluster.local", 80), snapshot.AtGateway,
			func(p *snapshot.Proxy) {
				cluster(p, "outbound|443||my-nginx.mesh-external.svc.cluster.local").TLS.Mode = admin.Simple
			}, NotBegun, "without a client certificate",
		},
		"nobody looks the name up": {
			"sni-dynamic-plain", by(egress.SNIDynamic, "*.wikipedia.org", 443), snapshot.AtGateway,
			func(p *snapshot.Proxy) { c := &listener(p, "0.0.0.0_8443").Chains[0]; c.Filters = c.Filters[1:] }, NoLookup, "without looking up the server name",
		},
		"the outer name is looked up": {
			"sni-dynamic-mtls", by(egress.SNIDynamic, "*.wikipedia.org", 443), snapshot.AtGateway, func(p *snapshot.Proxy) {
				inner := listener(p, "sni_listener_default_wikipedia").Chains[0].Filters
				listener(p, "0.0.0.0_8443").Chains[0].Filters = inner
			}, Elsewhere, "looks up placeholder.wikipedia.org and not",
		},
		"the inner listener does not know the host": {
			"sni-dynamic-mtls", by(egress.SNIDynamic, "*.wikipedia.org", 443), snapshot.AtGateway, func(p *snapshot.Proxy) {
				listener(p, "sni_listener_default_wikipedia").Chains[0].Match.ServerNames = []string{"*.example.com"}
			}, NoChain, "no filter chain for TLS with server name any-host.wikipedia.org",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Walk(edit(captured.Load(t, tt.capture), tt.role, tt.change), tt.path)
			failed := p.Failed()
			if len(failed) != 1 || failed[0].Stop.Kind != tt.kind || !strings.Contains(failed[0].Stop.Says, tt.says) {
				t.Errorf("%q, want %s: %s", told(p), tt.kind, tt.says)
				for _, l := range failed {
					t.Log(l.Stop.Says)
				}
			}
		})
	}
}

// TestLoopback: an SNI proxy is in the gateway's own pod; a port on which Envoy itself listens, or a pod without another container,
// has none. Where the containers are not known, nothing is held against them.
func TestLoopback(t *testing.T) {
	t.Parallel()
	path := by(egress.SNIProxy, "*.wikipedia.org", 443)
	path.Gateway.Service = "istio-egressgateway-with-sni-proxy"
	for name, tt := range map[string]struct {
		change func(*snapshot.Proxy)
		kind   Kind
	}{
		"as it should be":          {func(*snapshot.Proxy) {}, ""},
		"containers are not known": {func(p *snapshot.Proxy) { p.Containers = nil }, ""},
		"Envoy alone":              {func(p *snapshot.Proxy) { p.Containers = []string{"istio-proxy"} }, NoEndpoint},
		"Envoy's own port": {func(p *snapshot.Proxy) {
			for i := range p.Hosts {
				for j := range p.Hosts[i].Hosts {
					p.Hosts[i].Hosts[j].Port = 8443
				}
			}
		}, Elsewhere},
	} {
		p := Walk(edit(captured.Load(t, "sni-proxy-plain"), snapshot.AtGateway, tt.change), path)
		got := Kind("")
		if failed := p.Failed(); len(failed) > 0 {
			got = failed[0].Stop.Kind
		}
		if got != tt.kind {
			t.Errorf("%s: %q, want %q: %q", name, got, tt.kind, told(p))
		}
	}
	for address, want := range map[string]bool{"127.0.0.1": true, "127.9.9.9": true, "::1": true, "10.0.0.1": false, "": false, "sni-proxy.local": false} {
		if IsLoopback(address) != want {
			t.Errorf("IsLoopback(%q) is not %t", address, want)
		}
	}
}

// TestSampleIsNotSpecial: the name that stands for a wildcard is none that an object has something of its own for.
func TestSampleIsNotSpecial(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "sni-dynamic-plain")
	if p := Walk(s, by(egress.SNIDynamic, "*.wikipedia.org", 443)); p.Sample != "any-host.wikipedia.org" {
		t.Errorf("%q", p.Sample)
	}
	entry := s.Objects.ServiceEntries[0]
	entry.Spec.Hosts = []string{"any-host.wikipedia.org"}
	s.Objects.ServiceEntries = append(s.Objects.ServiceEntries, entry)
	server := s.Objects.Gateways[0]
	server.Spec.Servers = slices.Clone(server.Spec.Servers)
	server.Spec.Servers[0].Hosts = []string{"./any-host-2.wikipedia.org"}
	s.Objects.Gateways = append(s.Objects.Gateways, server)
	if p := Walk(s, by(egress.SNIDynamic, "*.wikipedia.org", 443)); p.Sample != "any-host-3.wikipedia.org" || p.Legs[0].Ask.SNI() != p.Sample {
		t.Errorf("%q", p.Sample)
	}
	if p := Walk(s, by(egress.Passthrough, "en.wikipedia.org", 443)); p.Sample != "en.wikipedia.org" {
		t.Errorf("%q", p.Sample)
	}
}

// TestDirectHasNoGateway: whatever the mesh has for gateways, a path without one is not followed into them.
func TestDirectHasNoGateway(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "direct-exact")
	s.Facts.Gateways = append(s.Facts.Gateways, mesh.Gateway{Pods: []mesh.Pod{{IP: "10.96.0.83"}}})
	p := Walk(s, by(egress.Direct, "edition.cnn.com", 443))
	if len(p.At(egress.AtGateway)) > 0 || len(p.At(egress.AtSidecar)) != 1 {
		t.Errorf("%q", told(p))
	}
}
