package check

import (
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// sending is a path whose gateway pod sends to a cluster, with what its hosts have counted.
func sending(t *testing.T, objects string, cluster admin.Cluster, hosts ...admin.HostStatus) (*snapshot.Snapshot, trace.Path) {
	t.Helper()
	s, p := atGateway(t, objects, trace.Stop{})
	p.Protocol = egress.ProtocolHTTP
	p.Legs[0].Stop, p.Legs[0].Exits = nil, []trace.Exit{{Cluster: &cluster, Hosts: hosts}}
	return s, p
}

// TestUnverified goes through what of a certificate is looked at, and what the rule is to say of it.
func TestUnverified(t *testing.T) {
	t.Parallel()
	rule := func(tls string) string {
		return `destinationRules: [{metadata: {namespace: istio-system, name: d}, spec: {host: edition.cnn.com, trafficPolicy: {tls: {` + tls + `}}}}]`
	}
	const cas, names, verify = `/tls/caCertificates"`, `/tls/subjectAltNames"`, `/tls/insecureSkipVerify"`
	const ca = "file-root:system"
	for name, tt := range map[string]struct {
		rules string
		tls   admin.TLS
		old   bool
		found bool
		fix   []string // the fields that the remedy writes; none: it looks closer
	}{
		"no rule":                      {"{}", admin.TLS{Mode: admin.Simple}, false, true, nil},
		"Istio's own":                  {"{}", admin.TLS{Mode: admin.IstioMutual}, false, false, nil},
		"no CA, and the rule is right": {rule("mode: SIMPLE"), admin.TLS{Mode: admin.Simple}, false, true, nil},
		"no CA of old":                 {rule("mode: SIMPLE"), admin.TLS{Mode: admin.Simple}, true, true, []string{cas, names}},
		"no CA, not to be verified":    {rule("mode: SIMPLE, insecureSkipVerify: true"), admin.TLS{Mode: admin.Simple}, true, true, []string{verify, names}},
		"not to be verified":           {rule("mode: SIMPLE, insecureSkipVerify: true"), admin.TLS{Mode: admin.Simple}, false, true, []string{verify}},
		"names that are not looked at": {rule("mode: SIMPLE, subjectAltNames: [a], insecureSkipVerify: true"), admin.TLS{Mode: admin.Simple}, false, true, []string{verify}},
		"not there yet":                {rule("mode: SIMPLE, subjectAltNames: [a]"), admin.TLS{Mode: admin.Simple}, false, false, nil},
		"names, and no CA":             {rule("mode: SIMPLE, subjectAltNames: [a]"), admin.TLS{Mode: admin.Simple, SANs: []string{"a"}}, false, true, nil},
		"names, and no CA of old":      {rule("mode: SIMPLE, subjectAltNames: [a]"), admin.TLS{Mode: admin.Simple, SANs: []string{"a"}}, true, true, []string{cas}},
		"a server name alone":          {rule("mode: SIMPLE, sni: s.cnn.com"), admin.TLS{Mode: admin.Simple, Validation: ca, SNI: "s.cnn.com"}, false, true, []string{names + `,"value":["s.cnn.com"]`}},
		"a CA of old":                  {rule("mode: SIMPLE"), admin.TLS{Mode: admin.Simple, Validation: ca}, true, true, []string{names + `,"value":["edition.cnn.com"]`}},
		"all is well":                  {rule("mode: SIMPLE"), admin.TLS{Mode: admin.Simple, Validation: ca}, false, false, nil},
	} {
		s, p := sending(t, tt.rules, admin.Cluster{Name: cnn443, TLS: &tt.tls})
		s.Facts.Version = mesh.Version{Major: 1, Minor: 24}
		if tt.old {
			s.Facts.Version.Minor = 20
		}
		found := serverNotVerified.Run(s, p)
		if (len(found) == 1) != tt.found {
			t.Errorf("%s: %+v", name, found)
		}
		for _, f := range found {
			contains(t, f, tt.fix...)
			for _, field := range []string{cas, names, verify} {
				if strings.Contains(f.Fix, field) && !strings.Contains(strings.Join(tt.fix, " "), field) {
					t.Errorf("%s writes %s: %s", name, field, f.Fix)
				}
			}
			if len(tt.fix) == 0 && strings.Contains(f.Fix, " patch ") {
				t.Errorf("%s: %s", name, f.Fix)
			}
		}
		p.Legs[0].Exits[0].Cluster.Name = "mine"
		if found := serverNotVerified.Run(s, p); len(found) > 0 {
			t.Errorf("%s: a cluster of no host: %+v", name, found)
		}
	}
}

// TestNeverConnected: who is blamed for connections that all fail is told by where the cluster comes from.
func TestNeverConnected(t *testing.T) {
	t.Parallel()
	bad := admin.HostStatus{Address: "192.0.2.1", Port: 443, Opened: 2, Failed: 2}
	for name, tt := range map[string]struct {
		cluster admin.Cluster
		host    admin.HostStatus
		object  string
		fix     string // empty: nothing is found
	}{
		"a rule":          {admin.Cluster{TLS: &admin.TLS{Mode: admin.Simple, Validation: "file-root:system"}, Origin: "DestinationRule a/d"}, bad, "d", "logs gw"},
		"its Secret":      {admin.Cluster{TLS: &admin.TLS{Mode: admin.Simple, Validation: "kubernetes://ca-cacert"}, Origin: "DestinationRule a/d"}, bad, "d", "patch secret ca "},
		"another object":  {admin.Cluster{TLS: &admin.TLS{Mode: admin.Simple}, Origin: "EnvoyFilter a/d"}, bad, "", "logs gw"},
		"no word of what": {admin.Cluster{TLS: &admin.TLS{Mode: admin.Simple}, Origin: "DestinationRule"}, bad, "", "logs gw"},
		"one was made":    {admin.Cluster{TLS: &admin.TLS{Mode: admin.Simple}}, admin.HostStatus{Opened: 2, Failed: 1}, "", ""},
		"none was tried":  {admin.Cluster{TLS: &admin.TLS{Mode: admin.Simple}}, admin.HostStatus{}, "", ""},
		"Istio's own TLS": {admin.Cluster{TLS: &admin.TLS{Mode: admin.IstioMutual}}, bad, "", ""},
		"plain text":      {admin.Cluster{}, bad, "", ""},
	} {
		tt.cluster.Name = cnn443
		s, p := sending(t, "{}", tt.cluster, tt.host)
		found := neverConnected.Run(s, p)
		if (len(found) == 1) != (tt.fix != "") {
			t.Errorf("%s: %+v", name, found)
		}
		for _, f := range found {
			contains(t, f, tt.fix)
			if (f.Object == nil) != (tt.object == "") || f.Object != nil && f.Object.Name != tt.object {
				t.Errorf("%s: %+v", name, f.Object)
			}
			if v := tt.cluster.TLS.Validation; v == "" && !strings.Contains(f.Evidence[0], "verified by nothing;") || !strings.Contains(f.Evidence[0], v) {
				t.Errorf("%s: %q", name, f.Evidence)
			}
		}
	}
}

// TestReaching: the gateway's rule reaches a sidecar where that has the same cluster with TLS of the rule's own, and sees the rule.
func TestReaching(t *testing.T) {
	t.Parallel()
	const rule = `destinationRules: [{metadata: {namespace: istio-system, name: d}, spec: {host: edition.cnn.com, trafficPolicy: {tls: {mode: SIMPLE}}}}]`
	const private = `destinationRules: [{metadata: {namespace: istio-system, name: d}, spec: {host: edition.cnn.com, exportTo: ["."], trafficPolicy: {tls: {mode: SIMPLE}}}}]`
	const spoken = rule + "\n" + `serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [edition.cnn.com], ports: [{number: 8443, protocol: HTTPS}, {number: 80, protocol: HTTP}]}}]`
	simple := &admin.TLS{Mode: admin.Simple}
	const cnn8443, cnn80 = "outbound|8443||edition.cnn.com", "outbound|80||edition.cnn.com"
	for name, tt := range map[string]struct {
		objects      string
		gateway, own admin.Cluster
		found        bool
	}{
		"it does":            {rule, admin.Cluster{Name: cnn443, TLS: simple}, admin.Cluster{Name: cnn443, TLS: simple}, true},
		"not seen":           {private, admin.Cluster{Name: cnn443, TLS: simple}, admin.Cluster{Name: cnn443, TLS: simple}, false},
		"no rule":            {"{}", admin.Cluster{Name: cnn443, TLS: simple}, admin.Cluster{Name: cnn443, TLS: simple}, false},
		"none is begun":      {rule, admin.Cluster{Name: cnn443}, admin.Cluster{Name: cnn443, TLS: simple}, false},
		"nor at the sidecar": {rule, admin.Cluster{Name: cnn443, TLS: simple}, admin.Cluster{Name: cnn443}, false},
		"Istio's there":      {rule, admin.Cluster{Name: cnn443, TLS: simple}, admin.Cluster{Name: cnn443, TLS: &admin.TLS{Mode: admin.IstioMutual}}, false},
		"another cluster":    {rule, admin.Cluster{Name: cnn443, TLS: simple}, admin.Cluster{Name: cnn80, TLS: simple}, false},
		"a port of TLS":      {spoken, admin.Cluster{Name: cnn8443, TLS: simple}, admin.Cluster{Name: cnn8443, TLS: simple}, true},
		"a port of HTTP":     {spoken, admin.Cluster{Name: cnn80, TLS: simple}, admin.Cluster{Name: cnn80, TLS: simple}, false},
		"a cluster of none":  {rule, admin.Cluster{Name: "mine", TLS: simple}, admin.Cluster{Name: "mine", TLS: simple}, false},
	} {
		s, p := sending(t, tt.objects, tt.gateway)
		l := trace.Leg{Hop: egress.AtSidecar, Proxy: &snapshot.Proxy{Namespace: "default", Pod: "client"}}
		l.Proxy.Config.Clusters = []admin.Cluster{tt.own}
		p.Legs = append(p.Legs, l)
		if found := doubleTLS.Run(s, p); (len(found) == 1) != tt.found {
			t.Errorf("%s: %+v", name, found)
		}
		p.Protocol = egress.ProtocolTLS
		if found := doubleTLS.Run(s, p); len(found) > 0 {
			t.Errorf("%s, where applications speak TLS: %+v", name, found)
		}
		p.Protocol, p.Mode = egress.ProtocolHTTP, egress.Direct
		if found := doubleTLS.Run(s, p); len(found) > 0 {
			t.Errorf("%s, without a gateway: %+v", name, found)
		}
	}
}

// TestWrapped: the rule to blame is one for that host that begins TLS; what is told to do depends on where it hits.
func TestWrapped(t *testing.T) {
	t.Parallel()
	const others = `{metadata: {namespace: a, name: other}, spec: {host: other.example.com, trafficPolicy: {tls: {mode: SIMPLE}}}}, {metadata: {namespace: a, name: none}, spec: {host: edition.cnn.com}}`
	const rules = `destinationRules: [` + others + `, {metadata: {namespace: a, name: d}, spec: {host: edition.cnn.com, trafficPolicy: {tls: {mode: SIMPLE}}}}]`
	const toward = rules + "\n" + `virtualServices: [{metadata: {namespace: a, name: v}, spec: {hosts: [edition.cnn.com], http: [{match: [{port: 80}], route: [{destination: {host: ` + toGateway + `}}]}]}}]`
	for name, tt := range map[string]struct {
		objects, cluster, set string
		hop                   egress.Hop
		object                string
		fix                   string
	}{
		"at the sidecar":          {rules, cnn443, "", egress.AtSidecar, "d", `[{"op":"remove","path":"/spec/trafficPolicy/tls"}]`},
		"and HTTP has a gateway":  {toward, cnn443, "", egress.AtSidecar, "d", `kubectl -n a delete destinationrule d`},
		"at the gateway":          {toward, cnn443, "", egress.AtGateway, "d", `[{"op":"remove","path":"/spec/trafficPolicy/tls"}]`},
		"of a set":                {rules, cnn443, "shop/news", egress.AtGateway, "d", "kubectl egress enable -f -"},
		"no rule that begins TLS": {`destinationRules: [` + others + `]`, cnn443, "", egress.AtGateway, "", "pilot-agent"},
		"a cluster of no host":    {rules, "mine", "", egress.AtGateway, "", "pilot-agent"},
	} {
		s, p := atGateway(t, tt.objects, trace.Stop{Kind: trace.DoubleTLS, Cluster: tt.cluster, Says: "twice"})
		p.Legs[0].Hop, p.Set = tt.hop, tt.set
		found := doubleTLS.Run(s, p)
		if len(found) != 1 || (found[0].Object == nil) != (tt.object == "") || found[0].Object != nil && found[0].Object.Name != tt.object {
			t.Errorf("%s: %+v", name, found)
			continue
		}
		contains(t, found[0], tt.fix)
		if found[0].State != Fail || found[0].Hop != tt.hop {
			t.Errorf("%s: %+v", name, found[0])
		}
	}
}
