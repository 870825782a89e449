package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

const agentFlag = "-A"

// world is a cluster with one client and one gateway, that tells of a request what a real one would.
type world struct {
	pods     []string
	programs map[string]string // what each prints; those that are not there are missing
	exit     error             // of a program that is there
	well     string            // container whose programs end well all the same
	forbid   error             // of every Exec
	sidecar  string            // lines; AGENT is the request's user agent
	gateway  string
	logs     error // of every log
	clusters map[string][2]string
	admin    error

	made   map[string]string // what programs print in a container that was made for the probe
	states []string          // of such a container, one after the other
	refuse error             // of making anything
	keep   error             // of taking it away
	onExec func()            // as soon as something is run
	onGet  func(n int)       // when a pod is read for the n-th time
	hangs  bool              // whatever is run never ends

	mu      sync.Mutex
	gets    int
	asked   map[string]int
	agent   string
	ran     []string
	argv    []string // of the last that ran
	added   map[string]any
	applied map[string]any
	deleted []string
}

const (
	clientPod  = `{"metadata":{"namespace":"default","name":"sleep-1-a","uid":"u1","ownerReferences":[{"kind":"ReplicaSet","name":"sleep-1"}]},"spec":{"containers":[{"name":"istio-proxy"},{"name":"sleep"}]},"status":{"conditions":[{"type":"Ready","status":"True"}]}}`
	barePod    = `{"metadata":{"namespace":"default","name":"plain-1-a","ownerReferences":[{"kind":"ReplicaSet","name":"plain-1"}]},"spec":{"containers":[{"name":"plain"}]},"status":{"conditions":[{"type":"Ready","status":"True"}]}}`
	lazyPod    = `{"metadata":{"namespace":"default","name":"lazy-1-a"},"spec":{"containers":[{"name":"app"},{"name":"istio-proxy"}]},"status":{"conditions":[{"type":"Ready","status":"False"}]}}`
	gatewayPod = `{"metadata":{"namespace":"istio-system","name":"egress-a"},"spec":{"containers":[{"name":"istio-proxy","args":["proxy","router"]}]},"status":{"conditions":[{"type":"Ready","status":"True"}]}}`
	nativePod  = `{"metadata":{"namespace":"default","name":"native","annotations":{"kubectl.kubernetes.io/default-container":"two"}},"spec":{"initContainers":[{"name":"istio-proxy"}],"containers":[{"name":"one"},{"name":"two"}]},"status":{"conditions":[{"type":"Ready","status":"True"}]}}`
)

func (w *world) Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gets++
	if w.onGet != nil {
		w.onGet(w.gets)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	container, field := w.added, "ephemeralContainerStatuses"
	if container == nil && w.applied != nil {
		field = "containerStatuses"
		container = w.applied["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
	}
	if container == nil || r.Resource != "pods" || len(w.states) == 0 {
		return fmt.Errorf("nobody asked for %s %s/%s", r.Resource, namespace, name)
	}
	state := w.states[0]
	if len(w.states) > 1 {
		w.states = w.states[1:]
	}
	return json.Unmarshal(fmt.Appendf(nil, `{"metadata":{"namespace":%q,"name":%q},"spec":{"containers":[{"name":"probe"}%s]},
		"status":{"podIPs":[{"ip":"10.244.0.30"}],%q:[{"name":%q,"state":%s}]}}`,
		namespace, name, map[bool]string{true: `,{"name":"istio-proxy"}`}[strings.Contains(state, "injected")], field, container["name"], state), into)
}

func (w *world) AddEphemeralContainer(_ context.Context, _, _ string, container map[string]any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse == nil {
		w.added = container
	}
	return w.refuse
}

func (w *world) Apply(_ context.Context, _ kube.Resource, obj *unstructured.Unstructured, _ kube.ApplyOptions) (*unstructured.Unstructured, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return nil, w.refuse
	}
	w.applied = obj.Object
	made := obj.DeepCopy()
	made.SetUID("made")
	return made, nil
}

func (w *world) Delete(ctx context.Context, _ kube.Resource, namespace, name string, o kube.DeleteOptions) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	w.deleted = append(w.deleted, fmt.Sprintf("%s/%s %s", namespace, name, o.UID))
	return w.keep
}

func (w *world) List(_ context.Context, r kube.Resource, namespace string, _ kube.ListOptions, item func(json.RawMessage) error) error {
	if r.Resource != "pods" {
		return fmt.Errorf("list of %s", r.Resource)
	}
	for _, p := range w.pods {
		if strings.Contains(p, `"namespace":"`+namespace+`"`) {
			if err := item(json.RawMessage(p)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) Logs(_ context.Context, p kube.Pod, _ kube.LogOptions) (io.ReadCloser, error) {
	if w.logs != nil {
		return nil, w.logs
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	text := w.gateway
	if p.Name == "sleep-1-a" {
		text = w.sidecar
	}
	var stamped strings.Builder
	for line := range strings.Lines(text) {
		// the request of a test is of now; its lines are of then
		now := time.Now().UTC()
		line = strings.ReplaceAll(line, "NOW", now.Format("2006-01-02T15:04:05.000Z"))
		stamped.WriteString(now.Format(time.RFC3339Nano) + " " + strings.ReplaceAll(line, "AGENT", w.agent))
	}
	return io.NopCloser(strings.NewReader(stamped.String())), nil
}

func (w *world) Exec(ctx context.Context, p kube.Pod, command []string, stdout, stderr io.Writer) error {
	if w.onExec != nil {
		w.onExec()
	}
	if w.hangs {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.forbid != nil {
		return w.forbid
	}
	has := w.programs
	switch {
	case w.added != nil && p.Container == w.added["name"], p.Container == "probe" && w.applied != nil:
		has = w.made
	case p.Container != "sleep" && p.Container != "plain":
		return fmt.Errorf("container %s was asked", p.Container)
	}
	name := command[0]
	if name == "sh" {
		name = "openssl"
	}
	w.ran, w.argv = append(w.ran, p.Container+" "+name), command
	prints, there := has[p.Container+" "+name]
	if !there {
		prints, there = has[name]
	}
	if !there {
		return fmt.Errorf("exec: %q: executable file not found in $PATH", name)
	}
	for _, arg := range command {
		if strings.HasPrefix(arg, "kubectl-egress-probe/") {
			w.agent = arg
		}
	}
	to, exit := stdout, w.exit
	if p.Container == w.well {
		exit = nil
	}
	if name == "wget" || exit != nil {
		to = stderr
	}
	if _, err := io.WriteString(to, prints); err != nil {
		return err
	}
	return exit
}

func (w *world) EnvoyGet(_ context.Context, _, pod, path string) (io.ReadCloser, error) {
	if w.admin != nil {
		return nil, w.admin
	}
	if path != "/clusters?format=json" {
		return nil, fmt.Errorf("asked for %s", path)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked == nil {
		w.asked = map[string]int{}
	}
	text := w.clusters[pod][min(w.asked[pod], 1)]
	w.asked[pod]++
	return io.NopCloser(strings.NewReader(hostsReply(text))), nil
}

// hostsReply makes a reply of /clusters of "NAME=CONNECTIONS ...".
func hostsReply(text string) string {
	var all []string
	for f := range strings.FieldsSeq(text) {
		name, n, _ := strings.Cut(f, "=")
		all = append(all, fmt.Sprintf(`{"name":%q,"host_statuses":[{"address":{"socket_address":{"address":"10.0.0.1","port_value":1}},"stats":[{"name":"cx_total","value":%q}]}]}`, name, n))
	}
	return `{"cluster_statuses":[` + strings.Join(all, ",") + `]}`
}

func gateways() []mesh.Gateway {
	return []mesh.Gateway{{
		Namespace: "istio-system", Service: "istio-egressgateway", Selector: map[string]string{"istio": "egressgateway"},
		Pods: []mesh.Pod{{Name: "egress-a", IP: "10.244.0.4", IPs: []string{"10.244.0.4"}, Ready: true}},
	}}
}

// options are those of a probe that does not wait long.
func options(t *testing.T, url string) Options {
	t.Helper()
	target, err := ParseTarget(url, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	return Options{Target: target, Namespace: "default", Gateways: gateways(), Settle: 700 * time.Millisecond}
}
