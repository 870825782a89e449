package offline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// envoy is what one proxy said, as far as it is among the files.
type envoy struct {
	namespace, pod string
	router         bool
	node           node
	lists          map[string][]json.RawMessage // of the configuration dump, by name; nil: there is no dump
	bootstrap      json.RawMessage              // only the matcher of statistics
	hosts          json.RawMessage              // /clusters?format=json; nil: not given
	endpoints      json.RawMessage              // the same from the dump itself, without counters
	certs          json.RawMessage
	log            []byte // of its container; nil: not given

	clusterNames  []string
	listenerPorts []int
}

// node is what an Envoy of Istio's calls itself.
type node struct {
	ID       string `json:"id"` // TYPE~IP~POD.NAMESPACE~DOMAIN
	Metadata struct {
		Name           string            `json:"NAME"`
		Namespace      string            `json:"NAMESPACE"`
		Labels         map[string]string `json:"LABELS"`
		ServiceAccount string            `json:"SERVICE_ACCOUNT"`
		Version        string            `json:"ISTIO_VERSION"`
		Workload       string            `json:"WORKLOAD_NAME"`
		Owner          string            `json:"OWNER"`
		Containers     string            `json:"APP_CONTAINERS"`
	} `json:"metadata"`
}

// ip is the address in the node's ID.
func (n node) ip() string {
	parts := strings.Split(n.ID, "~")
	if len(parts) != 4 {
		return ""
	}
	return parts[1]
}

// domain is that of the cluster, in the node's ID.
func (n node) domain() string {
	parts := strings.Split(n.ID, "~")
	_, domain, ok := strings.Cut(parts[len(parts)-1], ".svc.")
	if !ok {
		return "cluster.local"
	}
	return domain
}

// isDump tells a configuration dump by its first member from objects in JSON.
func isDump(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	for _, want := range []json.Token{json.Delim('{'), "configs"} {
		if got, err := d.Token(); err != nil || got != want {
			return false
		}
	}
	return true
}

// kept are the lists that are read later; of the secrets only the names are.
var kept = map[string]bool{
	"dynamic_listeners": true, "static_listeners": true, "dynamic_route_configs": true, "static_route_configs": true,
	"dynamic_active_clusters": true, "dynamic_warming_clusters": true, "static_clusters": true,
	"dynamic_active_secrets": true, "dynamic_warming_secrets": true, "dynamic_endpoint_configs": true,
}

// readDump takes a configuration dump apart, one message at a time.
func readDump(text []byte) (*envoy, error) {
	e := &envoy{lists: map[string][]json.RawMessage{}}
	d := json.NewDecoder(bytes.NewReader(text))
	fail := func(err error) (*envoy, error) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("configuration dump: %w", err)
	}
	for _, want := range []json.Token{json.Delim('{'), "configs", json.Delim('[')} {
		if got, err := d.Token(); err != nil {
			return fail(err)
		} else if got != want {
			return fail(fmt.Errorf("%v where %v is expected", got, want))
		}
	}
	for d.More() {
		var message map[string]json.RawMessage
		if err := d.Decode(&message); err != nil {
			return fail(err)
		}
		if err := e.message(message); err != nil {
			return fail(err)
		}
	}
	for _, want := range []json.Token{json.Delim(']'), json.Delim('}')} {
		if got, err := d.Token(); err != nil {
			return fail(err)
		} else if got != want {
			return fail(fmt.Errorf("%v where %v is expected", got, want))
		}
	}
	e.index()
	return e, e.summarize()
}

// message takes one of the messages: lists, or the bootstrap.
func (e *envoy) message(fields map[string]json.RawMessage) error {
	for name, raw := range fields {
		switch {
		case name == "bootstrap":
			if err := e.boot(raw); err != nil {
				return err
			}
		case kept[name]:
			var list []json.RawMessage
			if err := json.Unmarshal(raw, &list); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if strings.HasSuffix(name, "_secrets") {
				var err error
				if list, err = names(list); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			e.lists[name] = append(e.lists[name], list...)
		}
	}
	return nil
}

func (e *envoy) boot(raw json.RawMessage) error {
	var b struct {
		Node  node            `json:"node"`
		Stats json.RawMessage `json:"stats_config,omitempty"`
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	e.node, e.router = b.Node, strings.HasPrefix(b.Node.ID, "router~")
	e.namespace, e.pod = b.Node.Metadata.Namespace, b.Node.Metadata.Name
	if parts := strings.Split(b.Node.ID, "~"); e.pod == "" && len(parts) == 4 {
		e.pod, e.namespace, _ = strings.Cut(parts[2], ".")
	}
	var err error
	e.bootstrap, err = json.Marshal(map[string]any{"stats_config": b.Stats})
	return err
}

// names keeps of secrets what they are called.
func names(list []json.RawMessage) ([]json.RawMessage, error) {
	out := make([]json.RawMessage, 0, len(list))
	for _, raw := range list {
		var s struct {
			Name    string `json:"name"`
			Updated string `json:"last_updated,omitempty"`
		}
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, err
		}
		name, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, nil
}
