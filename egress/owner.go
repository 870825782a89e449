package egress

import (
	"crypto/sha256"
	"encoding/base64"
)

// How objects on a cluster are marked as ours: Kubernetes' recommended label, and ApplySet (KEP-3659) with a ConfigMap
// as the parent.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "kubectl-egress" // the value of LabelManagedBy
	// LabelPartOf is on every member; its value is the ApplySetID of the parent.
	LabelPartOf = "applyset.kubernetes.io/part-of"
	// LabelApplySetID is on the parent.
	LabelApplySetID = "applyset.kubernetes.io/id"
	// AnnotationTooling is on the parent; its value is Tooling.
	AnnotationTooling = "applyset.kubernetes.io/tooling"
	// Tooling names the tool and the version of this layout, not of the program: a newer program changes no object.
	Tooling = "kubectl-egress/v1.0.0"
	// AnnotationContainsGroupKinds is on the parent: "Kind.group" of all members, sorted, separated by commas.
	AnnotationContainsGroupKinds = "applyset.kubernetes.io/contains-group-kinds"
	// AnnotationAdditionalNamespaces is on the parent: namespaces of members other than the parent's own, sorted,
	// separated by commas; absent if there are none.
	AnnotationAdditionalNamespaces = "applyset.kubernetes.io/additional-namespaces"
	// FieldManager is the name under which fields are owned in server-side apply.
	FieldManager = "kubectl-egress"
	// DataKey is the key of the declared set in the parent's data.
	DataKey = "set.yaml"
)

// ParentName is the name of the ConfigMap that stands for the set on the cluster. The names of
// the set's other objects begin with it.
func (s Set) ParentName() string { return ParentName(s.Name) }

// ParentName is the name of the ConfigMap of the set with that name.
func ParentName(set string) string { return "egress-" + set }

// ApplySetID is the identity of the set's objects: the value of LabelApplySetID and LabelPartOf.
func (s Set) ApplySetID() string { return ApplySetID(s.Namespace, s.Name) }

// ApplySetID is the ID of the set of that name.
func ApplySetID(namespace, set string) string {
	return ParentID("ConfigMap", namespace, ParentName(set))
}

// ParentID computes the ID of an ApplySet as kubectl does for a parent of the core group: a hash over name, namespace, kind and
// (empty) group, framed so that it begins and ends with a letter or digit as label values must.
func ParentID(kind, namespace, name string) string {
	sum := sha256.Sum256([]byte(name + "." + namespace + "." + kind + "."))
	return "applyset-" + base64.RawURLEncoding.EncodeToString(sum[:]) + "-v1"
}
