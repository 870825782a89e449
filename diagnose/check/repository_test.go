package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// alone judges objects as they stand in a repository: what fails or warns, and how often each check speaks of each path.
func alone(t *testing.T, objects string, change ...func(*snapshot.Snapshot)) (bad []Finding) {
	t.Helper()
	s := written(t, objects)
	s.States = map[snapshot.Source]snapshot.State{snapshot.Pods: {Kind: snapshot.NotGiven}}
	for _, source := range []snapshot.Source{
		snapshot.Facts, snapshot.Sets, snapshot.ServiceEntries, snapshot.Gateways, snapshot.VirtualServices, snapshot.DestinationRules, snapshot.Services,
	} {
		s.States[source] = snapshot.State{Kind: snapshot.Read}
	}
	for _, c := range change {
		c(s)
	}
	_, all := diagnosis(s)
	states := map[string][]State{}
	for _, f := range all {
		about := string(f.Code) + " " + f.Path
		states[about] = append(states[about], f.State)
		if f.State == Fail || f.State == Warn {
			bad = append(bad, f)
		}
	}
	for about, states := range states {
		if len(states) > 1 && slices.ContainsFunc(states, func(s State) bool { return s == Pass || s == Skip }) {
			t.Errorf("%s: %q", about, states)
		}
	}
	return bad
}

// Parts of a repository. Those of a kind are joined by commas.
const (
	cnnEntry = `serviceEntries: [{metadata: {namespace: a, name: e}, spec: {hosts: [edition.cnn.com], location: MESH_EXTERNAL, resolution: DNS,
 ports: [{number: 80, protocol: HTTP}, {number: 443, protocol: TLS}]}}]
`
	// leads is a VirtualService of namespace %s that leads the host's TLS to the gateway.
	leads      = `{metadata: {namespace: NS, name: in}, spec: {hosts: [edition.cnn.com], tls: [{match: [{gateways: [mesh], sniHosts: [edition.cnn.com]}], route: [{destination: {host: ` + toGateway + `, port: {number: 443}, subset: SUBSET}}]}]}}`
	leadsOn    = `{metadata: {namespace: a, name: out}, spec: {hosts: [edition.cnn.com], gateways: [g], tcp: [{match: [{port: 443}], route: [{destination: {host: edition.cnn.com, port: {number: 443}}}]}]}}`
	egressGate = `{metadata: {namespace: a, name: NAME}, spec: {selector: {istio: egressgateway}, servers: [SERVERS]}}`
	ingress    = `{metadata: {namespace: a, name: NAME}, spec: {selector: {istio: ingressgateway}, servers: [SERVERS]}}`
	plainHTTP  = `{port: {number: 80, protocol: HTTP}, hosts: [edition.cnn.com]}`
)

func fill(text string, with ...string) string { return strings.NewReplacer(with...).Replace(text) }

func lead(namespace, subset string) string { return fill(leads, "NS", namespace, "SUBSET", subset) }

func gate(name, servers string) string { return fill(egressGate, "NAME", name, "SERVERS", servers) }

func repository(routes, gateways, subsets string) string {
	out := cnnEntry + "virtualServices: [" + routes + "]\ngateways: [" + gateways + "]\n"
	if subsets != "" {
		out += "destinationRules: [{metadata: {namespace: istio-system, name: d}, spec: {host: " + toGateway + ", subsets: [" + subsets + "]}}]\n"
	}
	return out
}

func subset(name, tls string) string {
	return "{name: " + name + ", trafficPolicy: {tls: {" + tls + "}}}"
}

// TestRepository: what is said of objects that stand together as people write them. Each has one fault, or none.
func TestRepository(t *testing.T) {
	t.Parallel()
	const good = "mode: ISTIO_MUTUAL, sni: edition.cnn.com"
	onTLS := strings.Replace(leadsOn, "tcp: [{match: [{port: 443}]", "tls: [{match: [{port: 443, sniHosts: [edition.cnn.com]}]", 1)
	elsewhere := strings.NewReplacer("name: out", "name: public", "gateways: [g]", "gateways: [g, public]")
	madeUpPods := func(s *snapshot.Snapshot) {
		s.Facts.Gateways[0].Pods = []mesh.Pod{{Labels: map[string]string{"istio": "egressgateway"}}}
	}
	for name, tt := range map[string]struct {
		objects string
		change  func(*snapshot.Snapshot)
		code    string // of the only finding; empty: there is none
		says    []string
		not     string
	}{
		"all is well":                            {repository(lead("a", "cnn")+","+leadsOn, gate("g", ending), subset("cnn", good)), nil, "", nil, ""},
		"two teams, one fault":                   {repository(lead("a", "cnn")+","+lead("b", "cnn")+","+onTLS, gate("g", ending), subset("cnn", good)), nil, "EGR012", []string{"VirtualService a/out"}, ""},
		"one of two teams is wrong":              {repository(lead("a", "cnn")+","+lead("b", "bad")+","+leadsOn, gate("g", ending), subset("cnn", good)+","+subset("bad", "mode: ISTIO_MUTUAL, sni: other.example.com")), nil, "EGR017", []string{"send server name other.example.com, which", `"path":"/spec/subsets/1/trafficPolicy/tls/sni"`}, ""},
		"no server name":                         {repository(lead("a", "cnn")+","+leadsOn, gate("g", ending), subset("cnn", "mode: ISTIO_MUTUAL")), nil, "EGR017", []string{"send server name outbound_.443_.cnn_." + toGateway}, ""},
		"nobody knows the pods":                  {repository(lead("a", "cnn")+","+onTLS, gate("g", ending), subset("cnn", good)), madeUpPods, "EGR012", []string{"VirtualService a/out"}, ""},
		"TLS is turned off":                      {repository(lead("a", "cnn")+","+leadsOn, gate("g", ending), subset("cnn", "mode: DISABLE, sni: edition.cnn.com")), nil, "EGR024", []string{"sidecars send it the application's own", `"mode":"ISTIO_MUTUAL"`}, ""},
		"a server name and no mode":              {repository(lead("a", "cnn")+","+leadsOn, gate("g", ending), subset("cnn", "sni: edition.cnn.com")), nil, "EGR024", []string{"sidecars send it the application's own", `"mode":"ISTIO_MUTUAL"`}, ""},
		"the route names no port":                {repository(strings.Replace(lead("a", "cnn"), ", port: {number: 443}", "", 1)+","+onTLS, gate("g", ending), subset("cnn", good)), nil, "EGR012", nil, ""},
		"the gateway is not bound":               {repository(lead("a", "''"), gate("f", strings.Replace(passing, "443", "15443", 1))+","+gate("g", passing), ""), nil, "EGR019", []string{"is not bound to Gateway a/g"}, ""},
		"nor does another team":                  {repository(lead("a", "''")+","+strings.Replace(lead("b", "''"), "gateways: [mesh], ", "", 1), gate("g", passing), ""), nil, "EGR019", []string{`"value":["mesh","g"]`}, "match/0/gateways"},
		"a Gateway that is not there":            {repository(strings.NewReplacer("hosts: [edition.cnn.com], tls", "hosts: [edition.cnn.com], gateways: [x], tls", "gateways: [mesh], ", "").Replace(lead("a", "''")), gate("g", passing), ""), nil, "EGR001", []string{`is not bound to "mesh"`}, ""},
		"a name for other pods":                  {repository(lead("a", "''")+","+strings.Replace(onTLS, "namespace: a", "namespace: b", 1), fill(ingress, "NAME", "g", "SERVERS", passing), ""), nil, "", nil, ""},
		"clients elsewhere need not be admitted": {repository(lead("shop", "''")+","+onTLS, gate("g", strings.Replace(passing, "hosts: [", "hosts: [./", 1)), ""), nil, "", nil, ""},
		"one route names the port, one does not": {repository(lead("a", "''")+","+strings.Replace(onTLS, "port: 443, ", "", 1)+","+strings.NewReplacer("port: 443, ", "port: 8443, ", "name: out", "name: more").Replace(onTLS), gate("g", passing), ""), nil, "", nil, ""},
		"a route from the ingress as well":       {repository(lead("a", "''")+","+onTLS+","+strings.NewReplacer("gateways: [g]", "gateways: [p]", "port: 443, ", "port: 8443, ", "name: out", "name: public").Replace(onTLS), gate("g", passing)+","+fill(ingress, "NAME", "p", "SERVERS", passing), ""), nil, "", nil, ""},
		"bound to the ingress as well":           {repository(lead("a", "''")+","+strings.Replace(elsewhere.Replace(onTLS), "match: [{", "match: [{gateways: [g], ", 1), gate("g", passing)+","+fill(ingress, "NAME", "public", "SERVERS", passing), ""), nil, "", nil, ""},
		"nothing leads to the gateway":           {cnnEntry + "gateways: [" + fill(ingress, "NAME", "a", "SERVERS", passing) + "," + gate("g", passing) + "]", nil, "EGR001", []string{"no VirtualService leads edition.cnn.com:443", `"gateways":["mesh","g"]`}, `"mesh","a"`},
		"the subset is there, the route is not":  {repository(leadsOn, gate("g", ending), "{name: plain},"+subset("cnn", good)), nil, "EGR001", []string{`"subset":"cnn"`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.change == nil {
				tt.change = func(*snapshot.Snapshot) {}
			}
			saysOnly(t, alone(t, tt.objects, tt.change), tt.code, tt.says, tt.not)
		})
	}
}

// saysOnly wants one finding, which says and mends this and not that; without a code none.
func saysOnly(t *testing.T, found []Finding, code string, has []string, not string) {
	t.Helper()
	if code == "" && len(found) == 0 {
		return
	}
	if len(found) != 1 || string(found[0].Code) != code {
		t.Fatalf("want %q, found %q", code, said(found))
	}
	contains(t, found[0], has...)
	if not != "" && strings.Contains(found[0].Fix, not) {
		t.Errorf("%q in %s", not, found[0].Fix)
	}
}

// TestRepositoryOfHTTP is the same for requests: routes may do without a match, and one may lead port 80 to the gateway's 443.
func TestRepositoryOfHTTP(t *testing.T) {
	t.Parallel()
	route := func(name, gateways, match, port, host string) string {
		if match != "" {
			match = "match: [{" + match + "}], "
		}
		return fill(`{metadata: {namespace: a, name: NAME}, spec: {hosts: [edition.cnn.com], gateways: [GATEWAYS], http: [{MATCHroute: [{destination: {host: HOST, port: {number: PORT}}}]}]}}`,
			"NAME", name, "GATEWAYS", gateways, "MATCH", match, "PORT", port, "HOST", host)
	}
	const https = `{port: {number: 443, protocol: HTTPS}, hosts: [edition.cnn.com], tls: {mode: ISTIO_MUTUAL}}`
	const begins = `destinationRules: [{metadata: {namespace: istio-system, name: d}, spec: {host: ` + toGateway + `, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: edition.cnn.com}}}}]`
	for name, tt := range map[string]struct {
		objects string
		code    string
		says    []string
	}{
		"all is well": {
			repository(route("in", "mesh", "", "80", toGateway)+","+route("out", "g", "", "80", "edition.cnn.com"), gate("g", plainHTTP), ""), "", nil,
		},
		"for the Gateway only": {
			repository(route("in", "g", "", "80", toGateway)+","+route("out", "g", "", "80", "edition.cnn.com"), gate("g", plainHTTP), ""),
			"EGR001",
			[]string{`[{"op":"replace","path":"/spec/gateways","value":["g","mesh"]}]`},
		},
		"a match that says nothing of gateways": {
			repository(route("in", "g", "port: 80", "80", toGateway)+","+route("out", "g", "", "80", "edition.cnn.com"), gate("g", plainHTTP), ""),
			"EGR001",
			[]string{`[{"op":"replace","path":"/spec/gateways","value":["g","mesh"]}]`},
		},
		"for the mesh only": {
			repository(route("in", "mesh", "", "80", toGateway), gate("g", plainHTTP), ""),
			"EGR019",
			[]string{`{"op":"add","path":"/spec/http/0/match","value":[{"gateways":["mesh"]}]}`, `{"op":"add","path":"/spec/http/0","value"`},
		},
		"to another port than the application's": {
			repository(route("in", "mesh", "port: 80", "443", toGateway)+","+route("out", "g", "port: 8443", "80", "edition.cnn.com"), gate("g", https), "") + begins,
			"EGR018",
			[]string{"matches port 8443 on Gateway a/g, whose server has number 443", `"value":443`},
		},
		"for the mesh only, to a server that ends TLS": {
			repository(route("in", "mesh", "port: 80", "443", toGateway), gate("g", https), "") + begins,
			"EGR019",
			[]string{`{"op":"add","path":"/spec/http/0/match/0/gateways","value":["mesh"]}`, `{"op":"add","path":"/spec/http/0","value":{"match":[{"gateways":["g"],"port":443}]`},
		},
		"plain text to a server that ends TLS": {
			repository(route("in", "mesh", "port: 80", "443", toGateway)+","+route("out", "g", "port: 443", "80", "edition.cnn.com"), gate("g", https), ""),
			"EGR024",
			[]string{"sidecars send it plain text"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			saysOnly(t, alone(t, tt.objects), tt.code, tt.says, "")
		})
	}
}

// TestClash: what two Gateways may not have in common on the same port of the same pods, and what is taken away for it.
func TestClash(t *testing.T) {
	t.Parallel()
	server := func(protocol, mode string, hosts ...string) string {
		tls := ""
		if mode != "" {
			tls = ", tls: {mode: " + mode + "}"
		}
		return "{port: {number: 443, protocol: " + protocol + "}, hosts: [" + strings.Join(hosts, ", ") + "]" + tls + "}"
	}
	ours := server("TLS", "PASSTHROUGH", "edition.cnn.com", "'*/www.cnn.com'")
	onTLS := strings.Replace(leadsOn, "tcp: [{match: [{port: 443}]", "tls: [{match: [{port: 443, sniHosts: [edition.cnn.com]}]", 1)
	const path = `"op":"remove","path":"`
	for name, tt := range map[string]struct {
		theirs string
		says   []string // empty: nothing is found
	}{
		"nothing in common":                             {server("TLS", "PASSTHROUGH", "other.example.com"), nil},
		"the path's host":                               {server("TLS", "PASSTHROUGH", "edition.cnn.com"), []string{"both have edition.cnn.com", "delete gateways.networking.istio.io theirs"}},
		"the first of their hosts":                      {server("TLS", "PASSTHROUGH", "edition.cnn.com", "other.example.com"), []string{"both have edition.cnn.com", path + "/spec/servers/0/hosts/0"}},
		"another host, for which ours is left out":      {server("TLS", "PASSTHROUGH", "other.example.com", "istio-system/www.cnn.com"), []string{"both have www.cnn.com", path + "/spec/servers/0/hosts/1"}},
		"a wildcard beside the name":                    {server("TLS", "PASSTHROUGH", "'*.cnn.com'"), nil},
		"HTTP where ours is TLS":                        {server("HTTP", "", "other.example.com", "more.example.com"), []string{"want TLS and HTTP", "delete gateways.networking.istio.io theirs"}},
		"HTTP for the same host":                        {server("HTTP", "", "edition.cnn.com", "more.example.com"), []string{"want TLS and HTTP", "delete gateways.networking.istio.io theirs"}},
		"one server of two":                             {server("HTTP", "", "other.example.com", "more.example.com") + ", " + strings.Replace(server("TLS", "PASSTHROUGH", "x.example.com"), "443", "8888", 1), []string{"want TLS and HTTP", path + "/spec/servers/0\""}},
		"TLS is ended there, and that is not the fault": {server("HTTPS", "SIMPLE", "edition.cnn.com", "other.example.com"), []string{"both have edition.cnn.com", path + "/spec/servers/0/hosts/0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code := map[bool]string{true: "EGR020"}[len(tt.says) > 0]
			saysOnly(t, alone(t, repository(lead("a", "''")+","+onTLS, gate("g", ours)+","+gate("theirs", tt.theirs), "")), code, tt.says, "")
		})
	}
	// where nobody has seen the pods, they are given the labels of both selectors, and may in truth be pods of two gateways
	other := strings.Replace(gate("theirs", ours), "istio: egressgateway", "app: egress", 1)
	for name, want := range map[string]string{"": "", "gw": "EGR020"} {
		found := alone(t, repository(lead("a", "''")+","+onTLS, gate("g", ours)+","+other, ""), func(s *snapshot.Snapshot) {
			s.Facts.Gateways[0].Pods = []mesh.Pod{{Name: name, Labels: map[string]string{"istio": "egressgateway", "app": "egress"}}}
		})
		saysOnly(t, found, want, nil, "")
	}
	// what sidecars send is for the other Gateway: that there are two is the fault
	saysOnly(t, alone(t, repository(lead("a", "''")+","+leadsOn, gate("g", ending)+","+gate("theirs", passing), "")), "EGR020", nil, "")
	// istiod merges what takes plain text
	plain := plainHTTP
	const in = `{metadata: {namespace: a, name: in}, spec: {hosts: [edition.cnn.com], http: [{route: [{destination: {host: ` + toGateway + `, port: {number: 80}}}]}]}}`
	const out = `{metadata: {namespace: a, name: out}, spec: {hosts: [edition.cnn.com], gateways: [g], http: [{route: [{destination: {host: edition.cnn.com, port: {number: 80}}}]}]}}`
	saysOnly(t, alone(t, repository(in+","+out, gate("g", plain)+","+gate("theirs", plain), "")), "", nil, "")
}
