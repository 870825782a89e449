package check

import (
	"slices"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// atGateway is a path whose gateway leg stops in some way at the cluster of its host, under objects written as people do.
func atGateway(t *testing.T, objects string, stop trace.Stop) (*snapshot.Snapshot, trace.Path) {
	t.Helper()
	s := written(t, objects)
	l := trace.Leg{Hop: egress.AtGateway, Proxy: &snapshot.Proxy{Namespace: "istio-system", Pod: "gw"}, Stop: &stop}
	p := following(s, l)
	p.Gateway, p.Want = s.Facts.Gateways[0].Ref(), s.Facts.Gateways[0]
	return s, p
}

// TestLookUpPath: the gateway's namespace, the host's, the root's, each once.
func TestLookUpPath(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		objects, host string
		want          []string
	}{
		{"{}", "edition.cnn.com", []string{"istio-system", "root"}},
		{
			`serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [edition.cnn.com]}}, {metadata: {namespace: b, name: f}, spec: {hosts: [edition.cnn.com]}}]`,
			"edition.cnn.com",
			[]string{"istio-system", "a", "root"},
		},
		{`serviceEntries: [{metadata: {namespace: istio-system, name: e}, spec: {hosts: [edition.cnn.com]}}]`, "edition.cnn.com", []string{"istio-system", "root"}},
		{`serviceEntries: [{metadata: {namespace: root, name: e}, spec: {hosts: [edition.cnn.com]}}]`, "edition.cnn.com", []string{"istio-system", "root"}},
		{"{}", "my.shop.svc.cluster.local", []string{"istio-system", "shop", "root"}},
		{"{}", "my.istio-system.svc.cluster.local", []string{"istio-system", "root"}},
		{"{}", "my.svc.cluster.local", []string{"istio-system", "root"}},
		{"{}", "my.shop.svc.example.com", []string{"istio-system", "root"}},
	} {
		s, p := atGateway(t, tt.objects, trace.Stop{})
		s.Facts.RootNamespace = "root"
		if got := lookUpPath(s, &p, tt.host); !slices.Equal(got, tt.want) {
			t.Errorf("%s %s: %q", tt.objects, tt.host, got)
		}
	}
}

// TestOriginating: the first rule that begins TLS is the one that was meant, and that of the gateway's look-up the one that is used.
func TestOriginating(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ rules, having, used string }{
		"none":                    {``, "", ""},
		"two elsewhere":           {`{metadata: {namespace: a, name: one}, spec: {host: edition.cnn.com, trafficPolicy: {tls: {mode: SIMPLE}}}}, {metadata: {namespace: b, name: two}, spec: {host: edition.cnn.com, trafficPolicy: {tls: {mode: MUTUAL}}}}`, "one", ""},
		"begins none":             {`{metadata: {namespace: a, name: one}, spec: {host: edition.cnn.com, trafficPolicy: {tls: {mode: DISABLE}}}}`, "", ""},
		"begins Istio's":          {`{metadata: {namespace: a, name: one}, spec: {host: edition.cnn.com, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}}`, "", ""},
		"the gateway's own":       {`{metadata: {namespace: a, name: one}, spec: {host: edition.cnn.com, trafficPolicy: {tls: {mode: SIMPLE}}}}, {metadata: {namespace: istio-system, name: two}, spec: {host: edition.cnn.com, trafficPolicy: {tls: {mode: SIMPLE}}}}`, "two", "two"},
		"the gateway's own, none": {`{metadata: {namespace: a, name: one}, spec: {host: edition.cnn.com, trafficPolicy: {tls: {mode: SIMPLE}}}}, {metadata: {namespace: istio-system, name: two}, spec: {host: edition.cnn.com}}`, "one", "two"},
		"hidden from it":          {`{metadata: {namespace: istio-system, name: one}, spec: {host: edition.cnn.com, exportTo: [shop], trafficPolicy: {tls: {mode: SIMPLE}}}}`, "one", ""},
		"another host's":          {`{metadata: {namespace: istio-system, name: one}, spec: {host: other.example.com, trafficPolicy: {tls: {mode: SIMPLE}}}}`, "", ""},
	} {
		s, p := atGateway(t, `destinationRules: [`+tt.rules+`]`, trace.Stop{Kind: trace.NotBegun, Cluster: cnn443})
		having, used := originating(s, &p, trace.ClusterName{Host: "edition.cnn.com", Port: 443})
		if ruleName(having) != tt.having || ruleName(used) != tt.used {
			t.Errorf("%s: %q is there and %q used", name, ruleName(having), ruleName(used))
		}
		found := ruleNotOnGateway.Run(s, p)
		if right := tt.used != "" && tt.having == tt.used; right != (len(found) == 0) {
			t.Errorf("%s: %+v", name, found)
		}
		p.Legs[0].Stop.Cluster = "mine"
		if found := ruleNotOnGateway.Run(s, p); len(found) > 0 {
			t.Errorf("%s: a cluster of no host: %+v", name, found)
		}
		p.Legs[0].Stop.Cluster, p.Set = cnn443, "shop/news"
		for _, f := range ruleNotOnGateway.Run(s, p) {
			contains(t, f, "kubectl egress enable -f -")
		}
	}
}

func ruleName(d *snapshot.DestinationRule) string {
	if d == nil {
		return ""
	}
	return d.Name
}

// TestWaitingCluster: the cluster that waits is the one at which the leg stops, not in force yet and with TLS; its Secret is named by
// the certificate, or else by the CA, and its rule by where it comes from.
func TestWaitingCluster(t *testing.T) {
	t.Parallel()
	mutual := &admin.TLS{Mode: admin.Mutual, Certificate: "kubernetes://client", Validation: "kubernetes://other-cacert"}
	simple := &admin.TLS{Mode: admin.Simple, Validation: "kubernetes://ca-cacert"}
	const origin = "DestinationRule default/rule"
	for name, tt := range map[string]struct {
		cluster admin.Cluster
		secret  string
		object  string
	}{
		"mutual":            {admin.Cluster{Name: cnn443, Warming: true, TLS: mutual, Origin: origin}, "client", "rule"},
		"the CA alone":      {admin.Cluster{Name: cnn443, Warming: true, TLS: simple, Origin: origin}, "ca", "rule"},
		"no Secret":         {admin.Cluster{Name: cnn443, Warming: true, TLS: &admin.TLS{Validation: "file-root:/ca"}}, "", ""},
		"in force":          {admin.Cluster{Name: cnn443, TLS: mutual}, "", ""},
		"without TLS":       {admin.Cluster{Name: cnn443, Warming: true}, "", ""},
		"another":           {admin.Cluster{Name: "outbound|80||edition.cnn.com", Warming: true, TLS: mutual}, "", ""},
		"of another object": {admin.Cluster{Name: cnn443, Warming: true, TLS: mutual, Origin: "EnvoyFilter default/x"}, "client", ""},
		"of what, unknown":  {admin.Cluster{Name: cnn443, Warming: true, TLS: mutual, Origin: "DestinationRule"}, "client", ""},
	} {
		s, p := atGateway(t, "{}", trace.Stop{Kind: trace.NoCluster, Cluster: cnn443})
		p.Legs[0].Proxy.Config.Clusters = []admin.Cluster{tt.cluster}
		found := credentialMissing.Run(s, p)
		if (len(found) == 1) != (tt.secret != "") {
			t.Errorf("%s: %+v", name, found)
		}
		for _, f := range found {
			contains(t, f, "waits for Secret istio-system/"+tt.secret+",", "create secret generic "+tt.secret+" ")
			if (f.Object == nil) != (tt.object == "") || f.Object != nil && f.Object.Name != tt.object {
				t.Errorf("%s: %+v", name, f.Object)
			}
		}
	}
}
