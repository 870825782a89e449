package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// Who a container that is made for the probe runs as. The redirection of a sidecar leaves out what runs as the proxy, by user and by
// group (Istio's application requirements: UID 1337 is reserved for the sidecar proxy), so that such a container would go past it.
const (
	proxyID  = 1337
	nobodyID = 65532
)

// lives is how long a container that is made for the probe stands by; then it ends by itself, whatever became of this program.
const lives = 2 * time.Minute

// ids are the user and group of a container that is added: those of the application where it says who it is, for a cluster may
// allow no others, and never the proxy's.
func (p *object) ids(application string) (user, group int64) {
	taken := []int64{0, proxyID}
	if proxy := p.proxy(); proxy != nil {
		for _, id := range []*int64{proxy.Security.User, proxy.Security.Group} {
			if id != nil {
				taken = append(taken, *id)
			}
		}
	}
	own := p.Spec.Security
	for _, c := range p.Spec.Containers {
		if c.Name == application && c.Security.User != nil {
			own.User = c.Security.User
		}
		if c.Name == application && c.Security.Group != nil {
			own.Group = c.Security.Group
		}
	}
	user = nobodyID
	for slices.Contains(taken, user) {
		user--
	}
	if own.User != nil && !slices.Contains(taken, *own.User) {
		user = *own.User
	}
	group = user
	if own.Group != nil && !slices.Contains(taken, *own.Group) {
		group = *own.Group
	}
	return user, group
}

// standIn is a container that does nothing but stand by for the request. It may do as little as Kubernetes' strictest Pod Security
// Standard asks for.
func standIn(name, image string, user, group int64) map[string]any {
	return map[string]any{
		"name": name, "image": image, "imagePullPolicy": "IfNotPresent",
		"command": []any{"sleep", strconv.Itoa(int(lives / time.Second))},
		"securityContext": map[string]any{
			"runAsUser": user, "runAsGroup": group, "runAsNonRoot": true, "allowPrivilegeEscalation": false,
			"capabilities":   map[string]any{"drop": []any{"ALL"}},
			"seccompProfile": map[string]any{"type": "RuntimeDefault"},
		},
	}
}

// newName is a name that nothing else has.
func newName() string { return "kubectl-egress-probe-" + strings.ToLower(rand.Text()[:8]) }

// borrow adds an ephemeral container to the workload's pod, which asks in its place: it has the pod's network, and so its sidecar.
func (w *workload) borrow(ctx context.Context, c Client, o *Options) error {
	name := newName()
	o.Tell(fmt.Sprintf("adding ephemeral container %s (image %s) to pod %s: it ends within %s, and stays in the pod's spec until the pod is gone",
		name, o.Image, w, lives))
	o.Note("waiting for the ephemeral container")
	err := c.AddEphemeralContainer(ctx, w.Namespace, w.Name, standIn(name, o.Image, w.user, w.group))
	if err != nil {
		return lacks(err, "--image adds an ephemeral container to the workload's pod")
	}
	w.Container, w.Image = name, o.Image
	_, err = w.running(ctx, c)
	return err
}

// lacks says which right is missing, if that is it. A policy of the cluster that refuses is forbidden too and has its own words.
func lacks(err error, what string) error {
	failed, ok := errors.AsType[*kube.Error](err)
	if ok && errors.Is(err, kube.ErrForbidden) && (failed.Words == "" || strings.Contains(failed.Words, " cannot ")) {
		return fmt.Errorf("%s, and the right to %s is missing: %w", what, failed.Right(), err)
	}
	return err
}

// containerStatus is what the kubelet says of a container.
type containerStatus struct {
	Name  string `json:"name"`
	State struct {
		Running    *struct{} `json:"running"`
		Waiting    *reason   `json:"waiting"`
		Terminated *reason   `json:"terminated"`
	} `json:"state"`
}

type reason struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Code    int    `json:"exitCode"`
}

// passes says whether it is a reason to wait that waiting mends.
func (r *reason) passes() bool {
	return r.Reason == "" || r.Reason == "ContainerCreating" || r.Reason == "PodInitializing"
}

// running waits until the container runs, and gives its pod then. What waiting cannot mend is an error at once.
func (w *workload) running(ctx context.Context, c Client) (object, error) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	is := "the kubelet has not said anything of it"
	for {
		var p object
		err := c.Get(ctx, podsResource, w.Namespace, w.Name, &p)
		switch {
		case ctx.Err() != nil:
			err = errors.Join(context.Cause(ctx), ctx.Err())
			return p, fmt.Errorf("wait for container %s (image %s) of pod %s: %s: %w", w.Container, w.Image, w, is, err)
		case err != nil:
			return p, fmt.Errorf("wait for container %s: %w", w.Container, err)
		}
		for _, s := range slices.Concat(p.Status.Containers, p.Status.Ephemeral) {
			switch at := s.State; {
			case s.Name != w.Container:
			case at.Running != nil:
				return p, nil
			case at.Terminated != nil:
				return p, fmt.Errorf("container %s (image %s) of pod %s ended at once: exit code %d, %s: %s", w.Container, w.Image, w, at.Terminated.Code,
					at.Terminated.Reason, at.Terminated.Message)
			case at.Waiting != nil && !at.Waiting.passes():
				return p, fmt.Errorf("container %s (image %s) of pod %s cannot start: %s: %s", w.Container, w.Image, w, at.Waiting.Reason, at.Waiting.Message)
			case at.Waiting != nil && at.Waiting.Reason != "":
				is = at.Waiting.Reason
			}
		}
		for _, d := range p.Status.Conditions {
			if d.Type == "PodScheduled" && d.Status == "False" {
				is = d.Message
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
