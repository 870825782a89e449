package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestFaultsOfCaptures puts the objects of captures on the cluster again: what check says of the capture it says of the cluster, and
// its fix mends the path there.
func TestFaultsOfCaptures(t *testing.T) {
	tls, http := "https://"+*host, "http://"+*host
	for name, url := range map[string]string{
		"EGR001-http": http, "EGR001-nomatch": tls, "EGR002-http": http, "EGR003": tls, "EGR013": tls, "EGR014": tls, "EGR015": tls,
		"EGR017-tls": tls, "EGR018": http, "EGR019": http, "EGR023-none": http, "EGR023-tls": tls, "EGR023-exportto": http,
		"EGR024a": http, "EGR024b": http, "EGR024c": tls, "EGR035": tls, "EGR037": tls,
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			code := name[:len("EGR000")]
			c.ruled(ruleFault{file: code, url: url}, captured(t, name))
		})
	}
	namespace, _ := split(*gatewayRef)
	set := newCluster(t)
	set.restoreSecret(namespace, "outside-ca", set.outsideCA())
	for name, state := range map[string]string{"EGR030": "fail", "EGR033": "warn", "EGR034": "warn"} {
		t.Run(name, func(t *testing.T) { newCluster(t).ruled(ruleFault{file: name, state: state}, captured(t, name)) })
	}
}

// captured writes the objects of a capture as a list that can be applied.
func captured(t *testing.T, name string) string {
	t.Helper()
	var c struct {
		Snapshot struct {
			Objects map[string][]map[string]any `json:"objects"`
		} `json:"snapshot"`
	}
	text := readFile(t, filepath.Join("..", "testdata", "captures", name, "snapshot.json"))
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	var out []string
	for list, kind := range map[string]string{
		"serviceEntries": "ServiceEntry", "gateways": "Gateway", "virtualServices": "VirtualService", "destinationRules": "DestinationRule",
	} {
		for _, o := range c.Snapshot.Objects[list] {
			meta := o["metadata"].(map[string]any)
			written, err := json.Marshal(map[string]any{
				"apiVersion": "networking.istio.io/v1", "kind": kind, "spec": o["spec"],
				"metadata": map[string]any{"namespace": meta["namespace"], "name": meta["name"]},
			})
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(written))
		}
	}
	if len(out) < 2 {
		t.Fatalf("%s has %d objects", name, len(out))
	}
	return strings.Join(out, "\n---\n")
}
