package apply

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// fieldManagers names who owns fields of an object besides us, sorted. Status is not counted: controllers write it to any
// object.
func fieldManagers(u *unstructured.Unstructured) []string {
	var names []string
	for _, m := range u.GetManagedFields() {
		if m.Manager != egress.FieldManager && m.Subresource == "" {
			names = append(names, m.Manager)
		}
	}
	return compact(names)
}

func quoteAll(words []string) string {
	quoted := make([]string, 0, len(words))
	for _, w := range words {
		quoted = append(quoted, strconv.Quote(w))
	}
	return strings.Join(quoted, ", ")
}

// heldBy tells which finalizers keep an object from going.
func heldBy(u *unstructured.Unstructured) string {
	if f := u.GetFinalizers(); len(f) > 0 {
		return ", held by " + quoteAll(f)
	}
	return ""
}

// ownFields is the set of fields that we own by server-side apply, in the form in which the API server keeps it (FieldsV1): a
// tree with keys "f:NAME" for fields, "k:{…}" and "v:…" for items of lists, "." for the node itself, and {} for what is
// owned as a whole.
func ownFields(u *unstructured.Unstructured) (map[string]any, error) {
	for _, m := range u.GetManagedFields() {
		if m.Manager != egress.FieldManager || m.Operation != metav1.ManagedFieldsOperationApply || m.Subresource != "" || m.FieldsV1 == nil {
			continue
		}
		raw, err := json.Marshal(m.FieldsV1)
		if err != nil {
			return nil, fmt.Errorf("encode the fields that we own of %s: %w", refOf(u), err)
		}
		var tree map[string]any
		if err := json.Unmarshal(raw, &tree); err != nil {
			return nil, fmt.Errorf("decode the fields that we own of %s: %w", refOf(u), err)
		}
		return tree, nil
	}
	return nil, nil
}

// union merges two trees of fields. What one of them owns as a whole is owned as a whole.
func union(a, b map[string]any) map[string]any {
	all := make(map[string]any, len(a)+len(b))
	maps.Copy(all, a)
	for k, v := range b {
		x, both := all[k].(map[string]any)
		y, _ := v.(map[string]any)
		switch {
		case !both:
			all[k] = v
		case len(x) == 0 || len(y) == 0:
			all[k] = map[string]any{}
		default:
			all[k] = union(x, y)
		}
	}
	return all
}

// pick takes the fields of a tree out of a value. Fields that the value does not have are left out.
func pick(value any, tree map[string]any) (any, bool) {
	if len(tree) == 0 {
		return value, true
	}
	switch value := value.(type) {
	case map[string]any:
		picked := map[string]any{}
		for key, below := range tree {
			name, isField := strings.CutPrefix(key, "f:")
			child, there := value[name]
			if !isField || !there {
				continue
			}
			subtree, _ := below.(map[string]any)
			if got, ok := pick(child, subtree); ok {
				picked[name] = got
			}
		}
		_, self := tree["."]
		return picked, self || len(picked) > 0
	case []any:
		return pickItems(value, tree)
	default:
		return value, true
	}
}

func pickItems(items []any, tree map[string]any) (any, bool) {
	var picked []any
	for i, item := range items {
		for key, below := range tree {
			keys, match := matches(item, i, key)
			if !match {
				continue
			}
			subtree, _ := below.(map[string]any)
			got, ok := pick(item, subtree)
			if !ok {
				continue
			}
			if m, isMap := got.(map[string]any); isMap {
				maps.Copy(m, keys) // an item cannot be told from its sisters without them
			}
			picked = append(picked, got)
			break
		}
	}
	_, self := tree["."]
	return picked, self || len(picked) > 0
}

// matches says whether a key of a tree means an item, and which fields identify it.
func matches(item any, index int, key string) (keys map[string]any, ok bool) {
	kind, rest, _ := strings.Cut(key, ":")
	switch kind {
	case "k":
		if utiljson.Unmarshal([]byte(rest), &keys) != nil {
			return nil, false
		}
		fields, isMap := item.(map[string]any)
		for k, v := range keys {
			if !isMap || !reflect.DeepEqual(fields[k], v) {
				return nil, false
			}
		}
		return keys, isMap
	case "v":
		var v any
		if utiljson.Unmarshal([]byte(rest), &v) != nil {
			return nil, false
		}
		return nil, reflect.DeepEqual(item, v)
	case "i":
		return nil, rest == strconv.Itoa(index)
	}
	return nil, false
}

// settled says that applying want would change nothing: the fields that we own of the object, and their values, are just those of
// want. Then the API server need not be asked. Where this cannot be told, it is asked.
func settled(want, now *unstructured.Unstructured) bool {
	own, err := ownFields(now)
	if err != nil || len(own) == 0 || !slices.ContainsFunc(now.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == egress.FieldManager && m.Operation == metav1.ManagedFieldsOperationApply && m.APIVersion == want.GetAPIVersion()
	}) {
		return false
	}
	picked, ok := pick(now.DeepCopy().Object, own)
	fields, isMap := picked.(map[string]any)
	if !ok || !isMap {
		return false
	}
	ours := &unstructured.Unstructured{Object: fields}
	identify(ours, want)
	want = want.DeepCopy()
	want.SetUID("")
	return reflect.DeepEqual(ours.Object, want.Object)
}

// undoing is what has to be applied, by force, so that the object looks as it did before: the fields that we owned then, and
// those that we own since, as far as they were there. What we added disappears, because we no longer apply it.
func undoing(before, since *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	then, err := ownFields(before)
	if err != nil {
		return nil, err
	}
	now, err := ownFields(since)
	if err != nil {
		return nil, err
	}
	undo := bare(before)
	if tree := union(then, now); len(tree) > 0 {
		if picked, ok := pick(before.DeepCopy().Object, tree); ok {
			undo.Object, _ = picked.(map[string]any)
			identify(undo, before)
		}
	}
	return undo, nil
}

// bare is an object's identity and nothing else: to apply it gives all our fields up.
func bare(u *unstructured.Unstructured) *unstructured.Unstructured {
	b := &unstructured.Unstructured{Object: map[string]any{}}
	identify(b, u)
	return b
}

func identify(u, as *unstructured.Unstructured) {
	u.SetAPIVersion(as.GetAPIVersion())
	u.SetKind(as.GetKind())
	u.SetNamespace(as.GetNamespace())
	u.SetName(as.GetName())
	u.SetUID(as.GetUID())
}

// anew is an object as it has to be applied to make it again after it was deleted.
func anew(before *unstructured.Unstructured) *unstructured.Unstructured {
	u := before.DeepCopy()
	for _, field := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(u.Object, "status")
	return u
}
