package discover

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/mesh"
)

func TestParseMeshConfig(t *testing.T) {
	t.Parallel()
	on, off := true, false
	today := mesh.MeshConfig{OutboundTrafficPolicy: "ALLOW_ANY", AccessLogEncoding: "TEXT", EnableAutoMTLS: true}
	with := func(change func(*mesh.MeshConfig)) mesh.MeshConfig {
		c := today
		change(&c)
		return c
	}
	for _, test := range []struct {
		name, text string
		version    mesh.Version
		want       meshConfig
	}{
		{"nothing set", "", mesh.Version{Major: 1, Minor: 31}, meshConfig{MeshConfig: today}},
		{"nothing set, version unknown", "{}", mesh.Version{}, meshConfig{MeshConfig: today}},
		{"nothing set, 1.4", "{}", mesh.Version{Major: 1, Minor: 4}, meshConfig{MeshConfig: with(func(c *mesh.MeshConfig) { c.EnableAutoMTLS = false })}},
		{"nothing set, 1.0", "{}", mesh.Version{Major: 1}, meshConfig{MeshConfig: with(func(c *mesh.MeshConfig) {
			c.EnableAutoMTLS, c.OutboundTrafficPolicy = false, "REGISTRY_ONLY"
		})}},
		{"automatic mTLS off", "enableAutoMtls: false", mesh.Version{}, meshConfig{autoMTLS: &off, MeshConfig: with(func(c *mesh.MeshConfig) { c.EnableAutoMTLS = false })}},
		{"automatic mTLS on in 1.4", "enableAutoMtls: true", mesh.Version{Major: 1, Minor: 4}, meshConfig{autoMTLS: &on, MeshConfig: today}},
		{"policy by name", "outboundTrafficPolicy: {mode: REGISTRY_ONLY}", mesh.Version{}, meshConfig{MeshConfig: with(func(c *mesh.MeshConfig) { c.OutboundTrafficPolicy = "REGISTRY_ONLY" })}},
		{"policy by number", "outboundTrafficPolicy: {mode: 0}", mesh.Version{}, meshConfig{MeshConfig: with(func(c *mesh.MeshConfig) { c.OutboundTrafficPolicy = "REGISTRY_ONLY" })}},
		{"policy of 1.31", "outboundTrafficPolicy: {mode: 3}", mesh.Version{}, meshConfig{MeshConfig: with(func(c *mesh.MeshConfig) { c.OutboundTrafficPolicy = "ALLOW_ANY_DYNAMIC_DNS" })}},
		{"policy of the future", "outboundTrafficPolicy: {mode: DENY_ALL}", mesh.Version{}, meshConfig{MeshConfig: with(func(c *mesh.MeshConfig) { c.OutboundTrafficPolicy = "DENY_ALL" })}},
		{"policy without mode", "outboundTrafficPolicy: {}", mesh.Version{}, meshConfig{MeshConfig: today}},
		{"log", "accessLogFile: /dev/stdout\naccessLogEncoding: JSON\naccessLogFormat: '%START_TIME%'", mesh.Version{}, meshConfig{MeshConfig: with(func(c *mesh.MeshConfig) {
			c.AccessLogFile, c.AccessLogEncoding, c.AccessLogFormat = "/dev/stdout", "JSON", "%START_TIME%"
		})}},
		{"log encoding by number", "accessLogEncoding: 1", mesh.Version{}, meshConfig{MeshConfig: with(func(c *mesh.MeshConfig) { c.AccessLogEncoding = "JSON" })}},
		{"names", "rootNamespace: root\ntrustDomain: shop.example\nunknownField: 1", mesh.Version{}, meshConfig{rootNamespace: "root", trustDomain: "shop.example", MeshConfig: today}},
		{"export", "defaultServiceExportTo: ['*']\ndefaultVirtualServiceExportTo: [., istio-system]", mesh.Version{}, meshConfig{MeshConfig: with(func(c *mesh.MeshConfig) {
			c.DefaultVirtualServiceExportTo = []string{".", "istio-system"}
		})}},
	} {
		got, err := parseMeshConfig(test.text, test.version)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(meshConfig{})); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
	for _, text := range []string{"[]", "a: b: c", "enableAutoMtls: perhaps", "outboundTrafficPolicy: [x]", "\x00"} {
		if got, err := parseMeshConfig(text, mesh.Version{}); err == nil || !strings.HasPrefix(err.Error(), "read the mesh configuration: ") {
			t.Errorf("%q was read as %+v, %v", text, got, err)
		}
	}
}

func FuzzParseMeshConfig(f *testing.F) {
	f.Add("rootNamespace: a\noutboundTrafficPolicy: {mode: 0}")
	f.Add("defaultServiceExportTo: ['*']")
	f.Fuzz(func(t *testing.T, text string) {
		config, err := parseMeshConfig(text, mesh.Version{})
		if err == nil && (config.OutboundTrafficPolicy == "" || config.AccessLogEncoding == "") {
			t.Errorf("%q leaves defaults out: %+v", text, config)
		}
	})
}

// mtlsCluster has an API server with Istio's security API and what a test adds.
func mtlsCluster(t *testing.T, served, objects string) *cluster {
	t.Helper()
	return parse(t, []byte("kind: Cluster\nserved: {"+served+"}\n---\nkind: Nothing\n---\n"+objects))
}

func TestMTLS(t *testing.T) {
	t.Parallel()
	const security = "security.istio.io: [v1]"
	const old = "networking.istio.io: [v1alpha3]"
	pa := func(name, ns, rest string) string {
		return "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: " + name + ", namespace: " + ns + "}\nspec: " + rest
	}
	policy := func(spec string) string {
		return "apiVersion: authentication.istio.io/v1alpha1\nkind: MeshPolicy\nmetadata: {name: default}\nspec: " + spec
	}
	deployment := func(app, image string) string {
		return "\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x, namespace: istio-system, labels: {app: " + app + "}}\n" +
			"spec: {template: {spec: {containers: [{name: discovery, image: '" + image + "'}]}}}"
	}
	const byItself = "Istio uses mutual TLS of itself since 1.5 (enableAutoMtls)"
	for _, test := range []struct {
		name, served, objects string
		want                  mesh.MTLS
	}{
		{"strict", security, pa("default", "istio-system", "{mtls: {mode: STRICT}}"), mesh.MTLS{On: true, Reason: "PeerAuthentication istio-system/default is STRICT"}},
		{"permissive", security, pa("any-name", "istio-system", "{mtls: {mode: PERMISSIVE}}"), mesh.MTLS{On: true, Reason: "PeerAuthentication istio-system/any-name is PERMISSIVE"}},
		{"disabled", security, pa("default", "istio-system", "{mtls: {mode: DISABLE}}"), mesh.MTLS{On: false, Reason: "PeerAuthentication istio-system/default is DISABLE"}},
		{"unset", security, pa("default", "istio-system", "{mtls: {mode: UNSET}}"), mesh.MTLS{On: true, Reason: byItself}},
		{"empty", security, pa("default", "istio-system", "{}"), mesh.MTLS{On: true, Reason: byItself}},
		{"of another namespace", security, pa("default", "shop", "{mtls: {mode: DISABLE}}"), mesh.MTLS{On: true, Reason: byItself}},
		{"of some pods", security, pa("default", "istio-system", "{selector: {matchLabels: {a: b}}, mtls: {mode: DISABLE}}"), mesh.MTLS{On: true, Reason: byItself}},
		{"none", security, "kind: Nothing", mesh.MTLS{On: true, Reason: byItself}},
		{"old policy, strict", old, policy("{peers: [{mtls: {}}]}") + deployment("pilot", "pilot:1.4.3"), mesh.MTLS{On: true, Reason: "MeshPolicy default is STRICT"}},
		{"old policy, permissive", old, policy("{peers: [{mtls: {mode: PERMISSIVE}}]}") + deployment("pilot", "pilot:lab"), mesh.MTLS{On: true, Reason: "MeshPolicy default is PERMISSIVE"}},
		{"old policy, none", old, policy("{}") + deployment("pilot", "pilot:1.4.3"), mesh.MTLS{On: false, Reason: "MeshPolicy default asks for no mutual TLS"}},
		{"old without policy", old, "kind: Nothing" + deployment("pilot", "pilot:1.4.3"), mesh.MTLS{On: false, Reason: "Istio before 1.5 does not use mutual TLS of itself"}},
		{"old without policy or version", old, "kind: Nothing" + deployment("pilot", "pilot:lab"), mesh.MTLS{On: false, Reason: "Istio before 1.5 does not use mutual TLS of itself"}},
		{"policy left over", security, policy("{}") + deployment("istiod", "pilot:1.31.0"), mesh.MTLS{On: true, Reason: byItself}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			facts, err := Discover(t.Context(), mtlsCluster(t, test.served, test.objects))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, facts.MTLS); diff != "" {
				t.Error(diff)
			}
		})
	}
}
