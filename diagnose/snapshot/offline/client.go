package offline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// client answers for the cluster from the files.
type client struct{ *Files }

var errFiles = errors.New("files do not run anything")

func (c *client) ServedVersions(_ context.Context, group string) ([]string, error) {
	return []string{"v1", "v1beta1", "v1alpha3"}, nil // of what is in the files any will do
}

func (c *client) PodGet(context.Context, string, string, int, string) ([]byte, error) {
	return nil, fmt.Errorf("%w: %w", kube.ErrAbsent, errFiles)
}

func (c *client) Exec(context.Context, kube.Pod, []string, io.Writer, io.Writer) error {
	return fmt.Errorf("%w: %w", kube.ErrAbsent, errFiles)
}

// meta is what objects are chosen by.
type meta struct {
	Metadata struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
}

func (c *client) List(ctx context.Context, r kube.Resource, namespace string, o kube.ListOptions, item func(json.RawMessage) error) error {
	selector, err := labels.Parse(o.Labels)
	if err != nil {
		return err
	}
	for _, raw := range c.objects[r.Resource+"."+r.Group] {
		var m meta
		if err := json.Unmarshal(raw, &m); err != nil {
			return err
		}
		if namespace != "" && m.Metadata.Namespace != namespace || !selector.Matches(labels.Set(m.Metadata.Labels)) {
			continue
		}
		if strings.Contains(o.Labels, meshedLabel) && c.dumpOf(m.Metadata.Namespace, m.Metadata.Name) == nil {
			continue // of the pods of a namespace one is looked at: it has to be one that can be
		}
		if err := errors.Join(ctx.Err(), item(raw)); err != nil {
			return fmt.Errorf("read %s %s/%s: %w", r.Resource, m.Metadata.Namespace, m.Metadata.Name, err)
		}
	}
	return nil
}

func (c *client) Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error {
	found := fmt.Errorf("%s %s/%s: %w among the files", r.Resource, namespace, name, kube.ErrAbsent)
	err := c.List(ctx, r, namespace, kube.ListOptions{}, func(raw json.RawMessage) error {
		var m meta
		if err := json.Unmarshal(raw, &m); err != nil {
			return err
		}
		if m.Metadata.Name != name {
			return nil
		}
		found = nil
		return json.Unmarshal(raw, into)
	})
	return errors.Join(err, found)
}

// EnvoyGet gives the part of a configuration dump that is asked for, as Envoy itself would.
func (c *client) EnvoyGet(_ context.Context, namespace, pod, question string) (io.ReadCloser, error) {
	e := c.dumpOf(namespace, pod)
	if e == nil {
		return nil, fmt.Errorf("no configuration dump of %s/%s is among the files: %w", namespace, pod, kube.ErrTimeout)
	}
	where, query, _ := strings.Cut(question, "?")
	asked, err := url.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	text := []byte("{}")
	switch resource := asked.Get("resource"); {
	case where == "/clusters" && e.hosts != nil:
		text = e.hosts
	case where == "/certs" && e.certs != nil:
		text = e.certs
	case where == "/server_info":
		text, err = json.Marshal(map[string]any{"node": map[string]any{"metadata": map[string]any{"ISTIO_VERSION": e.node.Metadata.Version}}})
	case where == "/config_dump" && resource != "":
		text, err = json.Marshal(map[string]any{"configs": append([]json.RawMessage{}, e.lists[resource]...)})
	case where == "/config_dump":
		text, err = json.Marshal(map[string]any{"configs": []any{map[string]any{"bootstrap": e.bootstrap}}})
	}
	return io.NopCloser(bytes.NewReader(text)), err
}

// meshedLabel is on every pod with a sidecar.
const meshedLabel = "security.istio.io/tlsMode"

func (c *client) dumpOf(namespace, pod string) *envoy {
	for _, e := range c.proxies {
		if e.namespace == namespace && e.pod == pod {
			return e
		}
	}
	return nil
}

// logs gives the last lines of a proxy's log, as far as it is among the files.
func (c *client) logs(_ context.Context, p kube.Pod, o kube.LogOptions) (io.ReadCloser, error) {
	e := c.dumpOf(p.Namespace, p.Name)
	if e == nil || e.log == nil {
		return nil, fmt.Errorf("the log of %s/%s is not among the files: %w", p.Namespace, p.Name, kube.ErrAbsent)
	}
	text := e.log
	if o.Tail > 0 {
		begin := len(bytes.TrimRight(text, "\n"))
		for range o.Tail {
			if begin = bytes.LastIndexByte(text[:begin], '\n'); begin < 0 {
				break
			}
		}
		text = text[begin+1:]
	}
	return io.NopCloser(bytes.NewReader(text)), nil
}
