package site

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNew(t *testing.T) {
	for _, tt := range []struct {
		name, dir string
		want      string // the folder, or a part of the error
		fails     bool
	}{
		{name: "explicit", dir: "/srv/lab", want: "/srv/lab"},
		{name: "untidy", dir: "/srv//x/../lab/", want: "/srv/lab"},
		{name: "just short enough", dir: "/" + strings.Repeat("x", maxDir-1), want: "/" + strings.Repeat("x", maxDir-1)},
		{name: "too long for sockets", dir: "/" + strings.Repeat("x", maxDir), want: "name a shorter one with --dir", fails: true},
		{name: "root", dir: "/", want: "cannot be /", fails: true},
		{name: "root in disguise", dir: "/srv/..", want: "cannot be /", fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := New(tt.dir)
			if tt.fails {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("New(%q) = %v, %v; want an error with %q", tt.dir, s, err, tt.want)
				}
				return
			}
			if err != nil || s.Dir() != tt.want {
				t.Fatalf("New(%q) = %q, %v; want %q", tt.dir, s.Dir(), err, tt.want)
			}
		})
	}
}

// The default follows the cache folder of the user; XDG_CACHE_HOME is process-wide, so this test cannot be parallel.
func TestNewDefault(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/var/tmp/cache")
	s, err := New("")
	if err != nil || s.Dir() != "/var/tmp/cache/kubectl-egress-lab" {
		t.Fatalf("New(\"\") = %q, %v", s.Dir(), err)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := New(""); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Fatalf("without a home the error must name the flag that helps, got %v", err)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	s, err := New("/srv/lab")
	if err != nil {
		t.Fatal(err)
	}
	got := []string{s.Build(), s.Build("a", "b"), s.Outside("ca.crt"), s.Run(), s.Run("pids"), s.Log("etcd"), s.Kubeconfig(), s.ContainerdSocket()}
	want := []string{
		"/srv/lab/build", "/srv/lab/build/a/b", "/srv/lab/outside/ca.crt", "/srv/lab/run", "/srv/lab/run/pids",
		"/srv/lab/run/logs/etcd.log", "/srv/lab/kubeconfig", "/srv/lab/run/containerd/containerd.sock",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("paths (-want +got):\n%s", d)
	}
}

// The longest folder that New takes must leave room for the sockets below it: Linux allows 107 characters.
func TestSocketsFit(t *testing.T) {
	t.Parallel()
	s, err := New("/" + strings.Repeat("x", maxDir-1))
	if err != nil {
		t.Fatal(err)
	}
	for _, socket := range []string{
		s.ContainerdSocket() + ".ttrpc",
		s.Run("kubelet", "pod-resources", "kubelet.sock"),
		filepath.Join(s.Run("kubelet", "device-plugins"), "kubelet.sock"),
	} {
		if len(socket) > 107 {
			t.Errorf("%s has %d characters", socket, len(socket))
		}
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	ports := Ports()
	for _, address := range []string{Registry, EtcdClient, EtcdPeer} {
		found := false
		for port := range ports {
			found = found || strings.HasSuffix(address, ":"+itoa(port))
		}
		if !found {
			t.Errorf("the port of %s is not checked before the lab starts", address)
		}
	}
	if ports[APIPort] == "" || !strings.HasSuffix(APIServer, ":"+itoa(APIPort)) {
		t.Errorf("API server %s and its port %d do not agree", APIServer, APIPort)
	}
}

func itoa(n int) string {
	var digits []byte
	for ; n > 0; n /= 10 {
		digits = append([]byte{byte('0' + n%10)}, digits...)
	}
	return string(digits)
}
