package trace

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

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
			got := told(Walk(captured.Load(t, tt.capture), tt.path))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
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
			s := captured.Load(t, "working-passthrough")
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
	s := captured.Load(t, "working-passthrough")
	s.Proxies = nil
	if stop := Walk(s, to("edition.cnn.com", 443)).Legs[0].Stop; stop.Kind != NoWorkload {
		t.Errorf("%+v", stop)
	}
	s.Proxies = []snapshot.Proxy{{Namespace: "nomesh", Pod: "plain", Role: snapshot.NoProxy}}
	if stop := Walk(s, to("edition.cnn.com", 443)).Legs[0].Stop; stop.Kind != NoWorkload || !strings.Contains(stop.Says, "nomesh/plain has no sidecar") {
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
	s := captured.Load(t, "working-passthrough")
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
	s := captured.Load(t, "working-passthrough")
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
	for _, l := range Walk(captured.Load(t, "passthrough-mtls"), to("edition.cnn.com", 443)).Legs {
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
