package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var gateways = Resource{Group: "networking.istio.io", Version: "v1", Resource: "gateways"}

func TestGet(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		resource        Resource
		namespace, name string
		want            string
	}{
		{configMaps, "shop", "a", "/api/v1/namespaces/shop/configmaps/a"},
		{gateways, "shop", "b.c", "/apis/networking.istio.io/v1/namespaces/shop/gateways/b.c"},
		{Resource{Version: "v1", Resource: "namespaces"}, "", "shop", "/api/v1/namespaces/shop"},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(t, w, http.StatusOK, item(test.name)) })
		var got named
		if err := connect(t, s.URL, Options{}).Get(t.Context(), test.resource, test.namespace, test.name, &got); err != nil {
			t.Fatal(err)
		}
		if got.Metadata.Name != test.name || s.last().URL.Path != test.want {
			t.Errorf("Get gave %q from %s, want %q from %s", got.Metadata.Name, s.last().URL.Path, test.name, test.want)
		}
	}
}

func TestGetBehindPrefix(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(t, w, http.StatusOK, item("a")) })
	c := connect(t, s.URL+"/k8s/clusters/c-1", Options{ReadOnly: true})
	if err := c.Get(t.Context(), configMaps, "shop", "a", &named{}); err != nil {
		t.Fatal(err)
	}
	if got, want := s.last().URL.Path, "/k8s/clusters/c-1/api/v1/namespaces/shop/configmaps/a"; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

func TestNamesThatAreNotOneSegment(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(t, w, http.StatusOK, item("a")) })
	c := connect(t, s.URL, Options{})
	for _, name := range []string{"", "..", ".", "a/b", "a%2fb"} {
		if err := c.Get(t.Context(), configMaps, "shop", name, &named{}); err == nil {
			t.Errorf("Get of name %q succeeded", name)
		}
		if name == "" {
			continue
		}
		if err := c.Get(t.Context(), configMaps, name, "a", &named{}); err == nil {
			t.Errorf("Get in namespace %q succeeded", name)
		}
	}
	if s.count() != 0 {
		t.Errorf("%d requests were sent, last %s", s.count(), s.last().URL)
	}
}

func TestGetUndecodable(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(t, w, http.StatusOK, []int{1}) })
	err := connect(t, s.URL, Options{}).Get(t.Context(), configMaps, "shop", "a", &named{})
	if err == nil || !strings.HasPrefix(err.Error(), "decode configmap shop/a: ") {
		t.Errorf("Get: %v, want an error that names the object", err)
	}
}

// pages serves n objects in pages whose continue token is the index of the next.
func pages(t *testing.T, n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
		if err != nil {
			t.Errorf("limit: %v", err)
		}
		from, _ := strconv.Atoi(r.URL.Query().Get("continue")) //nolint:errcheck // absent on the first page: 0
		items := []any{}
		for i := from; i < min(from+limit, n); i++ {
			items = append(items, item(fmt.Sprintf("o%d", i)))
		}
		next := ""
		if from+limit < n {
			next = strconv.Itoa(from + limit)
		}
		answer(t, w, http.StatusOK, map[string]any{"metadata": map[string]any{"continue": next}, "items": items})
	}
}

func TestListPages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		objects      int
		page         int64
		wantRequests int
	}{
		{0, 0, 1}, {499, 0, 1}, {500, 0, 1}, {501, 0, 2}, {7, 2, 4}, {7, 7, 1},
	} {
		s := serve(t, pages(t, test.objects))
		all, err := ListOf[named](t.Context(), connect(t, s.URL, Options{}), gateways, "", ListOptions{PageSize: test.page, Labels: "a=b", Fields: "metadata.name!=x"})
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != test.objects || s.count() != test.wantRequests {
			t.Errorf("%d objects by pages of %d: got %d in %d requests, want %d", test.objects, test.page, len(all), s.count(), test.wantRequests)
		}
		for i, one := range all {
			if want := fmt.Sprintf("o%d", i); one.Metadata.Name != want {
				t.Fatalf("object %d is %s, want %s", i, one.Metadata.Name, want)
			}
		}
		q := s.last().URL.Query()
		if s.last().URL.Path != "/apis/networking.istio.io/v1/gateways" || q.Get("labelSelector") != "a=b" || q.Get("fieldSelector") != "metadata.name!=x" {
			t.Errorf("asked %s", s.last().URL)
		}
	}
}

func TestListExpired(t *testing.T) {
	t.Parallel()
	// The token of the second page is forgotten the first time, as when a list takes longer than etcd's compaction.
	forgetful := func(times int) http.HandlerFunc {
		serve := pages(t, 5)
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("continue") == "2" && times > 0 {
				times--
				answer(t, w, http.StatusGone, status(http.StatusGone, "Expired", "The provided continue parameter is too old"))
				return
			}
			serve(w, r)
		}
	}
	t.Run("begins anew and gives nothing twice", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forgetful(1))
		all, err := ListOf[named](t.Context(), connect(t, s.URL, Options{}), gateways, "", ListOptions{PageSize: 2})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, one := range all {
			names = append(names, one.Metadata.Name)
		}
		if diff := cmp.Diff([]string{"o0", "o1", "o2", "o3", "o4"}, names); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("tells the caller", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forgetful(2))
		restarts := 0
		_, err := ListOf[named](t.Context(), connect(t, s.URL, Options{}), gateways, "", ListOptions{PageSize: 2, Restart: func() { restarts++ }})
		if err != nil || restarts != 2 {
			t.Errorf("%d restarts, %v; want 2", restarts, err)
		}
	})
	t.Run("gives up", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forgetful(100))
		_, err := ListOf[named](t.Context(), connect(t, s.URL, Options{}), gateways, "", ListOptions{PageSize: 2})
		if err == nil || !strings.Contains(err.Error(), "continue parameter is too old") {
			t.Errorf("List: %v, want the server's words", err)
		}
	})
	t.Run("fails where items cannot be taken back", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forgetful(1))
		err := connect(t, s.URL, Options{}).List(t.Context(), gateways, "", ListOptions{PageSize: 2}, func(json.RawMessage) error { return nil })
		if err == nil {
			t.Error("List gave items twice without a word")
		}
	})
}

func TestListStops(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	s := serve(t, pages(t, 10))
	seen := 0
	err := connect(t, s.URL, Options{}).List(t.Context(), gateways, "shop", ListOptions{PageSize: 2}, func(json.RawMessage) error {
		seen++
		if seen == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || seen != 3 || s.count() != 2 {
		t.Errorf("%d items in %d requests, then %v; want 3 items in 2 requests, then the caller's error", seen, s.count(), err)
	}
}

func TestListEndless(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, http.StatusOK, map[string]any{"metadata": map[string]any{"continue": "same"}, "items": []any{}})
	})
	err := connect(t, s.URL, Options{}).List(t.Context(), gateways, "", ListOptions{}, func(json.RawMessage) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "same page again") {
		t.Errorf("List: %v, want an end", err)
	}
}

func TestListOfNamesTheBrokenObject(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		item any
		want string
	}{
		{map[string]any{"metadata": map[string]any{"name": "bad", "namespace": "shop"}, "spec": "text"}, "decode shop/bad: "},
		{[]int{1}, "decode an object without a name: "},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			answer(t, w, http.StatusOK, map[string]any{"items": []any{test.item}})
		})
		type strict struct {
			Spec struct{ A int } `json:"spec"`
		}
		_, err := ListOf[strict](t.Context(), connect(t, s.URL, Options{}), gateways, "", ListOptions{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ListOf: %v, want %q", err, test.want)
		}
	}
}

func TestServedVersions(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/apis/networking.istio.io" {
			answer(t, w, http.StatusNotFound, status(http.StatusNotFound, "NotFound", "the server could not find the requested resource"))
			return
		}
		answer(t, w, http.StatusOK, map[string]any{"versions": []any{
			map[string]any{"version": "v1alpha3"}, map[string]any{"version": "v1"}, map[string]any{"version": "v1beta1"},
		}})
	})
	c := connect(t, s.URL, Options{})
	got, err := c.ServedVersions(t.Context(), "networking.istio.io")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"v1", "v1beta1", "v1alpha3"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := c.ServedVersions(t.Context(), "security.istio.io"); !errors.Is(err, ErrAbsent) {
		t.Errorf("absent group: %v, want ErrAbsent", err)
	}
}
