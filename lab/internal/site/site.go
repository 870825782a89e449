// Package site says where the lab keeps things and which addresses it uses. It does no I/O.
package site

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// The addresses of the lab. Nothing listens beyond the machine: what cannot bind to loopback alone is fenced off by a
// firewall rule of the lab's own (see package cluster).
const (
	// NodeName is the name of the only node.
	NodeName = "lab"
	// NodeIP is put on lo: the API server must reach the kubelet, and pods the API server, by an address that is on an
	// interface but is not a loopback address inside the pods. A dummy link would do too, but not every kernel has one.
	NodeIP = "10.250.0.1"
	// PodCIDR is where pods live.
	PodCIDR = "10.244.0.0/24"
	// ServiceCIDR is where Services live.
	ServiceCIDR = "10.96.0.0/16"
	// DNS is the Service address of CoreDNS.
	DNS = "10.96.0.10"
	// APIPort is where the API server listens.
	APIPort = 6443
	// APIServer is the API server as the kubeconfig names it.
	APIServer = "https://127.0.0.1:6443"
	// Registry is where the lab's images are pulled from; RegistryName is how image names call it.
	Registry     = "127.0.0.1:5000"
	RegistryName = "lab.local"
	// EtcdClient and EtcdPeer are etcd's own.
	EtcdClient = "127.0.0.1:2379"
	EtcdPeer   = "127.0.0.1:2380"
)

// Ports are the TCP ports that must be free before the lab starts, with who takes them.
func Ports() map[int]string {
	return map[int]string{
		2379: "etcd", 2380: "etcd", 5000: "registry", APIPort: "kube-apiserver",
		10248: "kubelet", 10249: "kube-proxy", 10250: "kubelet", 10256: "kube-proxy",
		10257: "kube-controller-manager", 10259: "kube-scheduler",
	}
}

// maxDir bounds the length of the lab's folder: containerd's sockets lie up to 60 characters below it, and the path of
// a Unix socket must not exceed 107.
const maxDir = 47

// Site is the folder of a lab. The zero Site is not valid.
type Site struct{ dir string }

// New takes dir, or kubectl-egress-lab in the user's cache folder if dir is empty.
func New(dir string) (Site, error) {
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return Site{}, fmt.Errorf("find the user's cache folder (name one with --dir): %w", err)
		}
		dir = filepath.Join(cache, "kubectl-egress-lab")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Site{}, fmt.Errorf("make %s absolute: %w", dir, err)
	}
	if dir == "/" {
		return Site{}, errors.New("the lab's folder cannot be /")
	}
	if len(dir) > maxDir {
		return Site{}, fmt.Errorf("the lab's folder %s has more than %d characters: the path of a socket below it would be too long for Linux; name a shorter one with --dir", dir, maxDir)
	}
	return Site{dir: dir}, nil
}

// Dir is the folder that holds everything.
func (s Site) Dir() string { return s.dir }

// Build is where `build` keeps what it made; `down` leaves it.
func (s Site) Build(elem ...string) string { return s.join("build", elem) }

// Outside is where the CA and the certificates of the world outside the mesh are kept; `down` leaves it, because the
// CA is part of the images.
func (s Site) Outside(elem ...string) string { return s.join("outside", elem) }

// Run is the folder of the running lab; `down` removes it.
func (s Site) Run(elem ...string) string { return s.join("run", elem) }

// Log is the log file of one part.
func (s Site) Log(part string) string { return s.Run("logs", part+".log") }

// Kubeconfig is the administrator's kubeconfig of the running lab; `down` removes it.
func (s Site) Kubeconfig() string { return filepath.Join(s.dir, "kubeconfig") }

// ContainerdSocket is where containerd listens.
func (s Site) ContainerdSocket() string { return s.Run("containerd", "containerd.sock") }

func (s Site) join(first string, elem []string) string {
	return filepath.Join(append([]string{s.dir, first}, elem...)...)
}
