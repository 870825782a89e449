package kube

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTable holds the table to what it means: verbs and places that there are, a word for every circumstance, a reason for every right.
func TestTable(t *testing.T) {
	t.Parallel()
	all := Commands()
	if !slices.IsSortedFunc(all, func(a, b Command) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("commands are not sorted by name")
	}
	for i, c := range all {
		if i > 0 && all[i-1].Name == c.Name {
			t.Errorf("%s is there twice", c.Name)
		}
		writes := false
		for _, r := range c.Rights {
			t.Run(c.Name+"/"+r.Can+"/"+string(r.In)+"/"+r.With, func(t *testing.T) { holdRight(t, r) })
			for _, rule := range r.Rules() {
				writes = writes || rule.Verb == "patch" || rule.Verb == "delete"
			}
		}
		if writes != c.Writes && c.Name != "diff" { // which has the API server try writes
			t.Errorf("%s: writes is %t", c.Name, c.Writes)
		}
	}
}

func holdRight(t *testing.T, r Right) {
	t.Helper()
	for _, rule := range r.Rules() {
		if !slices.Contains([]string{"get", "list", "watch", "create", "patch", "delete"}, rule.Verb) {
			t.Errorf("verb %q", rule.Verb)
		}
		if rule.Resource == "" || strings.ToLower(rule.Resource) != rule.Resource || strings.ContainsAny(rule.Resource, ". *") || strings.Contains(rule.Group, "*") {
			t.Errorf("resource %q of group %q", rule.Resource, rule.Group)
		}
	}
	if !slices.Contains([]Place{Everywhere, HomeOrAll, Home, AtGateway, OfIstio, OfDNS}, r.In) {
		t.Errorf("place %q", r.In)
	}
	if r.Else != "" && !slices.Contains([]Place{Home, AtGateway, OfIstio}, r.Else) {
		t.Errorf("place %q", r.Else)
	}
	if r.With != "" && (r.Circumstance() == "" || r.Word() == "" || strings.ContainsAny(r.Word(), " -") && strings.HasPrefix(r.Word(), "-")) {
		t.Errorf("circumstance %q has no words", r.With)
	}
	if r.Why == "" || len(r.Why) > 90 || strings.HasSuffix(r.Why, ".") {
		t.Errorf("reason %q", r.Why)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	r := Right{Can: "get,list pods/log,deployments.apps,widgets.example.com/status"}
	want := []Rule{
		{"get", "", "pods/log"},
		{"list", "", "pods/log"},
		{"get", "apps", "deployments"},
		{"list", "apps", "deployments"},
		{"get", "example.com", "widgets/status"},
		{"list", "example.com", "widgets/status"},
	}
	if diff := cmp.Diff(want, r.Rules()); diff != "" {
		t.Error(diff)
	}
	if got := want[5].String(); got != "list widgets.example.com/status" {
		t.Error(got)
	}
}

// TestGuard: what the table does not have is refused and named, whatever it looks like.
func TestGuard(t *testing.T) {
	t.Parallel()
	command := Command{Name: "look", Writes: true, Rights: []Right{
		{Can: "list,get pods", In: Everywhere},
		{Can: "get,list,patch configmaps", In: Home},
		{Can: "list secrets", In: HomeOrAll},
		{Can: "create pods/exec,pods/portforward", In: Home},
		{Can: "get pods/log,pods/proxy", In: AtGateway},
		{Can: "delete gateways.networking.istio.io", In: Home},
		{Can: "get namespaces", In: Home},
	}}
	const pod = "/api/v1/namespaces/shop/pods/a"
	for _, test := range []struct{ method, target, refused string }{
		{"GET", pod, ""},
		{"GET", "/api/v1/pods?limit=500", ""},
		{"GET", "/api/v1/namespaces/shop/pods", ""},
		{"GET", "/api/v1/namespaces/shop/configmaps/a", ""},
		{"PATCH", "/api/v1/namespaces/shop/configmaps/a?dryRun=All", ""},
		{"GET", "/api/v1/secrets", ""},
		{"GET", pod + "/exec?command=true", ""},
		{"POST", pod + "/exec?command=true", ""},
		{"GET", pod + "/portforward", ""},
		{"GET", pod + "/log?follow=true", ""},
		{"GET", pod + ":15014/proxy/version", ""},
		{"DELETE", "/apis/networking.istio.io/v1/namespaces/shop/gateways/a", ""},
		{"GET", "/api/v1/namespaces/shop", ""},
		{"GET", "/apis/networking.istio.io", ""},

		{"GET", "/api/v1/pods?watch=true", "watch pods"},
		{"GET", "/api/v1/configmaps", "list configmaps in all namespaces"},
		{"GET", "/api/v1/namespaces", "list namespaces"},
		{"PATCH", "/api/v1/namespaces/shop", "patch namespaces"},
		{"POST", "/api/v1/namespaces/shop/configmaps", "create configmaps"},
		{"PUT", "/api/v1/namespaces/shop/configmaps/a", "update configmaps"},
		{"DELETE", "/api/v1/namespaces/shop/configmaps/a", "delete configmaps"},
		{"DELETE", "/api/v1/namespaces/shop/configmaps", "deletecollection configmaps"},
		{"DELETE", "/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways/a", "delete gateways.gateway.networking.k8s.io"},
		{"DELETE", "/apis/networking.istio.io/v1/namespaces/shop/gateways", "deletecollection gateways.networking.istio.io"},
		{"GET", "/api/v1/namespaces/shop/secrets/a", "get secrets"},
		{"GET", pod + "/attach", "get pods/attach"},
		{"POST", pod + ":15014/proxy/quitquitquit", "create pods/proxy"},
		{"POST", pod + "/eviction", "create pods/eviction"},
		{"GET", "/apis/apps/v1/namespaces/shop/pods/a", "get pods.apps"},
		{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "create selfsubjectaccessreviews.authorization.k8s.io"},
		{"GET", "/logs/kube-apiserver.log", "GET /logs/kube-apiserver.log"},
		{"GET", "/apis", "GET /apis"},
		{"POST", "/apis/networking.istio.io", "POST /apis/networking.istio.io"},
		{"GET", "/apis/networking.istio.io/v1", "GET /apis/networking.istio.io/v1"},
	} {
		t.Run(test.method+" "+test.target, func(t *testing.T) {
			t.Parallel()
			below := &sent{}
			for _, prefix := range []string{"", "/clusters/a"} {
				g := &tableGuard{command: command.Name, allowed: command.allowed(), prefix: prefix, next: below}
				r := httptest.NewRequestWithContext(t.Context(), test.method, prefix+test.target, nil)
				body := &closeCounter{Reader: strings.NewReader("")}
				r.Body = body
				answer, err := g.RoundTrip(r)
				if err == nil {
					_ = answer.Body.Close()
				}
				says := ""
				if test.refused != "" {
					says = strings.ReplaceAll(test.refused, " /", " "+prefix+"/") + " is not in the table of look; please report this"
				}
				if (err == nil) != (says == "") || err != nil && (!errors.Is(err, ErrUnlisted) || !strings.HasSuffix(err.Error(), ": "+says) || body.closed != 1) {
					t.Errorf("prefix %q: %v, body closed %d times", prefix, err, body.closed)
				}
			}
			if got := len(below.requests); (got == 2) != (test.refused == "") || got != 0 && got != 2 {
				t.Errorf("%d of 2 requests were sent", got)
			}
		})
	}
}

// TestGuardTakesTable: each right of each command passes where the table says that it is needed.
func TestGuardTakesTable(t *testing.T) {
	t.Parallel()
	methods := map[string]string{"get": "GET", "list": "GET", "watch": "GET", "create": "POST", "patch": "PATCH", "delete": "DELETE"}
	for _, c := range Commands() {
		g := &tableGuard{command: c.Name, allowed: c.allowed()}
		for _, right := range c.Rights {
			for _, rule := range right.Rules() {
				resource, sub, _ := strings.Cut(rule.Resource, "/")
				target := "/api/v1"
				if rule.Group != "" {
					target = "/apis/" + rule.Group + "/v1"
				}
				if right.In != Everywhere && right.In != HomeOrAll {
					target += "/namespaces/shop"
				}
				if resource != "namespaces" {
					target += "/" + resource
				} else if right.In == Everywhere {
					target += "/namespaces"
				}
				if rule.Verb != "list" && rule.Verb != "watch" && (rule.Verb != "create" || sub != "") && resource != "namespaces" {
					target += "/a"
				}
				if sub != "" {
					target += "/" + sub
				}
				if rule.Verb == "watch" {
					target += "?watch=1"
				}
				if sub == "exec" || sub == "portforward" {
					target = "/api/v1/namespaces/shop/pods/a/" + sub
				}
				if resource == "namespaces" && right.In == Everywhere && rule.Verb != "create" && rule.Verb != "list" {
					target += "/shop"
				}
				r := httptest.NewRequestWithContext(t.Context(), methods[rule.Verb], target, nil)
				if why := g.refuse(r); why != "" {
					t.Errorf("%s: %s: %s %s is refused: %s", c.Name, rule, r.Method, target, why)
				}
			}
		}
	}
}

// TestClientKeepsToTable: a client that is opened for a command sends nothing else, and says that the fault is the program's.
func TestClientKeepsToTable(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(t, w, http.StatusOK, object("a").Object) })
	for _, writes := range []bool{true, false} {
		command := Command{Name: "look", Writes: writes, Rights: []Right{{Can: "get,patch configmaps", In: Home}}}
		c := connect(t, s.URL, Options{Command: &command})
		configMaps := Resource{Version: "v1", Resource: "configmaps"}
		var got named
		if err := c.Get(t.Context(), configMaps, "shop", "a", &got); err != nil || got.Metadata.Name != "a" {
			t.Errorf("%+v, %v", got, err)
		}
		before := s.count()
		err := c.List(t.Context(), configMaps, "", ListOptions{}, func(json.RawMessage) error { return nil })
		wantUnlisted(t, err, "list configmaps in all namespaces: refused: a fault of this program: list configmaps is not in the table of look; please report this")
		err = c.Exec(t.Context(), Pod{Namespace: "shop", Name: "a"}, []string{"true"}, io.Discard, io.Discard)
		wantUnlisted(t, err, "exec in pod shop/a: refused: a fault of this program: create pods/exec is not in the table of look; please report this")
		_, err = c.PortForward(t.Context(), "shop", "a", 15000)
		wantUnlisted(t, err, "port-forward to pod shop/a: refused: a fault of this program: create pods/portforward is not in the table of look; please report this")
		_, err = c.Logs(t.Context(), Pod{Namespace: "shop", Name: "a"}, LogOptions{})
		wantUnlisted(t, err, "read the log of pod shop/a: refused: a fault of this program: get pods/log is not in the table of look; please report this")
		_, err = c.Apply(t.Context(), configMaps, object("a"), ApplyOptions{DryRun: true})
		if err != nil {
			t.Errorf("a dry run: %v", err)
		}
		_, err = c.Apply(t.Context(), configMaps, object("a"), ApplyOptions{})
		if writes != (err == nil) || err != nil && !errors.Is(err, ErrReadOnly) {
			t.Errorf("writes %t: %v", writes, err)
		}
		if sent, want := s.count()-before, map[bool]int{true: 2, false: 1}[writes]; sent != want {
			t.Errorf("%d requests were sent, want %d", sent, want)
		}
	}
}

func wantUnlisted(t *testing.T, err error, says string) {
	t.Helper()
	if !errors.Is(err, ErrUnlisted) || errors.Is(err, ErrForbidden) || errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	if err.Error() != says {
		t.Errorf("%s", err)
	}
}

func TestFindCommand(t *testing.T) {
	t.Parallel()
	if c, ok := FindCommand("gateway install"); !ok || c.Name != "gateway install" || !c.Writes || len(c.Rights) == 0 {
		t.Errorf("%+v, %t", c, ok)
	}
	if _, ok := FindCommand("render"); ok {
		t.Error("render asks no API server")
	}
	if check, _ := FindCommand("check"); check.Writes {
		t.Error("check writes")
	}
}
