//go:build linux

package cluster

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/firewall"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/pki"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
)

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
