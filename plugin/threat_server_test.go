package plugin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// reply is one answer of an API server.
type reply struct {
	status int
	body   string
}

// lies are variants of a script's answers: for each name of a JSON member one in which that is poisoned, one with poisoned lines of
// logs, and refusals.
func lies(answers string) map[string]map[string]reply {
	truth := map[string]reply{}
	members := map[string]bool{}
	for paragraph := range strings.SplitSeq(answers, "\n\n") {
		head, body, _ := strings.Cut(strings.TrimSpace(paragraph), "\n")
		words := strings.Fields(head)
		if len(words) != 3 {
			continue
		}
		status := http.StatusOK
		if _, err := fmt.Sscan(words[2], &status); err != nil {
			continue
		}
		truth[words[0]+" "+words[1]] = reply{status, body}
		poisoned(body, func(member string) bool { members[member] = true; return false })
	}
	out := map[string]map[string]reply{}
	for member := range members {
		lie := map[string]reply{}
		for target, r := range truth {
			lie[target] = reply{r.status, poisoned(r.body, func(m string) bool { return m == member })}
		}
		out[member] = lie
	}
	for _, status := range []int{http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusUnauthorized} {
		lie := map[string]reply{}
		for target := range truth {
			lie[target] = reply{status, refusal(status)}
		}
		out[fmt.Sprintf("refused with %d", status)] = lie
	}
	return out
}

// poisoned gives JSON with poison at the end of all strings that are values of the members which which names; lines that are no JSON
// have it in the place of their last word.
func poisoned(body string, which func(member string) bool) string {
	var tree any
	if json.Unmarshal([]byte(body), &tree) != nil {
		if !which("") {
			return body
		}
		var lines []string
		for line := range strings.Lines(body) {
			lines = append(lines, strings.TrimSpace(line)+strings.ReplaceAll(poison, "\n", ""))
		}
		return strings.Join(lines, "\n")
	}
	text, err := json.Marshal(spoiltBy(tree, "", poison, which))
	if err != nil {
		return body
	}
	return string(text)
}

func spoiltBy(v any, member, poison string, which func(string) bool) any {
	switch v := v.(type) {
	case string:
		if which(member) {
			return v + poison
		}
	case []any:
		for i := range v {
			v[i] = spoiltBy(v[i], member, poison, which)
		}
	case map[string]any:
		for name := range v {
			v[name] = spoiltBy(v[name], name, poison, which)
		}
	}
	return v
}

// refusal is what an API server says that does not do what it is asked for.
func refusal(status int) string {
	reasons := map[int]string{http.StatusForbidden: "Forbidden", http.StatusConflict: "Conflict", http.StatusUnprocessableEntity: "Invalid", http.StatusUnauthorized: "Unauthorized"}
	causes := []any{map[string]any{"reason": "FieldManagerConflict", "message": `conflict with "` + poison + `"`, "field": ".spec" + poison}}
	text, err := json.Marshal(map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reasons[status], "code": status, "message": "no" + poison,
		"details": map[string]any{"name": "x" + poison, "kind": "y" + poison, "causes": causes},
	})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// hostileServer serves a lie and gives a kubeconfig for it, whose names are poisoned too.
func hostileServer(t *testing.T, lie map[string]reply) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := lie[r.Method+" "+r.URL.Path]
		if !ok {
			a = reply{http.StatusNotFound, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"not here"}`}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Warning", `299 - "told\" `+strings.Map(func(r rune) rune {
			if r == '\n' || r == '\r' {
				return -1 // would end the header
			}
			return r
		}, poison)+`"`)
		w.WriteHeader(a.status)
		if _, err := w.Write([]byte(a.body)); err != nil {
			t.Logf("answer %s: %v", r.URL.Path, err)
		}
	}))
	t.Cleanup(server.Close)
	return kubeconfigOf(t, server.URL)
}

// kubeconfigOf writes a kubeconfig whose context, cluster and user have poisoned names.
func kubeconfigOf(t *testing.T, address string) string {
	t.Helper()
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: %[1]s, cluster: {server: %[2]s}}]
contexts: [{name: %[1]s, context: {cluster: %[1]s, user: %[1]s, namespace: default}}]
users: [{name: %[1]s, user: {token: secret}}]
current-context: %[1]s
`, strconv.QuoteToASCII("lab"+poison), address)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
