package check

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

type unreadSource = mesh.Unread

// authorizations reads AuthorizationPolicies as people write them.
func authorizations(t *testing.T, text string) []snapshot.AuthorizationPolicy {
	t.Helper()
	var out []snapshot.AuthorizationPolicy
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

const (
	onOurs     = "metadata: {name: a, namespace: egress-posture}, spec: {selector: {matchLabels: {istio: posture-gw.egress-posture}}, "
	onRoots    = "metadata: {name: a, namespace: istio-system}, spec: {"
	onSleep    = "metadata: {name: a, namespace: egress-posture}, spec: {selector: {matchLabels: {app: sleep}}, "
	onDefaults = "metadata: {name: a, namespace: default}, spec: {"
)

// TestIdentities: R50 on a gateway that sees no identities, and never on one that does.
func TestIdentities(t *testing.T) {
	t.Parallel()
	const byNamespace = "rules: [{from: [{source: {namespaces: [shop]}}]}]}"
	for name, tt := range map[string]struct {
		policies, want string // STATE, "" for nothing
	}{
		"none":                            {"[]", ""},
		"by namespace":                    {"[{" + onOurs + byNamespace + "}]", "fail"},
		"by principal":                    {"[{" + onOurs + "action: ALLOW, rules: [{from: [{source: {principals: ['cluster.local/ns/a/sa/b']}}]}]}}]", "fail"},
		"by service account":              {"[{" + onOurs + "rules: [{from: [{source: {serviceAccounts: [a/b]}}]}]}}]", "fail"},
		"by a condition":                  {"[{" + onOurs + "rules: [{when: [{key: source.principal, values: ['*']}]}]}}]", "fail"},
		"of the root namespace":           {"[{" + onRoots + byNamespace + "}]", "fail"},
		"for other workloads":             {"[{" + onSleep + byNamespace + "}]", ""},
		"of another namespace":            {"[{" + onDefaults + byNamespace + "}]", ""},
		"by server name":                  {"[{" + onOurs + "rules: [{when: [{key: connection.sni, values: [edition.cnn.com]}]}]}}]", ""},
		"by address":                      {"[{" + onOurs + "rules: [{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]}}]", ""},
		"everybody but somebody":          {"[{" + onOurs + "rules: [{from: [{source: {notNamespaces: [shop]}}]}]}}]", ""},
		"by namespace or by address":      {"[{" + onOurs + "rules: [{from: [{source: {namespaces: [shop]}}, {source: {ipBlocks: [10.0.0.0/8]}}]}]}}]", ""},
		"by address and principal":        {"[{" + onOurs + "rules: [{from: [{source: {ipBlocks: [10.0.0.0/8], principals: [x]}}]}]}}]", "fail"},
		"two rules, one of which can fit": {"[{" + onOurs + "rules: [{from: [{source: {namespaces: [shop]}}]}, {to: [{operation: {ports: ['8443']}}]}]}}]", ""},
		"a second policy that can fit":    {"[{" + onOurs + byNamespace + "}, {" + onOurs + "rules: [{}]}}]", ""},
		"a DENY that never fits":          {"[{" + onOurs + "action: DENY, " + byNamespace + "}]", "warn"},
		"for a Gateway of Gateway API":    {"[{metadata: {name: a, namespace: egress-posture}, spec: {targetRefs: [{kind: Gateway, name: x}], " + byNamespace + "}]", ""},
		"an audit":                        {"[{" + onOurs + "action: AUDIT, " + byNamespace + "}]", ""},
		"everybody but a condition":       {"[{" + onOurs + "rules: [{when: [{key: source.namespace, notValues: [shop]}]}]}}]", ""},
		"and a DENY by server name": {
			"[{" + onOurs + byNamespace + "}, {" + onOurs + "action: DENY, rules: [{when: [{key: connection.sni, values: [x.example.com]}]}]}}]", "fail",
		},
	} {
		change := func(s *snapshot.Snapshot) { s.Security.AuthorizationPolicies = authorizations(t, tt.policies) }
		got := ""
		for _, f := range only(posed(t, "posture-open", change), "EGR050") {
			got += string(f.State)
			if f.Object.Kind != "AuthorizationPolicy" || !strings.HasPrefix(f.Object.Field, "spec.rules[") || f.Fix == "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		if found := only(posed(t, "posture-held", change), "EGR050"); len(found) > 0 {
			t.Errorf("%s: told of a gateway that knows its callers: %+v", name, found)
		}
	}
}

// TestEverybodyAllowed: which policies restrict the callers of a gateway that knows them.
func TestEverybodyAllowed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		policies string
		want     string // kind and name that is blamed, "" for nothing
	}{
		"none":                    {"[]", "Service posture-gw"},
		"by namespace":            {"[{" + onOurs + "rules: [{from: [{source: {namespaces: [shop]}}]}]}}]", ""},
		"by a condition":          {"[{" + onOurs + "rules: [{when: [{key: source.namespace, values: [shop]}]}]}}]", ""},
		"nobody":                  {"[{" + onOurs + "}}]", ""},
		"everybody":               {"[{" + onOurs + "rules: [{}]}}]", "AuthorizationPolicy a"},
		"everybody, by a star":    {"[{" + onOurs + "rules: [{from: [{source: {principals: ['*']}}]}]}}]", "AuthorizationPolicy a"},
		"everybody for some host": {"[{" + onOurs + "rules: [{when: [{key: connection.sni, values: [edition.cnn.com]}]}]}}]", "AuthorizationPolicy a"},
		"refuses some":            {"[{" + onOurs + "action: DENY, rules: [{from: [{source: {namespaces: [evil]}}]}]}}]", ""},
		"asks somebody else":      {"[{" + onOurs + "action: CUSTOM, rules: [{}]}}]", ""},
		"audits":                  {"[{" + onOurs + "action: AUDIT, rules: [{}]}}]", "Service posture-gw"},
		"for other workloads":     {"[{" + onSleep + "rules: [{from: [{source: {namespaces: [shop]}}]}]}}]", "Service posture-gw"},
		"refuses nobody":          {"[{" + onOurs + "action: DENY}}]", "Service posture-gw"},
		"lets some in and refuses nobody": {
			"[{" + onOurs + "rules: [{from: [{source: {namespaces: [shop]}}]}]}}, {" + onOurs + "action: DENY}}]", "",
		},
		"for a Gateway of Gateway API": {
			"[{metadata: {name: a, namespace: egress-posture}, spec: {targetRef: {kind: Gateway, name: x}, rules: [{from: [{source: {namespaces: [shop]}}]}]}}]", "Service posture-gw",
		},
	} {
		got := ""
		for _, f := range only(posed(t, "posture-held", func(s *snapshot.Snapshot) { s.Security.AuthorizationPolicies = authorizations(t, tt.policies) }), "EGR067") {
			got += f.Object.Kind + " " + f.Object.Name
			if f.State != Warn || !strings.Contains(f.Fix, "kind: AuthorizationPolicy") || !strings.Contains(f.Fix, "- egress-posture\n") {
				t.Errorf("%s: %+v", name, f)
			}
			if lax := f.Object.Kind == "AuthorizationPolicy"; lax != strings.Contains(f.Fix, "delete authorizationpolicy a") {
				t.Errorf("%s: %s", name, f.Fix)
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	// where some callers are not known, a policy by identity would cut them off: mTLS comes first
	if found := only(posed(t, "posture-open", func(s *snapshot.Snapshot) { s.Security.AuthorizationPolicies = nil }), "EGR067"); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// TestCallersOfAGateway: only namespaces that see a path of the gateway are let in.
func TestCallersOfAGateway(t *testing.T) {
	t.Parallel()
	more := func(exportTo ...string) string {
		return one(t, posed(t, "posture-held", func(s *snapshot.Snapshot) {
			s.Security.AuthorizationPolicies = nil
			s.Security.Workloads = append(s.Security.Workloads, snapshot.Workload{Namespace: "shop", Pod: "a", Sidecar: true})
			for i := range s.Objects.VirtualServices {
				s.Objects.VirtualServices[i].Spec.ExportTo = exportTo
			}
		}), "EGR067").Fix
	}
	if fix := more("."); strings.Contains(fix, "- shop") {
		t.Errorf("shop does not see the path:\n%s", fix)
	}
	if fix := more("*"); !strings.Contains(fix, "- shop") {
		t.Errorf("shop sees the path:\n%s", fix)
	}
}

func TestCallerNotKnown(t *testing.T) {
	t.Parallel()
	f := one(t, posed(t, "posture-open", nil), "EGR066")
	for _, want := range []string{
		"kubectl egress render --domains=de.wikipedia.org --mode=passthrough --gateway=egress-posture/posture-gw --mtls=on",
		`kubectl -n egress-posture get configmap egress-posture -o 'jsonpath={.data.set\.yaml}' | sed 's/^mtls: .*/mtls: "on"/' | kubectl egress enable -f -`,
	} {
		if !strings.Contains(f.Fix, want) {
			t.Errorf("no %q in\n%s", want, f.Fix)
		}
	}
	// a gateway that nothing reaches is not judged
	unreached := posed(t, "posture-open", func(s *snapshot.Snapshot) {
		for i := range s.Proxies {
			s.Proxies[i].State = snapshot.State{Kind: snapshot.TimedOut}
		}
	})
	if found := only(unreached, "EGR066"); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}
