package check

import (
	"net/netip"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
)

type tracePath = trace.Path

func wantedOf(s *snapshot.Snapshot) *trace.Wanted { return trace.Want(s) }

// policies reads NetworkPolicies as people write them; without a namespace they are in "shop".
func policies(t testing.TB, text string) []snapshot.NetworkPolicy {
	t.Helper()
	var out []snapshot.NetworkPolicy
	for doc := range strings.SplitSeq(text, "---") {
		var p snapshot.NetworkPolicy
		if err := yaml.UnmarshalStrict([]byte(doc), &struct {
			*snapshot.NetworkPolicy
		}{&p}); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if p.Namespace == "" {
			p.Namespace = "shop"
		}
		if p.Name != "" || len(p.Spec.PolicyTypes) > 0 || len(p.Spec.Egress)+len(p.Spec.Ingress) > 0 {
			out = append(out, p)
		}
	}
	return out
}

func labelled(name string, labels map[string]string) snapshot.Namespace {
	return snapshot.Namespace{Meta: snapshot.Meta{Name: name, Labels: labels}}
}

// The world of the table: a shop's pod, the gateway, DNS, a pod of another namespace and one in the host's network.
var (
	shopPod = &snapshot.Workload{Namespace: "shop", Pod: "web", Labels: map[string]string{"app": "web", "tier": "front"}, IPs: []string{"10.1.0.1"}}
	gwPod   = &snapshot.Workload{Namespace: "istio-system", Pod: "gw", Labels: map[string]string{"istio": "egressgateway"}, IPs: []string{"10.1.0.2"}, Ports: map[string]int{"tls": 8443}}
	dnsSrv  = &snapshot.Workload{Namespace: "kube-system", Pod: "dns", Labels: map[string]string{"k8s-app": "kube-dns"}, IPs: []string{"10.1.0.3"}}
	hostPod = &snapshot.Workload{Namespace: "shop", Pod: "agent", Labels: map[string]string{"app": "web"}, HostNetwork: true, IPs: []string{"192.168.1.5"}}

	toOutside = call{addr: netip.MustParseAddr("93.184.216.34"), protocol: "TCP", port: 443}
	toPlain   = call{addr: netip.MustParseAddr("93.184.216.34"), protocol: "TCP", port: 80}
	toGW      = call{pod: gwPod, protocol: "TCP", port: 8443}
	toDNS     = call{pod: dnsSrv, protocol: "UDP", port: 53}
)

func TestNetworkPolicies(t *testing.T) {
	t.Parallel()
	const name = "metadata: {name: p}\nspec: "
	for title, tt := range map[string]struct {
		policies string
		// what of outside:443, outside:80, the gateway and DNS may be reached
		want string
	}{
		"none":                                {"", "outside plain gateway dns"},
		"one for incoming traffic only":       {name + "{policyTypes: [Ingress]}", "outside plain gateway dns"},
		"no types and no egress rules":        {name + "{}", "outside plain gateway dns"},
		"no types but egress rules":           {name + "{egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}", "gateway dns"},
		"deny all":                            {name + "{policyTypes: [Egress]}", ""},
		"allow all":                           {name + "{policyTypes: [Egress], egress: [{}]}", "outside plain gateway dns"},
		"of another namespace":                {"metadata: {name: p, namespace: other}\nspec: {policyTypes: [Egress]}", "outside plain gateway dns"},
		"that selects other pods":             {name + "{policyTypes: [Egress], podSelector: {matchLabels: {app: db}}}", "outside plain gateway dns"},
		"that selects by an expression":       {name + "{policyTypes: [Egress], podSelector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}}", ""},
		"that selects all but it":             {name + "{policyTypes: [Egress], podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [front]}]}}", "outside plain gateway dns"},
		"that selects what lacks a label":     {name + "{policyTypes: [Egress], podSelector: {matchExpressions: [{key: istio, operator: DoesNotExist}]}}", ""},
		"that needs both labels":              {name + "{policyTypes: [Egress], podSelector: {matchLabels: {app: web, tier: back}}}", "outside plain gateway dns"},
		"everywhere on one port":              {name + "{policyTypes: [Egress], egress: [{ports: [{port: 443}]}]}", "outside"},
		"a range of ports":                    {name + "{policyTypes: [Egress], egress: [{ports: [{port: 80, endPort: 443}]}]}", "outside plain"},
		"a protocol without port":             {name + "{policyTypes: [Egress], egress: [{ports: [{protocol: UDP}]}]}", "dns"},
		"TCP is the default":                  {name + "{policyTypes: [Egress], egress: [{ports: [{port: 53}]}]}", ""},
		"a name of the gateway's port":        {name + "{policyTypes: [Egress], egress: [{ports: [{port: tls}]}]}", "gateway"},
		"a name that nobody has":              {name + "{policyTypes: [Egress], egress: [{ports: [{port: nope}]}]}", ""},
		"the outside's block":                 {name + "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 93.184.0.0/16}}]}]}", "outside plain"},
		"all but private ranges":              {name + "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}]}", "outside plain"},
		"all but the outside":                 {name + "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [93.184.216.0/24]}}]}]}", "gateway dns"},
		"a block and a port":                  {name + "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 93.184.216.34/32}}], ports: [{port: 80}]}]}", "plain"},
		"a block that is none":                {name + "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: everywhere}}]}]}", ""},
		"all namespaces":                      {name + "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}]}", "gateway dns"},
		"a namespace by its label":            {name + "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {istio: system}}}]}]}", "gateway"},
		"a namespace by its name":             {name + "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]}]}", "dns"},
		"pods of a namespace":                 {name + "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {istio: egressgateway}}}]}]}", "gateway"},
		"pods or a namespace":                 {name + "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {istio: system}}}, {podSelector: {matchLabels: {k8s-app: kube-dns}}}]}]}", "gateway"},
		"pods of its own namespace":           {name + "{policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}", ""},
		"an empty list of peers is everybody": {name + "{policyTypes: [Egress], egress: [{to: [], ports: [{port: 8443}]}]}", "gateway"},
		"two policies add up": {
			name + "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {istio: system}}}]}]}\n---\n" + "metadata: {name: q}\nspec: {policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}]}",
			"gateway dns",
		},
		"what the gateway does not let in": {"metadata: {name: p, namespace: istio-system}\nspec: {policyTypes: [Ingress]}", "outside plain dns"},
		"what the gateway lets in by namespace": {
			"metadata: {name: p, namespace: istio-system}\nspec: {policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}], ports: [{port: tls}]}]}",
			"outside plain gateway dns",
		},
		"what the gateway lets in by address": {
			"metadata: {name: p, namespace: istio-system}\nspec: {ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16, except: [10.1.0.1/32]}}]}]}",
			"outside plain dns",
		},
		"what the gateway lets in for others": {
			"metadata: {name: p, namespace: istio-system}\nspec: {ingress: [{from: [{podSelector: {}}]}]}", "outside plain dns",
		},
	} {
		n := newNetwork([]snapshot.Namespace{
			labelled("shop", map[string]string{"kubernetes.io/metadata.name": "shop"}),
			labelled("istio-system", map[string]string{"kubernetes.io/metadata.name": "istio-system", "istio": "system"}),
		}, policies(t, tt.policies))
		var got []string
		for _, c := range []struct {
			name string
			call call
		}{{"outside", toOutside}, {"plain", toPlain}, {"gateway", toGW}, {"dns", toDNS}} {
			if by, ok := n.reaches(shopPod, c.call); ok {
				got = append(got, c.name)
			} else if by != egressType && by != ingressType {
				t.Errorf("%s: %s is refused by %q", title, c.name, by)
			}
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("%s: may reach %q, want %q", title, text, tt.want)
		}
		if !n.sends(hostPod, toOutside) {
			t.Errorf("%s: a pod in the host's network is held", title)
		}
	}
}

// TestHostNetworkPeer: a pod in the host's network is not chosen by selectors, only by its node's address.
func TestHostNetworkPeer(t *testing.T) {
	t.Parallel()
	to := call{pod: hostPod, protocol: "TCP", port: 9100}
	for text, want := range map[string]bool{
		"spec: {policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}":                           false,
		"spec: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.168.0.0/16}}]}]}":           true,
		"spec: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: '::ffff:192.168.1.5/128'}}]}]}": false,
	} {
		if _, ok := newNetwork(nil, policies(t, text)).reaches(shopPod, to); ok != want {
			t.Errorf("%s: %t", text, ok)
		}
	}
}
