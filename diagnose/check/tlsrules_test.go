package check

import (
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestWhoRefuses: a gateway's identity is for the cluster by which a sidecar sends to it, by Istio's TLS and this server name; others
// have servers of their own, which show other certificates.
func TestWhoRefuses(t *testing.T) {
	t.Parallel()
	istio := func(sni string) trace.Ask {
		return trace.Ask{Port: 8443, TLS: []trace.Layer{{SNI: sni, Mode: admin.IstioMutual}}}
	}
	const other = "spiffe://cluster.local/ns/edge/sa/other"
	for name, tt := range map[string]struct {
		exit  trace.Exit
		found bool
	}{
		"sent to this gateway": {trace.Exit{Cluster: &admin.Cluster{Name: "gw", TLS: &admin.TLS{Mode: admin.IstioMutual, SANs: []string{other}}}, Ask: istio("edition.cnn.com")}, true},
		"a part of the requests goes to another gateway": {
			trace.Exit{Cluster: &admin.Cluster{Name: "canary", TLS: &admin.TLS{Mode: admin.IstioMutual, SANs: []string{other}}}, Ask: istio("canary.cnn.com")}, false,
		},
		"a sidecar begins TLS to the server itself": {
			trace.Exit{
				Cluster: &admin.Cluster{Name: cnn443, TLS: &admin.TLS{Mode: admin.Simple, SANs: []string{"edition.cnn.com"}}},
				Ask:     trace.Ask{TLS: []trace.Layer{{SNI: "edition.cnn.com", Mode: admin.Simple}}},
			}, false,
		},
		"plain text": {trace.Exit{Cluster: &admin.Cluster{Name: cnn443}, Ask: trace.Ask{}}, false},
	} {
		for what, rules := range map[string]string{
			"the rule is gone":      "{}",
			"the rule says nothing": "destinationRules: [{metadata: {namespace: istio-system, name: d}, spec: {host: " + toGateway + "}}]",
		} {
			s, p := atGateway(t, rules, trace.Stop{})
			p.Legs[0].Ask, p.Legs[0].Proxy.Certs = istio("edition.cnn.com"), []admin.Certificate{{SANs: []string{"spiffe://cluster.local/ns/istio-system/sa/gw"}}}
			p.Legs = append(p.Legs, trace.Leg{Hop: egress.AtSidecar, Proxy: &snapshot.Proxy{Namespace: "a", Pod: "client"}, Exits: []trace.Exit{tt.exit}})
			found := gatewayNotRecognized.Run(s, p)
			if (len(found) == 1) != tt.found {
				t.Errorf("%s, %s: %+v", name, what, found)
			}
			for _, f := range found { // nobody is to blame but the proxy, which has an older rule
				if f.Object != nil || strings.Contains(f.Fix, " patch ") {
					t.Errorf("%s, %s: %+v", name, what, f)
				}
			}
		}
	}
}

// TestEndHere: who begins Istio's TLS to a server that does not end it is the rule, if there is one.
func TestEndHere(t *testing.T) {
	t.Parallel()
	const cluster = "outbound|443||" + toGateway
	for name, tt := range map[string]struct {
		rules, kind string // empty: nothing is found, for it is the proxy that has not got the rule yet
	}{
		"the rule":                  {"destinationRules: [{metadata: {namespace: istio-system, name: d}, spec: {host: " + toGateway + ", trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}}]", "DestinationRule"},
		"no rule":                   {"", "Gateway"},
		"a rule that no longer is":  {"destinationRules: [{metadata: {namespace: istio-system, name: d}, spec: {host: " + toGateway + ", trafficPolicy: {tls: {mode: DISABLE}}}}]", ""},
		"a rule that says no word":  {"destinationRules: [{metadata: {namespace: istio-system, name: d}, spec: {host: " + toGateway + "}}]", ""},
		"a rule for something else": {"destinationRules: [{metadata: {namespace: istio-system, name: d}, spec: {host: other.example.com, trafficPolicy: {tls: {mode: DISABLE}}}}]", "Gateway"},
	} {
		s, p := atGateway(t, bothHalves(tlsOnward, passing)+"\n"+tt.rules, trace.Stop{Kind: trace.TLSToPlain})
		ask := trace.Ask{Port: 8443, TLS: []trace.Layer{{SNI: "edition.cnn.com", Mode: admin.IstioMutual}}}
		p.Legs[0].Ask, p.Legs[0].From = ask, []string{"a"}
		p.Legs = append(p.Legs, trace.Leg{
			Hop: egress.AtSidecar, Proxy: &snapshot.Proxy{Namespace: "a", Pod: "client"}, Exits: []trace.Exit{{Cluster: &admin.Cluster{Name: cluster}, Ask: ask}},
		})
		found := tlsModesDiffer.Run(s, p)
		if (len(found) == 1) != (tt.kind != "") {
			t.Fatalf("%s: %+v", name, found)
		}
		for _, f := range found {
			if f.Object == nil || f.Object.Kind != tt.kind {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// TestOnPlainPort: TLS is begun on port 80 instead only where requests go that way, the entry has the port, and the rule is for a port;
// else it is not to be begun.
func TestOnPlainPort(t *testing.T) {
	t.Parallel()
	const entry = `serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [edition.cnn.com], ports: [{number: 443, protocol: HTTPS}, {number: 80, protocol: HTTP}]}}]
`
	route := func(name, port string) string {
		return `{metadata: {namespace: a, name: ` + name + `}, spec: {hosts: [edition.cnn.com], gateways: [g], http: [{match: [{port: 80}], route: [{destination: {host: edition.cnn.com, port: {number: ` + port + `}}}]}]}}`
	}
	rule := func(policy string) string {
		return "\ndestinationRules: [{metadata: {namespace: istio-system, name: d}, spec: {host: edition.cnn.com, trafficPolicy: {" + policy + "}}}]"
	}
	const ofPort, ofAll = `portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE}}]`, `tls: {mode: SIMPLE}`
	const gone = `[{"op":"remove","path":"/spec/trafficPolicy/`
	for name, tt := range map[string]struct {
		objects string
		has     []string
		not     string
	}{
		"all of it": {
			entry + "virtualServices: [" + route("v", "443") + "]" + rule(ofPort),
			[]string{`"path":"/spec/ports/1/targetPort","value":443`, `"path":"/spec/trafficPolicy/portLevelSettings/0/port/number","value":80`, "patch virtualservice v "},
			gone,
		},
		"another route to port 80": {
			entry + "virtualServices: [" + route("v", "443") + "," + route("w", "80") + "]" + rule(ofPort), []string{"patch virtualservice v "}, "patch virtualservice w ",
		},
		"no request goes there": {entry + "virtualServices: [" + route("w", "80") + "]" + rule(ofPort), []string{gone + `portLevelSettings/0/tls"`}, "targetPort"},
		"no entry":              {"virtualServices: [" + route("v", "443") + "]" + rule(ofPort), []string{gone + `portLevelSettings/0/tls"`}, "targetPort"},
		"no port 80": {
			strings.Replace(entry, ", {number: 80, protocol: HTTP}", "", 1) + "virtualServices: [" + route("v", "443") + "]" + rule(ofPort), []string{gone + `portLevelSettings/0/tls"`}, "targetPort",
		},
		"a rule for all ports": {entry + "virtualServices: [" + route("v", "443") + "]" + rule(ofAll), []string{gone + `tls"`}, "targetPort"},
	} {
		s, p := atGateway(t, tt.objects, trace.Stop{Kind: trace.DoubleTLS, Cluster: cnn443, Says: "TLS in TLS"})
		found := doubleTLS.Run(s, p)
		if len(found) != 1 || found[0].State != Fail {
			t.Fatalf("%s: %+v", name, found)
		}
		contains(t, found[0], tt.has...)
		if strings.Contains(found[0].Fix, tt.not) {
			t.Errorf("%s: %s", name, found[0].Fix)
		}
	}
	// a cluster that an EnvoyFilter makes has no rule, not even that for all hosts
	s, p := atGateway(t, strings.Replace(rule(ofAll), "edition.cnn.com", "'*'", 1), trace.Stop{Kind: trace.DoubleTLS, Cluster: "mine", Says: "TLS in TLS"})
	if found := doubleTLS.Run(s, p); len(found) != 1 || found[0].Object != nil || found[0].Message != "TLS in TLS" {
		t.Errorf("%+v", found)
	}
}

// TestPortOfAnotherServer: where a server is open that is meant for the path, another one on a port that nobody sends to is not why
// it stops.
func TestPortOfAnotherServer(t *testing.T) {
	t.Parallel()
	nobody := strings.Replace(passing, "443", "15443", 1)
	for servers, want := range map[string]bool{nobody: true, nobody + ", " + passing: false} {
		s, p := atGateway(t, bothHalves(tlsOnward, servers), trace.Stop{Kind: trace.NoListener})
		p.Legs[0].Ask.Port = 8443
		if found := portNotOfService.Run(s, p); (len(found) == 1) != want {
			t.Errorf("%s: %+v", servers, found)
		}
	}
}

// TestOneLine: what cannot be written is told in the command, and is not a command that does something else.
func TestOneLine(t *testing.T) {
	t.Parallel()
	for value, want := range map[any]string{
		"a <b>":             `"a <b>"`,
		op{Op: "remove"}:    `{"op":"remove","path":""}`,
		make(chan struct{}): `{}  # json: unsupported type: chan struct {}`,
	} {
		if got := oneLine(value); got != want {
			t.Errorf("%v: %s", value, got)
		}
	}
}
