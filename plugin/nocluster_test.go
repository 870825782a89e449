package plugin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// askingLines has a command line for every command that asks the API server, by its name in the table of rights.
func askingLines(dir string) map[string][]string {
	return map[string][]string{
		"capture":           {"-o", filepath.Join(dir, "captured.tgz")},
		"certs":             {"edge/egress"},
		"check":             {"news"},
		"cleanup":           {"news", "--yes"},
		"credential create": {"client", "--self-signed", "--out=" + filepath.Join(dir, "pairs"), "--gateway=edge/egress"},
		"credential delete": {"client", "--yes", "--gateway=edge/egress"},
		"diff":              {"--domains=edition.cnn.com", "--gateway=edge/egress"},
		"enable":            {"--domains=edition.cnn.com", "--gateway=edge/egress"},
		"gateway install":   {"edge/egress"},
		"gateway list":      {},
		"gateway uninstall": {"edge/egress", "--yes"},
		"get":               {"news"},
		"list":              {},
		"logs":              {"--follow"},
		"probe":             {"edition.cnn.com"},
		"sample delete":     {"sleep", "--yes"},
		"sample install":    {"mtls-server", "--client-dir=" + filepath.Join(dir, "client")},
		"stats":             {"--watch"},
		"stats record":      {"on", "--yes", "--gateway=edge/egress"},
		"version":           {"--mesh"},
	}
}

// everyAsker runs every command that asks the API server against one, with a kubeconfig that is nobody's, and has look at the end of it.
// No file may be left where nothing was found out.
func everyAsker(t *testing.T, server string, look func(t *testing.T, name string, code int, stdout, stderr string)) {
	t.Helper()
	for _, c := range kube.Commands() {
		if c.Name == "completion" { // which offers nothing then
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
			if err := os.WriteFile(kubeconfig, []byte("{apiVersion: v1, kind: Config}"), 0o600); err != nil {
				t.Fatal(err)
			}
			line, ok := askingLines(dir)[c.Name]
			if !ok {
				t.Fatal("no line for this command")
			}
			args := append(strings.Fields(c.Name), append(line, "--server="+server, "--kubeconfig="+kubeconfig)...)
			code, stdout, stderr := command(t, args...)
			look(t, c.Name, code, stdout, stderr)
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 && c.Name != "capture" {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

// TestNoCluster: where no API server answers, every command says so in one line, prints nothing and ends with 1; diff with 2, as
// kubectl's does, whose 1 is that something differs.
func TestNoCluster(t *testing.T) {
	t.Parallel()
	everyAsker(t, "http://127.0.0.1:1", func(t *testing.T, name string, code int, stdout, stderr string) {
		t.Helper()
		want := map[bool]int{false: exitFailed, true: exitUsage}[name == "diff"]
		if code != want || stdout != "" {
			t.Errorf("exit code %d, want %d; stdout %q", code, want, stdout)
		}
		if !strings.HasPrefix(stderr, "error: ") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "cannot reach the API server: http://127.0.0.1:1: ") ||
			!strings.Contains(stderr, "no kubeconfig context is set; set KUBECONFIG or give --kubeconfig") {
			t.Errorf("stderr is not one line that says what is wrong:\n%s", stderr)
		}
	})
}

// TestNoPermission: where nothing is allowed, every command names rights that are missing and ends with 1, but for those whose answer
// says what is unknown.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method != http.MethodGet {
			t.Errorf("%s %s although nothing could be looked at", r.Method, r.URL)
		}
		if group, ok := strings.CutPrefix(r.URL.Path, "/apis/"); ok && !strings.Contains(group, "/") {
			fmt.Fprintf(w, `{"kind":"APIGroup","apiVersion":"v1","name":%q,"versions":[{"groupVersion":"%s/v1","version":"v1"}]}`, group, group)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"not you"}`)
	}))
	t.Cleanup(server.Close)
	t.Run("all", func(t *testing.T) {
		everyAsker(t, server.URL, func(t *testing.T, name string, code int, stdout, stderr string) {
			t.Helper()
			want := exitFailed
			switch name {
			case "diff":
				want = exitUsage
			case "capture", "version": // tell what is there to be told
				want = exitOK
			}
			if code != want {
				t.Errorf("exit code %d, want %d\n%s%s", code, want, stdout, stderr)
			}
			if !strings.Contains(stderr, ": forbidden: not you") && !strings.Contains(stderr, "Not seen, for want of the right to ") {
				t.Errorf("names no right:\n%s", stderr)
			}
			if said := stdout + stderr; strings.Contains(said, "panic") || strings.Contains(said, "fault of this program") {
				t.Error(said)
			}
		})
	})
}
