package plugin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// TestEveryClientHasATable: no command opens the door without a table of its own, no table is of a command that is no more, and nobody
// but connect opens it.
func TestEveryClientHasATable(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	opens := regexp.MustCompile(`(?:connect\(|declare\(declaration, |open\()"([a-z -]+)"`)
	var used []string
	doors := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doors += strings.Count(string(text), "kube.New(")
		for _, m := range opens.FindAllStringSubmatch(string(text), -1) {
			used = append(used, m[1])
		}
	}
	slices.Sort(used)
	if diff := cmp.Diff(askerNames(), slices.Compact(used)); diff != "" {
		t.Errorf("tables and what is opened by them: %s", diff)
	}
	if doors != 1 {
		t.Errorf("kube.New is called in %d places", doors)
	}
	for _, name := range askerNames() {
		if cmd, _, err := New(genericiooptions.IOStreams{}, Program).Find(strings.Fields(name)); err != nil || !strings.HasSuffix(cmd.CommandPath(), " "+name) {
			t.Errorf("there is a table of %q and no such command: %v", name, err)
		}
	}
}

// printed is a List of roles and bindings, as -o json has it.
type printed struct {
	Items []map[string]any `json:"items"`
}

// TestRBACFormats: YAML and JSON say the same, for every command and every way to grant.
func TestRBACFormats(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"check"},
		{"check", "logs", "--with=security,sidecars", "--user=ann", "--group=on", "--service-account=ci/robot"},
		{"enable", "-A", "--with=all", "--name=writers"},
		{"enable", "cleanup", "--namespaced", "-n", "team", "--user=no"},
		{"gateway", "install", "--gateway=edge/egress,other/egress", "--needed"},
		{"stats", "record", "-n", "0123"},
		{},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			code, text, errs := command(t, append([]string{"rbac"}, args...)...)
			if code != 0 || errs != "" {
				t.Fatalf("exit code %d: %s", code, errs)
			}
			var fromYAML printed
			for document := range strings.SplitSeq(text, "\n---\n") {
				var o map[string]any
				if err := yaml.UnmarshalStrict([]byte(document), &o); err != nil {
					t.Fatalf("%v\n%s", err, document)
				}
				fromYAML.Items = append(fromYAML.Items, o)
			}
			_, text, _ = command(t, append([]string{"rbac", "-o", "json"}, args...)...)
			var fromJSON printed
			if err := json.Unmarshal([]byte(text), &fromJSON); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fromJSON, fromYAML); diff != "" || len(fromJSON.Items) == 0 {
				t.Errorf("%d objects: %s", len(fromJSON.Items), diff)
			}
		})
	}
}

// TestRBACScopes: what is granted where.
func TestRBACScopes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args string
		want []string // KIND NAMESPACE/NAME
	}{
		{"list", []string{"Role default/kubectl-egress-list"}},
		{"list -A", []string{"ClusterRole /kubectl-egress-list"}},
		{"list check -n team --name=look", []string{"ClusterRole /look", "Role istio-system/look"}},
		{"check --namespaced -n team", []string{"Role istio-system/kubectl-egress-check", "Role team/kubectl-egress-check"}},
		{"stats record --gateway=edge/egress --needed", []string{"ClusterRole /kubectl-egress-stats-record", "Role edge/kubectl-egress-stats-record"}},
		{"check --with=security --gateway=istio-system/a", []string{
			"ClusterRole /kubectl-egress-check", "Role istio-system/kubectl-egress-check", "ClusterRole /kubectl-egress-check-security",
		}},
		{"version --user=ann --istio-namespace=mesh", []string{
			"ClusterRole /kubectl-egress-version", "ClusterRoleBinding /kubectl-egress-version", "Role mesh/kubectl-egress-version", "RoleBinding mesh/kubectl-egress-version",
		}},
	} {
		_, text, errs := command(t, append([]string{"rbac", "-o", "json"}, strings.Fields(test.args)...)...)
		var got printed
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v %s", test.args, err, errs)
			continue
		}
		var objects []string
		for _, o := range got.Items {
			meta, _ := o["metadata"].(map[string]any)
			namespace, _ := meta["namespace"].(string)
			objects = append(objects, o["kind"].(string)+" "+namespace+"/"+meta["name"].(string))
		}
		if diff := cmp.Diff(test.want, objects); diff != "" {
			t.Errorf("%s: %s", test.args, diff)
		}
	}
}

// TestNoWildcards: no role holds more than it names, and none may touch roles or Secrets unless its command is about them.
func TestNoWildcards(t *testing.T) {
	t.Parallel()
	for _, c := range kube.Commands() {
		_, text, _ := command(t, append([]string{"rbac", "--with=all"}, strings.Fields(c.Name)...)...)
		if strings.Contains(text, "*") {
			t.Errorf("%s: a wildcard\n%s", c.Name, text)
		}
		_, text, _ = command(t, append([]string{"rbac"}, strings.Fields(c.Name)...)...)
		about := strings.HasPrefix(c.Name, "credential") || c.Name == "gateway install"
		if strings.Contains(text, "secrets") != about {
			t.Errorf("%s: Secrets are read: %t\n%s", c.Name, !about, text)
		}
	}
}

func TestYAMLWord(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"kubectl-egress-check": "kubectl-egress-check", "networking.istio.io": "networking.istio.io", "default": "default",
		"": `""`, "on": `"on"`, "null": `"null"`, "0123": `"0123"`, "1e3": `"1e3"`, "a: b": `"a: b"`, "ann@example.com": `"ann@example.com"`,
		"system:masters": `"system:masters"`, "x\ny": `"x\ny"`, "#": `"#"`,
	} {
		got := yamlWord(in)
		var back any
		if err := yaml.Unmarshal([]byte(got), &back); err != nil || back != in || got != want {
			t.Errorf("%q: %s, read as %#v, %v", in, got, back, err)
		}
	}
}

func FuzzYAMLWord(f *testing.F) {
	for _, s := range []string{"default", "no", "a-1", "é", "\x00", "- x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back any
		if err := yaml.Unmarshal([]byte(yamlWord(s)), &back); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if !strings.ContainsRune(s, '\uFFFD') && strings.ToValidUTF8(s, "") == s && back != s {
			t.Errorf("%q is read as %#v", s, back)
		}
	})
}

// TestServerWords: a right that an error tells of in the API server's words is not told once more.
func TestServerWords(t *testing.T) {
	t.Parallel()
	for right, want := range map[string]string{
		"list services in all namespaces":                      `list resource "services"`,
		"create pods/portforward in namespace a":               `create resource "pods/portforward"`,
		"patch deployments.apps/scale in namespace a":          `patch resource "deployments/scale"`,
		"list gateways.networking.istio.io in namespace a.b.c": `list resource "gateways"`,
	} {
		if got := serverWords(right); got != want {
			t.Errorf("%s: %s", right, got)
		}
	}
}

// TestByVerb: what could not be seen is told in one line, each verb and place once.
func TestByVerb(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ rights, want []string }{
		{nil, []string{}},
		{[]string{"list pods in all namespaces"}, []string{"list pods in all namespaces"}},
		{
			[]string{"list gateways.networking.istio.io in namespace a", "list pods in namespace a", "list services in namespace a"},
			[]string{"list gateways.networking.istio.io, pods and services in namespace a"},
		},
		{
			[]string{
				"create pods/portforward in namespace a", "create pods/portforward in namespace b", "get services in namespace a",
				"list deployments.apps in all namespaces", "list pods in namespace a", "list services in all namespaces",
			},
			[]string{
				"create pods/portforward in namespace a", "create pods/portforward in namespace b", "get services in namespace a",
				"list deployments.apps and services in all namespaces", "list pods in namespace a",
			},
		},
	} {
		if diff := cmp.Diff(test.want, byVerb(test.rights)); diff != "" {
			t.Errorf("%v: %s", test.rights, diff)
		}
	}
}
