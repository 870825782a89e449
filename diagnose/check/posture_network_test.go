package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// TestNodesNetwork: of a pod in the node's network it is said once that NetworkPolicies do not hold it, and not that one is missing, nor
// what goes past a sidecar through which nothing of it goes.
func TestNodesNetwork(t *testing.T) {
	t.Parallel()
	all := posed(t, "posture-open", func(s *snapshot.Snapshot) { workload(t, s, "deployment/sleep").HostNetwork = true })
	if f := one(t, all, "EGR059"); strings.Contains(strings.Join(f.Evidence, "\n"), "sleep") {
		t.Errorf("%q", f.Evidence)
	}
	if found := only(all, "EGR063"); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	if found := only(all, "EGR062"); len(found) != 2 || !strings.Contains(found[0].Message, "pods in the node's network in namespace egress-posture may leave without the gateway: deployment/sleep") {
		t.Errorf("%+v", found)
	}
}

// The rules that let workloads send to the gateway, to istiod and to DNS: what they need.
const (
	letsGateway = "{to: [{podSelector: {matchLabels: {app: posture-gw}}}], ports: [{port: 8443}]}"
	letsIstiod  = "{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: istio-system}}}]}"
	letsNames   = "{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}], ports: [{port: 53, protocol: UDP}]}"
)

// sendsOnly is a policy that lets pods with a label send by those rules.
func sendsOnly(name, label string, rules ...string) string {
	return "metadata: {name: " + name + ", namespace: egress-posture}\nspec: {podSelector: {matchLabels: {" + label + "}}, policyTypes: [Egress], egress: [" +
		strings.Join(rules, ", ") + "]}"
}

// TestWhatWorkloadsNeed: nobody is told to open what no path takes.
func TestWhatWorkloadsNeed(t *testing.T) {
	t.Parallel()
	dnsOn := func(port int) func(*testing.T, *snapshot.Snapshot) {
		return func(t *testing.T, s *snapshot.Snapshot) {
			t.Helper()
			workload(t, s, "deployment/coredns").Ports = map[string]int{"dns": port}
		}
	}
	for name, tt := range map[string]struct {
		policy string
		change func(*testing.T, *snapshot.Snapshot)
		kept   string // from what; "" for nothing
	}{
		"all that is needed": {sendsOnly("p", "app: sleep", letsGateway, letsIstiod, letsNames), nil, ""},
		"not the gateway":    {sendsOnly("p", "app: sleep", letsIstiod, letsNames), nil, "gateway egress-posture/posture-gw, pod egress-posture/posture-gw-664f79d794-6gcmv, port 8443"},
		"not istiod":         {sendsOnly("p", "app: sleep", letsGateway, letsNames), nil, "istiod, pod istio-system/istiod-649646474b-5bmsb, port 15012"},
		"not DNS":            {sendsOnly("p", "app: sleep", letsGateway, letsIstiod), nil, "the cluster's DNS, pod kube-system/coredns-67b74758b7-kv52f, port 53"},
		"a gateway that is scaled to nothing": {sendsOnly("p", "app: sleep", letsIstiod, letsNames), func(_ *testing.T, s *snapshot.Snapshot) {
			s.Facts.Gateways[0].Pods = nil
		}, ""},
		"another gateway beside it": {sendsOnly("p", "app: sleep", letsGateway, letsIstiod, letsNames), func(t *testing.T, s *snapshot.Snapshot) {
			other := *workload(t, s, "deployment/posture-gw")
			other.Owner, other.Pod, other.Labels = "deployment/a-gw", "a-gw-1", map[string]string{"app": "a-gw"}
			s.Security.Workloads = slices.Insert(s.Security.Workloads, 0, other)
		}, ""},
		"a port of the Service that leads to none of the pods": {sendsOnly("p", "app: sleep", letsIstiod, letsNames), func(_ *testing.T, s *snapshot.Snapshot) {
			s.Facts.Gateways[0].Ports[1].Target = 0
		}, ""},
		"a port that the Service does not have": {sendsOnly("p", "app: sleep", letsIstiod, letsNames), func(_ *testing.T, s *snapshot.Snapshot) {
			s.Facts.Gateways[0].Ports = s.Facts.Gateways[0].Ports[:1]
		}, ""},
		"DNS in the nodes' network": {sendsOnly("p", "app: sleep", letsGateway, letsIstiod), func(t *testing.T, s *snapshot.Snapshot) {
			workload(t, s, "deployment/coredns").HostNetwork = true
		}, ""},
		"DNS on a port that its Service translates": {
			sendsOnly("p", "app: sleep", letsGateway, letsIstiod, letsNames), dnsOn(5353), "the cluster's DNS, pod kube-system/coredns-67b74758b7-kv52f, port 5353",
		},
		"DNS on that port": {sendsOnly("p", "app: sleep", letsGateway, letsIstiod, strings.Replace(letsNames, "53,", "5353,", 1)), dnsOn(5353), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := only(posed(t, "posture-held", func(s *snapshot.Snapshot) {
				s.Security.NetworkPolicies = policies(t, tt.policy)
				if tt.change != nil {
					tt.change(t, s)
				}
			}), "EGR060")
			if len(found) != min(1, len(tt.kept)) {
				t.Fatalf("%+v", found)
			}
			for _, f := range found {
				if want := "deployment/sleep: policies for outgoing traffic do not let it reach " + tt.kept; f.Evidence[0] != want {
					t.Errorf("%q, want %q", f.Evidence[0], want)
				}
			}
		})
	}
}

// TestEachGatewayItsPorts: of two gateways a workload needs of each what its own paths take there.
func TestEachGatewayItsPorts(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "posture-held")
	second := *workload(t, s, "deployment/posture-gw")
	second.Owner, second.Pod, second.Labels = "deployment/second", "second-1", map[string]string{"app": "second"}
	s.Security.Workloads = append(s.Security.Workloads, second)
	paths, _ := diagnosis(s)
	p := alike(paths[0], 1)[0]
	p.Port, p.Protocol, p.Mode, p.Gateway.Service, p.Want.Service = 80, egress.ProtocolHTTP, egress.HTTP, "second", "second"
	p.Want.Pods = []mesh.Pod{{Name: "second-1"}}
	toSecond := strings.NewReplacer("posture-gw", "second", "8443", "8080").Replace(letsGateway)
	for rules, want := range map[string]string{
		letsGateway + ", " + toSecond: "",
		letsGateway:                   "gateway egress-posture/second, pod egress-posture/second-1, port 8080",
		toSecond:                      "gateway egress-posture/posture-gw, pod egress-posture/posture-gw-664f79d794-6gcmv, port 8443",
	} {
		s.Security.NetworkPolicies = policies(t, sendsOnly("p", "app: sleep", rules, letsIstiod, letsNames))
		got := ""
		for _, f := range only(Security(s, append(paths, p), ""), "EGR060") {
			_, got, _ = strings.Cut(f.Evidence[0], "do not let it reach ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", rules, got, want)
		}
	}
}

// TestCutOffFromSeveral: where workloads lack different things, the first is in the sentence and what each lacks in the evidence.
func TestCutOffFromSeveral(t *testing.T) {
	t.Parallel()
	f := one(t, posed(t, "posture-held", func(s *snapshot.Snapshot) {
		web := *workload(t, s, "deployment/sleep")
		web.Owner, web.Pod, web.Labels = "deployment/web", "web-1", map[string]string{"app": "web"}
		s.Security.Workloads = append(s.Security.Workloads, web)
		s.Security.NetworkPolicies = policies(t, sendsOnly("p", "app: sleep", letsIstiod, letsNames)+"\n---\n"+sendsOnly("q", "app: web", letsGateway, letsIstiod))
	}), "EGR060")
	if want := "NetworkPolicies keep deployment/sleep of namespace egress-posture from gateway egress-posture/posture-gw"; f.Message != want {
		t.Errorf("%s", f.Message)
	}
	if diff := cmp.Diff([]string{
		"deployment/sleep: policies for outgoing traffic do not let it reach gateway egress-posture/posture-gw, pod egress-posture/posture-gw-664f79d794-6gcmv, port 8443",
		"deployment/web: policies for outgoing traffic do not let it reach the cluster's DNS, pod kube-system/coredns-67b74758b7-kv52f, port 53",
		enforcement,
	}, f.Evidence); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
