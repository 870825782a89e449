package install

import (
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// fields and list are JSON as unstructured objects hold it. Numbers in them are int64.
type (
	fields = map[string]any
	list   = []any
)

// object makes an object of any kind. content has everything but apiVersion, kind and metadata.
func object(apiVersion, kind, namespace, name string, labels map[string]string, content fields) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: maps.Clone(content)}
	if u.Object == nil {
		u.Object = fields{}
	}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	if len(labels) > 0 {
		u.SetLabels(labels)
	}
	return u
}

// namespaceObject has no label of Istio's: whether a pod is injected, and how, its own label and annotation say. A label
// istio-injection or istio.io/rev on the namespace would decide for everything else that comes to live there.
func namespaceObject(name string) *unstructured.Unstructured {
	return object("v1", "Namespace", "", name, nil, nil)
}

// anyMap is labels as unstructured objects hold them.
func anyMap(m map[string]string) fields {
	all := make(fields, len(m))
	for k, v := range m {
		all[k] = v
	}
	return all
}

// resources are what a container asks for, and what it must not exceed.
func resources(requestCPU, requestMemory string, limits fields) fields {
	r := fields{"requests": fields{"cpu": requestCPU, "memory": requestMemory}}
	if limits != nil {
		r["limits"] = limits
	}
	return r
}

// confined is the securityContext of containers that need nothing of their node. Namespaces that enforce the restricted
// Pod Security Standard admit them.
func confined(user int64) fields {
	return fields{
		"allowPrivilegeEscalation": false,
		"capabilities":             fields{"drop": list{"ALL"}},
		"readOnlyRootFilesystem":   true,
		"runAsGroup":               user,
		"runAsNonRoot":             true,
		"runAsUser":                user,
		"seccompProfile":           fields{"type": "RuntimeDefault"},
	}
}
