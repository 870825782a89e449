package diagnose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// secretCluster is a cluster with one gateway whose one ready pod answers as a real one did.
type secretCluster struct {
	t     *testing.T
	lists map[string]string // by resource, as YAML
	envoy map[string]string // by list of secrets
	fails error             // of the pod's Envoy
	mu    sync.Mutex
	asked []string
}

const gatewayPods = `
- metadata: {name: gw-1, namespace: istio-system, labels: {istio: egressgateway}}
  spec: {containers: [{name: istio-proxy, args: [proxy, router]}]}
  status: {phase: Running, conditions: [{type: Ready, status: "True"}]}
- metadata: {name: gw-2, namespace: istio-system, labels: {istio: egressgateway}}
  spec: {containers: [{name: istio-proxy, args: [proxy, router]}]}
  status: {phase: Running, conditions: [{type: Ready, status: "False"}]}
`

func newSecretCluster(t *testing.T) *secretCluster {
	t.Helper()
	const recorded = "../stats/admin/testdata/held-"
	return &secretCluster{
		t: t,
		lists: map[string]string{
			"services": `[{metadata: {name: istio-egressgateway, namespace: istio-system}, spec: {selector: {istio: egressgateway}, ports: [{port: 443}]}}]`,
			"pods":     gatewayPods,
		},
		envoy: map[string]string{
			"dynamic_active_secrets":  readTestdata(t, recorded+"active.json"),
			"dynamic_warming_secrets": readTestdata(t, recorded+"warming.json"),
		},
	}
}

func (c *secretCluster) ServedVersions(context.Context, string) ([]string, error) {
	return []string{"v1"}, nil
}

func (c *secretCluster) PodGet(context.Context, string, string, int, string) ([]byte, error) {
	return nil, kube.ErrAbsent
}

func (c *secretCluster) Exec(context.Context, kube.Pod, []string, io.Writer, io.Writer) error {
	return c.fails
}

func (c *secretCluster) EnvoyGet(_ context.Context, _, _, path string) (io.ReadCloser, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, path)
	if c.fails != nil {
		return nil, c.fails
	}
	list, _, _ := strings.Cut(strings.TrimPrefix(path, "/config_dump?resource="), "&")
	return io.NopCloser(strings.NewReader(c.envoy[list])), nil
}

func (c *secretCluster) List(_ context.Context, r kube.Resource, _ string, _ kube.ListOptions, item func(json.RawMessage) error) error {
	text, served := c.lists[r.Resource]
	if !served {
		return fmt.Errorf("list %s: %w", r.Resource, kube.ErrAbsent)
	}
	var items []json.RawMessage
	if err := yaml.Unmarshal([]byte(text), &items); err != nil {
		c.t.Fatalf("%s: %v", r.Resource, err)
	}
	for _, raw := range items {
		if err := item(raw); err != nil {
			return err
		}
	}
	return nil
}

func (c *secretCluster) Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error {
	found := fmt.Errorf("%s %s/%s: %w", r.Resource, namespace, name, kube.ErrAbsent)
	err := c.List(ctx, r, namespace, kube.ListOptions{}, func(raw json.RawMessage) error {
		var m struct {
			Metadata struct{ Namespace, Name string }
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return err
		}
		if m.Metadata.Namespace == namespace && m.Metadata.Name == name {
			found = nil
			return json.Unmarshal(raw, into)
		}
		return nil
	})
	return errors.Join(err, found)
}

// someRules use the Secret client-credential of the gateway's namespace, or only seem to.
const someRules = `
- metadata: {namespace: istio-system, name: mutual}
  spec: {host: a, exportTo: ["."], trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: MUTUAL, credentialName: client-credential}}]}}
- metadata: {namespace: team, name: of-a-subset}
  spec: {host: b, subsets: [{name: x, trafficPolicy: {tls: {mode: SIMPLE, credentialName: client-credential}}}]}
- metadata: {namespace: team, name: exported}
  spec: {host: c, exportTo: [other, istio-system], trafficPolicy: {tls: {mode: MUTUAL, credentialName: "kubernetes://client-credential"}}}
- metadata: {namespace: team, name: private}
  spec: {host: d, exportTo: ["."], trafficPolicy: {tls: {mode: MUTUAL, credentialName: client-credential}}}
- metadata: {namespace: team, name: another}
  spec: {host: e, trafficPolicy: {tls: {mode: MUTUAL, credentialName: client-credential-2}}}
- metadata: {namespace: istio-system, name: of-a-workload}
  spec: {host: f, workloadSelector: {matchLabels: {app: sleep}}, trafficPolicy: {tls: {mode: MUTUAL, credentialName: client-credential}}}
- metadata: {namespace: team, name: plain}
  spec: {host: g, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
- metadata: {namespace: istio-system, name: of-the-gateway}
  spec: {host: h, workloadSelector: {matchLabels: {istio: egressgateway}}, trafficPolicy: {tls: {mode: MUTUAL, credentialName: client-credential}}}
`

const someGateways = `
- metadata: {namespace: istio-system, name: front}
  spec: {selector: {istio: egressgateway}, servers: [{tls: {mode: SIMPLE, credentialName: client-credential}}, {tls: {mode: PASSTHROUGH}}]}
- metadata: {namespace: istio-system, name: other}
  spec: {selector: {istio: ingressgateway}, servers: [{tls: {mode: SIMPLE, credentialName: client-credential}}]}
`

func usersGateway() (mesh.Facts, mesh.Gateway) {
	gw := mesh.Gateway{
		Namespace: "istio-system", Service: "istio-egressgateway", Selector: map[string]string{"istio": "egressgateway"},
		Pods: []mesh.Pod{{Name: "gw-1", Labels: map[string]string{"istio": "egressgateway", "app": "x"}}},
	}
	return mesh.Facts{Networking: "v1", Gateways: []mesh.Gateway{gw}}, gw
}

func users(t *testing.T, c *secretCluster, facts mesh.Facts, gw mesh.Gateway, name string) []string {
	t.Helper()
	found, err := CredentialUsers(t.Context(), c, facts, gw, name)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range found {
		got = append(got, u.String()+" "+strings.Join(u.Secrets, " "))
	}
	return got
}

func TestCredentialUsers(t *testing.T) {
	t.Parallel()
	c := newSecretCluster(t)
	c.lists["destinationrules"], c.lists["gateways"] = someRules, someGateways
	facts, gw := usersGateway()
	want := []string{
		"DestinationRule istio-system/mutual " + certName + " " + caName,
		"DestinationRule istio-system/of-the-gateway " + certName + " " + caName,
		"DestinationRule team/exported " + certName + " " + caName,
		"DestinationRule team/of-a-subset " + caName,
		"Gateway istio-system/front " + certName,
	}
	if diff := cmp.Diff(want, users(t, c, facts, gw, "client-credential")); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	// a mesh whose rules stay at home unless they say otherwise
	facts.Config.DefaultDestinationRuleExportTo = []string{"."}
	if got := users(t, c, facts, gw, "client-credential"); strings.Contains(strings.Join(got, "\n"), "of-a-subset") {
		t.Errorf("a rule that is not exported by default: %v", got)
	}
	// a gateway that has no pods at the moment
	gw.Pods = nil
	if got := users(t, c, facts, gw, "client-credential"); !strings.Contains(strings.Join(got, "\n"), "of-the-gateway") {
		t.Errorf("a gateway without pods: %v", got)
	}
	// the CA of a credential may be in a Secret of its own
	if got := users(t, c, facts, gw, "client-credential-cacert"); len(got) == 0 || !strings.HasSuffix(got[0], " "+caName) || strings.Contains(got[0], certName+" ") {
		t.Errorf("a Secret of the CA alone: %v", got)
	}
	if got := users(t, c, facts, gw, "nobody-uses-it"); got != nil {
		t.Errorf("a Secret that nobody uses: %v", got)
	}
}

// TestCredentialUsersUnread: a cluster without Istio has none; what may not be read is an error and not none.
func TestCredentialUsersUnread(t *testing.T) {
	t.Parallel()
	facts, gw := usersGateway()
	if got := users(t, newSecretCluster(t), facts, gw, "client-credential"); got != nil {
		t.Errorf("kinds that are not served: %v", got)
	}
	c := newSecretCluster(t)
	c.lists["destinationrules"], c.lists["gateways"] = someRules, someGateways
	if got := users(t, c, mesh.Facts{}, gw, "client-credential"); got != nil {
		t.Errorf("no version of Istio's kinds: %v", got)
	}
	for _, plural := range []string{"destinationrules", "gateways"} {
		_, err := CredentialUsers(t.Context(), refusing{c, plural}, facts, gw, "client-credential")
		if !errors.Is(err, kube.ErrForbidden) || !strings.Contains(err.Error(), "Secret istio-system/client-credential") {
			t.Errorf("%s may not be listed: %v", plural, err)
		}
	}
}

// refusing forbids to list one kind.
type refusing struct {
	*secretCluster
	plural string
}

func (r refusing) List(ctx context.Context, of kube.Resource, namespace string, o kube.ListOptions, item func(json.RawMessage) error) error {
	if of.Resource == r.plural {
		return kube.ErrForbidden
	}
	return r.secretCluster.List(ctx, of, namespace, o, item)
}
