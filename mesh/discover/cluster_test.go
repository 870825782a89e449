package discover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// cluster is one that a file of testdata describes: objects as YAML, and first what its API server serves and refuses.
type cluster struct {
	Served  map[string][]string // API group to versions, newest first
	Answers map[string]string   // what pods answer: NS/POD:PORT/PATH by way of the API server, NS/POD/PATH of Envoy
	Fail    map[string]string   // what is asked, to forbidden, timeout, unreachable, unauthorized or failed

	objects []map[string]any
	mu      sync.Mutex
	asked   []string
}

func load(t *testing.T, file string) *cluster {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text)
}

func parse(t *testing.T, text []byte) *cluster {
	t.Helper()
	c := &cluster{}
	for i, document := range bytes.Split(bytes.TrimSpace(text), []byte("\n---\n")) {
		if i == 0 {
			if err := yaml.Unmarshal(document, c); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var object map[string]any
		if err := yaml.UnmarshalStrict(document, &object); err != nil {
			t.Fatalf("document %d: %v", i, err)
		}
		c.objects = append(c.objects, object)
	}
	return c
}

// answerTo notes what is asked and gives the failure that the file has for it.
func (c *cluster) answerTo(ctx context.Context, question string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, question)
	if err := ctx.Err(); err != nil {
		return err
	}
	kinds := map[string]error{
		"forbidden": kube.ErrForbidden, "timeout": kube.ErrTimeout, "unreachable": kube.ErrUnreachable,
		"unauthorized": kube.ErrUnauthorized, "failed": nil,
	}
	for _, asked := range []string{question, "everything"} {
		if kind, ok := c.Fail[asked]; ok {
			return &kube.Error{Kind: kinds[kind], Doing: question, Words: "so it is"}
		}
	}
	return nil
}

func field(object map[string]any, path ...string) string {
	var value any = object
	for _, key := range path {
		m, ok := value.(map[string]any)
		if !ok {
			return ""
		}
		value = m[key]
	}
	s, ok := value.(string)
	if !ok {
		return ""
	}
	return s
}

func isResource(object map[string]any, r kube.Resource) bool {
	kind := strings.ToLower(field(object, "kind"))
	plural := kind + "s"
	if stem, ok := strings.CutSuffix(kind, "y"); ok {
		plural = stem + "ies"
	}
	group, _, ok := strings.Cut(field(object, "apiVersion"), "/")
	if !ok {
		group = ""
	}
	return plural == r.Resource && group == r.Group
}

func (c *cluster) Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error {
	question := strings.TrimSuffix("get "+r.Resource+" "+namespace, " ") + "/" + name
	if err := c.answerTo(ctx, question); err != nil {
		return err
	}
	for _, object := range c.objects {
		if isResource(object, r) && field(object, "metadata", "namespace") == namespace && field(object, "metadata", "name") == name {
			raw, err := json.Marshal(object)
			if err != nil {
				return err
			}
			return json.Unmarshal(raw, into)
		}
	}
	return &kube.Error{Kind: kube.ErrAbsent, Doing: question, Words: name + " not found"}
}

func (c *cluster) List(ctx context.Context, r kube.Resource, namespace string, o kube.ListOptions, item func(json.RawMessage) error) error {
	where := "all namespaces"
	if namespace != "" {
		where = namespace
	}
	if err := c.answerTo(ctx, "list "+r.Resource+" in "+where); err != nil {
		return err
	}
	if r.Group != "" && r.Group != "apps" && !slices.Contains(c.Served[r.Group], r.Version) {
		return &kube.Error{Kind: kube.ErrAbsent, Doing: "list " + r.Resource, Words: "the server could not find the requested resource"}
	}
	selector, err := labels.Parse(o.Labels)
	if err != nil {
		return err
	}
	for _, object := range c.objects {
		var m struct{ Metadata meta }
		raw, err := json.Marshal(object)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return err
		}
		if !isResource(object, r) || namespace != "" && m.Metadata.Namespace != namespace || !selector.Matches(labels.Set(m.Metadata.Labels)) {
			continue
		}
		if err := item(raw); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) ServedVersions(ctx context.Context, group string) ([]string, error) {
	if err := c.answerTo(ctx, "discover "+group); err != nil {
		return nil, err
	}
	versions, ok := c.Served[group]
	if !ok {
		return nil, &kube.Error{Kind: kube.ErrAbsent, Doing: "discover " + group}
	}
	return versions, nil
}

func (c *cluster) PodGet(ctx context.Context, namespace, pod string, port int, path string) ([]byte, error) {
	if err := c.answerTo(ctx, "ask "+namespace+"/"+pod); err != nil {
		return nil, err
	}
	text, ok := c.Answers[fmt.Sprintf("%s/%s:%d%s", namespace, pod, port, path)]
	if !ok {
		return nil, errors.New("connection refused")
	}
	return []byte(text), nil
}

func (c *cluster) EnvoyGet(ctx context.Context, namespace, pod, path string) (io.ReadCloser, error) {
	if err := c.answerTo(ctx, "ask "+namespace+"/"+pod); err != nil {
		return nil, err
	}
	text, ok := c.Answers[namespace+"/"+pod+path]
	if !ok {
		return nil, errors.New("nothing listens there")
	}
	return io.NopCloser(strings.NewReader(text)), nil
}
