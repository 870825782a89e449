//go:build linux

// Package cluster starts the parts of a Kubernetes on this machine, installs Istio on it, and takes it all away again.
package cluster

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/build"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/daemon"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
)

// part is one program of the cluster.
type part struct {
	name string
	// needs are the steps of `up` that must be done before it is started.
	needs []string
	args  []string
	// ready looks whether it does its work.
	ready func(context.Context) error
}

// parts are all programs that run on the machine, in the order in which they are shown.
func parts(s site.Site, r build.Record) []part {
	bin, pki := r.Program, func(f string) string { return s.Run("pki", f) }
	list := controlPlane(s, r)
	return append(list,
		part{
			name: "registry", needs: []string{"configuration"},
			args:  []string{bin("crane"), "registry", "serve", "--address", site.Registry, "--disk", r.Layout + "/blobs"},
			ready: answers("http://" + site.Registry + "/v2/"),
		},
		part{
			name: "containerd", needs: []string{"configuration"},
			args:  []string{bin("containerd"), "-c", s.Run("containerd.toml")},
			ready: listens(s.ContainerdSocket()),
		},
		part{
			name: "kubelet", needs: []string{"kube-apiserver", "containerd"},
			args: []string{
				bin("kubelet"), "--kubeconfig=" + s.Kubeconfig(), "--config=" + s.Run("kubelet.yaml"), "--root-dir=" + s.Run("kubelet"),
				"--cert-dir=" + pki("kubelet"), "--hostname-override=" + site.NodeName, "--node-ip=" + site.NodeIP,
			},
			ready: answers("http://127.0.0.1:10248/healthz"),
		},
		part{
			name: "kube-proxy", needs: []string{"kube-apiserver", "machine"},
			args: []string{
				bin("kube-proxy"), "--kubeconfig=" + s.Kubeconfig(), "--proxy-mode=iptables", "--cluster-cidr=" + site.PodCIDR,
				"--hostname-override=" + site.NodeName, "--healthz-bind-address=127.0.0.1:10256", "--metrics-bind-address=127.0.0.1:10249",
				// Not the machine's connection tracking limits, and no node ports on loopback: both are settings of the whole machine.
				"--conntrack-max-per-core=0", "--iptables-localhost-nodeports=false",
			},
			ready: answers("http://127.0.0.1:10256/healthz"),
		},
	)
}

func controlPlane(s site.Site, r build.Record) []part {
	bin, pki := r.Program, func(f string) string { return s.Run("pki", f) }
	return []part{
		{
			name: "etcd", needs: []string{"configuration"},
			args: []string{
				bin("etcd"), "--data-dir=" + s.Run("etcd"), "--listen-client-urls=http://" + site.EtcdClient, "--advertise-client-urls=http://" + site.EtcdClient,
				"--listen-peer-urls=http://" + site.EtcdPeer, "--initial-advertise-peer-urls=http://" + site.EtcdPeer, "--initial-cluster=default=http://" + site.EtcdPeer,
				"--unsafe-no-fsync", // the data live as long as the lab
			},
			ready: answers("http://" + site.EtcdClient + "/health"),
		},
		{
			name: "kube-apiserver", needs: []string{"etcd", "machine"},
			args: []string{
				bin("kube-apiserver"), "--etcd-servers=http://" + site.EtcdClient, fmt.Sprintf("--secure-port=%d", site.APIPort),
				"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"), "--client-ca-file=" + pki("ca.crt"),
				"--token-auth-file=" + s.Run("tokens.csv"), "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
				"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + pki("sa.pub"), "--service-account-signing-key-file=" + pki("sa.key"),
				"--service-cluster-ip-range=" + site.ServiceCIDR, "--allow-privileged=true",
				// Pods reach it by the node's address, people by loopback; see fence for everybody else.
				"--advertise-address=" + site.NodeIP, "--bind-address=0.0.0.0",
				// The node's name stands in no DNS, so logs and exec must go by address.
				"--kubelet-preferred-address-types=InternalIP",
				"--kubelet-client-certificate=" + pki("kubelet-client.crt"), "--kubelet-client-key=" + pki("kubelet-client.key"),
			},
			ready: answers(site.APIServer + "/readyz"),
		},
		{
			name: "kube-controller-manager", needs: []string{"kube-apiserver"},
			args: []string{
				bin("kube-controller-manager"), "--kubeconfig=" + s.Kubeconfig(), "--service-account-private-key-file=" + pki("sa.key"),
				"--root-ca-file=" + pki("ca.crt"), "--cluster-signing-cert-file=" + pki("ca.crt"), "--cluster-signing-key-file=" + pki("ca.key"),
				"--use-service-account-credentials", "--leader-elect=false", "--bind-address=127.0.0.1",
			},
			ready: answers("https://127.0.0.1:10257/healthz"),
		},
		{
			name: "kube-scheduler", needs: []string{"kube-apiserver"},
			args:  []string{bin("kube-scheduler"), "--kubeconfig=" + s.Kubeconfig(), "--leader-elect=false", "--bind-address=127.0.0.1"},
			ready: answers("https://127.0.0.1:10259/healthz"),
		},
	}
}

// start starts a part and waits until it is ready.
func (p part) start(ctx context.Context, s site.Site, r build.Record) error {
	d, err := daemon.Start(ctx, s.Run("pids"), s.Log(p.name), daemon.Spec{
		Name: p.name, Args: p.args, Dir: s.Run(),
		// containerd looks its shim up on the PATH, and Debian's containerd package may have an older one there.
		Path: r.Bin(),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return d.Ready(ctx, p.ready)
}

// answers looks whether a URL on loopback answers 200. Certificates are not verified: some parts make their own, and
// nobody else can listen where the lab's own process does.
func answers(url string) func(context.Context) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
	}}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("ask %s: %w", url, err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return err // names method and URL itself
		}
		defer resp.Body.Close() //nolint:errcheck // it is only read
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		said, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
		if err != nil {
			return fmt.Errorf("ask %s: %s: %w", url, resp.Status, err)
		}
		return fmt.Errorf("ask %s: %s: %s", url, resp.Status, failing(string(said)))
	}
}

// failing picks the lines of a health report that tell what is not well: "[-]poststarthook/… failed".
func failing(report string) string {
	var bad []string
	for line := range strings.Lines(report) {
		if strings.HasPrefix(line, "[-]") {
			bad = append(bad, strings.TrimSpace(line))
		}
	}
	if len(bad) == 0 {
		return strings.TrimSpace(report)
	}
	return strings.Join(bad, ", ")
}

func listens(socket string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return c.Close()
	}
}
