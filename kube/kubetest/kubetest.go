// Package kubetest connects tests to API servers of their own.
package kubetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// Client is a real client, by a kubeconfig of its own, of the API server at a URL. It is closed when the test ends.
func Client(t testing.TB, url string, o kube.Options) *kube.Client {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"test","clusters":[{"name":"test","cluster":{"server":%q}}],
"users":[{"name":"admin","user":{}}],"contexts":[{"name":"test","context":{"cluster":"test","user":"admin"}}]}`, url)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig = &file
	c, err := kube.New(flags, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
