//go:build linux

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/build"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/firewall"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/pki"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/steps"
)

func newSite(t *testing.T) site.Site {
	t.Helper()
	s, err := site.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func record() build.Record {
	return build.Record{Parts: "/srv/lab/build/parts-1", Layout: "/srv/lab/build/images-1"}
}

// quiet is a Watcher that tells nobody.
type quiet struct{}

func (quiet) Plan([]string)                    {}
func (quiet) Begin(string)                     {}
func (quiet) Say(string, string)               {}
func (quiet) End(string, time.Duration, error) {}

// order runs steps without their work and returns their names in the order of their beginning.
func order(t *testing.T, list []steps.Step) []string {
	t.Helper()
	names := make(chan string, len(list))
	for i := range list {
		list[i].Do = func(context.Context, func(string)) error { names <- list[i].Name; return nil }
	}
	if err := steps.Run(t.Context(), list, quiet{}); err != nil {
		t.Fatal(err)
	}
	close(names)
	var out []string
	for n := range names {
		out = append(out, n)
	}
	return out
}

func before(t *testing.T, order []string, first, second string) {
	t.Helper()
	i, j := slices.Index(order, first), slices.Index(order, second)
	if i < 0 || j < 0 || i > j {
		t.Errorf("%s must come before %s: %v", first, second, order)
	}
}

func TestUpOrder(t *testing.T) {
	t.Parallel()
	got := order(t, UpSteps(newSite(t), record()))
	// How the machine was is noted before anything else happens.
	if got[0] != "machine" {
		t.Errorf("the first step is %s", got[0])
	}
	before(t, got, "etcd", "kube-apiserver")
	before(t, got, "containerd", "kubelet")
	before(t, got, "registry", "images")
	before(t, got, "kubelet", "node")
	before(t, got, "images", "istio")
	for _, p := range parts(newSite(t), record()) {
		if !slices.Contains(got, p.name) {
			t.Errorf("nothing starts %s", p.name)
		}
	}
}

func TestResumeOrder(t *testing.T) {
	t.Parallel()
	got := order(t, ResumeSteps(newSite(t), record()))
	slices.Sort(got)
	// No program is started: they all run.
	if d := cmp.Diff([]string{"coredns", "images", "istio", "node"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDownOrder(t *testing.T) {
	t.Parallel()
	got := order(t, DownSteps(newSite(t)))
	before(t, got, "stop controllers", "kill pods") // or the kubelet would start them anew
	before(t, got, "stop containerd", "kill shims")
	before(t, got, "kill shims", "unmount")
	before(t, got, "stop controllers", "network") // or kube-proxy would write its rules anew
	if got[len(got)-1] != "files" {
		t.Errorf("the last step is %s: the run folder must stay until all else is gone", got[len(got)-1])
	}
}

// Down must know every program that up starts.
func TestDownStopsAll(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("down.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts(newSite(t), record()) {
		if !regexp.MustCompile(`stop\([^)]*"` + p.name + `"`).Match(text) {
			t.Errorf("no step of down stops %s", p.name)
		}
	}
}

// Where there is nothing, down does nothing, needs no right, and fails at nothing.
func TestDownOfNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if left, err := Leftovers(s); err != nil || left {
		t.Errorf("Leftovers = %t, %v", left, err)
	}
	if err := steps.Run(t.Context(), DownSteps(s), quiet{}); err != nil {
		t.Error(err)
	}
}

// A lab that was begun but had not touched the machine yet.
func TestDownOfAlmostNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, f := range []string{s.Run("logs", "etcd.log"), s.Kubeconfig(), s.Build("current.json"), s.Outside("ca.crt")} {
		if err := write(f, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := Leftovers(s); err != nil || !left {
		t.Errorf("Leftovers = %t, %v", left, err)
	}
	if err := steps.Run(t.Context(), DownSteps(s), quiet{}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{s.Run(): false, s.Kubeconfig(): false, s.Build("current.json"): true, s.Outside("ca.crt"): true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestRemoveLogLinks(t *testing.T) {
	t.Parallel()
	dir, run := t.TempDir(), "/srv/lab/run"
	for name, to := range map[string]string{"mine.log": run + "/pod-logs/a/0.log", "other.log": "/var/log/pods/b/0.log", "near.log": run + "ning/0.log"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeLogLinks(dir, run); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if d := cmp.Diff([]string{"file.log", "near.log", "other.log"}, left); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
	if err := removeLogLinks(filepath.Join(dir, "none"), run); err != nil {
		t.Errorf("no folder: %v", err)
	}
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := configure(s); err != nil {
		t.Fatal(err)
	}
	text := func(path string) string {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v, %v", path, info.Mode(), err)
		}
		return string(b)
	}
	for path, want := range map[string]string{
		s.Run("containerd.toml"):                    `address = "` + s.ContainerdSocket() + `"`,
		s.Run("kubelet.yaml"):                       `containerRuntimeEndpoint: "unix://` + s.ContainerdSocket() + `"`,
		s.Run("certs.d", "lab.local", "hosts.toml"): site.Registry,
		s.Run("cni", "10-lab.conflist"):             site.PodCIDR,
		s.Run("istio.yaml"):                         "hub: " + site.RegistryName,
		s.Run("coredns.yaml"):                       "clusterIP: " + site.DNS,
		s.Kubeconfig():                              "server: " + site.APIServer,
		s.Run("resolv.conf"):                        "nameserver 127.0.0.1",
	} {
		got := text(path)
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %q", path, want)
		}
		if left := regexp.MustCompile(`@[A-Z]+@`).FindString(got); left != "" {
			t.Errorf("%s still holds the placeholder %s", path, left)
		}
	}
	var cni map[string]any
	if err := json.Unmarshal([]byte(text(s.Run("cni", "10-lab.conflist"))), &cni); err != nil {
		t.Errorf("the network's configuration is no JSON: %v", err)
	}
	token, _, _ := strings.Cut(text(s.Run("tokens.csv")), ",")
	if len(token) != 48 || !strings.Contains(text(s.Kubeconfig()), token) {
		t.Errorf("token %q is not the kubeconfig's", token)
	}
	checkKeys(t, s)

	other := newSite(t)
	if err := configure(other); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text(other.Run("tokens.csv")), token) {
		t.Error("two labs have one token")
	}
}

func checkKeys(t *testing.T, s site.Site) {
	t.Helper()
	pair, err := pki.Load(s.Run("pki"), "ca")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.ParseAuthority(pair)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"apiserver", "kubelet-client"} {
		p, err := pki.Load(s.Run("pki"), name)
		if err != nil || !ca.Signed(p.Cert, time.Now()) {
			t.Errorf("%s is not signed by the cluster's CA: %v", name, err)
			continue
		}
		cert, err := pki.ParseCert(p.Cert)
		if err != nil {
			t.Fatal(err)
		}
		if name == "apiserver" {
			// People come by loopback, pods by the Service, the API server's own address is the node's.
			for _, host := range []string{"127.0.0.1", "10.96.0.1", site.NodeIP, "kubernetes.default.svc"} {
				if err := cert.VerifyHostname(host); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func TestPartsArguments(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	names := map[string]bool{}
	for _, p := range parts(s, record()) {
		if names[p.name] {
			t.Errorf("%s is there twice", p.name)
		}
		names[p.name] = true
		if !strings.HasPrefix(p.args[0], "/srv/lab/build/parts-1/bin/") {
			t.Errorf("%s starts %s, not what was built", p.name, p.args[0])
		}
		if p.ready == nil {
			t.Errorf("%s: nobody would know when it is ready", p.name)
		}
		// Only the API server listens beyond loopback, and the fence stands before it.
		for _, a := range p.args {
			if strings.Contains(a, "0.0.0.0") && p.name != "kube-apiserver" {
				t.Errorf("%s listens everywhere: %s", p.name, a)
			}
		}
	}
}

func TestFence(t *testing.T) {
	t.Parallel()
	// iptables-restore's input with -I is no iptables-save output; as -A it must be, and down must find all of it.
	tables, err := firewall.Parse(strings.NewReplacer("-I FORWARD 1", "-A FORWARD", "-I INPUT 1", "-A INPUT").Replace(fence()))
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		for chain := range table.Chains {
			if !firewall.Ours(chain) {
				t.Errorf("down would not take chain %s away", chain)
			}
		}
	}
	if strings.Contains(fence(), "PODS") || strings.Contains(fence(), "API ") {
		t.Errorf("a placeholder is left:\n%s", fence())
	}
	want := "*filter\n-D FORWARD -j LAB-FORWARD\n-D INPUT -j LAB-INPUT\n-F LAB-FORWARD\n-F LAB-INPUT\n-X LAB-FORWARD\n-X LAB-INPUT\nCOMMIT\n"
	if d := cmp.Diff(want, firewall.Removal(nil, tables)); d != "" {
		t.Errorf("removal (-want +got):\n%s", d)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	report := "[+]ping ok\n[-]etcd failed: reason withheld\n[-]poststarthook/rbac failed\nreadyz check failed\n"
	for _, tt := range []struct {
		code int
		body string
		want string // part of the error, empty for none
	}{
		{http.StatusOK, "ok", ""},
		{http.StatusInternalServerError, report, "500 Internal Server Error: [-]etcd failed: reason withheld, [-]poststarthook/rbac failed"},
		{http.StatusServiceUnavailable, " starting\n", "503 Service Unavailable: starting"},
	} {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.code)
			if _, err := w.Write([]byte(tt.body)); err != nil {
				t.Error(err)
			}
		}))
		err := answers(server.URL + "/readyz")(t.Context())
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("answers = %v, want %q", err, tt.want)
		}
		server.Close()
		if err := answers(server.URL)(t.Context()); err == nil {
			t.Error("nobody listens, and yet it answers")
		}
	}
}

func TestListens(t *testing.T) {
	t.Parallel()
	if err := listens(filepath.Join(t.TempDir(), "no.sock"))(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
}
