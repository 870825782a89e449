package apply

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// partOf selects the members of a set.
func partOf(id string) string { return egress.LabelPartOf + "=" + id }

// PlanRemoval plans to take a set away: exactly the objects that carry its label, in the kinds and namespaces that its
// parent recorded, VirtualServices first and the parent last. If the parent is gone, its members are looked for in all
// namespaces. A set whose set.yaml is broken can be removed all the same; Plan.Set then has no hosts.
func PlanRemoval(ctx context.Context, c Client, namespace, name string) (*Plan, error) {
	p := newPlan(c, egress.Set{Namespace: namespace, Name: name}, api{})
	own, err := p.api.get(ctx, c, Ref{Kind: kindParent, Namespace: namespace, Name: egress.ParentName(name)})
	if err != nil && !errors.Is(err, kube.ErrAbsent) {
		return nil, fmt.Errorf("read set %s/%s: %w", namespace, name, err)
	}
	if p.api, err = served(ctx, c); err != nil {
		return nil, err
	}
	places, err := p.placesToRemove(own)
	if err != nil {
		return nil, err
	}
	now, err := p.members(ctx, places)
	if err != nil {
		return nil, err
	}
	if own != nil {
		now[refOf(own)] = own
	} else if len(now) == 0 {
		return nil, &RefusedError{Reason: NoSet, Msg: fmt.Sprintf("there is no set %s in namespace %s", name, namespace)}
	}
	if err := p.dryRun(ctx, nil, now); err != nil {
		return nil, err
	}
	return p, nil
}

// members finds what carries the set's label. Who may not look into all namespaces looks at least into the set's own.
func (p *Plan) members(ctx context.Context, places []place) (map[Ref]*unstructured.Unstructured, error) {
	now := map[Ref]*unstructured.Unstructured{}
	for _, at := range places {
		objs, err := p.api.list(ctx, p.client, at, partOf(p.id), nil)
		if errors.Is(err, kube.ErrForbidden) && at.namespace == "" {
			at.namespace = p.Set.Namespace
			objs, err = p.api.list(ctx, p.client, at, partOf(p.id), nil)
		}
		if err != nil {
			return nil, fmt.Errorf("find the objects of set %s: %w", p.Set, err)
		}
		for _, o := range objs {
			now[refOf(o)] = o
		}
	}
	return now, nil
}

// placesToRemove says where to look, and refuses a ConfigMap that only happens to have the name.
func (p *Plan) placesToRemove(own *unstructured.Unstructured) ([]place, error) {
	if own == nil {
		places := make([]place, 0, len(kinds))
		for _, k := range memberKinds() {
			places = append(places, place{kind: k})
		}
		return places, nil
	}
	if owner(own) != p.id {
		return nil, &RefusedError{
			Reason: NoSet, Refs: []Ref{refOf(own)},
			Msg: fmt.Sprintf("there is no set %s: %s is not one of ours and is left alone", p.Set, refOf(own)),
		}
	}
	// What cannot be read here shows up where it matters: a set without hosts can still be taken away.
	if set, err := (parent{own}).set(); err == nil {
		p.Set = set
	}
	return placesOf([]parent{{own}}, false)
}
