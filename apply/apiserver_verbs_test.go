package apply

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

func (s *apiServer) list(w http.ResponseWriter, r *http.Request, to target) error {
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	items := []any{}
	for ref, o := range s.objects {
		if ref.Kind != to.kind.Kind || to.ref.Namespace != "" && ref.Namespace != to.ref.Namespace || !selector.Matches(labels.Set(o.GetLabels())) {
			continue
		}
		item := o.DeepCopy()
		item.SetAPIVersion(to.kind.GroupVersion().String())
		if to.kind.Group == "" { // as the API server does for built-in kinds
			delete(item.Object, "apiVersion")
			delete(item.Object, "kind")
		}
		items = append(items, item.Object)
	}
	write(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{}, "items": items})
	return nil
}

func (s *apiServer) get(w http.ResponseWriter, to target) error {
	o := s.objects[to.ref]
	if o == nil && to.ref.Kind == kindNamespace && slices.Contains(s.namespaces, to.ref.Name) {
		o = &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": to.ref.Name, "uid": "uid-of-" + to.ref.Name}}}
		o.SetKind(kindNamespace)
	}
	if o == nil {
		return apierrors.NewNotFound(to.resource, to.ref.Name)
	}
	o = o.DeepCopy()
	o.SetAPIVersion(to.kind.GroupVersion().String())
	write(w, http.StatusOK, o.Object)
	return nil
}

func (s *apiServer) patch(w http.ResponseWriter, r *http.Request, to target) error {
	query := r.URL.Query()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	applied := &unstructured.Unstructured{}
	if err := applied.UnmarshalJSON(body); err != nil || r.Header.Get("Content-Type") != string(types.ApplyPatchType) {
		return apierrors.NewBadRequest(fmt.Sprint("not an apply: ", err))
	}
	if to.ref.Namespace != "" && !slices.Contains(s.namespaces, to.ref.Namespace) && s.objects[Ref{Kind: kindNamespace, Name: to.ref.Namespace}] == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, to.ref.Namespace)
	}
	live, fresh := s.objects[to.ref], false
	if live == nil {
		fresh = true
		live = &unstructured.Unstructured{Object: map[string]any{}}
		live.SetGroupVersionKind(to.kind)
	}
	if uid := applied.GetUID(); uid != "" && uid != live.GetUID() {
		return apierrors.NewConflict(to.resource, to.ref.Name, fmt.Errorf("uid mismatch: the provided object specified uid %s, and found %q", uid, live.GetUID()))
	}
	merged, err := fieldManager(s.t, to.kind).Apply(live.DeepCopy(), applied, query.Get("fieldManager"), query.Get("force") == "true")
	if err != nil {
		return err
	}
	after := merged.(*unstructured.Unstructured)
	dry := query.Get("dryRun") == "All"
	s.store(to, after, fresh, dry, query.Get("fieldManager"))
	write(w, http.StatusOK, after.Object)
	return nil
}

// store gives the object what the API server keeps, and keeps it unless it is a dry run.
func (s *apiServer) store(to target, after *unstructured.Unstructured, fresh, dry bool, manager string) {
	if fresh {
		s.clock++
		after.SetNamespace(to.ref.Namespace)
		after.SetName(to.ref.Name)
		after.SetUID(types.UID(fmt.Sprintf("uid-%d", s.clock)))
		after.SetCreationTimestamp(metav1.NewTime(time.Unix(int64(s.clock), 0).UTC()))
	} else if same(s.objects[to.ref], after) && slices.Equal(managers(s.objects[to.ref]), managers(after)) {
		return // the API server stores nothing if nothing changed
	}
	if dry {
		return
	}
	s.clock++
	after.SetResourceVersion(strconv.Itoa(s.clock))
	after.SetGeneration(after.GetGeneration() + 1)
	s.objects[to.ref] = after.DeepCopy()
	s.log = append(s.log, fmt.Sprintf("apply %s by %s", to.ref, manager))
}

func managers(u *unstructured.Unstructured) []string {
	var names []string
	for _, m := range u.GetManagedFields() {
		names = append(names, m.Manager+m.FieldsV1.String())
	}
	return names
}

func (s *apiServer) delete(w http.ResponseWriter, r *http.Request, to target) error {
	var o metav1.DeleteOptions
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	live := s.objects[to.ref]
	if live == nil {
		return apierrors.NewNotFound(to.resource, to.ref.Name)
	}
	if o.Preconditions != nil && o.Preconditions.UID != nil && *o.Preconditions.UID != live.GetUID() {
		return apierrors.NewConflict(to.resource, to.ref.Name, fmt.Errorf("precondition failed: UID in precondition: %s, UID in object meta: %s", *o.Preconditions.UID, live.GetUID()))
	}
	if len(o.DryRun) == 0 {
		s.log = append(s.log, fmt.Sprintf("delete %s", to.ref))
		if now := metav1.Now(); len(live.GetFinalizers()) > 0 {
			live.SetDeletionTimestamp(&now)
		} else {
			s.forget(to.ref)
		}
	}
	write(w, http.StatusOK, live.Object)
	return nil
}

// forget drops an object, and with a Namespace all that is in it.
func (s *apiServer) forget(ref Ref) {
	delete(s.objects, ref)
	for other := range s.objects {
		if ref.Kind == kindNamespace && other.Namespace == ref.Name {
			delete(s.objects, other)
		}
	}
}
