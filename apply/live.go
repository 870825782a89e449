package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// live reads what is on the cluster now: everything that has a name we want or that is marked as a member of the bundle.
func (p *Plan) live(ctx context.Context, want []*unstructured.Unstructured) (map[Ref]*unstructured.Unstructured, error) {
	now := map[Ref]*unstructured.Unstructured{}
	wanted := map[Ref]bool{}
	var parents []parent
	for _, w := range want {
		wanted[refOf(w)] = true
		if refOf(w) == p.ref {
			parents = append(parents, parent{w})
		}
	}
	own, err := p.api.get(ctx, p.client, p.ref)
	switch {
	case err == nil:
		now[p.ref] = own
		if p.owner(own) == p.id {
			parents = append(parents, parent{own})
		}
	case !errors.Is(err, kube.ErrAbsent):
		return nil, fmt.Errorf("read %s: %w", p.What, err)
	}
	places, err := placesOf(parents, false)
	if err != nil {
		return nil, err
	}
	if err := p.knowIstio(ctx, places); err != nil {
		return nil, err
	}
	found, errs := make([][]*unstructured.Unstructured, len(places)), make([]error, len(places))
	inParallel(len(places), func(int) bool { return true }, func(i int) { found[i], errs[i] = p.listAt(ctx, places[i], wanted) }, func(int) {})
	for i := range places {
		if errs[i] != nil {
			return nil, fmt.Errorf("read the objects of %s: %w", p.What, errs[i])
		}
		for _, o := range found[i] {
			now[refOf(o)] = o
		}
	}
	return now, p.byName(ctx, want, now)
}

// knowIstio finds out the version of Istio's group if there is something to look for in it.
func (p *Plan) knowIstio(ctx context.Context, places []place) error {
	if p.api.networking != "" || !slices.ContainsFunc(places, func(at place) bool { return ofIstio(at.kind) }) {
		return nil
	}
	var err error
	p.api, err = served(ctx, p.client)
	return err
}

// listAt reads the objects at a place that are ours or wanted. Of Istio's kinds one list finds both; of other kinds only what
// carries our label is listed.
func (p *Plan) listAt(ctx context.Context, at place, wanted map[Ref]bool) ([]*unstructured.Unstructured, error) {
	if !ofIstio(at.kind) {
		return p.api.list(ctx, p.client, at, partOf(p.id), nil)
	}
	return p.api.list(ctx, p.client, at, "", func(namespace, name, partOf string) bool {
		return partOf == p.id || wanted[Ref{Kind: at.kind, Namespace: namespace, Name: name}]
	})
}

// byName reads what is wanted, was not found by label, and may be there all the same as somebody else's.
func (p *Plan) byName(ctx context.Context, want []*unstructured.Unstructured, now map[Ref]*unstructured.Unstructured) error {
	for _, w := range want {
		ref := refOf(w)
		if now[ref] != nil || ref == p.ref || ofIstio(ref.Kind) {
			continue
		}
		o, err := p.api.get(ctx, p.client, ref)
		switch {
		case err == nil:
			now[ref] = o
		case !errors.Is(err, kube.ErrAbsent):
			return fmt.Errorf("read the objects of %s: %w", p.What, err)
		}
	}
	return nil
}

// owner is the identity of the bundle that an object belongs to, as parent or member; empty if to none.
func (p *Plan) owner(u *unstructured.Unstructured) string {
	own, member := u.GetLabels()[egress.LabelApplySetID], u.GetLabels()[egress.LabelPartOf]
	if member == "" || refOf(u) == p.ref && own != "" {
		return own
	}
	return member
}

// noun is the first word of What: set, gateway, credential, sample.
func (p *Plan) noun() string {
	noun, _, _ := strings.Cut(p.What, " ")
	return noun
}

// nameFlag is how a set is given another name; others are named by arguments.
func (p *Plan) nameFlag() string {
	if p.noun() == kindSet {
		return " with --name"
	}
	return ""
}

// refuseForeign refuses objects that have a name which the bundle needs and that are not the bundle's. It gives what remains to be
// wanted: a namespace of somebody else serves as it is.
func (p *Plan) refuseForeign(ctx context.Context, want []*unstructured.Unstructured, now map[Ref]*unstructured.Unstructured, adopt bool) ([]*unstructured.Unstructured, error) {
	var foreign []Ref
	var managers []string
	kept := make([]*unstructured.Unstructured, 0, len(want))
	for _, w := range want {
		ref := refOf(w)
		o := now[ref]
		switch {
		case o == nil:
		case o.GetDeletionTimestamp() != nil:
			return nil, &RefusedError{Reason: Terminating, Refs: []Ref{ref}, Msg: fmt.Sprintf("%s is being deleted%s; try again when it is gone", ref, heldBy(o))}
		case p.owner(o) == p.id:
		case ref.Kind == kindNamespace:
			delete(now, ref)
			continue
		case p.owner(o) != "":
			return nil, &RefusedError{
				Reason: OtherSet, Refs: []Ref{ref},
				Msg: fmt.Sprintf("%s belongs to %s; give this %s another name%s", ref, bundleOf(ctx, p.client, p.owner(o), ref.Namespace), p.noun(), p.nameFlag()),
			}
		case !adopt:
			foreign = append(foreign, ref)
			managers = append(managers, fieldManagers(o)...)
		}
		kept = append(kept, w)
	}
	if len(foreign) == 0 {
		return kept, nil
	}
	by := ""
	if managers = compact(managers); len(managers) > 0 {
		by = fmt.Sprintf(" (made by %s)", quoteAll(managers))
	}
	return nil, &RefusedError{
		Reason: Foreign, Refs: foreign,
		Msg: fmt.Sprintf("there already, and of no %s: %s%s; take over with --adopt, or give this %s another name%s", p.noun(), names(foreign), by, p.noun(), p.nameFlag()),
	}
}
