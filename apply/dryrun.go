package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// dryRun asks the API server about every write, several at a time, and fills in the changes.
func (p *Plan) dryRun(ctx context.Context, want []*unstructured.Unstructured, now map[Ref]*unstructured.Unstructured) error {
	var asks []func() (Change, error)
	fresh := map[string]bool{} // namespaces that this plan makes
	for _, w := range want {
		before := now[refOf(w)]
		delete(now, refOf(w))
		if before == nil && w.GetKind() == kindNamespace {
			fresh[w.GetName()] = true
		}
		asks = append(asks, func() (Change, error) {
			if fresh[w.GetNamespace()] {
				return unasked(w), nil
			}
			return p.tryApply(ctx, w, before)
		})
	}
	for _, u := range p.byDeleting(now) {
		if p.owner(u) == p.id {
			asks = append(asks, func() (Change, error) { return p.tryDelete(ctx, u, len(want) == 0) })
		}
	}
	changes, errs := make([]Change, len(asks)), make([]error, len(asks))
	var stop error
	inParallel(len(asks), func(int) bool { return stop == nil }, func(i int) { changes[i], errs[i] = asks[i]() }, func(i int) {
		if errs[i] != nil && !final(errs[i]) {
			stop = cmp.Or(stop, errs[i])
		}
	})
	if stop != nil {
		return stop
	}
	if failed := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil }); len(failed) > 0 {
		return p.refusal(ctx, failed)
	}
	p.Changes = changes
	for _, c := range changes {
		if c.note != "" {
			p.Notes = append(p.Notes, c.note)
		}
	}
	return nil
}

// unasked is an object in a namespace that the plan makes: the API server cannot try it, because a dry run makes no namespace in
// which it could be. The write decides, and what was written until then is taken back if it is refused.
func unasked(w *unstructured.Unstructured) Change {
	return Change{Ref: refOf(w), Action: Created, After: w.DeepCopy(), want: w.DeepCopy()}
}

func (p *Plan) tryApply(ctx context.Context, w, before *unstructured.Unstructured) (Change, error) {
	ref := refOf(w)
	want := w.DeepCopy()
	if before != nil {
		want.SetUID(before.GetUID()) // whoever deletes and makes it anew in between made another object
		if settled(w, before) {
			return Change{Ref: ref, Action: Unchanged, Before: before, After: before, want: want}, nil
		}
	}
	after, err := p.client.Apply(ctx, p.api.resource(ref.Kind), want, kube.ApplyOptions{DryRun: true, Force: p.force})
	if before == nil && ref.Kind == "RoleBinding" && errors.Is(err, kube.ErrAbsent) {
		// Who may not bind every role is held to what the role grants, and the Role that this plan makes is not there yet.
		return unasked(w), nil
	}
	if err != nil {
		return Change{}, fmt.Errorf("dry run of %s: %w", ref, err)
	}
	change := Change{Ref: ref, Action: Configured, Before: before, After: after, want: want}
	switch {
	case before == nil:
		change.Action = Created
	case same(before, after):
		change.Action = Unchanged
	}
	return change, nil
}

func (p *Plan) tryDelete(ctx context.Context, u *unstructured.Unstructured, all bool) (Change, error) {
	ref := refOf(u)
	if ref.Kind == kindNamespace {
		if why := p.whyStays(ctx, u, all); why != "" {
			return p.release(ctx, u, why)
		}
	}
	err := p.client.Delete(ctx, p.api.resource(ref.Kind), ref.Namespace, ref.Name, kube.DeleteOptions{UID: u.GetUID(), DryRun: true})
	if err != nil && !errors.Is(err, kube.ErrAbsent) {
		return Change{}, fmt.Errorf("dry run of deleting %s: %w", ref, err)
	}
	return Change{Ref: ref, Action: Deleted, Before: u}, nil
}

// byDeleting orders objects as they are deleted: what moves the traffic first, what others stand on last.
func (p *Plan) byDeleting(now map[Ref]*unstructured.Unstructured) []*unstructured.Unstructured {
	objs := make([]*unstructured.Unstructured, 0, len(now))
	for _, u := range now {
		objs = append(objs, u)
	}
	slices.SortFunc(objs, func(a, b *unstructured.Unstructured) int {
		x, y := refOf(a), refOf(b)
		return cmp.Or(cmp.Compare(p.rank(y), p.rank(x)), byWriting(x, y))
	})
	return objs
}

// rank orders objects by writing. The parent comes after the namespaces and before all else, whatever its kind.
func (p *Plan) rank(r Ref) int {
	switch {
	case r.Kind == kindNamespace:
		return -2
	case r == p.ref:
		return -1
	}
	return rank(r.Kind)
}

// refusal turns what the API server said into what the user can do about it.
func (p *Plan) refusal(ctx context.Context, failed []error) error {
	var refs []Ref
	var fields []string
	for _, err := range failed {
		if conflict, ok := errors.AsType[*kube.ConflictError](err); ok {
			if e, ok := errors.AsType[*kube.Error](err); ok {
				refs = append(refs, p.refAt(e))
			}
			for _, f := range conflict.Fields {
				fields = append(fields, fmt.Sprintf("%s of %s is owned by %q", f.Field, refs[len(refs)-1], f.Manager))
			}
		}
	}
	if len(fields) > 0 {
		return &RefusedError{
			Reason: Conflict, Refs: refs, Err: several(failed),
			Msg: strings.Join(fields, ", ") + "; take it over with --force-conflicts, or leave that field to its owner",
		}
	}
	if errors.Is(failed[0], kube.ErrAbsent) {
		for _, ns := range namespacesOf(failed) {
			if _, err := p.api.get(ctx, p.client, Ref{Kind: kindNamespace, Name: ns}); errors.Is(err, kube.ErrAbsent) {
				return &RefusedError{
					Reason: NoNamespace, Err: err,
					Msg: fmt.Sprintf("namespace %s does not exist; create it first, or name another with -n", ns),
				}
			}
		}
	}
	return collect(failed)
}

// namespacesOf lists the namespaces in which requests failed.
func namespacesOf(failed []error) []string {
	var all []string
	for _, err := range failed {
		if e, ok := errors.AsType[*kube.Error](err); ok {
			all = append(all, e.Namespace)
		}
	}
	return compact(all)
}

// refAt names the object that a request was about.
func (p *Plan) refAt(e *kube.Error) Ref {
	for _, k := range kinds {
		if k.plural == e.Resource && k.Group == e.Group {
			return Ref{Kind: k.Kind, Namespace: e.Namespace, Name: e.Name}
		}
	}
	return Ref{Kind: e.Resource, Namespace: e.Namespace, Name: e.Name}
}

// same says whether writing would change nothing that anybody could see.
func same(a, b *unstructured.Unstructured) bool {
	return reflect.DeepEqual(visible(a), visible(b))
}

// visible is the object without what the API server keeps for itself.
func visible(u *unstructured.Unstructured) map[string]any {
	u = u.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(u.Object, "status") // Istio's own, and it may change at any moment
	return u.Object
}

// keepRecord makes the parent record the places that the bundle leaves until nothing is left there.
func (p *Plan) keepRecord() {
	c := p.parentChange()
	if c == nil || c.Before == nil || p.owner(c.Before) != p.id || !slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Action == Deleted }) {
		return
	}
	wide := c.want.DeepCopy()
	annotations := wide.GetAnnotations()
	for _, key := range []string{egress.AnnotationContainsGroupKinds, egress.AnnotationAdditionalNamespaces} {
		all := compact(append(split(annotations[key]), split(c.Before.GetAnnotations()[key])...))
		if len(all) > 0 {
			annotations[key] = strings.Join(all, ",")
		}
	}
	wide.SetAnnotations(annotations)
	if !reflect.DeepEqual(wide.Object, c.want.Object) {
		p.last, c.want = c.want, wide
	}
}

func (p *Plan) parentChange() *Change {
	i := slices.IndexFunc(p.Changes, func(c Change) bool { return c.Ref == p.ref })
	if i < 0 {
		return nil
	}
	return &p.Changes[i]
}

// compact sorts and drops repetitions and empty words.
func compact(words []string) []string {
	words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" })
	slices.Sort(words)
	return slices.Compact(words)
}
