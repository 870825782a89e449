package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
)

// printObjects writes objects as -o asks: yaml as a stream of documents, json as one List, name as kubectl names them.
func printObjects(w io.Writer, format string, objs []*unstructured.Unstructured) error {
	var text []byte
	var err error
	switch format {
	case "json":
		text, err = listJSON(objs)
	case "name":
		var b bytes.Buffer
		for _, o := range objs {
			fmt.Fprintln(&b, objectName(o.GetKind(), o.GroupVersionKind().Group, o.GetName()))
		}
		text = b.Bytes()
	default:
		text, err = recipe.YAML(objs)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// onlyShow prints objects that are not sent anywhere, as -o asks or with a line for each.
func (t *tool) onlyShow(format string, objs []*unstructured.Unstructured) error {
	if format != "" {
		return printObjects(t.Out, format, objs)
	}
	width := 0
	for _, o := range objs {
		width = max(width, len(shortName(o.GetKind(), o.GetName())))
	}
	for _, o := range objs {
		fmt.Fprintf(t.Out, "  %-*s   applied (dry run)\n", width, shortName(o.GetKind(), o.GetName()))
	}
	return nil
}

func listJSON(objs []*unstructured.Unstructured) ([]byte, error) {
	items := make([]any, len(objs))
	for i, o := range objs {
		items[i] = o.Object
	}
	return encode("json", map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
}

// objectName names an object as kubectl does: kind.group/name, in lower case.
func objectName(kind, group, name string) string {
	kind = strings.ToLower(kind)
	if group != "" {
		kind += "." + group
	}
	return kind + "/" + name
}

// encode writes a value as json or yaml, with a line end.
func encode(format string, v any) ([]byte, error) {
	if format == "yaml" {
		return yaml.Marshal(v)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return b.Bytes(), nil
}
