package apply

import (
	"context"
	"slices"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Owned is a set that is on the cluster.
type Owned struct {
	Set     egress.Set
	Members []Ref // without the parent, in the order of writing, then by namespace and name
}

// Declared lists what sets of a namespace, or of all if it is empty, declare, sorted by namespace and name. Their objects are not
// looked for, so that the right to list ConfigMaps will do. A parent whose set.yaml cannot be read is an error, as for Sets.
func Declared(ctx context.Context, c Client, namespace string) ([]egress.Set, error) {
	parents, err := listParents(ctx, c, kindSet, namespace)
	if err != nil {
		return nil, err
	}
	sets := make([]egress.Set, 0, len(parents))
	for _, p := range parents {
		set, err := p.set()
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// Sets lists the sets of a namespace, or of all if it is empty, sorted by namespace and name. A parent whose set.yaml cannot
// be read is an error that names it: leaving it out would hide hosts that are taken.
func Sets(ctx context.Context, c Client, namespace string) ([]Owned, error) {
	parents, err := listParents(ctx, c, kindSet, namespace)
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
	members, err := membersOf(ctx, c, parents, namespace == "")
	if err != nil {
		return nil, err
	}
	for id, i := range index {
		sets[i].Members = members[id]
	}
	return sets, nil
}

// membersOf finds the members of all parents with one list for each kind and namespace: by identity, in the order of writing.
func membersOf(ctx context.Context, c Client, parents []parent, everywhere bool) (map[string][]Ref, error) {
	places, err := placesOf(parents, everywhere)
	if err != nil {
		return nil, err
	}
	var a api
	if slices.ContainsFunc(places, func(p place) bool { return ofIstio(p.kind) }) {
		if a, err = served(ctx, c); err != nil {
			return nil, err
		}
	}
	ours := make(map[string]bool, len(parents))
	for _, p := range parents {
		ours[p.id()] = true
	}
	members := map[string][]Ref{}
	mark := egress.LabelManagedBy + "=" + egress.ManagedBy + "," + egress.LabelPartOf
	for _, p := range places {
		objs, err := a.list(ctx, c, p, mark, nil)
		if err != nil {
			return nil, err
		}
		for _, o := range objs {
			if id := o.GetLabels()[egress.LabelPartOf]; ours[id] {
				members[id] = append(members[id], refOf(o))
			}
		}
	}
	for _, refs := range members {
		egress.SortFunc(refs, byWriting)
	}
	return members, nil
}
