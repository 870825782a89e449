package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
)

// readOnly lets nothing pass that could change the cluster. It judges the request that would be sent, below everything
// that makes requests, so that no bug above it can write.
//
// exec and port-forward pass: reading Envoy needs them. What they may do is up to the pod.
type readOnly struct {
	prefix string // the path before /api, for API servers behind a proxy
	next   http.RoundTripper
}

// RoundTrip sends a request that only reads, or fails with ErrReadOnly.
func (g *readOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	reason := g.refuse(r)
	if reason == "" {
		return g.next.RoundTrip(r)
	}
	err := fmt.Errorf("%w: %s %s: %s", ErrReadOnly, r.Method, r.URL.Path, reason)
	if r.Body != nil {
		err = errors.Join(err, r.Body.Close()) // a RoundTripper has to close it
	}
	return nil, err
}

// WrappedRoundTripper lets client-go find the transport below.
func (g *readOnly) WrappedRoundTripper() http.RoundTripper { return g.next }

// refuse says why a request must not be sent; empty if it may.
func (g *readOnly) refuse(r *http.Request) string {
	for name := range r.Header {
		// Proxies before an API server may take these for the true method.
		if strings.Contains(strings.ToLower(name), "method-override") {
			return "header " + name
		}
	}
	p, ok := strings.CutPrefix(r.URL.Path, g.prefix)
	target := parseTarget(p)
	if !ok {
		target = apiTarget{}
	}
	switch r.Method {
	case http.MethodGet:
		return refuseGet(r, target)
	case http.MethodHead, http.MethodOptions:
		return ""
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return "method"
	}
	if path.Clean(p) != p || strings.Contains(r.URL.EscapedPath(), "%") {
		return "path is not in its plain form"
	}
	switch {
	case r.Method == http.MethodPost && target.streams():
		return ""
	case r.Method == http.MethodPost && selfReviews[p]:
		return ""
	case target.resource == "" || target.resource == "proxy":
		return "not a resource"
	case target.sub != "": // proxy, attach and the like pass it on to something that knows no dryRun
		return "subresource " + target.sub
	}
	return refuseWrite(r)
}

// selfReviews only ask the API server what the caller itself may do.
var selfReviews = map[string]bool{
	"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": true,
	"/apis/authorization.k8s.io/v1/selfsubjectrulesreviews":  true,
}

// refuseGet: a GET can carry a WebSocket, and a WebSocket through attach or proxy writes to a container's terminal.
func refuseGet(r *http.Request, t apiTarget) string {
	upgrades := r.Header.Get("Upgrade") != "" || r.Header.Get("Sec-Websocket-Protocol") != "" || r.Header.Get("Sec-Websocket-Key") != ""
	switch {
	case t.streams():
		return ""
	case t.sub == "attach":
		return "subresource attach"
	case upgrades:
		return "upgrade of the connection"
	}
	return ""
}

// refuseWrite lets dry runs pass. A DELETE with a body is special: the API server then takes the options from the body
// and does not look at the query.
func refuseWrite(r *http.Request) string {
	if values := r.URL.Query()["dryRun"]; !slices.Equal(values, []string{"All"}) {
		return "not a dry run"
	}
	if r.Method != http.MethodDelete || r.Body == nil || r.Body == http.NoBody {
		return ""
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "unreadable body: " + err.Error()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) == 0 {
		return ""
	}
	var options map[string]json.RawMessage // a map, since to the API server "dryrun" is not "dryRun"
	var dryRun []string
	if json.Unmarshal(body, &options) != nil || json.Unmarshal(options["dryRun"], &dryRun) != nil ||
		!slices.Equal(dryRun, []string{"All"}) || bytes.Count(body, []byte(`"dryRun"`)) != 1 || bytes.ContainsRune(body, '\\') {
		return "options in the body are not plainly a dry run"
	}
	return ""
}

// apiTarget is what a path of the Kubernetes API names.
type apiTarget struct {
	group, resource, namespace, name, sub string
}

// parseTarget reads /api/v1/… and /apis/GROUP/VERSION/…; other paths give the zero value.
func parseTarget(p string) apiTarget {
	parts := strings.Split(strings.Trim(p, "/"), "/")
	var t apiTarget
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		t.group, parts = parts[1], parts[3:]
	default:
		return apiTarget{}
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		t.namespace, parts = parts[1], parts[2:]
	}
	for i, field := range []*string{&t.resource, &t.name, &t.sub} {
		if i < len(parts) {
			*field = parts[i]
		}
	}
	if len(parts) > 3 && t.sub != "proxy" {
		return apiTarget{}
	}
	return t
}

// streams: exactly pods/NAME/exec and pods/NAME/portforward of a namespace.
func (t apiTarget) streams() bool {
	return t.group == "" && t.resource == "pods" && t.namespace != "" && t.name != "" && (t.sub == "exec" || t.sub == "portforward")
}
