//go:build linux

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/build"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/firewall"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/image"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/machine"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/shell"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/steps"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/wait"
)

// system are the Deployments that `up` waits for.
func system() []Deployment {
	return []Deployment{{"kube-system", "coredns"}, {"istio-system", "istiod"}, {"istio-system", "istio-egressgateway"}}
}

// UpSteps are the work of `up` on a machine that holds nothing of a lab.
func UpSteps(s site.Site, r build.Record) []steps.Step {
	all := []steps.Step{
		{Name: "machine", Do: func(ctx context.Context, _ func(string)) error { return prepare(ctx, s) }},
		// Not before "machine" has noted how the machine was: what is written here marks the lab as begun.
		{Name: "configuration", Needs: []string{"machine"}, Do: func(context.Context, func(string)) error { return configure(s) }},
	}
	for _, p := range parts(s, r) {
		all = append(all, steps.Step{Name: p.name, Needs: p.needs, Do: func(ctx context.Context, _ func(string)) error { return p.start(ctx, s, r) }})
	}
	return append(all, installSteps(s, r)...)
}

// ResumeSteps are the work of `up` on a lab whose programs all run, but on which something is missing or not ready: an
// `up` that was interrupted, a Deployment that somebody deleted. What is there stays.
func ResumeSteps(s site.Site, r build.Record) []steps.Step {
	list := installSteps(s, r)
	here := map[string]bool{}
	for _, st := range list {
		here[st.Name] = true
	}
	for i := range list {
		list[i].Needs = slices.DeleteFunc(list[i].Needs, func(n string) bool { return !here[n] })
	}
	return list
}

// installSteps are what is done on the cluster; each can be done again.
func installSteps(s site.Site, r build.Record) []steps.Step {
	return []steps.Step{
		{Name: "images", Needs: []string{"registry", "containerd"}, Do: func(ctx context.Context, _ func(string)) error { return pull(ctx, s, r) }},
		{Name: "node", Needs: []string{"kubelet"}, Do: func(ctx context.Context, _ func(string)) error {
			api, err := Connect(s)
			if err != nil {
				return err
			}
			return wait.For(ctx, 100*time.Millisecond, "the node", api.NodeReady)
		}},
		// Both are begun before the node is ready: their objects can be written meanwhile.
		{Name: "coredns", Needs: []string{"kube-apiserver", "images"}, Do: func(ctx context.Context, _ func(string)) error {
			if err := Apply(ctx, s, r, s.Run("coredns.yaml"), nil); err != nil {
				return err
			}
			api, err := Connect(s)
			if err != nil {
				return err
			}
			return api.Wait(ctx, system()[0])
		}},
		{Name: "istio", Needs: []string{"kube-controller-manager", "images"}, Do: func(ctx context.Context, _ func(string)) error {
			return installIstio(ctx, s, r)
		}},
	}
}

// prepare notes how the machine is, then gives it what the cluster needs.
func prepare(ctx context.Context, s site.Site) error {
	before, err := machine.Look(ctx)
	if err != nil {
		return err
	}
	if err := machine.SaveBefore(s.Run("before.json"), before); err != nil {
		return err
	}
	if err := machine.AddAddress(ctx, "lo", site.NodeIP); err != nil {
		return err
	}
	// The machine itself calls Services too (the API server: Istio's webhooks). kube-proxy rewrites such a packet after
	// the kernel has found a route for it, so there must be one, even on a machine without a default route; and with this
	// one, nothing that goes to a Service can leave the machine.
	if err := machine.AddRoute(ctx, site.ServiceCIDR, "lo", site.NodeIP); err != nil {
		return err
	}
	if err := machine.Set("net/ipv4/ip_forward", "1"); err != nil {
		return err
	}
	return firewall.Restore(ctx, firewall.IPv4, fence())
}

// fence is the lab's own part of the firewall. Pods talk to each other whatever the machine's policy for forwarding is
// (docker sets it to DROP), and to nobody else: what is not in the lab is refused at once instead of timing out. The
// API server, which must listen on all addresses, answers the machine itself and the pods only.
func fence() string {
	return strings.NewReplacer("PODS", site.PodCIDR, "API", fmt.Sprint(site.APIPort)).Replace(`*filter
:LAB-FORWARD - [0:0]
:LAB-INPUT - [0:0]
-A LAB-FORWARD -s PODS -d PODS -j ACCEPT
-A LAB-FORWARD -s PODS -j REJECT --reject-with icmp-admin-prohibited
-A LAB-INPUT -i lo -j RETURN
-A LAB-INPUT -s PODS -j RETURN
-A LAB-INPUT -p tcp -m tcp --dport API -j REJECT --reject-with tcp-reset
-I FORWARD 1 -j LAB-FORWARD
-I INPUT 1 -j LAB-INPUT
COMMIT
`)
}

// pull tells the registry of the images and has containerd fetch them while the control plane starts.
func pull(ctx context.Context, s site.Site, r build.Record) error {
	for _, i := range r.Images {
		if err := image.Push(ctx, site.Registry, i); err != nil {
			return err
		}
	}
	for _, i := range r.Images {
		name := fmt.Sprintf("%s/%s:%s", site.RegistryName, i.Name, i.Tag)
		_, err := shell.Run(ctx, shell.Command{Args: []string{
			r.Program("ctr"), "--address", s.ContainerdSocket(), "--namespace", "k8s.io", "images", "pull", "--hosts-dir", s.Run("certs.d"), name,
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

func installIstio(ctx context.Context, s site.Site, r build.Record) error {
	_, err := shell.Run(ctx, shell.Command{Args: []string{
		r.Program("istioctl"), "install", "--skip-confirmation", "--kubeconfig", s.Kubeconfig(), "--filename", s.Run("istio.yaml"),
		"--manifests", r.Manifests(), "--readiness-timeout", "3m",
	}})
	if err != nil {
		return fmt.Errorf("%w%s", err, stuck(ctx, s))
	}
	api, err := Connect(s)
	if err != nil {
		return err
	}
	return api.Wait(ctx, system()[1:]...)
}

// stuck tells what Istio's pods wait for, when an installation failed.
func stuck(ctx context.Context, s site.Site) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	api, err := Connect(s)
	if err != nil {
		return ""
	}
	var said []string
	for _, d := range system()[1:] {
		if err := api.RolledOut(ctx, d); err != nil {
			said = append(said, "\n  "+err.Error())
		}
	}
	return strings.Join(said, "")
}

// Apply applies a file, or the text if path is "-", by the kubectl that was built.
func Apply(ctx context.Context, s site.Site, r build.Record, path string, text []byte) error {
	c := shell.Command{Args: []string{
		r.Program("kubectl"), "apply", "--kubeconfig", s.Kubeconfig(), "--server-side", "--force-conflicts", "--field-manager=lab", "-f", path,
	}}
	if path == "-" {
		c.Stdin = strings.NewReader(string(text))
	}
	_, err := shell.Run(ctx, c)
	return err
}

// Leftovers tells whether a lab, running or killed, left anything that TakeAway would remove.
func Leftovers(s site.Site) (bool, error) {
	_, err := os.Stat(s.Run())
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for what an earlier lab left: %w", err)
	}
	return true, nil
}
