package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// Group is the API group of Istio's traffic objects.
const Group = "networking.istio.io"

// Render gives everything that stands on the cluster for a set, as it is sent to the API server: the parent ConfigMap, then
// the objects of Build in their order.
func Render(set egress.Set, facts mesh.Facts) ([]*unstructured.Unstructured, error) {
	objs, err := Build(set, facts)
	if err != nil {
		return nil, err
	}
	members := make([]*unstructured.Unstructured, 0, len(objs))
	for _, o := range objs {
		u, err := Unstructured(o)
		if err != nil {
			return nil, err
		}
		members = append(members, u)
	}
	parent, err := Parent(set, members)
	if err != nil {
		return nil, err
	}
	return append([]*unstructured.Unstructured{parent}, members...), nil
}

// Unstructured gives the object as the API server is to see it: Istio's own JSON names, without status and empty fields.
func Unstructured(o Object) (*unstructured.Unstructured, error) {
	raw, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s/%s: %w", o.GetObjectKind().GroupVersionKind().Kind, o.GetNamespace(), o.GetName(), err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(raw); err != nil {
		return nil, fmt.Errorf("encode %s %s/%s: %w", o.GetObjectKind().GroupVersionKind().Kind, o.GetNamespace(), o.GetName(), err)
	}
	unstructured.RemoveNestedField(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	spellOut(u)
	return u, nil
}

// spellOut writes the words that protobuf leaves out because they are the first of their enum. Whoever reads the object, or
// compares it with the documents, should not have to know which word an empty field stands for.
func spellOut(u *unstructured.Unstructured) {
	spec, _ := u.Object["spec"].(map[string]any)
	switch u.GetKind() {
	case "ServiceEntry":
		if _, ok := spec["location"]; !ok {
			spec["location"] = networking.ServiceEntry_MESH_EXTERNAL.String()
		}
		if _, ok := spec["resolution"]; !ok {
			spec["resolution"] = networking.ServiceEntry_NONE.String()
		}
	case "DestinationRule":
		policy, _ := spec["trafficPolicy"].(map[string]any)
		if tls, ok := policy["tls"].(map[string]any); ok && tls["mode"] == nil {
			tls["mode"] = networking.ClientTLSSettings_DISABLE.String()
		}
	case "Gateway":
		servers, _ := spec["servers"].([]any)
		for _, s := range servers {
			server, _ := s.(map[string]any)
			if tls, ok := server["tls"].(map[string]any); ok && tls["mode"] == nil {
				tls["mode"] = networking.ServerTLSSettings_PASSTHROUGH.String()
			}
		}
	}
}

// Parent is the ConfigMap that stands for the set: it keeps the declaration and records, as ApplySet (KEP-3659) asks, of
// which kinds and in which namespaces the members are.
func Parent(set egress.Set, members []*unstructured.Unstructured) (*unstructured.Unstructured, error) {
	declared, err := set.Encode()
	if err != nil {
		return nil, err
	}
	var kinds, namespaces []string
	for _, m := range members {
		gvk := m.GroupVersionKind()
		kinds = append(kinds, gvk.GroupKind().String())
		if ns := m.GetNamespace(); ns != set.Namespace {
			namespaces = append(namespaces, ns)
		}
	}
	u := &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{egress.DataKey: string(declared)}}}
	u.SetAPIVersion("v1")
	u.SetKind("ConfigMap")
	u.SetNamespace(set.Namespace)
	u.SetName(set.ParentName())
	u.SetLabels(map[string]string{egress.LabelManagedBy: egress.ManagedBy, egress.LabelApplySetID: set.ApplySetID()})
	annotations := map[string]string{
		egress.AnnotationTooling:            egress.Tooling,
		egress.AnnotationContainsGroupKinds: list(kinds),
	}
	if len(namespaces) > 0 {
		annotations[egress.AnnotationAdditionalNamespaces] = list(namespaces)
	}
	u.SetAnnotations(annotations)
	return u, nil
}

// list is sorted, without repetition, separated by commas.
func list(items []string) string {
	items = slices.Clone(items)
	slices.Sort(items)
	return strings.Join(slices.Compact(items), ",")
}

// YAML writes objects as one stream of documents. The same objects give the same bytes.
func YAML(objs []*unstructured.Unstructured) ([]byte, error) {
	var b bytes.Buffer
	for i, o := range objs {
		if i > 0 {
			b.WriteString("---\n")
		}
		doc, err := yaml.Marshal(o.Object)
		if err != nil {
			return nil, fmt.Errorf("encode %s %s/%s: %w", o.GetKind(), o.GetNamespace(), o.GetName(), err)
		}
		b.Write(doc)
	}
	return b.Bytes(), nil
}
