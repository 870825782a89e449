package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestGatewayIsSidecar: what to change is what makes the pod; a pod by itself can only be looked at.
func TestGatewayIsSidecar(t *testing.T) {
	t.Parallel()
	for owner, want := range map[string]string{
		"deployment/egress": "patch deployment/egress ", "": "get pod gw -o yaml", "pod/gw": "get pod gw -o yaml", "egress": "get pod gw -o yaml",
	} {
		s, p := atGateway(t, "{}", trace.Stop{Kind: trace.UnknownPod})
		s.NotGateways = []snapshot.NotGateway{{Gateway: p.Gateway, Pod: "gw", Owner: owner}}
		found := gatewayIsSidecar.Run(s, p)
		if len(found) != 1 {
			t.Fatalf("%q: %+v", owner, found)
		}
		contains(t, found[0], want)
		p.Legs[0].Stop.Kind = trace.NoChain
		if found := gatewayIsSidecar.Run(s, p); len(found) > 0 {
			t.Errorf("it stops otherwise: %+v", found)
		}
		p.Gateway.Service = "other"
		if found := gatewayIsSidecar.Run(s, p); len(found) > 0 {
			t.Errorf("another gateway: %+v", found)
		}
	}
}

// TestNotCapturedOwner: a pod without owner is blamed itself.
func TestNotCapturedOwner(t *testing.T) {
	t.Parallel()
	for owner, want := range map[string]string{"deployment/cart": "patch deployment/cart ", "": "patch pod/client "} {
		s, p := atSidecar(t, "{}", &trace.Stop{Kind: trace.NotCaptured, Says: "past it"})
		p.Legs[0].Proxy.Owner, p.Legs[0].Proxy.Past.ExcludedPorts = owner, "443"
		found := notCaptured.Run(s, p)
		if len(found) != 1 {
			t.Fatalf("%q: %+v", owner, found)
		}
		contains(t, found[0], want, `"traffic.sidecar.istio.io/excludeOutboundPorts":null`)
	}
}

// TestSilentGateway: only a Telemetry object of the gateway's namespace that selects its pods decides about its log.
func TestSilentGateway(t *testing.T) {
	t.Parallel()
	telemetry := func(namespace string, labels map[string]string) snapshot.Telemetry {
		o := snapshot.Telemetry{Meta: snapshot.Meta{Namespace: namespace, Name: "quiet"}}
		if labels != nil {
			o.Spec.Selector = &snapshot.Selector{MatchLabels: labels}
		}
		return o
	}
	fits, other := map[string]string{"app": "gw"}, map[string]string{"app": "other"}
	for name, tt := range map[string]struct {
		object snapshot.Telemetry
		file   string
		named  bool
		says   string
	}{
		"it does":            {telemetry("istio-system", fits), "", true, "Telemetry istio-system/quiet decides"},
		"another namespace":  {telemetry("a", fits), "", false, "accessLogFile is not set"},
		"other pods":         {telemetry("istio-system", other), "", false, "accessLogFile is not set"},
		"the namespace's":    {telemetry("istio-system", nil), "", false, "accessLogFile is not set"},
		"the mesh has a log": {telemetry("istio-system", other), "/dev/stdout", false, "has accessLogFile /dev/stdout, but"},
	} {
		s, p := sending(t, "{}", admin.Cluster{Name: cnn443})
		s.Objects.Telemetries, s.Facts.Config.AccessLogFile = []snapshot.Telemetry{tt.object}, tt.file
		p.Legs[0].Proxy.Labels = fits
		found := noAccessLog.Run(s, p)
		if len(found) != 1 || (found[0].Object != nil) != tt.named || !strings.Contains(found[0].Evidence[0], tt.says) {
			t.Fatalf("%s: %+v", name, found)
		}
		contains(t, found[0], `"name":"`+map[bool]string{true: "quiet", false: "istio-egressgateway-access-log"}[tt.named]+`"`)
		p.Legs[0].Log = true
		if found := noAccessLog.Run(s, p); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// TestRecordCounters: an annotation that says nothing, or null, or is no YAML, is as none.
func TestRecordCounters(t *testing.T) {
	t.Parallel()
	for _, config := range []string{"", "null", "{", "a: 1\nb: ["} {
		got := recordCounters(&snapshot.Proxy{Namespace: "istio-system", ProxyConfig: config})
		if !strings.Contains(got, `"{\"proxyStatsMatcher\":{\"inclusionRegexps\":[\"cluster`) {
			t.Errorf("%q: %s", config, got)
		}
	}
}

// TestInvalidCertificate: a date that cannot be read, or a moment that is not known, says nothing; nor does another secret.
func TestInvalidCertificate(t *testing.T) {
	t.Parallel()
	own := func(from, to string) []admin.Certificate {
		return []admin.Certificate{{SANs: []string{"spiffe://cluster.local/ns/a/sa/b"}, From: from, Expires: to}}
	}
	const early, late = "2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z"
	for name, tt := range map[string]struct {
		certs  []admin.Certificate
		secret admin.Secret
		at     time.Time
		want   string
	}{
		"in force":                {own(early, late), admin.Secret{}, configured, ""},
		"ended":                   {own(early, early), admin.Secret{}, configured, "ended on " + early},
		"not begun":               {own(late, late), admin.Secret{}, configured, "is not valid before " + late},
		"no moment":               {own(late, early), admin.Secret{}, time.Time{}, ""},
		"no dates":                {own("", ""), admin.Secret{}, configured, ""},
		"a date of other form":    {own("tomorrow", "yesterday"), admin.Secret{}, configured, ""},
		"none, and it is waited":  {nil, admin.Secret{Name: "default", Warming: true}, configured, "has not been issued: Envoy still waits for it (secret default is warming)"},
		"another is waited for":   {nil, admin.Secret{Name: "ROOTCA", Warming: true}, configured, ""},
		"none, and nothing waits": {nil, admin.Secret{Name: "default"}, configured, ""},
	} {
		p := &snapshot.Proxy{Certs: tt.certs}
		p.Config.Secrets = []admin.Secret{tt.secret}
		if got := invalid(p, tt.at); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestMutualAt: each pod is looked at once, however many ways lead to it.
func TestMutualAt(t *testing.T) {
	t.Parallel()
	one, two := &snapshot.Proxy{Pod: "one"}, &snapshot.Proxy{Pod: "two"}
	istio := trace.Ask{TLS: []trace.Layer{{Mode: admin.IstioMutual}}}
	p := cnnPath(trace.Leg{Hop: egress.AtGateway, Proxy: one, Ask: istio}, trace.Leg{Hop: egress.AtGateway, Proxy: one, Ask: istio},
		trace.Leg{Hop: egress.AtGateway, Proxy: two, Ask: istio}, trace.Leg{Hop: egress.AtGateway, Proxy: &snapshot.Proxy{Pod: "plain"}},
		trace.Leg{Hop: egress.AtGateway, Proxy: &snapshot.Proxy{Pod: "own"}, Ask: trace.Ask{TLS: []trace.Layer{{SNI: "x"}}}})
	var got []string
	for _, l := range mutualAt(p) {
		got = append(got, l.Proxy.Pod)
	}
	if !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("%q", got)
	}
}

// TestBoundTo: each Gateway once, and mesh is none.
func TestBoundTo(t *testing.T) {
	t.Parallel()
	s := written(t, `virtualServices: [
 {metadata: {namespace: a, name: v}, spec: {hosts: [edition.cnn.com], gateways: [mesh, g], tls: [
  {match: [{sniHosts: [edition.cnn.com]}], route: [{destination: {host: `+toGateway+`}}]}, {match: [{sniHosts: [edition.cnn.com]}], route: [{destination: {host: edition.cnn.com}}]}]}},
 {metadata: {namespace: a, name: w}, spec: {hosts: [edition.cnn.com], gateways: [g, h], http: [{route: [{destination: {host: edition.cnn.com}}]}]}}]`)
	p := following(s)
	if got := boundTo(&p); !slices.Equal(got, []string{"a/g", "a/h"}) {
		t.Errorf("%q", got)
	}
	if got := routesFor(&p); len(got) != 2 {
		t.Errorf("%d objects", len(got))
	}
}
