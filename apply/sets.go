package apply

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// Owned is a set that is on the cluster.
type Owned struct {
	Set     egress.Set
	Members []Ref // without the parent, in the order of writing, then by namespace and name
}

// Sets lists the sets of a namespace, or of all if it is empty, sorted by namespace and name. A parent whose set.yaml cannot
// be read is an error that names it: leaving it out would hide hosts that are taken.
func Sets(ctx context.Context, c Client, namespace string) ([]Owned, error) {
	parents, err := listParents(ctx, c, namespace)
	if err != nil || len(parents) == 0 {
		return nil, err
	}
	sets := make([]Owned, 0, len(parents))
	index := make(map[string]int, len(parents))
	for _, p := range parents {
		set, err := p.set()
		if err != nil {
			return nil, err
		}
		index[p.id()] = len(sets)
		sets = append(sets, Owned{Set: set})
	}
	a, err := served(ctx, c)
	if err != nil {
		return nil, err
	}
	places, err := placesOf(parents, namespace == "")
	if err != nil {
		return nil, err
	}
	mark := egress.LabelManagedBy + "=" + egress.ManagedBy + "," + egress.LabelPartOf
	for _, p := range places {
		objs, err := a.list(ctx, c, p, mark, nil)
		if err != nil {
			return nil, err
		}
		for _, o := range objs {
			if i, ok := index[o.GetLabels()[egress.LabelPartOf]]; ok {
				sets[i].Members = append(sets[i].Members, refOf(o))
			}
		}
	}
	for _, s := range sets {
		slices.SortFunc(s.Members, byWriting)
	}
	return sets, nil
}

// byWriting orders objects as they are written.
func byWriting(a, b Ref) int {
	return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// place is where objects of one kind are. The namespace is empty for all.
type place struct{ kind, namespace string }

// placesOf says where the members of some sets are, by what their parents recorded.
func placesOf(parents []parent, everywhere bool) ([]place, error) {
	var places []place
	for _, p := range parents {
		kinds, err := p.kinds()
		if err != nil {
			return nil, err
		}
		for _, k := range kinds {
			for _, ns := range p.namespaces() {
				if everywhere {
					ns = ""
				}
				places = append(places, place{k, ns})
			}
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(rank(a.kind), rank(b.kind)), cmp.Compare(a.namespace, b.namespace))
	})
	return slices.Compact(places), nil
}

// list reads the objects at a place that have the labels and that want admits; nil admits all.
func (a api) list(ctx context.Context, c Client, p place, labels string, want func(namespace, name, partOf string) bool) ([]*unstructured.Unstructured, error) {
	var objs []*unstructured.Unstructured
	o := kube.ListOptions{Labels: labels, Restart: func() { objs = nil }}
	err := c.List(ctx, a.resource(p.kind), p.namespace, o, func(raw json.RawMessage) error {
		if want != nil {
			var head struct {
				Metadata struct {
					Namespace string            `json:"namespace"`
					Name      string            `json:"name"`
					Labels    map[string]string `json:"labels"`
				} `json:"metadata"`
			}
			if err := json.Unmarshal(raw, &head); err != nil {
				return fmt.Errorf("decode a %s: %w", p.kind, err)
			}
			if m := head.Metadata; !want(m.Namespace, m.Name, m.Labels[egress.LabelPartOf]) {
				return nil
			}
		}
		u, err := a.object(p.kind, raw)
		if err != nil {
			return err
		}
		objs = append(objs, u)
		return nil
	})
	if errors.Is(err, kube.ErrAbsent) {
		return nil, nil // a kind that the cluster does not serve has no objects
	}
	return objs, err
}

// parent is the ConfigMap that stands for a set.
type parent struct{ *unstructured.Unstructured }

// listParents lists the parents of a namespace, or of all, sorted by namespace and name.
func listParents(ctx context.Context, c Client, namespace string) ([]parent, error) {
	mark := egress.LabelManagedBy + "=" + egress.ManagedBy + "," + egress.LabelApplySetID
	objs, err := api{}.list(ctx, c, place{kindParent, namespace}, mark, nil)
	if err != nil {
		return nil, fmt.Errorf("find the sets: %w", err)
	}
	parents := make([]parent, 0, len(objs))
	for _, o := range objs {
		parents = append(parents, parent{o})
	}
	slices.SortFunc(parents, func(a, b parent) int { return byWriting(refOf(a.Unstructured), refOf(b.Unstructured)) })
	return parents, nil
}

// id is the identity that its members carry.
func (p parent) id() string { return p.GetLabels()[egress.LabelApplySetID] }

// setName is the name of the set according to the name of the object.
func (p parent) setName() string { return strings.TrimPrefix(p.GetName(), egress.ParentName("")) }

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
	if len(recorded) == 0 {
		return memberKinds(), nil
	}
	var names []string
	for _, r := range recorded {
		gk := schema.ParseGroupKind(r)
		if gk.Group != recipe.Group || rank(gk.Kind) < 1 {
			return nil, fmt.Errorf("ConfigMap %s/%s says that its set has objects of kind %s, which this version does not know; use a newer one",
				p.GetNamespace(), p.GetName(), r)
		}
		names = append(names, gk.Kind)
	}
	return names, nil
}

func memberKinds() []string {
	names := make([]string, 0, len(kinds))
	for _, k := range kinds[1:] {
		names = append(names, k.Kind)
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
