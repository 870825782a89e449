package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// partOf selects the members of a bundle.
func partOf(id string) string { return egress.LabelPartOf + "=" + id }

// PlanRemoval plans to take a set away: exactly the objects that carry its label, in the kinds and namespaces that its
// parent recorded, VirtualServices first and the parent last. If the parent is gone, its members are looked for in all
// namespaces. A set whose set.yaml is broken can be removed all the same; Plan.Set then has no hosts.
func PlanRemoval(ctx context.Context, c Client, namespace, name string) (*Plan, error) {
	return planRemoval(ctx, c, kindSet, namespace, name)
}

func planRemoval(ctx context.Context, c Client, kind, namespace, name string) (*Plan, error) {
	p := newPlan(c, parentRef(kind, namespace, name), kind+" "+namespace+"/"+name)
	if kind == kindSet {
		p.Set = egress.Set{Namespace: namespace, Name: name}
	}
	own, err := p.api.get(ctx, c, p.ref)
	if err != nil && !errors.Is(err, kube.ErrAbsent) {
		return nil, fmt.Errorf("read %s: %w", p.What, err)
	}
	places, err := p.placesToRemove(ctx, own)
	if err != nil {
		return nil, err
	}
	now, err := p.members(ctx, places, own == nil)
	if err != nil {
		return nil, err
	}
	if own != nil {
		now[p.ref] = own
	} else if len(now) == 0 {
		return nil, &RefusedError{Reason: NoSet, Msg: fmt.Sprintf("there is no %s %s in namespace %s", kind, name, namespace)}
	}
	if err := p.dryRun(ctx, nil, now); err != nil {
		return nil, err
	}
	return p, nil
}

// members finds what carries the bundle's label. Who may not look into all namespaces looks at least into the bundle's own. Where
// the parent is gone every kind is looked for, and one of Kubernetes' own that may not be seen even there is told and not held
// against the search: of what nobody recorded there is most likely none.
func (p *Plan) members(ctx context.Context, places []place, orphans bool) (map[Ref]*unstructured.Unstructured, error) {
	now := map[Ref]*unstructured.Unstructured{}
	for _, at := range places {
		objs, err := p.api.list(ctx, p.client, at, partOf(p.id), nil)
		if errors.Is(err, kube.ErrForbidden) && at.namespace == "" {
			at.namespace = p.ref.Namespace
			objs, err = p.api.list(ctx, p.client, at, partOf(p.id), nil)
		}
		if errors.Is(err, kube.ErrForbidden) && orphans && !ofIstio(at.kind) {
			p.Notes = append(p.Notes, fmt.Sprintf("whether %s left a %s could not be found out: %v", p.What, at.kind, err))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find the objects of %s: %w", p.What, err)
		}
		for _, o := range objs {
			now[refOf(o)] = o
		}
	}
	return now, nil
}

// placesToRemove says where to look, and refuses an object that only happens to have the name.
func (p *Plan) placesToRemove(ctx context.Context, own *unstructured.Unstructured) ([]place, error) {
	if own == nil {
		return p.placesOfOrphans(ctx)
	}
	if p.owner(own) != p.id {
		return nil, &RefusedError{
			Reason: NoSet, Refs: []Ref{refOf(own)},
			Msg: fmt.Sprintf("there is no %s: %s is not one of ours and is left alone", p.What, refOf(own)),
		}
	}
	// What cannot be read here shows up where it matters: a set without hosts can still be taken away.
	if set, err := (parent{own}).set(); err == nil && p.noun() == kindSet {
		p.Set = set
	}
	places, err := placesOf([]parent{{own}}, false)
	if err != nil {
		return nil, err
	}
	return places, p.knowIstio(ctx, places)
}

// placesOfOrphans says where members may be whose parent is gone: anywhere. A cluster without Istio has none of its kinds.
func (p *Plan) placesOfOrphans(ctx context.Context) ([]place, error) {
	if p.noun() == KindCredential {
		return nil, nil
	}
	var places []place
	for _, k := range memberKinds(p.noun() == kindSet) {
		places = append(places, place{kind: k})
	}
	err := p.knowIstio(ctx, places)
	if errors.Is(err, kube.ErrAbsent) && p.noun() != kindSet {
		return slices.DeleteFunc(places, func(at place) bool { return ofIstio(at.kind) }), nil
	}
	return places, err
}
