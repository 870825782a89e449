package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/apply"
)

// TestLargestObject writes an object of just the size that planning admits, which the cluster stores, and one that is larger by what is
// kept free for the API server's bookkeeping, which it does not: the limit is where it has to be.
func TestLargestObject(t *testing.T) {
	c := newCluster(t)
	c.apply(strings.ReplaceAll(faultsNamespace, "NS", faultsHome))
	room := 4 << 10
	for name, size := range map[string]int{"fits": apply.MaxObject, "not": apply.MaxObject + room} {
		gateway := unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "networking.istio.io/v1", "kind": "Gateway",
			"metadata": map[string]any{"name": "largest-" + name, "namespace": faultsHome},
			"spec":     map[string]any{"selector": map[string]any{"istio": "faults-egress"}},
		}}
		var servers []any
		for raw, n := []byte(nil), 0; len(raw) < size; n++ {
			host := fmt.Sprintf("h%06d.%s.example.com", n, strings.Repeat(strings.Repeat("x", 56)+".", 4)+"x")
			servers = append(servers, map[string]any{
				"hosts": []any{host}, "port": map[string]any{"number": int64(443), "name": fmt.Sprintf("tls-%d", n), "protocol": "TLS"},
				"tls": map[string]any{"mode": "PASSTHROUGH"},
			})
			if n%50 == 0 || len(raw) > size-20_000 { // to look each time would take long
				before := gateway.DeepCopy()
				gateway.Object["spec"].(map[string]any)["servers"] = servers
				var err error
				if raw, err = gateway.MarshalJSON(); err != nil {
					t.Fatal(err)
				}
				if len(raw) > size {
					gateway = *before
					break
				}
			}
		}
		pad(t, &gateway, size)
		raw, err := json.Marshal(gateway.Object)
		if err != nil || len(raw) < size-1 {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
		r := c.run(string(raw), c.kubectl, "apply", "--server-side", "-f", "-")
		if name == "fits" && r.code != 0 {
			t.Errorf("%d bytes are not stored: %s", size, r)
		}
		if name == "not" && !strings.Contains(r.stderr, "request is too large") {
			t.Errorf("%d bytes are stored: %s", size, r)
		}
	}
}

// pad brings an object to a size by an annotation.
func pad(t *testing.T, o *unstructured.Unstructured, size int) {
	t.Helper()
	o.SetAnnotations(map[string]string{"a": ""})
	raw, err := o.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	o.SetAnnotations(map[string]string{"a": strings.Repeat("x", size-len(raw))})
}

// TestLargestSet: a set of which no cluster could store an object is refused, and nothing of it is written.
func TestLargestSet(t *testing.T) {
	c := newCluster(t)
	c.apply(strings.ReplaceAll(faultsNamespace, "NS", faultsHome))
	file := filepath.Join(t.TempDir(), "set.yaml")
	text := "apiVersion: kubectl-egress/v1\nkind: Set\nname: large\nnamespace: " + faultsHome + "\nmode: sni-dynamic\nmtls: \"on\"\ngateway: " + *gatewayRef + "\ndomains:\n"
	for n := range 3500 {
		text += fmt.Sprintf("- '*.h%05d.example.com'\n", n)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := c.plugin(2, "enable", "-f", file, "--wait=false")
	if !strings.Contains(r.stderr, "it has 3500 hosts; split it into two sets") {
		t.Errorf("%s", r)
	}
	if left := c.kube("get", "configmaps,serviceentries,gateways.networking.istio.io,virtualservices", "-n", faultsHome, "-l", "app.kubernetes.io/managed-by=kubectl-egress", "-o", "name"); left != "" {
		t.Errorf("written: %s", left)
	}
}
