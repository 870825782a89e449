package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
)

// applied reads the objects that a fix applies.
func applied(t *testing.T, fix string, into func(kind, doc string)) {
	t.Helper()
	for part := range strings.SplitSeq(fix, "kubectl apply -f - <<'EOF'\n") {
		doc, _, ok := strings.Cut(part, "\nEOF")
		if !ok {
			continue
		}
		var head struct{ Kind string }
		if err := yaml.UnmarshalStrict([]byte(doc), &struct {
			Kind       *string
			APIVersion string
			Metadata   map[string]any
			Spec       map[string]any
		}{Kind: &head.Kind}); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		into(head.Kind, doc)
	}
}

// takeUp does to a snapshot what the API server would do on a fix.
func takeUp(t *testing.T, s *snapshot.Snapshot, f Finding) {
	t.Helper()
	applied(t, f.Fix, func(kind, doc string) {
		var err error
		switch kind {
		case "NetworkPolicy":
			var o snapshot.NetworkPolicy
			err = yaml.Unmarshal([]byte(doc), &o)
			same := func(have snapshot.NetworkPolicy) bool { return have.String() == o.String() }
			s.Security.NetworkPolicies = append(slices.DeleteFunc(s.Security.NetworkPolicies, same), o)
		case "Sidecar":
			var o snapshot.Sidecar
			err = yaml.Unmarshal([]byte(doc), &o)
			s.Objects.Sidecars = append(s.Objects.Sidecars, o)
		case "AuthorizationPolicy":
			var o snapshot.AuthorizationPolicy
			err = yaml.Unmarshal([]byte(doc), &o)
			s.Security.AuthorizationPolicies = append(s.Security.AuthorizationPolicies, o)
		default:
			t.Fatalf("nobody knows how to apply a %s", kind)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

func judgedAgain(s *snapshot.Snapshot) []Finding {
	paths, _ := diagnosis(s)
	return Security(s, paths, "")
}

// TestPrintedPolicyHolds: with the policy that is printed no pod may leave, each may still reach what it needs, the gateway in the same
// namespace may leave as before, and who called whom in the mesh may go on.
func TestPrintedPolicyHolds(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "posture-open")
	s.Security.Workloads = append(s.Security.Workloads, snapshot.Workload{Namespace: "shop", Pod: "db", Owner: "statefulset/db", Sidecar: true, Labels: map[string]string{"app": "db"}})
	for _, f := range only(judgedAgain(s), "EGR059") {
		takeUp(t, s, f)
	}
	after := judgedAgain(s)
	if found := slices.Concat(only(after, "EGR059"), only(after, "EGR060")); len(found) > 0 {
		t.Fatalf("%+v", found)
	}
	n := newNetwork(s.Security.Namespaces, s.Security.NetworkPolicies)
	sleep, gw, db := workload(t, s, "deployment/sleep"), workload(t, s, "deployment/posture-gw"), workload(t, s, "statefulset/db")
	for name, reached := range map[string]bool{
		"the gateway leaves":        n.sends(gw, toOutside),
		"the client its database":   n.sends(sleep, call{pod: db, protocol: "TCP", port: 5432}),
		"another namespace's pod":   !n.sends(sleep, call{pod: &snapshot.Workload{Namespace: "plain", Pod: "x"}, protocol: "TCP", port: 443}),
		"the gateway on its port":   n.sends(sleep, call{pod: gw, protocol: "TCP", port: 8443}),
		"the client does not leave": !n.sends(sleep, toOutside) && !n.sends(db, toOutside),
	} {
		if !reached {
			t.Errorf("it does not hold: %s", name)
		}
	}
}

// TestManyNamespaces: a thousand names in a thousand policies would be no use to anybody; a label that all have says the same.
func TestManyNamespaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		label, value string
		n            int // besides egress-posture
		byLabel      bool
	}{{"istio-injection", "enabled", 30, true}, {"istio-injection", "enabled", 20, true}, {"istio-injection", "enabled", 19, false}, {"istio.io/rev", "x", 30, false}} {
		s := captured.Load(t, "posture-open")
		for i := range tt.n {
			s.Security.Namespaces = append(s.Security.Namespaces, labelled(fmt.Sprintf("ns-%d", i), map[string]string{tt.label: tt.value}))
		}
		fix := one(t, judgedAgain(s), "EGR059").Fix
		byLabel, byName := strings.Contains(fix, "istio-injection: enabled"), strings.Contains(fix, "- ns-7\n")
		if byLabel != tt.byLabel || byName == tt.byLabel {
			t.Errorf("%+v: by label %t, by name %t:\n%s", tt, byLabel, byName, fix)
		}
	}
}

// TestPrintedPolicyOpens: what a policy that is too tight cuts off, the printed one opens.
func TestPrintedPolicyOpens(t *testing.T) {
	t.Parallel()
	const deny = "metadata: {name: deny, namespace: egress-posture}\nspec: {policyTypes: [Egress]}"
	dns := "metadata: {name: more, namespace: egress-posture}\nspec: {policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}]}"
	all := "metadata: {name: more, namespace: egress-posture}\nspec: {policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}]}"
	for name, tt := range map[string]struct {
		policies, message, evidence string // empty: nothing is told
	}{
		"nothing goes":          {deny, "from gateway egress-posture/posture-gw", "outgoing"},
		"DNS goes":              {deny + "\n---\n" + dns, "from gateway egress-posture/posture-gw", "port 8443"},
		"all pods may be asked": {deny + "\n---\n" + all, "", ""},
		"the gateway lets nobody in": {
			deny + "\n---\n" + all + "\n---\nmetadata: {name: in, namespace: egress-posture}\nspec: {podSelector: {matchLabels: {istio: posture-gw.egress-posture}}, policyTypes: [Ingress]}",
			"from gateway egress-posture/posture-gw", "incoming",
		},
		"istiod lets nobody in": {
			deny + "\n---\n" + all + "\n---\nmetadata: {name: in, namespace: istio-system}\nspec: {policyTypes: [Ingress], ingress: [{ports: [{port: 443}]}]}", "from istiod", "port 15012",
		},
		"DNS lets nobody in": {
			deny + "\n---\n" + all + "\n---\nmetadata: {name: in, namespace: kube-system}\nspec: {policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}", "from the cluster's DNS", "incoming",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := captured.Load(t, "posture-held")
			s.Security.NetworkPolicies = policies(t, tt.policies)
			found := only(judgedAgain(s), "EGR060")
			if len(found) != min(1, len(tt.message)) {
				t.Fatalf("%+v", found)
			}
			for _, f := range found {
				if f.State != Warn || !strings.Contains(f.Message, tt.message) || !strings.Contains(f.Evidence[0], tt.evidence) {
					t.Errorf("%+v", f)
				}
				takeUp(t, s, f)
			}
			if again := only(judgedAgain(s), "EGR060"); len(again) > 0 {
				t.Errorf("it is still cut off: %+v", again[0].Evidence)
			}
		})
	}
}

// TestNothingToReach: where no pod of DNS or istiod is found, as with an istiod elsewhere, nobody says that it is cut off.
func TestNothingToReach(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "posture-held")
	s.Security.Workloads = slices.DeleteFunc(s.Security.Workloads, func(w snapshot.Workload) bool { return w.Namespace != "egress-posture" })
	s.Objects.Services = nil
	s.Security.NetworkPolicies = policies(t, `
metadata: {name: p, namespace: egress-posture}
spec: {podSelector: {matchLabels: {app: sleep}}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}`)
	if found := only(judgedAgain(s), "EGR060"); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	s.Security.NetworkPolicies = nil
	if f := one(t, judgedAgain(s), "EGR059"); strings.Contains(f.Fix, "k8s-app") || !strings.Contains(f.Fix, "kubernetes.io/metadata.name: kube-system") {
		t.Errorf("%s", f.Fix)
	}
}

// TestPrintedObjectsMend: the Sidecar and the AuthorizationPolicy that are printed do what they are printed for.
func TestPrintedObjectsMend(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]Code{"posture-open": "EGR061", "posture-tight": "EGR067"} {
		s := captured.Load(t, name)
		takeUp(t, s, one(t, judgedAgain(s), code))
		if again := only(judgedAgain(s), code); len(again) > 0 {
			t.Errorf("%s: %+v", code, again)
		}
	}
}

// TestManifestOfNothing: what cannot be written says so, and is no command that applies nothing.
func TestManifestOfNothing(t *testing.T) {
	t.Parallel()
	if text := applyText(manifest{Spec: fields{"x": make(chan int)}}); !strings.Contains(text, "unsupported type") {
		t.Error(text)
	}
}

// TestManifestEndsWhereItEnds: names from a cluster cannot end the text of a manifest early, nor add an object to it.
func TestManifestEndsWhereItEnds(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "posture-open")
	const evil = "x\nEOF\nreboot\n---\nkind: Pod"
	s.Facts.Gateways[0].Selector = map[string]string{"istio": evil, evil: "y"}
	s.Security.Workloads = append(s.Security.Workloads, snapshot.Workload{Namespace: evil, Pod: evil, Owner: "deployment/" + evil, Sidecar: true})
	for _, f := range judgedAgain(s) {
		if strings.Contains(f.Fix, "apply") {
			if rest := f.Fix[strings.LastIndex(f.Fix, "\nEOF"):]; strings.HasPrefix(f.Fix, "kubectl apply") && rest != "\nEOF" {
				t.Errorf("%s: after the manifest comes %q", f.Code, rest)
			}
			if n := strings.Count("\n"+f.Fix+"\n", "\nEOF\n"); n != strings.Count(f.Fix, "<<'EOF'") {
				t.Errorf("%s: %d ends of %d manifests:\n%s", f.Code, n, strings.Count(f.Fix, "<<'EOF'"), f.Fix)
			}
		}
	}
}
