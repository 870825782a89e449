package discover

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

var update = flag.Bool("update", false, "write the golden files")

func TestDiscover(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			facts, err := Discover(t.Context(), load(t, file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(facts, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden.json"
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Error(diff)
			}
			// What is written can be read back: snapshots hold facts.
			var again mesh.Facts
			if err := json.Unmarshal(got, &again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(facts, again); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNothingToSay: what concerns every source is an error and not a list of things unread.
func TestNothingToSay(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]error{"unreachable": kube.ErrUnreachable, "unauthorized": kube.ErrUnauthorized} {
		for _, source := range []string{
			"everything", "list services in all namespaces", "list pods in istio-system", "list deployments in all namespaces",
			"get configmaps istio-system/istio", "list peerauthentications in istio-system", "discover networking.istio.io",
			"discover security.istio.io", "ask istio-system/istiod-649646474b-z7tpx", "ask istio-system/istio-egressgateway-6f8654479b-fp2nv",
		} {
			c := load(t, "testdata/lab.yaml")
			c.Fail = map[string]string{source: kind}
			facts, err := Discover(t.Context(), c)
			if !errors.Is(err, want) {
				t.Errorf("%s %s: %v, want it told", source, kind, err)
			}
			if diff := cmp.Diff(mesh.Facts{}, facts); diff != "" {
				t.Errorf("%s %s: facts beside an error: %s", source, kind, diff)
			}
		}
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Discover(ctx, load(t, "testdata/lab.yaml")); !errors.Is(err, context.Canceled) {
		t.Errorf("Discover: %v, want the context's end", err)
	}
}

// TestEverySourceMayBeForbidden: with each right taken away in turn there are still facts, and the gap is told.
func TestEverySourceMayBeForbidden(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"testdata/lab.yaml", "testdata/helm.yaml", "testdata/istio-1.4.yaml"} {
		all := load(t, file)
		if _, err := Discover(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		for _, question := range all.asked {
			c := load(t, file)
			c.Fail = map[string]string{question: "forbidden"}
			facts, err := Discover(t.Context(), c)
			if err != nil {
				t.Errorf("%s: without the right to %s: %v", file, question, err)
				continue
			}
			told := false
			for _, u := range facts.Unread {
				told = told || u.Kind == kindForbidden && strings.Contains(u.Detail, question)
			}
			if !told {
				t.Errorf("%s: without the right to %s nothing of it is told: %+v", file, question, facts.Unread)
			}
			if facts.RootNamespace == "" || facts.TrustDomain == "" || facts.ClusterDomain == "" || facts.MTLS.Reason == "" {
				t.Errorf("%s: without the right to %s defaults are missing: %+v", file, question, facts)
			}
		}
	}
}

// TestCheapFirst: a version that is written on the Deployment costs no question.
func TestCheapFirst(t *testing.T) {
	t.Parallel()
	c := load(t, "testdata/helm.yaml")
	if _, err := Discover(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, question := range c.asked {
		if strings.HasPrefix(question, "ask ") {
			t.Errorf("asked: %s", question)
		}
	}
	if len(c.asked) > 10 {
		t.Errorf("%d questions: %q", len(c.asked), c.asked)
	}
}
