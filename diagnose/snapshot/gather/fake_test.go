package gather

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// cluster is a Client without a cluster: lists written as YAML, replies of Envoys from recorded files, and what goes wrong.
type cluster struct {
	t      *testing.T
	served []string
	// lists are JSON lists by RESOURCE, or RESOURCE@NAMESPACE for one namespace.
	lists  map[string]string
	fails  map[string]error              // by what lists are named by, or "envoy", "exec", "pod NAME", "path PREFIX"
	envoy  func(pod, path string) string // nil: recorded replies
	hangs  string                        // the pod whose Envoy never answers
	mu     sync.Mutex
	asked  []string
	closed int
}

func (c *cluster) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, fmt.Sprintf(format, args...))
}

func (c *cluster) times(prefix string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, a := range c.asked {
		if strings.HasPrefix(a, prefix) {
			n++
		}
	}
	return n
}

func (c *cluster) ServedVersions(context.Context, string) ([]string, error) { return c.served, nil }

func (c *cluster) PodGet(context.Context, string, string, int, string) ([]byte, error) {
	return nil, kube.ErrAbsent
}

func (c *cluster) List(ctx context.Context, r kube.Resource, namespace string, o kube.ListOptions, item func(json.RawMessage) error) error {
	c.note("list %s/%s@%s %s", r.Version, r.Resource, namespace, o.Labels)
	key := r.Resource
	if namespace != "" {
		key += "@" + namespace
	}
	if err := c.fails[key]; err != nil {
		return fmt.Errorf("list %s: %w", key, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	text, ok := c.lists[key]
	if !ok && namespace != "" {
		text = c.lists[r.Resource]
	}
	var items []json.RawMessage
	if err := yaml.Unmarshal([]byte(text), &items); err != nil {
		c.t.Errorf("list %s: %v", key, err)
	}
	for _, raw := range items {
		var m struct{ Metadata struct{ Namespace string } }
		if err := json.Unmarshal(raw, &m); err != nil {
			return err
		}
		if namespace != "" && m.Metadata.Namespace != namespace {
			continue
		}
		if err := item(raw); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error {
	if err := c.fails["pod "+name]; err != nil {
		return err
	}
	found := kube.ErrAbsent
	err := c.List(ctx, r, "", kube.ListOptions{}, func(raw json.RawMessage) error {
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

// body counts that what was opened is closed.
type body struct {
	io.Reader
	c *cluster
}

func (b body) Close() error {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.c.closed++
	return nil
}

func (c *cluster) EnvoyGet(ctx context.Context, namespace, pod, path string) (io.ReadCloser, error) {
	c.note("envoy %s/%s %s", namespace, pod, path)
	for prefix, err := range c.fails {
		if prefix == "envoy" || prefix == "envoy "+pod || strings.HasPrefix(prefix, "path ") && strings.HasPrefix(path, prefix[5:]) {
			return nil, fmt.Errorf("ask Envoy of pod %s/%s: %w", namespace, pod, err)
		}
	}
	if pod == c.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return body{strings.NewReader(c.reply(pod, path)), c}, nil
}

func (c *cluster) Exec(ctx context.Context, p kube.Pod, command []string, stdout, stderr io.Writer) error {
	c.note("exec %s/%s %s %s", p.Namespace, p.Name, p.Container, strings.Join(command, " "))
	if err := c.fails["exec"]; err != nil {
		fmt.Fprintln(stderr, "GOMEMLIMIT is set\nError: command failed")
		return fmt.Errorf("exec: %w", err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_, err := io.WriteString(stdout, c.reply(p.Name, "/"+command[len(command)-1]))
	return err
}

// reply gives what a real Envoy said.
func (c *cluster) reply(pod, path string) string {
	if c.envoy != nil {
		return c.envoy(pod, path)
	}
	name, gateway := "", strings.Contains(pod, "gateway")
	switch {
	case strings.Contains(path, "resource=dynamic_listeners") && gateway:
		name = "gateway-listeners"
	case strings.Contains(path, "resource=dynamic_listeners"):
		name = "listeners"
	case strings.Contains(path, "resource=dynamic_active_clusters"):
		name = "clusters"
	case strings.Contains(path, "resource=dynamic_route_configs"):
		name = "routes"
	case strings.Contains(path, "resource=dynamic_active_secrets"):
		name = "secrets"
	case strings.Contains(path, "mask=bootstrap"):
		name = "matcher"
	case strings.HasPrefix(path, "/clusters"):
		name = "hosts"
	case path == "/certs":
		name = "certs"
	default:
		return "{}\n"
	}
	raw, err := os.ReadFile(filepath.Join("../../../stats/admin/testdata", name+".json"))
	if err != nil {
		c.t.Error(err)
	}
	return string(raw)
}

// pod writes a pod as the API server does.
func podText(namespace, name, owner string, more string) string {
	return fmt.Sprintf(`
- metadata: {namespace: %s, name: %s, labels: {app: x, pod-template-hash: abc}, ownerReferences: [{kind: ReplicaSet, name: %s-abc}]%s}
  spec: {serviceAccountName: sa, containers: [{name: app}, {name: istio-proxy, args: [proxy, sidecar]}]}
  status: {podIP: 10.0.0.9, conditions: [{type: Ready, status: "True"}]}`, namespace, name, owner, more)
}

const gatewayPod = `
- metadata: {namespace: istio-system, name: egress-gateway-1, labels: {istio: egressgateway, pod-template-hash: abc}, annotations: {proxy.istio.io/config: "concurrency: 1"}, ownerReferences: [{kind: ReplicaSet, name: egress-gateway-abc}]}
  spec: {serviceAccountName: gw, containers: [{name: istio-proxy, args: [proxy, router]}]}
  status: {podIP: 10.0.0.4, conditions: [{type: Ready, status: "True"}]}`

// facts are what discovery would have found.
func facts() *mesh.Facts {
	return &mesh.Facts{Networking: "v1", Gateways: []mesh.Gateway{{
		Namespace: "istio-system", Service: "egress-gateway", Selector: map[string]string{"istio": "egressgateway"}, ServiceAccount: "gw",
		Pods: []mesh.Pod{{Name: "egress-gateway-1", IP: "10.0.0.4", Ready: true}, {Name: "egress-gateway-2", IP: "10.0.0.5"}},
	}}}
}

func working(t *testing.T) *cluster {
	t.Helper()
	set, err := egress.ParseSet(egress.Declaration{Name: "news", Namespace: "b", Domains: []string{"edition.cnn.com"}, Gateway: "istio-system/egress-gateway"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := set.Encode()
	if err != nil {
		t.Fatal(err)
	}
	parents, err := json.Marshal([]any{map[string]any{
		"metadata": map[string]any{"namespace": "b", "name": "egress-news"}, "data": map[string]any{"set.yaml": string(text)},
	}, map[string]any{
		"metadata": map[string]any{"namespace": "a", "name": "egress-broken"}, "data": map[string]any{"set.yaml": "domains: [10.0.0.1]"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{t: t, served: []string{"v1", "v1beta1", "v1alpha3"}, fails: map[string]error{}, lists: map[string]string{
		"pods": gatewayPod + podText("b", "sleep-2", "sleep", "") + podText("b", "sleep-1", "sleep", "") + podText("a", "sleep-3", "sleep", "") +
			podText("a", "old", "sleep", `, deletionTimestamp: "2026-11-21T00:00:00Z"`),
		"configmaps":       string(parents),
		"gateways":         `[{metadata: {namespace: b, name: z}}, {metadata: {namespace: b, name: cnn}, spec: {selector: {istio: egressgateway}}}]`,
		"virtualservices":  `[{metadata: {namespace: b, name: v}, spec: {hosts: [edition.cnn.com]}}]`,
		"serviceentries":   `[{metadata: {namespace: b, name: e, creationTimestamp: "2026-11-21T00:00:00Z"}, spec: {hosts: [edition.cnn.com], ports: [{number: 443, protocol: TLS}]}}]`,
		"destinationrules": `[]`, "sidecars": `[]`, "envoyfilters": `[]`, "telemetries": `[]`, "peerauthentications": `[]`, "services": `[]`,
	}}
}
