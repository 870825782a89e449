package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// Kinds of bundles that are not like the others.
const (
	kindSet = "set"
	// KindCredential is a Secret that stands for itself: it is its own parent and has no members.
	KindCredential = "credential"
)

// parentRef says which object stands for a bundle. Names of sets hold no dot, so that the parents of sets and of other bundles
// never meet.
func parentRef(kind, namespace, name string) Ref {
	switch kind {
	case kindSet:
		return Ref{Kind: kindConfigMap, Namespace: namespace, Name: egress.ParentName(name)}
	case KindCredential:
		return Ref{Kind: kindSecret, Namespace: namespace, Name: name}
	}
	return Ref{Kind: kindConfigMap, Namespace: namespace, Name: parentPrefix(kind) + name}
}

// parentPrefix is what names of parents begin with.
func parentPrefix(kind string) string {
	switch kind {
	case kindSet:
		return egress.ParentName("")
	case KindCredential:
		return ""
	}
	return "egress." + kind + "."
}

// parent is the object that stands for a bundle on the cluster.
type parent struct{ *unstructured.Unstructured }

// listParents lists the parents of one kind of bundles in a namespace, or in all, sorted by namespace and name.
func listParents(ctx context.Context, c Client, kind, namespace string) ([]parent, error) {
	mark := egress.LabelManagedBy + "=" + egress.ManagedBy + "," + egress.LabelApplySetID
	at := place{parentRef(kind, "", "").Kind, namespace}
	objs, err := api{}.list(ctx, c, at, mark, func(_, name, _ string) bool {
		if kind == kindSet {
			return !strings.HasPrefix(name, "egress.") // the others'; whatever else claims to be a set is not overlooked
		}
		return strings.HasPrefix(name, parentPrefix(kind))
	})
	if err != nil {
		return nil, fmt.Errorf("find the %ss: %w", kind, err)
	}
	parents := make([]parent, 0, len(objs))
	for _, o := range objs {
		parents = append(parents, parent{o})
	}
	egress.SortFunc(parents, func(a, b parent) int { return byWriting(refOf(a.Unstructured), refOf(b.Unstructured)) })
	return parents, nil
}

// id is the identity that its members carry.
func (p parent) id() string { return p.GetLabels()[egress.LabelApplySetID] }

// set reads the declaration.
func (p parent) set() (egress.Set, error) {
	text, _, err := unstructured.NestedString(p.Object, "data", egress.DataKey)
	if err != nil {
		return egress.Set{}, p.broken(err)
	}
	set, err := egress.DecodeSet([]byte(text))
	if err != nil {
		return egress.Set{}, p.broken(err)
	}
	if set.Namespace != p.GetNamespace() || set.ParentName() != p.GetName() || set.ApplySetID() != p.id() {
		return egress.Set{}, p.broken(fmt.Errorf("it declares set %s, whose identity would be %s", set, set.ApplySetID()))
	}
	return set, nil
}

// broken does not wrap, so that a faulty object is not taken for a faulty request.
func (p parent) broken(err error) error {
	return fmt.Errorf("ConfigMap %s/%s is marked as a set but its %s cannot be used: %s; mend it, or take the set away by name",
		p.GetNamespace(), p.GetName(), egress.DataKey, err.Error())
}

// kinds are those of the members, as recorded. A parent that lost its record may have members of any kind.
func (p parent) kinds() ([]string, error) {
	recorded := split(p.GetAnnotations()[egress.AnnotationContainsGroupKinds])
	if p.GetKind() == kindSecret {
		return nil, nil
	}
	if len(recorded) == 0 {
		return memberKinds(p.isSet()), nil
	}
	var names []string
	for _, r := range recorded {
		gk := schema.ParseGroupKind(r)
		if i := rank(gk.Kind); i < 0 || kinds[i].GroupKind() != gk {
			return nil, fmt.Errorf("ConfigMap %s/%s says that its set has objects of kind %s, which this version does not know; use a newer one",
				p.GetNamespace(), p.GetName(), r)
		}
		names = append(names, gk.Kind)
	}
	return names, nil
}

func (p parent) isSet() bool { return !strings.HasPrefix(p.GetName(), "egress.") }

// memberKinds are those that a bundle may have. A set has nothing but Istio's objects and the Secret of a CA.
func memberKinds(ofSet bool) []string {
	names := make([]string, 0, len(kinds))
	for _, k := range kinds {
		if !ofSet || ofIstio(k.Kind) || k.Kind == kindSecret {
			names = append(names, k.Kind)
		}
	}
	return names
}

// namespaces are those of the members, as recorded, the parent's own first.
func (p parent) namespaces() []string {
	return append([]string{p.GetNamespace()}, split(p.GetAnnotations()[egress.AnnotationAdditionalNamespaces])...)
}

func split(s string) []string {
	return slices.DeleteFunc(strings.Split(s, ","), func(part string) bool { return part == "" })
}

// bundleOf names the bundle of an identity for people. It looks for the parent, which may be in any namespace; where it cannot
// look, the identity has to do.
func bundleOf(ctx context.Context, c Client, id, namespace string) string {
	for _, kind := range []string{kindConfigMap, kindSecret} {
		mark := egress.LabelApplySetID + "=" + id
		objs, err := api{}.list(ctx, c, place{kind, ""}, mark, nil)
		if errors.Is(err, kube.ErrForbidden) {
			objs, err = api{}.list(ctx, c, place{kind, namespace}, mark, nil)
		}
		if err != nil || len(objs) == 0 {
			continue
		}
		o := objs[0]
		rest, other := strings.CutPrefix(o.GetName(), "egress.")
		bundle, name, named := strings.Cut(rest, ".")
		switch {
		case kind == kindSecret:
			return KindCredential + " " + o.GetNamespace() + "/" + o.GetName()
		case other && named:
			return bundle + " " + o.GetNamespace() + "/" + name
		}
		return kindSet + " " + o.GetNamespace() + "/" + strings.TrimPrefix(o.GetName(), parentPrefix(kindSet))
	}
	return "another ApplySet, " + id
}
