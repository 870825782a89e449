package apply

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// byWriting orders objects as they are written.
func byWriting(a, b Ref) int {
	return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// place is where objects of one kind are. The namespace is empty for all; of the kind Namespace it is the object's name.
type place struct{ kind, namespace string }

// placesOf says where the members of some bundles are, by what their parents recorded.
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
	egress.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(rank(a.kind), rank(b.kind)), cmp.Compare(a.namespace, b.namespace))
	})
	return slices.Compact(places), nil
}

// list reads the objects at a place that have the labels and that want admits; nil admits all.
func (a api) list(ctx context.Context, c Client, p place, selector string, want func(namespace, name, partOf string) bool) ([]*unstructured.Unstructured, error) {
	if p.kind == kindNamespace && p.namespace != "" {
		return a.listOne(ctx, c, Ref{Kind: p.kind, Name: p.namespace}, selector)
	}
	var objs []*unstructured.Unstructured
	o := kube.ListOptions{Labels: selector, Restart: func() { objs = nil }}
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

// listOne is the list of one object that has the labels, if it is there.
func (a api) listOne(ctx context.Context, c Client, ref Ref, selector string) ([]*unstructured.Unstructured, error) {
	wanted, err := labels.Parse(selector)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", ref, err)
	}
	u, err := a.get(ctx, c, ref)
	switch {
	case errors.Is(err, kube.ErrAbsent):
		return nil, nil
	case err != nil:
		return nil, err
	case !wanted.Matches(labels.Set(u.GetLabels())):
		return nil, nil
	}
	return []*unstructured.Unstructured{u}, nil
}
