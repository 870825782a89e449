package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// Workload is what makes a gateway's pods: a Deployment, a DaemonSet or a StatefulSet of apps/v1.
type Workload struct{ Kind, Namespace, Name string }

// String is its kind in lower case, its namespace and its name, as kubectl would have it.
func (w Workload) String() string { return strings.ToLower(w.Kind) + " " + w.Namespace + "/" + w.Name }

func (w Workload) resource() kube.Resource {
	return kube.Resource{Group: "apps", Version: "v1", Resource: strings.ToLower(w.Kind) + "s"}
}

// wireWorkload is what is read of one. What a kind has not is empty.
type wireWorkload struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
		Generation  int64             `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		Replicas       *int `json:"replicas"` // none in a DaemonSet; the API server fills in the default
		UpdateStrategy struct {
			Type string `json:"type"`
		} `json:"updateStrategy"`
		Template struct {
			Metadata struct {
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
		} `json:"template"`
	} `json:"spec"`
	Status struct {
		Observed int64 `json:"observedGeneration"`
		Replicas int   `json:"replicas"`
		Updated  int   `json:"updatedReplicas"`
		Ready    int   `json:"readyReplicas"`
		// of a DaemonSet
		Wanted    int `json:"desiredNumberScheduled"`
		UpdatedOn int `json:"updatedNumberScheduled"`
		ReadyOn   int `json:"numberReady"`
	} `json:"status"`
}

// rolledOut says whether every pod is of the newest template and ready, and how many there are.
func (d *wireWorkload) rolledOut() (pods int, done bool) {
	s := d.Status
	want, updated, ready, there := s.Wanted, s.UpdatedOn, s.ReadyOn, s.Wanted
	if d.Spec.Replicas != nil {
		want, updated, ready, there = *d.Spec.Replicas, s.Updated, s.Ready, s.Replicas
	}
	return ready, s.Observed >= d.Metadata.Generation && updated >= want && ready >= want && there == want
}

// wirePod is what is read of a pod.
type wirePod struct {
	Metadata struct {
		Labels map[string]string `json:"labels"`
		Owners []struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Name       string `json:"name"`
			Controller bool   `json:"controller"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
}

// workloadOf finds what makes a gateway's pods.
func workloadOf(ctx context.Context, c Client, gateway mesh.Gateway) (Workload, error) {
	if len(gateway.Pods) == 0 {
		return Workload{}, egress.Inputf("gateway %s has no pod, so that what makes its pods cannot be found", gateway.Ref())
	}
	var found []Workload
	var names []string
	for _, p := range gateway.Pods {
		var pod wirePod
		if err := c.Get(ctx, podsOf, gateway.Namespace, p.Name, &pod); err != nil {
			if errors.Is(err, kube.ErrAbsent) {
				continue // it went meanwhile
			}
			return Workload{}, fmt.Errorf("gateway %s: %w", gateway.Ref(), err)
		}
		kind, name, err := pod.maker()
		if err != nil {
			return Workload{}, egress.Inputf("gateway %s: pod %s %v; put the annotation %s on the pod template of what makes it by hand", gateway.Ref(), p.Name, err, counter.ConfigAnnotation)
		}
		if w := (Workload{kind, gateway.Namespace, name}); !slices.Contains(found, w) {
			found, names = append(found, w), append(names, w.String())
		}
	}
	if len(found) != 1 {
		return Workload{}, egress.Inputf("gateway %s has pods of %d workloads (%s); name a gateway with one", gateway.Ref(), len(found), strings.Join(names, ", "))
	}
	return found[0], nil
}

// maker is what has the template that a pod was made from.
func (p *wirePod) maker() (kind, name string, err error) {
	if len(p.Metadata.Owners) == 0 {
		return "", "", errors.New("is made by nothing: it stands alone")
	}
	o, hash := p.Metadata.Owners[0], p.Metadata.Labels["pod-template-hash"]
	for _, other := range p.Metadata.Owners {
		if other.Controller {
			o = other
		}
	}
	ours := o.APIVersion == "apps/v1" || o.APIVersion == ""
	switch name, hashed := strings.CutSuffix(o.Name, "-"+hash); {
	case ours && o.Kind == "ReplicaSet" && hashed && hash != "":
		return "Deployment", name, nil
	case ours && (o.Kind == "DaemonSet" || o.Kind == "StatefulSet"):
		return o.Kind, o.Name, nil
	}
	return "", "", fmt.Errorf("is made by %s %s, and by no Deployment, DaemonSet or StatefulSet", o.Kind, o.Name)
}

// look is the time between two looks of Restarted.
const look = 300 * time.Millisecond

// Restarted waits until all pods of the workload are ready and of its newest template, and says how many there are. What it saw last
// is in the error when the context ends before, which the error wraps.
func (p Plan) Restarted(ctx context.Context, c Client) (pods int, err error) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	w := p.Workload
	for {
		var d wireWorkload
		err := c.Get(ctx, w.resource(), w.Namespace, w.Name, &d)
		pods, done := d.rolledOut()
		switch {
		case err == nil && done:
			return pods, nil
		case errors.Is(err, kube.ErrForbidden), errors.Is(err, kube.ErrUnauthorized), errors.Is(err, kube.ErrAbsent):
			return 0, err
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%s has restarted %d of %d pods: %w", w, max(d.Status.Updated, d.Status.UpdatedOn), p.Pods, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
