package check

import (
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// ruleOf is a DestinationRule for a host, with more of its spec.
func ruleOf(namespace, name, host, more string) string {
	return `{metadata: {namespace: ` + namespace + `, name: ` + name + `}, spec: {host: "` + host + `"` + more + `}},`
}

// TestLookUp: the rule is that of the nearest namespace, and there that for the narrowest host.
func TestLookUp(t *testing.T) {
	t.Parallel()
	const hidden = `, exportTo: [nobody]`
	near, far, root := ruleOf("default", "near", "*.local", ""), ruleOf("istio-system", "far", toGateway, ""), ruleOf("root", "root", toGateway, "")
	for name, tt := range map[string]struct{ rules, want string }{
		"a wildcard that is nearer":             {far + near, "near"},
		"none":                                  {"", ""},
		"the root's":                            {root, "root"},
		"the Service's before the root's":       {root + far, "far"},
		"one that is hidden":                    {ruleOf("default", "near", "*.local", hidden) + far, "far"},
		"the Service itself after a wildcard":   {near + ruleOf("default", "own", toGateway, ""), "own"},
		"the Service itself before a wildcard":  {ruleOf("default", "own", toGateway, "") + near, "own"},
		"the narrower of two wildcards":         {near + ruleOf("default", "narrow", "*.istio-system.svc.cluster.local", ""), "narrow"},
		"the narrower of two wildcards, before": {ruleOf("default", "narrow", "*.istio-system.svc.cluster.local", "") + near, "narrow"},
		"the first of two":                      {near + ruleOf("default", "later", "*.local", ""), "near"},
		"the first of two of the Service":       {ruleOf("default", "own", toGateway, "") + ruleOf("default", "later", toGateway, ""), "own"},
		"the Service by its short name":         {ruleOf("istio-system", "wide", "*.istio-system.svc.cluster.local", "") + ruleOf("istio-system", "own", "istio-egressgateway", ""), "own"},
		"a wildcard for others":                 {ruleOf("default", "other", "*.example.com", ""), ""},
		"all hosts":                             {ruleOf("default", "all", "*", ""), "all"},
	} {
		s, p := atSidecar(t, `destinationRules: [`+tt.rules+`]`, nil)
		s.Facts.RootNamespace = "root"
		_, rules := rulesFor(s, &p, "")
		if got := ruleName(lookUp(s, rules, "default", "istio-system")); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestWideSubset: a rule for a wildcard lends its subsets to no other, and does not take those of the Service's own.
func TestWideSubset(t *testing.T) {
	t.Parallel()
	const cnn = `, subsets: [{name: cnn}]`
	for name, tt := range map[string]struct {
		rules string
		found bool
	}{
		"the wildcard has it":                {ruleOf("default", "all", "*.local", cnn), true},
		"it has not":                         {ruleOf("default", "all", "*.local", ""), false},
		"another namespace's is not reached": {ruleOf("default", "all", "*.local", "") + ruleOf("istio-system", "gw", toGateway, cnn), false},
		"the Service's own is taken":         {ruleOf("default", "all", "*.local", "") + ruleOf("default", "gw", toGateway, cnn), true},
		"the wildcard is not merged with it": {ruleOf("default", "all", "*.local", cnn) + ruleOf("default", "gw", toGateway, ""), false},
		"two of the Service are merged":      {ruleOf("default", "a", toGateway, "") + ruleOf("default", "b", toGateway, cnn), true},
	} {
		s, p := atSidecar(t, `destinationRules: [`+tt.rules+`]`, nil)
		if got := found(s, &p, "default", "cnn"); got != tt.found {
			t.Errorf("%s: %t", name, got)
		}
		if having, _ := rulesFor(s, &p, "cnn"); having != nil && isWide(having) {
			t.Errorf("%s: %s is not the Service's", name, having)
		}
	}
}

// TestOwnRule: what mends a wildcard's rule is a rule beside it, for the same clients, and with the subset that routes name.
func TestOwnRule(t *testing.T) {
	t.Parallel()
	for _, tt := range map[string]struct {
		used string
		want []string
	}{
		"none":                {"", []string{`"namespace":"istio-system"`, `{"exportTo":["*"],"host"`}},
		"one for the Service": {ruleOf("default", "own", toGateway, `, exportTo: [a]`), []string{`"namespace":"istio-system"`, `{"exportTo":["*"],"host"`}},
		"for all":             {ruleOf("default", "all", "*.local", ""), []string{`"namespace":"default"`, `{"exportTo":["*"],"host"`}},
		"for some":            {ruleOf("default", "all", "*.local", `, exportTo: [a]`), []string{`"namespace":"default"`, `"exportTo":["a"]`}},
	} {
		s, p := atSidecar(t, `destinationRules: [`+tt.used+`]`, nil)
		var used *snapshot.DestinationRule
		if len(s.Objects.DestinationRules) > 0 {
			used = &s.Objects.DestinationRules[0]
		}
		contains(t, Finding{Fix: createRule(s, &p, used, "n", fields{"exportTo": []string{"*"}})}, append(tt.want, `"host":"`+toGateway+`"`, `"name":"n"`)...)
	}
}

// TestBeginning: what sidecars begin Istio's TLS by is a subset of the rule that they take; a wildcard's is left as it is.
func TestBeginning(t *testing.T) {
	t.Parallel()
	const plain = `, subsets: [{name: other}, {name: edition-cnn-com}]`
	for name, tt := range map[string]struct {
		rules string
		want  string // how the command begins
	}{
		"no rule":                                {"", `"namespace":"istio-system"`},
		"one without the subset":                 {ruleOf("istio-system", "own", toGateway, ""), "kubectl -n istio-system patch destinationrule own "},
		"one with it":                            {ruleOf("istio-system", "own", toGateway, plain), `"path":"/spec/subsets/1"`},
		"clients take that of a wildcard":        {ruleOf("a", "wide", "*.local", "") + ruleOf("istio-system", "own", toGateway, plain), `"namespace":"a"`},
		"a wildcard's that clients do not see":   {ruleOf("istio-system", "wide", "*.local", `, exportTo: ["."]`), `"namespace":"istio-system"`},
		"a wildcard's, and the subset of others": {ruleOf("istio-system", "wide", "*.local", "") + ruleOf("b", "own", toGateway, plain), `"namespace":"istio-system"`},
	} {
		s, p := atGateway(t, bothHalves(tcpOnward, ending)+"\ndestinationRules: ["+tt.rules+"]", trace.Stop{Kind: trace.PlainToTLS})
		p.Legs[0].Ask, p.Legs[0].From = trace.Ask{Port: 8443, TLS: []trace.Layer{{SNI: "edition.cnn.com"}}}, []string{"a"}
		found := tlsModesDiffer.Run(s, p)
		if len(found) != 1 {
			t.Fatalf("%s: %+v", name, found)
		}
		command, _, _ := strings.Cut(found[0].Fix, "\nkubectl -n a patch virtualservice in ")
		contains(t, Finding{Fix: command}, tt.want, `"mode":"ISTIO_MUTUAL","sni":"edition.cnn.com"`)
		if strings.Contains(command, " wide ") || strings.Contains(command, " -n b ") {
			t.Errorf("%s: %s", name, command)
		}
	}
}

// TestBeginForOthers: clients elsewhere send plain text. Who made the path has a rule for its own, which all get then; or there is none.
func TestBeginForOthers(t *testing.T) {
	t.Parallel()
	for rules, want := range map[string]string{
		ruleOf("a", "own", toGateway, `, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}`): "DestinationRule a/own has sidecars of its own namespace begin it; those of shop send plain text",
		ruleOf("a", "own", toGateway, ""):                                             "sidecars send it the application's own",
		"":                                                                            "sidecars send it the application's own",
	} {
		s, p := atGateway(t, bothHalves(tcpOnward, ending)+"\ndestinationRules: ["+rules+"]", trace.Stop{Kind: trace.Bystander})
		p.Legs[0].Ask, p.Legs[0].From = trace.Ask{Port: 8443, TLS: []trace.Layer{{SNI: "edition.cnn.com"}}}, []string{"shop"}
		found := tlsModesDiffer.Run(s, p)
		if len(found) != 1 {
			t.Fatalf("%s: %+v", rules, found)
		}
		contains(t, found[0], want)
	}
}

// TestWideRule: a rule for a wildcard is blamed and left as it is, also where nothing leads to the gateway any more, or has the subset.
func TestWideRule(t *testing.T) {
	t.Parallel()
	const cluster = "outbound|443||" + toGateway
	_, out, _ := strings.Cut(bothHalves(tlsOnward, passing), "\n {metadata: {namespace: a, name: out}")
	onlyOut := "virtualServices: [{metadata: {namespace: a, name: out}" + out
	wide := "\ndestinationRules: [" + ruleOf("istio-system", "wide", "*.local", `, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}`) + "]"
	s, p := atGateway(t, onlyOut+wide, trace.Stop{Kind: trace.TLSToPlain})
	p.Legs[0].Ask, p.Legs[0].From = trace.Ask{Port: 8443, TLS: []trace.Layer{{SNI: "edition.cnn.com", Mode: "ISTIO_MUTUAL"}}}, []string{"a"}
	p.Legs = append(p.Legs, trace.Leg{
		Hop: egress.AtSidecar, Proxy: &snapshot.Proxy{Namespace: "a", Pod: "client"},
		Exits: []trace.Exit{{Cluster: &admin.Cluster{Name: cluster}, Ask: p.Legs[0].Ask}},
	})
	found := tlsModesDiffer.Run(s, p)
	if len(found) != 1 || strings.Contains(found[0].Fix, "subsets") {
		t.Fatalf("%+v", found)
	}
	contains(t, found[0], "DestinationRule istio-system/wide for *.local has them begin it", `"trafficPolicy":{"tls":{"mode":"DISABLE"}}`)

	s, p = atSidecar(t, wide, &trace.Stop{Kind: trace.NoCluster, Cluster: "outbound|443|cnn|" + toGateway})
	p.Gateway = egress.GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway"}
	found = subsetNotFound.Run(s, p)
	if len(found) != 1 || strings.Contains(found[0].Message, "has it") {
		t.Fatalf("%+v", found)
	}
	contains(t, found[0], "use DestinationRule istio-system/wide, which is for *.local and has no subset cnn", `"name":"cnn"`)
}
