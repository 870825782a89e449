package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
)

// apiServer is an API server in memory. Server-side apply is Kubernetes' own (package managedfields), so that who owns which
// field, and what is a conflict, is decided as on a cluster. Lists are taken to be atomic.
type apiServer struct {
	*httptest.Server
	t          *testing.T
	mu         sync.Mutex
	objects    map[Ref]*unstructured.Unstructured
	namespaces []string
	versions   []string // of networking.istio.io, newest first
	forbidden  []string // "VERB RESOURCE"
	clock      int      // makes UIDs and resource versions
	log        []string // "VERB RESOURCE NAMESPACE/NAME" of writes that were stored
	calls      int      // requests since fault was set
	fault      func(n int, r *http.Request) fault
}

// fault is what goes wrong with a request.
type fault string

const (
	none      fault = ""
	conflict  fault = "409"
	busy      fault = "429"
	broken    fault = "500"
	denied    fault = "403"
	cutBefore fault = "cut before it is done"
	cutAfter  fault = "cut after it is done"
	hang      fault = "hang"
)

func serve(t *testing.T) *apiServer {
	t.Helper()
	s := &apiServer{
		t: t, objects: map[Ref]*unstructured.Unstructured{}, namespaces: []string{"default", "istio-system", "team"},
		versions: []string{"v1", "v1beta1", "v1alpha3"},
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.calls++
	f := none
	if s.fault != nil {
		f = s.fault(s.calls, r)
	}
	s.mu.Unlock()
	switch f {
	case hang:
		if _, err := io.Copy(io.Discard, r.Body); err != nil { // else the server does not see the client go
			s.t.Logf("reading a request that hangs: %v", err)
		}
		<-r.Context().Done()
	case cutBefore:
		panic(http.ErrAbortHandler)
	case cutAfter:
		s.answer(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case busy:
		w.Header().Set("Retry-After", "0")
		fail(w, apierrors.NewTooManyRequests("busy", 0))
	case broken:
		fail(w, apierrors.NewInternalError(errors.New("etcd is away")))
	case conflict:
		fail(w, apierrors.NewConflict(schema.GroupResource{Resource: "things"}, "thing", errors.New("changed meanwhile")))
	case denied:
		fail(w, apierrors.NewForbidden(schema.GroupResource{Resource: "things"}, "thing", errors.New("no")))
	default:
		s.answer(w, r)
	}
}

// target is what a request is about.
type target struct {
	verb     string
	kind     schema.GroupVersionKind
	resource schema.GroupResource
	ref      Ref
}

func (s *apiServer) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/apis/networking.istio.io" && len(s.versions) > 0 {
		group := metav1.APIGroup{TypeMeta: metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}, Name: "networking.istio.io"}
		for _, v := range s.versions {
			group.Versions = append(group.Versions, metav1.GroupVersionForDiscovery{GroupVersion: "networking.istio.io/" + v, Version: v})
		}
		write(w, http.StatusOK, group)
		return
	}
	to, err := s.target(r)
	if err != nil {
		fail(w, err)
		return
	}
	if slices.Contains(s.forbidden, to.verb+" "+to.resource.Resource) {
		fail(w, apierrors.NewForbidden(to.resource, to.ref.Name, fmt.Errorf("User %q cannot %s resource %q in API group %q in the namespace %q",
			"eve", to.verb, to.resource.Resource, to.resource.Group, to.ref.Namespace)))
		return
	}
	switch to.verb {
	case "list":
		err = s.list(w, r, to)
	case "get":
		err = s.get(w, to)
	case "patch":
		err = s.patch(w, r, to)
	case "delete":
		err = s.delete(w, r, to)
	}
	if err != nil {
		fail(w, err)
	}
}

// target reads /api/v1/… and /apis/GROUP/VERSION/….
func (s *apiServer) target(r *http.Request) (target, error) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var t target
	if len(parts) < 3 {
		return t, apierrors.NewNotFound(schema.GroupResource{Resource: "apigroups"}, r.URL.Path)
	}
	if parts[0] == "api" {
		t.kind.Version, parts = parts[1], parts[2:]
	} else {
		t.kind.Group, t.kind.Version, parts = parts[1], parts[2], parts[3:]
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		t.ref.Namespace, parts = parts[1], parts[2:]
	}
	t.resource = schema.GroupResource{Group: t.kind.Group, Resource: parts[0]}
	for _, k := range slices.Concat(kinds, contents) {
		if k.plural == parts[0] && k.Group == t.kind.Group {
			t.kind.Kind = k.Kind
		}
	}
	if len(parts) > 1 {
		t.ref.Name = parts[1]
	}
	t.ref.Kind = t.kind.Kind
	t.verb = map[string]string{http.MethodGet: "get", http.MethodPatch: "patch", http.MethodDelete: "delete"}[r.Method]
	if t.verb == "get" && t.ref.Name == "" {
		t.verb = "list"
	}
	known := t.kind.Group != "networking.istio.io" || slices.Contains(s.versions, t.kind.Version)
	if t.kind.Kind == "" || !known || t.verb == "" {
		return t, apierrors.NewGenericServerResponse(http.StatusNotFound, t.verb, t.resource, "", "the server could not find the requested resource", 0, true)
	}
	return t, nil
}

func write(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(err) // the client sees a cut connection
	}
}

func fail(w http.ResponseWriter, err error) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		status = apierrors.NewInternalError(err)
	}
	s := status.Status()
	s.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	write(w, int(s.Code), s)
}

func fieldManager(t *testing.T, kind schema.GroupVersionKind) *managedfields.FieldManager {
	t.Helper()
	m, err := managedfields.NewDefaultCRDFieldManager(managedfields.NewDeducedTypeConverter(), untyped{}, untyped{}, untyped{}, kind, kind.GroupVersion(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// untyped is all that the field manager needs to know of types: nothing.
type untyped struct{ runtime.ObjectConvertor }

func (untyped) ConvertToVersion(in runtime.Object, gv runtime.GroupVersioner) (runtime.Object, error) {
	u := in.(*unstructured.Unstructured)
	if kind, ok := gv.KindForGroupVersionKinds([]schema.GroupVersionKind{u.GroupVersionKind()}); ok {
		u = u.DeepCopy()
		u.SetGroupVersionKind(kind)
	}
	return u, nil
}

func (untyped) Default(runtime.Object) {}

func (untyped) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(kind)
	return u, nil
}
