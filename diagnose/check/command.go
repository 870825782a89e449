package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// op is one operation of a JSON patch.
type op struct {
	Op    string `json:"op"`
	From  string `json:"from,omitempty"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

func add(path string, value any) op     { return op{Op: "add", Path: path, Value: value} }
func replace(path string, value any) op { return op{Op: "replace", Path: path, Value: value} }
func remove(path string) op             { return op{Op: "remove", Path: path} }

// resources are the words for kinds on kubectl's command line; Gateway alone would be ambiguous where Gateway API is installed.
var resources = map[string]string{
	"Gateway": "gateways.networking.istio.io", "VirtualService": "virtualservice", "DestinationRule": "destinationrule",
	"ServiceEntry": "serviceentry", "EnvoyFilter": "envoyfilter",
	"NetworkPolicy": "networkpolicy", "Sidecar": "sidecars.networking.istio.io",
}

// patch is the command that changes an object by a JSON patch.
func patch(o *Object, ops ...op) string {
	return fmt.Sprintf("kubectl -n %s patch %s %s --type=json -p %s", word(o.Namespace), resources[o.Kind], word(o.Name), word(oneLine(ops)))
}

// apply is the command that puts an object on the cluster. JSON is YAML, and on one line nothing of it can end the text early.
func apply(o any) string {
	return "kubectl apply -f - <<'EOF'\n" + oneLine(o) + "\nEOF"
}

// oneLine writes a value that this package made, so that encoding it cannot fail.
func oneLine(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprintf("{}  # %s", err)
	}
	return strings.TrimSpace(b.String())
}

// word quotes a word for a shell where it needs it. Names come from a cluster and are not to be trusted.
func word(s string) string { return egress.ShellWord(s) }

// manifest is an object to apply.
type manifest struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       any            `json:"spec"`
}

// networking begins an object of networking.istio.io in the version that the cluster serves.
func networking(served, kind, namespace, name string, spec any) manifest {
	if served == "" {
		served = "v1"
	}
	return manifest{
		APIVersion: "networking.istio.io/" + served, Kind: kind,
		Metadata: map[string]any{"namespace": namespace, "name": name}, Spec: spec,
	}
}

// named turns a host into something that can name an object.
func named(host string) string {
	return strings.Trim(strings.ReplaceAll(strings.TrimPrefix(host, "*."), ".", "-"), "-")
}

// field writes the path of a JSON patch as people do: /spec/tls/1/match is spec.tls[1].match.
func field(path string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch {
		case strings.Trim(part, "0123456789") == "":
			b.WriteString("[" + part + "]")
		case b.Len() > 0:
			b.WriteString("." + part)
		default:
			b.WriteString(part)
		}
	}
	return b.String()
}
