//go:build linux

package cluster

import (
	"crypto/rand"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/build"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/pki"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
)

//go:embed files
var files embed.FS

// clusterValid is how long the certificates of one cluster live; a lab is not meant to stand for a month.
const clusterValid = 30 * 24 * time.Hour

// configure writes everything that the parts are started with.
func configure(s site.Site) error {
	ca, err := keys(s)
	if err != nil {
		return err
	}
	token, err := randomToken()
	if err != nil {
		return err
	}
	var cni []string
	for _, dir := range build.CNIDirs() {
		cni = append(cni, fmt.Sprintf("%q", dir))
	}
	fill := strings.NewReplacer("@RUN@", s.Run(), "@CNI@", strings.Join(cni, ", "))
	for name, dest := range map[string]string{
		"containerd.toml": s.Run("containerd.toml"),
		"hosts.toml":      s.Run("certs.d", site.RegistryName, "hosts.toml"),
		"cni.json":        s.Run("cni", "10-lab.conflist"),
		"kubelet.yaml":    s.Run("kubelet.yaml"),
		"coredns.yaml":    s.Run("coredns.yaml"),
		"istio.yaml":      s.Run("istio.yaml"),
	} {
		text, err := files.ReadFile("files/" + name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if err := write(dest, fill.Replace(string(text))); err != nil {
			return err
		}
	}
	// CoreDNS runs with dnsPolicy Default and forwards nothing; the file must merely exist and be harmless.
	if err := write(s.Run("resolv.conf"), "nameserver 127.0.0.1\n"); err != nil {
		return err
	}
	if err := write(s.Run("tokens.csv"), token+",admin,admin,\"system:masters\"\n"); err != nil {
		return err
	}
	return write(s.Kubeconfig(), kubeconfig(ca, token))
}

// keys makes the cluster's authority and what it signs, and returns the authority's certificate.
func keys(s site.Site) ([]byte, error) {
	dir := s.Run("pki")
	ca, err := pki.NewAuthority(pki.Name("", "lab-ca"), clusterValid)
	if err != nil {
		return nil, err
	}
	if err := ca.Save(dir, "ca"); err != nil {
		return nil, err
	}
	for name, leaf := range map[string]pki.Leaf{
		"apiserver": {
			Subject: pki.Name("", "kube-apiserver"),
			Names:   []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
			IPs:     []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP("10.96.0.1"), net.ParseIP(site.NodeIP)},
		},
		"kubelet-client": {Subject: pki.Name("system:masters", "kube-apiserver-kubelet-client")},
	} {
		pair, err := ca.Issue(leaf, clusterValid)
		if err != nil {
			return nil, err
		}
		if err := pair.Save(dir, name); err != nil {
			return nil, err
		}
	}
	private, public, err := pki.SigningKey()
	if err != nil {
		return nil, err
	}
	if err := write(filepath.Join(dir, "sa.key"), string(private)); err != nil {
		return nil, err
	}
	return ca.Cert, write(filepath.Join(dir, "sa.pub"), string(public))
}

func kubeconfig(ca []byte, token string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: admin
  user: {token: %s}
contexts:
- name: lab
  context: {cluster: lab, user: admin}
current-context: lab
`, site.APIServer, base64.StdEncoding.EncodeToString(ca), token)
}

func randomToken() (string, error) {
	b := make([]byte, 24)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make the administrator's token: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// write writes a file that only its owner may read: half of them are secrets.
func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
