package check

import (
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
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
