package kube

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// sent is a transport that only says what reached it.
type sent struct{ requests []*http.Request }

func (s *sent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.requests = append(s.requests, r)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// closeCounter says whether a body was closed.
type closeCounter struct {
	io.Reader
	closed int
}

func (c *closeCounter) Close() error { c.closed++; return nil }

func TestReadOnly(t *testing.T) {
	t.Parallel()
	const pod = "/api/v1/namespaces/shop/pods/a"
	for _, test := range []struct {
		name, method, target string
		header               http.Header
		body                 string
		passes               bool
	}{
		// Reading.
		{name: "get", method: "GET", target: pod, passes: true},
		{name: "list", method: "GET", target: "/apis/networking.istio.io/v1/gateways?limit=500", passes: true},
		{name: "head", method: "HEAD", target: pod, passes: true},
		{name: "options", method: "OPTIONS", target: pod, passes: true},
		{name: "discovery", method: "GET", target: "/apis", passes: true},
		{name: "log", method: "GET", target: pod + "/log?follow=true", passes: true},
		{name: "proxy to read a version", method: "GET", target: "/api/v1/namespaces/istio-system/pods/istiod:15014/proxy/version", passes: true},
		{name: "own rights", method: "POST", target: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body: `{}`, passes: true},
		{name: "own rules", method: "POST", target: "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body: `{}`, passes: true},
		{name: "exec by SPDY", method: "POST", target: pod + "/exec?command=true", passes: true},
		{name: "exec by WebSocket", method: "GET", target: pod + "/exec?command=true", header: http.Header{"Sec-Websocket-Protocol": {"v5.channel.k8s.io"}}, passes: true},
		{name: "port-forward by SPDY", method: "POST", target: pod + "/portforward", passes: true},
		{name: "port-forward by WebSocket", method: "GET", target: pod + "/portforward", header: http.Header{"Upgrade": {"websocket"}}, passes: true},

		// Dry runs.
		{name: "apply, dry", method: "PATCH", target: "/apis/networking.istio.io/v1/namespaces/shop/gateways/a?dryRun=All&force=true", passes: true},
		{name: "create, dry", method: "POST", target: "/api/v1/namespaces/shop/configmaps?dryRun=All", passes: true},
		{name: "update, dry", method: "PUT", target: "/api/v1/namespaces/shop/configmaps/a?dryRun=All", passes: true},
		{name: "delete, dry", method: "DELETE", target: pod + "?dryRun=All", passes: true},
		{name: "delete, dry in query and body", method: "DELETE", target: pod + "?dryRun=All", body: `{"kind":"DeleteOptions","dryRun":["All"]}`, passes: true},

		// Writing.
		{name: "apply", method: "PATCH", target: "/apis/networking.istio.io/v1/namespaces/shop/gateways/a"},
		{name: "create", method: "POST", target: "/api/v1/namespaces/shop/configmaps"},
		{name: "update", method: "PUT", target: "/api/v1/namespaces/shop/configmaps/a"},
		{name: "delete", method: "DELETE", target: pod},
		{name: "delete all", method: "DELETE", target: "/api/v1/namespaces/shop/pods?labelSelector=a"},
		{name: "evict", method: "POST", target: pod + "/eviction"},
		{name: "scale", method: "PATCH", target: "/apis/apps/v1/namespaces/shop/deployments/a/scale"},
		{name: "finalize", method: "PUT", target: "/api/v1/namespaces/shop/finalize"},
		{name: "bind a role", method: "POST", target: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"},
		{name: "token of a service account", method: "POST", target: "/api/v1/namespaces/shop/serviceaccounts/a/token"},
		{name: "rights of somebody else", method: "POST", target: "/apis/authorization.k8s.io/v1/subjectaccessreviews"},

		// What looks like a dry run and is none.
		{name: "dry run of nothing", method: "PATCH", target: pod + "?dryRun="},
		{name: "dry run spelled otherwise", method: "PATCH", target: pod + "?dryrun=All"},
		{name: "dry run with another value", method: "PATCH", target: pod + "?dryRun=all"},
		{name: "dry run twice", method: "PATCH", target: pod + "?dryRun=All&dryRun=None"},
		{name: "dry run in the fragment", method: "PATCH", target: pod + "#?dryRun=All"},
		{name: "dry run in another parameter", method: "PATCH", target: pod + "?fieldManager=dryRun=All"},
		{name: "a body puts the query aside", method: "DELETE", target: pod + "?dryRun=All", body: `{"kind":"DeleteOptions"}`},
		{name: "a body with another case", method: "DELETE", target: pod + "?dryRun=All", body: `{"dryrun":["All"]}`},
		{name: "a body that takes it back", method: "DELETE", target: pod + "?dryRun=All", body: `{"dryRun":["All"],"dryRun":[]}`},
		{name: "a body that hides it", method: "DELETE", target: pod + "?dryRun=All", body: `{"dryRun":["All"],"dryRu\u006e":[]}`},
		{name: "a body in YAML", method: "DELETE", target: pod + "?dryRun=All", body: "gracePeriodSeconds: 0\n"},
		{name: "a body only", method: "DELETE", target: pod, body: `{"dryRun":["All"]}`},
		{name: "proxy knows no dry run", method: "POST", target: pod + ":8080/proxy/orders?dryRun=All"},
		{name: "node proxy", method: "POST", target: "/api/v1/nodes/lab/proxy/run/shop/a/c?dryRun=All"},
		{name: "service proxy", method: "DELETE", target: "/api/v1/namespaces/shop/services/a/proxy/orders/1?dryRun=All"},
		{name: "proxy of old", method: "POST", target: "/api/v1/proxy/namespaces/shop/pods/a?dryRun=All"},
		{name: "attach", method: "POST", target: pod + "/attach?dryRun=All"},
		{name: "console of a virtual machine", method: "PUT", target: "/apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachines/a/stop?dryRun=All"},

		// Ways around by the path.
		{name: "not the API", method: "POST", target: "/logs?dryRun=All"},
		{name: "dots", method: "POST", target: "/api/v1/namespaces/shop/pods/a/exec/../../../../configmaps"},
		{name: "encoded dots", method: "POST", target: "/api/v1/namespaces/shop/pods/a/exec/%2e%2e/x/portforward"},
		{name: "encoded slash", method: "POST", target: "/api/v1/namespaces/shop/configmaps%2fpods/a/exec"},
		{name: "double slash", method: "POST", target: "/api/v1/namespaces/shop//pods/a/exec"},
		{name: "a tail", method: "POST", target: pod + "/exec/more"},
		{name: "trailing slash", method: "DELETE", target: pod + "/?dryRun=All"},
		{name: "a pod called exec", method: "POST", target: "/api/v1/namespaces/shop/pods/exec"},
		{name: "a config map called exec", method: "POST", target: "/api/v1/namespaces/shop/configmaps/a/exec"},
		{name: "pods of another group", method: "POST", target: "/apis/example.com/v1/namespaces/shop/pods/a/exec"},
		{name: "pods of no namespace", method: "POST", target: "/api/v1/pods/a/exec"},
		{name: "own rights in a namespace", method: "POST", target: "/apis/authorization.k8s.io/v1/namespaces/shop/selfsubjectaccessreviews"},

		// Ways around by the method or the connection.
		{name: "method of the future", method: "PURGE", target: pod + "?dryRun=All"},
		{name: "connect", method: "CONNECT", target: pod},
		{name: "trace", method: "TRACE", target: pod},
		{name: "lower case", method: "delete", target: pod},
		{name: "another method in a header", method: "GET", target: pod, header: http.Header{"X-Http-Method-Override": {"DELETE"}}},
		{name: "attach by WebSocket", method: "GET", target: pod + "/attach?stdin=true"},
		{name: "WebSocket through a node's proxy", method: "GET", target: "/api/v1/nodes/lab/proxy/exec/shop/a/c", header: http.Header{"Sec-Websocket-Protocol": {"v4.channel.k8s.io"}}},
		{name: "upgrade of a list", method: "GET", target: "/api/v1/pods", header: http.Header{"Upgrade": {"SPDY/3.1"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, prefix := range []string{"", "/k8s/clusters/c-1"} {
				next := &sent{}
				guard := &readOnly{prefix: prefix, next: next}
				r := rawRequest(t, test.method, prefix+test.target, test.body)
				maps.Copy(r.Header, test.header)
				_, err := guard.RoundTrip(r)
				if passed := len(next.requests) == 1; passed != test.passes || passed != (err == nil) {
					t.Errorf("%s %s: sent %t, error %v; want sent %t", test.method, test.target, passed, err, test.passes)
				}
				if !test.passes && !errors.Is(err, ErrReadOnly) {
					t.Errorf("error %v, want ErrReadOnly", err)
				}
				if test.passes && test.body != "" {
					got, err := io.ReadAll(next.requests[0].Body)
					if err != nil || string(got) != test.body {
						t.Errorf("body %q, %v; want it untouched: %q", got, err, test.body)
					}
				}
			}
		})
	}
}

// rawRequest builds a request as a transport gets it, with the path exactly as written.
func rawRequest(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	u, err := url.Parse("https://api.example:6443" + target)
	if err != nil {
		t.Fatal(err)
	}
	r := (&http.Request{Method: method, URL: u, Header: http.Header{}}).WithContext(t.Context())
	if body != "" {
		r.Body = io.NopCloser(strings.NewReader(body))
	}
	return r
}

func TestReadOnlyElsewhere(t *testing.T) {
	t.Parallel()
	// A write to a path that is not below the prefix of the kubeconfig's server is judged by nothing, so it is refused.
	next := &sent{}
	guard := &readOnly{prefix: "/k8s/clusters/c-1", next: next}
	_, err := guard.RoundTrip(rawRequest(t, "POST", "/api/v1/namespaces/shop/pods/a/exec", ""))
	if !errors.Is(err, ErrReadOnly) || len(next.requests) != 0 {
		t.Errorf("sent %d requests, %v; want ErrReadOnly", len(next.requests), err)
	}
}

func TestReadOnlyClosesTheBody(t *testing.T) {
	t.Parallel()
	body := &closeCounter{Reader: strings.NewReader("x")}
	r := rawRequest(t, "POST", "/api/v1/namespaces/shop/configmaps", "")
	r.Body = body
	if _, err := (&readOnly{next: &sent{}}).RoundTrip(r); err == nil || body.closed != 1 {
		t.Errorf("closed %d times, %v; want closed once and refused", body.closed, err)
	}
}

func TestReadOnlyClient(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.URL.Query().Get("dryRun") != "All" {
			t.Errorf("%s %s reached the API server", r.Method, r.URL)
		}
		answer(t, w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a"}})
	})
	c := connect(t, s.URL, Options{ReadOnly: true})
	ctx := t.Context()
	for name, do := range map[string]func() error{
		"apply":        func() error { _, err := c.Apply(ctx, configMaps, object("a"), ApplyOptions{}); return err },
		"forced apply": func() error { _, err := c.Apply(ctx, configMaps, object("a"), ApplyOptions{Force: true}); return err },
		"delete":       func() error { return c.Delete(ctx, configMaps, "shop", "a", DeleteOptions{}) },
		"delete by uid": func() error {
			return c.Delete(ctx, configMaps, "shop", "a", DeleteOptions{UID: "u"})
		},
	} {
		err := do()
		checkKind(t, err, ErrReadOnly)
		if !strings.Contains(err.Error(), "shop/a: refused: this command only reads: ") || strings.Count(err.Error(), "refused") != 1 {
			t.Errorf("%s: %v, want one line that says so once", name, err)
		}
	}
	for name, do := range map[string]func() error{
		"get":        func() error { return c.Get(ctx, configMaps, "shop", "a", &named{}) },
		"dry apply":  func() error { _, err := c.Apply(ctx, configMaps, object("a"), ApplyOptions{DryRun: true}); return err },
		"dry delete": func() error { return c.Delete(ctx, configMaps, "shop", "a", DeleteOptions{DryRun: true, UID: "u"}) },
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadOnlyFollowsNoRedirectToAWrite(t *testing.T) {
	t.Parallel()
	reached := false
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(target.Close)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL+"/api/v1/namespaces/shop/configmaps", http.StatusTemporaryRedirect)
	})
	c := connect(t, s.URL, Options{ReadOnly: true})
	err := c.Exec(context.WithoutCancel(t.Context()), Pod{"shop", "a", ""}, []string{"true"}, nil, nil)
	if err == nil || reached {
		t.Errorf("the redirect of an upgrade was followed: %t, %v", reached, err)
	}
}

func FuzzReadOnly(f *testing.F) {
	f.Add("POST", "/api/v1/namespaces/shop/pods/a/exec", "dryRun=All")
	f.Add("DELETE", "/apis/x/v1/a/b", "dryRun=All")
	f.Fuzz(func(t *testing.T, method, path, query string) {
		next := &sent{}
		guard := &readOnly{next: next}
		r := &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}}
		_, err := guard.RoundTrip(r.WithContext(t.Context()))
		if (err == nil) != (len(next.requests) == 1) {
			t.Fatalf("sent %d requests with error %v", len(next.requests), err)
		}
		if len(next.requests) == 0 {
			return
		}
		target := parseTarget(path)
		switch {
		case method == "GET" || method == "HEAD" || method == "OPTIONS":
		case method == "POST" && (selfReviews[path] || target.streams()):
		case target.resource != "" && target.sub == "" && len(r.URL.Query()["dryRun"]) == 1 && r.URL.Query().Get("dryRun") == "All":
		default:
			t.Errorf("%s %s?%s was sent", method, path, query)
		}
	})
}
