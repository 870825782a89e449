//go:build linux

package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/firewall"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/shell"
)

// Before is how the machine was before the lab touched it.
type Before struct {
	// Firewall is the output of iptables-save, by family.
	Firewall map[firewall.Family]string `json:"firewall"`
	// Sysctls are kernel settings that the lab's programs change, by their path below /proc/sys.
	Sysctls map[string]string `json:"sysctls"`
	// Folders are those of strays that were there.
	Folders []string `json:"folders"`
}

// sysctls are what the lab sets (forwarding between pods), and what the kubelet and kube-proxy set without being asked.
var sysctls = [...]string{
	"net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet", "net/netfilter/nf_conntrack_max",
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// strays are folders outside the lab's own that its programs make, because their paths are built in. The innermost come
// first, so that one after the other becomes empty.
var strays = [...]string{
	"/var/lib/kubelet/device-plugins", "/var/lib/kubelet/pod-resources", "/var/lib/kubelet/plugins_registry", "/var/lib/kubelet",
	"/var/log/containers", "/var/log/pods", "/var/lib/cni/results", "/var/lib/cni/networks", "/var/lib/cni",
	"/run/containerd/s", "/run/containerd/fifo", "/run/containerd/runc", "/run/containerd", "/opt/containerd", "/run/netns",
}

func sysctlPath(name string) string { return "/proc/sys/" + name }

// Look notes how the machine is.
func Look(ctx context.Context) (Before, error) {
	b := Before{Firewall: map[firewall.Family]string{}, Sysctls: map[string]string{}}
	for _, f := range firewall.Families() {
		if _, err := os.Stat("/proc/sys/net/ipv6"); f == firewall.IPv6 && err != nil {
			continue // a kernel without IPv6 has no firewall for it
		}
		text, err := firewall.Save(ctx, f)
		if err != nil {
			return Before{}, err
		}
		b.Firewall[f] = text
	}
	for _, name := range sysctls {
		text, err := os.ReadFile(sysctlPath(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // this kernel does not have it, or its module is not loaded yet
		}
		if err != nil {
			return Before{}, fmt.Errorf("read kernel setting %s: %w", name, err)
		}
		b.Sysctls[name] = strings.TrimSpace(string(text))
	}
	for _, dir := range strays {
		if _, err := os.Lstat(dir); err == nil {
			b.Folders = append(b.Folders, dir)
		}
	}
	return b, nil
}

// SaveBefore writes it to a file; LoadBefore reads it (fs.ErrNotExist's kind if there is none).
func SaveBefore(path string, b Before) error {
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("note how the machine is: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("note how the machine is: %w", err)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return fmt.Errorf("note how the machine is: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("note how the machine is: %w", err)
	}
	return nil
}

// LoadBefore reads what SaveBefore wrote.
func LoadBefore(path string) (Before, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a path that the lab made
	if err != nil {
		return Before{}, fmt.Errorf("learn how the machine was: %w", err)
	}
	var b Before
	if err := json.Unmarshal(text, &b); err != nil {
		return Before{}, fmt.Errorf("learn how the machine was: %s is damaged: %w", path, err)
	}
	return b, nil
}

// Set writes one kernel setting.
func Set(name, value string) error {
	if err := os.WriteFile(sysctlPath(name), []byte(value), 0o600); err != nil {
		return fmt.Errorf("set kernel setting %s to %s: %w", name, value, err)
	}
	return nil
}

// Restore puts firewall and kernel settings back.
func (b Before) Restore(ctx context.Context) error {
	var errs []error
	for f, text := range b.Firewall {
		_, err := firewall.TakeAway(ctx, f, text)
		errs = append(errs, err)
	}
	for name, was := range b.Sysctls {
		now, err := os.ReadFile(sysctlPath(name))
		if err != nil {
			errs = append(errs, fmt.Errorf("read kernel setting %s: %w", name, err))
			continue
		}
		if !bytes.Equal(bytes.TrimSpace(now), []byte(was)) {
			errs = append(errs, Set(name, was))
		}
	}
	return errors.Join(errs...)
}

// RemoveStrays takes away the folders that were not there before, as far as they are empty: what is in them is not the
// lab's, because what is the lab's was removed by whoever knew its name.
func (b Before) RemoveStrays() error {
	was := map[string]bool{}
	for _, dir := range b.Folders {
		was[dir] = true
	}
	var errs []error
	for _, dir := range strays {
		if was[dir] {
			continue
		}
		err := os.Remove(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !notEmpty(err) {
			errs = append(errs, fmt.Errorf("remove %s: %w", dir, err))
		}
	}
	return errors.Join(errs...)
}

// RemoveDeadSockets removes the Unix sockets that match pattern and on which nobody listens. Whose they were does not
// matter: they are of no use to anybody.
func RemoveDeadSockets(ctx context.Context, pattern string) error {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("look for sockets %s: %w", pattern, err)
	}
	for _, path := range found {
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Type() != fs.ModeSocket {
			continue // gone meanwhile, or no socket
		}
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err == nil {
			c.Close() //nolint:errcheck // nothing was written
			continue
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			continue // it may be alive: it refuses us for another reason
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove dead socket: %w", err)
		}
	}
	return nil
}

// HasAddress tells whether ip is on the interface.
func HasAddress(device, ip string) (bool, error) {
	i, err := net.InterfaceByName(device)
	if err != nil {
		return false, fmt.Errorf("look at interface %s: %w", device, err)
	}
	addrs, err := i.Addrs()
	if err != nil {
		return false, fmt.Errorf("look at interface %s: %w", device, err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(net.ParseIP(ip)) {
			return true, nil
		}
	}
	return false, nil
}

// AddAddress puts ip on the interface unless it is there; RemoveAddress takes it away if it is.
func AddAddress(ctx context.Context, device, ip string) error { return address(ctx, "add", device, ip) }

// RemoveAddress takes ip off the interface.
func RemoveAddress(ctx context.Context, device, ip string) error {
	return address(ctx, "del", device, ip)
}

func address(ctx context.Context, verb, device, ip string) error {
	has, err := HasAddress(device, ip)
	if err != nil || has == (verb == "add") {
		return err
	}
	if _, err := shell.Run(ctx, shell.Command{Args: []string{"ip", "addr", verb, ip + "/32", "dev", device}}); err != nil {
		return fmt.Errorf("address %s on %s: %w", ip, device, err)
	}
	return nil
}

// AddRoute sends what goes to network over device, with from as the sender, unless there is such a route;
// RemoveRoute takes it away.
func AddRoute(ctx context.Context, network, device, from string) error {
	if _, err := shell.Run(ctx, shell.Command{Args: []string{"ip", "route", "replace", network, "dev", device, "src", from}}); err != nil {
		return fmt.Errorf("route to %s: %w", network, err)
	}
	return nil
}

// RemoveRoute takes away the route to network over device, if there is one.
func RemoveRoute(ctx context.Context, network, device string) error {
	show, err := shell.Run(ctx, shell.Command{Args: []string{"ip", "route", "show", network, "dev", device}})
	if err != nil {
		return fmt.Errorf("look for the route to %s: %w", network, err)
	}
	if len(bytes.TrimSpace(show)) == 0 {
		return nil
	}
	if _, err := shell.Run(ctx, shell.Command{Args: []string{"ip", "route", "del", network, "dev", device}}); err != nil {
		return fmt.Errorf("remove the route to %s: %w", network, err)
	}
	return nil
}

func notEmpty(err error) bool {
	return errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) || errors.Is(err, syscall.EBUSY)
}
