package build

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tree writes files: path to content.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	top := t.TempDir()
	for path, text := range files {
		path = filepath.Join(top, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

func fakeParts(prefix string) map[string]string {
	files := map[string]string{}
	for _, f := range partsFiles {
		files[filepath.Join(prefix, f)] = "content of " + f
	}
	return files
}

func TestFindParts(t *testing.T) {
	top := tree(t, fakeParts("lab/parts"))
	want := filepath.Join(top, "lab", "parts")
	for _, dir := range []string{"", "lab", "lab/parts", "lab/parts/coredns"} {
		t.Chdir(filepath.Join(top, dir))
		if got, err := FindParts(""); err != nil || !sameFile(t, got, want) {
			t.Errorf("from %q: %q, %v", dir, got, err)
		}
	}
	if got, err := FindParts(want); err != nil || got != want {
		t.Errorf("named: %q, %v", got, err)
	}
	t.Chdir("/")
	// Beside this program's own source, wherever it is called from.
	if got, err := FindParts(""); err != nil || filepath.Base(got) != "parts" {
		t.Errorf("from /: %q, %v", got, err)
	}
	if _, err := FindParts(top); err == nil || !strings.Contains(err.Error(), "does not hold the module") {
		t.Errorf("a wrong folder gives %v", err)
	}
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	ia, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	ib, err := os.Stat(b)
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(ia, ib)
}

func TestKey(t *testing.T) {
	t.Parallel()
	seen := map[string][]string{}
	for _, in := range [][]string{{}, {""}, {"", ""}, {"a", "b"}, {"ab"}, {"b", "a"}, {"a", "b", ""}, {"a\n1:b"}} {
		k := Key(in...)
		if len(k) != 16 || strings.Trim(k, "0123456789abcdef") != "" {
			t.Errorf("Key(%q) = %q is no short name", in, k)
		}
		if was, twice := seen[k]; twice {
			t.Errorf("%q and %q have one key", was, in)
		}
		seen[k] = in
	}
	if first, second := Key("a", "b"), Key("a", "b"); first != second {
		t.Errorf("the same inputs have two keys: %s, %s", first, second)
	}
}

// Each thing that decides what the compiler makes must change the key: a stale program is worse than a slow build.
func TestPartsKey(t *testing.T) {
	t.Parallel()
	dir := tree(t, fakeParts(""))
	key := func(version string) string {
		k, err := partsKey(dir, version)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := key("go1.26.8")
	if key("go1.26.8") != first {
		t.Error("nothing changed, the key did")
	}
	if key("go1.27") == first {
		t.Error("another compiler, the same key")
	}
	for _, f := range partsFiles {
		path := filepath.Join(dir, f)
		was, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(was, '!'), 0o600); err != nil {
			t.Fatal(err)
		}
		if key("go1.26.8") == first {
			t.Errorf("%s changed, the key did not", f)
		}
		if err := os.WriteFile(path, was, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "go.sum")); err != nil {
		t.Fatal(err)
	}
	if _, err := partsKey(dir, "go1.26.8"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without go.sum: %v", err)
	}
}

// The versions that programs are told to report must be those that go.mod pins.
func TestVersionsAgree(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../parts/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for module, want := range map[string]string{"k8s.io/kubernetes": kubernetesVersion, "github.com/containerd/containerd/v2": containerdVersion} {
		found := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(module) + ` (\S+)`).FindSubmatch(text)
		if found == nil || string(found[1]) != want {
			t.Errorf("go.mod pins %s %q, the program will say %s", module, found, want)
		}
	}
	// Every Kubernetes module must be of one release; the staging modules count in v0.
	staging := "v0." + strings.TrimPrefix(kubernetesVersion, "v1.")
	for _, m := range regexp.MustCompile(`(?m)^\s*(k8s\.io/\S+) => k8s\.io/\S+ (\S+)`).FindAllSubmatch(text, -1) {
		if string(m[2]) != staging {
			t.Errorf("%s is replaced by %s, not %s", m[1], m[2], staging)
		}
	}
}

// What is started by name in package cluster must be compiled: a tool line that was lost shows here, not after minutes.
func TestToolsAreListed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../parts/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\ntool (\n")
	if !found {
		t.Fatal("go.mod has no tool block")
	}
	block, _, _ := strings.Cut(after, "\n)")
	var tools []string
	for line := range strings.Lines(block) {
		tools = append(tools, filepath.Base(strings.TrimSuffix(strings.TrimSpace(line), "/v3")))
	}
	for _, want := range []string{
		"containerd", "containerd-shim-runc-v2", "ctr", "crane", "server", "istioctl", "pilot-agent", "pilot-discovery",
		"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet",
	} {
		if !slices.Contains(tools, want) {
			t.Errorf("no tool line for %s among %v", want, tools)
		}
	}
}

func TestGoFlags(t *testing.T) {
	t.Parallel()
	all := strings.Join(goFlags(), "\n")
	for _, want := range []string{
		"-gcflags=all=-l", "k8s.io/component-base/version.gitVersion=" + kubernetesVersion,
		"version.gitMajor=1 ", "version.gitMinor=36", "istio.io/istio/pkg/version.buildVersion=" + istioVersion,
	} {
		if !strings.Contains(all+" ", want) {
			t.Errorf("flags lack %q:\n%s", want, all)
		}
	}
}

func TestNameEtcd(t *testing.T) {
	t.Parallel()
	for _, made := range []string{"server", "v3"} {
		bin := tree(t, map[string]string{made: "ELF"})
		if err := nameEtcd(bin); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(bin, "etcd")); err != nil {
			t.Errorf("%s was not renamed: %v", made, err)
		}
	}
	if err := nameEtcd(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no etcd") {
		t.Errorf("without etcd: %v", err)
	}
}
