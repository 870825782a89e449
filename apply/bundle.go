package apply

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Bundle is what stands and goes together: a parent, by which it is found again, and members, all marked as ours. A set is one, a
// gateway of one's own another.
type Bundle struct {
	What    string // for people, for example "gateway team/egress"
	Parent  *unstructured.Unstructured
	Members []*unstructured.Unstructured
}

// NewBundle marks a parent and members as belonging together, as ApplySet (KEP-3659) asks. The arguments are left as they are.
// A nil parent is the ConfigMap egress.KIND.NAME. Of kind KindCredential the parent is the Secret itself.
func NewBundle(kind, namespace, name string, parent *unstructured.Unstructured, members []*unstructured.Unstructured) Bundle {
	ref := parentRef(kind, namespace, name)
	b := Bundle{What: kind + " " + namespace + "/" + name, Parent: &unstructured.Unstructured{Object: map[string]any{}}}
	if parent != nil {
		b.Parent = parent.DeepCopy()
	}
	b.Parent.SetAPIVersion("v1")
	b.Parent.SetKind(ref.Kind)
	b.Parent.SetNamespace(ref.Namespace)
	b.Parent.SetName(ref.Name)
	id := egress.ParentID(ref.Kind, ref.Namespace, ref.Name)
	var kinds, namespaces []string
	for _, m := range members {
		m = m.DeepCopy()
		m.SetLabels(with(m.GetLabels(), map[string]string{egress.LabelManagedBy: egress.ManagedBy, egress.LabelPartOf: id}))
		b.Members = append(b.Members, m)
		kinds = append(kinds, m.GroupVersionKind().GroupKind().String())
		if ns := m.GetNamespace(); ns != namespace {
			namespaces = append(namespaces, ns)
		}
	}
	b.Parent.SetLabels(with(b.Parent.GetLabels(), map[string]string{egress.LabelManagedBy: egress.ManagedBy, egress.LabelApplySetID: id}))
	annotations := with(b.Parent.GetAnnotations(), map[string]string{egress.AnnotationTooling: egress.Tooling})
	for key, record := range map[string][]string{egress.AnnotationContainsGroupKinds: compact(kinds), egress.AnnotationAdditionalNamespaces: compact(namespaces)} {
		if len(record) > 0 {
			annotations[key] = strings.Join(record, ",")
		}
	}
	b.Parent.SetAnnotations(annotations)
	return b
}

// with is a map with more keys and values in it.
func with(old, more map[string]string) map[string]string {
	all := make(map[string]string, len(old)+len(more))
	maps.Copy(all, old)
	maps.Copy(all, more)
	return all
}

// inOrder gives all objects in the order of writing: namespaces, the parent, then the other members. The order within a kind stays.
func (b Bundle) inOrder() []*unstructured.Unstructured {
	var spaces, others []*unstructured.Unstructured
	for _, m := range b.Members {
		if m.GetKind() == kindNamespace {
			spaces = append(spaces, m)
		} else {
			others = append(others, m)
		}
	}
	slices.SortStableFunc(others, func(x, y *unstructured.Unstructured) int { return cmp.Compare(rank(x.GetKind()), rank(y.GetKind())) })
	return append(append(spaces, b.Parent), others...)
}

// PlanBundle finds out what has to change on the cluster for the bundle. It refuses what would harm others (*RefusedError), then
// has the API server check all of it in a dry run. It writes nothing. A Namespace among the members that is there already and not
// the bundle's own is used as it is and left out of the plan.
func PlanBundle(ctx context.Context, c Client, b Bundle, o Options) (*Plan, error) {
	p := newPlan(c, refOf(b.Parent), b.What)
	for _, m := range b.Members {
		if ofIstio(m.GetKind()) && m.GetKind() != "EnvoyFilter" {
			p.api.networking = m.GroupVersionKind().Version
		}
	}
	if err := p.make(ctx, b, o, nil); err != nil {
		return nil, err
	}
	return p, nil
}

// PlanBundleRemoval plans to take a bundle away, as PlanRemoval does a set: the parent last, and after it a Namespace that is the
// bundle's own, if it holds nothing else. Otherwise the Namespace stays, without our mark, and Plan.Notes says why.
func PlanBundleRemoval(ctx context.Context, c Client, kind, namespace, name string) (*Plan, error) {
	return planRemoval(ctx, c, kind, namespace, name)
}

// OwnedBundle is a bundle that is on the cluster.
type OwnedBundle struct {
	Kind, Namespace, Name string
	Parent                *unstructured.Unstructured
}

// Bundles lists the bundles of a kind in a namespace, or in all if it is empty, sorted by namespace and name. Their members are not
// looked for: that would take the right to list every kind that a bundle may have.
func Bundles(ctx context.Context, c Client, kind, namespace string) ([]OwnedBundle, error) {
	parents, err := listParents(ctx, c, kind, namespace)
	if err != nil || len(parents) == 0 {
		return nil, err
	}
	bundles := make([]OwnedBundle, 0, len(parents))
	for _, p := range parents {
		bundles = append(bundles, OwnedBundle{
			Kind: kind, Namespace: p.GetNamespace(), Name: strings.TrimPrefix(p.GetName(), parentPrefix(kind)),
			Parent: p.Unstructured,
		})
	}
	return bundles, nil
}
