package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sentinels are all kinds; of every error exactly the wanted one must hold.
func sentinels() []error {
	return []error{ErrForbidden, ErrAbsent, ErrConflict, ErrInvalid, ErrTimeout, ErrUnauthorized, ErrUnreachable, ErrReadOnly}
}

func checkKind(t *testing.T, err, want error) {
	t.Helper()
	for _, kind := range sentinels() {
		if got := errors.Is(err, kind); got != errors.Is(want, kind) {
			t.Errorf("errors.Is(%q, %q) = %t", err, kind, got)
		}
	}
}

func TestStatusKinds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		code   int
		reason string
		words  string
		kind   error
		want   string
	}{
		{
			"missing right", 403, "Forbidden", `configmaps "a" is forbidden: User "bob" cannot get resource "configmaps" in API group "" in the namespace "shop"`,
			ErrForbidden, `get configmap shop/a: forbidden: User "bob" cannot get resource "configmaps" in API group "" in the namespace "shop"`,
		},
		{"quota", 403, "Forbidden", `configmaps "a" is forbidden: exceeded quota`, ErrForbidden, "get configmap shop/a: forbidden: exceeded quota"},
		{"absent", 404, "NotFound", `configmaps "a" not found`, ErrAbsent, `get configmap shop/a: configmaps "a" not found`},
		{"kind not served", 404, "NotFound", "the server could not find the requested resource", ErrAbsent, "get configmap shop/a: not found: the server could not find the requested resource"},
		{"conflict", 409, "Conflict", "the object has been modified", ErrConflict, "get configmap shop/a: conflict: the object has been modified"},
		{"exists", 409, "AlreadyExists", `configmaps "a" already exists`, ErrConflict, `get configmap shop/a: conflict: configmaps "a" already exists`},
		{"webhook", 400, "BadRequest", "admission webhook \"x\" denied the request:\n\tno hosts", ErrInvalid, `get configmap shop/a: refused: admission webhook "x" denied the request: no hosts`},
		{"invalid", 422, "Invalid", "spec.hosts: Required value", ErrInvalid, "get configmap shop/a: refused: spec.hosts: Required value"},
		{"server's own time-out", 504, "Timeout", "request did not complete within the allotted timeout", ErrTimeout, "get configmap shop/a: timed out: request did not complete within the allotted timeout"},
		{"too busy", 429, "TooManyRequests", "try again later", ErrTimeout, "get configmap shop/a: timed out: try again later"},
		{"broken", 500, "InternalError", "etcdserver: no leader", nil, "get configmap shop/a: etcdserver: no leader"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				answer(t, w, test.code, status(test.code, test.reason, test.words))
			})
			err := connect(t, s.URL, Options{}).Get(t.Context(), configMaps, "shop", "a", &named{})
			checkKind(t, err, test.kind)
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Error(diff)
			}
			if s.count() != 1 {
				t.Errorf("%d requests, want 1: nothing here gets better by asking again", s.count())
			}
		})
	}
}

func TestUnauthorized(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, http.StatusUnauthorized, status(http.StatusUnauthorized, "Unauthorized", "Unauthorized"))
	})
	err := connect(t, s.URL, Options{}).Get(t.Context(), configMaps, "shop", "a", &named{})
	checkKind(t, err, ErrUnauthorized)
	want := "not authenticated: " + s.URL + ` does not take the credentials of kubeconfig context "lab": Unauthorized`
	if err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestAnswerThatIsNoStatus(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>\n<h1>502 Bad Gateway\x1b[31m</h1>", http.StatusBadGateway)
	})
	err := connect(t, s.URL, Options{}).Get(t.Context(), configMaps, "shop", "a", &named{})
	checkKind(t, err, nil)
	if text := err.Error(); strings.ContainsAny(text, "\n\x1b") || !strings.Contains(text, "502 Bad Gateway") {
		t.Errorf("error %q, want one plain line with what was answered", text)
	}
}

func TestRight(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  Error
		want string
	}{
		{Error{Verb: "list", Resource: "gateways", Group: "networking.istio.io", Namespace: "shop"}, "list gateways.networking.istio.io in namespace shop"},
		{Error{Verb: "list", Resource: "pods"}, "list pods in all namespaces"},
		{Error{Verb: "create", Resource: "pods/exec", Namespace: "shop"}, "create pods/exec in namespace shop"},
	} {
		if got := test.err.Right(); got != test.want {
			t.Errorf("Right() = %q, want %q", got, test.want)
		}
	}
}

func TestApplyNamesTheRightThatIsMissing(t *testing.T) {
	t.Parallel()
	// Of an absent object a server-side apply needs create as well, and the server says which of both is missing.
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, 403, status(403, "Forbidden", `configmaps "a" is forbidden: User "bob" cannot create resource "configmaps" in API group "" in the namespace "shop"`))
	})
	_, err := connect(t, s.URL, Options{}).Apply(t.Context(), configMaps, object("a"), ApplyOptions{})
	checkKind(t, err, ErrForbidden)
	var e *Error
	if !errors.As(err, &e) || e.Right() != "create configmaps in namespace shop" {
		t.Errorf("error %v, want one whose Right is to create", err)
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := connect(t, s.URL, Options{}).Get(ctx, configMaps, "shop", "a", &named{})
	checkKind(t, err, ErrTimeout)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "get configmap shop/a: timed out: ") {
		t.Errorf("error %v, want one that is the context's deadline", err)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { close(asked); <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	err := connect(t, s.URL, Options{}).Get(ctx, configMaps, "shop", "a", &named{})
	checkKind(t, err, nil)
	if !errors.Is(err, context.Canceled) || err.Error() != "get configmap shop/a: interrupted" {
		t.Errorf("error %v, want interrupted", err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c := connect(t, "http://"+address, Options{})
	for name, do := range map[string]func() error{
		"get":     func() error { return c.Get(t.Context(), configMaps, "shop", "a", &named{}) },
		"exec":    func() error { return c.Exec(t.Context(), Pod{"shop", "a", ""}, []string{"true"}, nil, nil) },
		"forward": func() error { _, err := c.PortForward(t.Context(), "shop", "a", 80); return err },
		"envoy":   func() error { _, err := c.EnvoyGet(t.Context(), "shop", "a", "/ready"); return err },
		"logs":    func() error { _, err := c.Logs(t.Context(), Pod{"shop", "a", ""}, LogOptions{}); return err },
	} {
		err := do()
		checkKind(t, err, ErrUnreachable)
		want := "cannot reach the API server: http://" + address + ": dial tcp " + address +
			`: connect: connection refused; is the cluster running, and is kubeconfig context "lab" the right one?`
		if err.Error() != want {
			t.Errorf("%s: %q, want %q", name, err, want)
		}
	}
}

func TestTLSThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	s := serveTLS(t)
	err := connect(t, s, Options{}).Get(t.Context(), configMaps, "shop", "a", &named{})
	checkKind(t, err, ErrUnreachable)
	if !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v, want the certificate named", err)
	}
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		body := status(409, "Conflict", "Apply failed with 2 conflicts")
		body["details"] = map[string]any{"causes": []any{
			map[string]any{"reason": "FieldManagerConflict", "message": `conflict with "kubectl-client-side-apply" using v1 at 2026-11-20T10:00:00Z`, "field": ".data.a"},
			map[string]any{"reason": "FieldManagerConflict", "message": `conflict with "argocd" with subresource "status" using v1`, "field": ".data.b"},
			map[string]any{"reason": "SomethingElse", "message": "x", "field": ".c"},
		}}
		answer(t, w, 409, body)
	})
	_, err := connect(t, s.URL, Options{}).Apply(t.Context(), configMaps, object("a"), ApplyOptions{})
	checkKind(t, err, ErrConflict)
	var conflict *ConflictError
	if !errors.As(err, &conflict) {
		t.Fatalf("error %v holds no ConflictError", err)
	}
	if diff := cmp.Diff([]FieldConflict{{"kubectl-client-side-apply", ".data.a"}, {"argocd", ".data.b"}}, conflict.Fields); diff != "" {
		t.Error(diff)
	}
	if want := `apply configmap shop/a: conflict: .data.a is owned by "kubectl-client-side-apply", .data.b is owned by "argocd"`; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestSingular(t *testing.T) {
	t.Parallel()
	for plural, want := range map[string]string{
		"pods": "pod", "serviceentries": "serviceentry", "meshpolicies": "meshpolicy", "gatewayclasses": "gatewayclass",
		"destinationrules": "destinationrule", "sheep": "sheep",
	} {
		if got := singular(plural); got != want {
			t.Errorf("singular(%q) = %q, want %q", plural, got, want)
		}
	}
}

// TestInnermost: whatever net/http puts around it, what is told is what went wrong.
func TestInnermost(t *testing.T) {
	t.Parallel()
	said := &portError{port: 15000, words: "nothing listens there (connection refused)"}
	const want = "port 15000 of the pod: nothing listens there (connection refused)"
	for name, err := range map[string]error{
		"bare":                     said,
		"by the request":           &url.Error{Op: "Get", URL: "http://pod/ready", Err: said},
		"by a connection at rest":  &url.Error{Op: "Get", URL: "http://pod/ready", Err: fmt.Errorf("readLoopPeekFailLocked: %w", said)},
		"by one that is in use":    &url.Error{Op: "Get", URL: "http://pod/ready", Err: fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", said)},
		"nobody's, by the request": &url.Error{Op: "Get", URL: "http://pod/ready", Err: errors.New(want)},
		"nobody's":                 errors.New(want),
	} {
		if got := innermost(err); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
