package apply

import (
	"net/http"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// put is what another field manager does by an ordinary create or update.
func (s *apiServer) put(manager string, o *unstructured.Unstructured) *unstructured.Unstructured {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	to := target{ref: refOf(o), kind: o.GroupVersionKind()}
	live, fresh := s.objects[to.ref], false
	if live == nil {
		fresh = true
		live = &unstructured.Unstructured{Object: map[string]any{}}
		live.SetGroupVersionKind(to.kind)
	}
	after, err := fieldManager(s.t, to.kind).Update(live.DeepCopy(), o.DeepCopy(), manager)
	if err != nil {
		s.t.Fatal(err)
	}
	s.store(to, after.(*unstructured.Unstructured), fresh, false, manager)
	return s.objects[to.ref].DeepCopy()
}

// snapshot is everything on the cluster as people see it, without what the API server keeps for itself.
func (s *apiServer) snapshot() map[Ref]map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[Ref]map[string]any{}
	for ref, o := range s.objects {
		all[ref] = visible(o)
		unstructured.RemoveNestedField(all[ref], "metadata", "uid")
		unstructured.RemoveNestedField(all[ref], "metadata", "creationTimestamp")
	}
	return all
}

// object gives one object as it is, or nil.
func (s *apiServer) object(kind, namespace, name string) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects[Ref{kind, namespace, name}]; o != nil {
		return o.DeepCopy()
	}
	return nil
}

// requests counts what was asked since arm.
func (s *apiServer) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// arm makes requests fail from now on.
func (s *apiServer) arm(f func(n int, r *http.Request) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.fault = 0, f
}

// writes takes the log of stored writes.
func (s *apiServer) writes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return log
}
