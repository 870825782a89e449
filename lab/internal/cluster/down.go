//go:build linux

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/daemon"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/machine"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/shell"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/steps"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/wait"
)

// cgroup is the kubelet's group at the top of each hierarchy; all pods are below it.
const cgroup = "kubepods"

// DownSteps take everything of a lab away, whether it runs or was killed. Each does nothing where there is nothing.
//
// Who would start things anew ends first, then the pods, then what they stand on. Pods are killed, not asked: their
// data go with them.
func DownSteps(s site.Site) []steps.Step {
	do := func(f func(context.Context) (int, error)) func(context.Context, func(string)) error {
		return func(ctx context.Context, say func(string)) error {
			n, err := f(ctx)
			say(fmt.Sprint(n))
			return err
		}
	}
	stop := func(names ...string) func(context.Context, func(string)) error {
		return do(func(ctx context.Context) (int, error) { return stopAll(ctx, s, names) })
	}
	return []steps.Step{
		{Name: "stop controllers", Do: stop("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy")},
		{Name: "kill pods", Needs: []string{"stop controllers"}, Do: do(func(ctx context.Context) (int, error) { return killPods(ctx, s) })},
		{Name: "stop containerd", Needs: []string{"kill pods"}, Do: stop("containerd", "registry")},
		{Name: "stop control plane", Needs: []string{"kill pods"}, Do: stop("kube-apiserver", "etcd")},
		// Once more: shims that containerd had just started, containers that they had.
		{Name: "kill shims", Needs: []string{"stop containerd"}, Do: do(func(ctx context.Context) (int, error) { return killShims(ctx, s) })},
		{Name: "unmount", Needs: []string{"kill shims"}, Do: do(func(context.Context) (int, error) { return machine.Unmount(s.Run()) })},
		{Name: "network", Needs: []string{"unmount", "stop control plane"}, Do: do(func(ctx context.Context) (int, error) { return restoreNetwork(ctx, s) })},
		{Name: "files", Needs: []string{"network"}, Do: func(ctx context.Context, _ func(string)) error { return removeFiles(ctx, s) }},
	}
}

// stopAll stops programs side by side.
func stopAll(ctx context.Context, s site.Site, names []string) (int, error) {
	var wg sync.WaitGroup
	errs := make([]error, len(names))
	stopped := make([]int, len(names))
	for i, name := range names {
		p, err := daemon.Find(s.Run("pids"), name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if !p.Alive() {
			continue
		}
		stopped[i] = 1
		// Nobody is served any more, so there is nothing to finish: the API server would wait a minute for its clients.
		wg.Go(func() { errs[i] = p.Stop(ctx, time.Second) })
	}
	wg.Wait()
	n := 0
	for _, one := range stopped {
		n += one
	}
	return n, errors.Join(errs...)
}

func podProcesses() ([]int, error) {
	mounts, err := machine.Mounts()
	if err != nil {
		return nil, err
	}
	return machine.CgroupProcesses(machine.CgroupDirs(mounts, cgroup))
}

func killPods(ctx context.Context, s site.Site) (int, error) {
	if ours, err := ownsCgroup(s); err != nil || !ours {
		return 0, err
	}
	return machine.KillAll(ctx, "the pods", podProcesses)
}

func killShims(ctx context.Context, s site.Site) (int, error) {
	n, err := machine.KillAll(ctx, "containerd's shims", func() ([]int, error) { return machine.Shims("/proc", s.ContainerdSocket()) })
	if err != nil {
		return n, err
	}
	if _, err := killPods(ctx, s); err != nil {
		return n, err
	}
	mounts, err := machine.Mounts()
	if err != nil {
		return n, err
	}
	if ours, err := ownsCgroup(s); err != nil || !ours {
		return n, err
	}
	return n, machine.RemoveCgroups(ctx, machine.CgroupDirs(mounts, cgroup))
}

// ownsCgroup tells whether the pods' cgroup is the lab's: it is if a lab was begun here, because `up` refuses a machine
// on which another kubelet listens.
func ownsCgroup(s site.Site) (bool, error) {
	_, err := machine.LoadBefore(s.Run("before.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// restoreNetwork waits until the pods' interfaces are gone with their namespaces, and puts addresses, firewall and
// kernel settings back.
func restoreNetwork(ctx context.Context, s site.Site) (int, error) {
	before, err := machine.LoadBefore(s.Run("before.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // `up` had not touched anything yet
	}
	if err != nil {
		return 0, err
	}
	n, err := removeLinks(ctx)
	if err != nil {
		return n, err
	}
	if err := machine.RemoveRoute(ctx, site.ServiceCIDR, "lo"); err != nil {
		return n, err
	}
	if err := machine.RemoveAddress(ctx, "lo", site.NodeIP); err != nil {
		return n, err
	}
	return n, before.Restore(ctx)
}

// removeLinks deletes the pods' interfaces that are left. They go by themselves when the kernel ends a pod's network
// namespace, so one may vanish between being seen and being deleted.
func removeLinks(ctx context.Context) (int, error) {
	seen := map[string]bool{}
	err := wait.For(ctx, 50*time.Millisecond, "the pods' interfaces to go", func(ctx context.Context) error {
		left, err := links()
		if err != nil {
			return wait.Stop(err)
		}
		if len(left) == 0 {
			return nil
		}
		var failed error
		for _, name := range left {
			seen[name] = true
			_, err := shell.Run(ctx, shell.Command{Args: []string{"ip", "link", "del", name}})
			failed = errors.Join(failed, err)
		}
		return fmt.Errorf("interfaces are left: %s: %w", strings.Join(left, ", "), errors.Join(errors.New("being deleted"), failed))
	})
	return len(seen), err
}

// links are the host's ends of the pods' interfaces: the network plugin gives each the pods' gateway address, by which
// they differ from those of other people's containers.
func links() ([]string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	_, pods, err := net.ParseCIDR(site.PodCIDR)
	if err != nil {
		return nil, fmt.Errorf("parse the pods' network: %w", err)
	}
	var names []string
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil || !strings.HasPrefix(i.Name, "veth") {
			continue // gone meanwhile, or not a container's
		}
		if slices.ContainsFunc(addrs, func(a net.Addr) bool { n, ok := a.(*net.IPNet); return ok && pods.Contains(n.IP) }) {
			names = append(names, i.Name)
		}
	}
	return names, nil
}

// removeFiles deletes the lab's run folder last: as long as it is there, `up` and `down` know that something is left.
func removeFiles(ctx context.Context, s site.Site) error {
	before, err := machine.LoadBefore(s.Run("before.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		for _, pattern := range []string{"/var/lib/cni/results/kubectl-egress-lab-*"} {
			found, err := filepath.Glob(pattern)
			if err != nil {
				return fmt.Errorf("look for %s: %w", pattern, err)
			}
			for _, f := range found {
				if err := os.Remove(f); err != nil {
					return fmt.Errorf("remove what a network plugin left: %w", err)
				}
			}
		}
		if err := removeLogLinks("/var/log/containers", s.Run()); err != nil {
			return err
		}
		// containerd's shims and the kubelet listen at built-in places, and killed ones leave their sockets.
		for _, pattern := range []string{"/run/containerd/s/*", "/var/lib/kubelet/*/*.sock"} {
			if err := machine.RemoveDeadSockets(ctx, pattern); err != nil {
				return err
			}
		}
		if err := before.RemoveStrays(); err != nil {
			return err
		}
	}
	if err := os.Remove(s.Kubeconfig()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the kubeconfig: %w", err)
	}
	if err := os.RemoveAll(s.Run()); err != nil {
		return fmt.Errorf("remove the lab's run folder: %w", err)
	}
	return nil
}

// removeLogLinks removes the links that the kubelet makes to each container's log; their place is built in.
func removeLogLinks(dir, run string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for links to logs: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		to, err := os.Readlink(path)
		if err != nil || !strings.HasPrefix(to, run+"/") {
			continue // not a link, or not to the lab
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove a link to a log: %w", err)
		}
	}
	return nil
}
