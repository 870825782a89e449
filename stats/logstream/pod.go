package logstream

import (
	"context"
	"slices"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

var podsResource = kube.Resource{Version: "v1", Resource: "pods"}

// pod is what is read of a pod.
type pod struct {
	Metadata struct {
		Namespace string            `json:"namespace"`
		Name      string            `json:"name"`
		UID       string            `json:"uid"`
		Labels    map[string]string `json:"labels"`
		Owners    []struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
	Spec struct {
		Containers []container `json:"containers"`
		Init       []container `json:"initContainers"` // native sidecars are among them
	} `json:"spec"`
	Status struct {
		Phase      string            `json:"phase"`
		Containers []containerStatus `json:"containerStatuses"`
		Init       []containerStatus `json:"initContainerStatuses"`
	} `json:"status"`
}

type container struct {
	Name string   `json:"name"`
	Args []string `json:"args"`
}

type containerStatus struct {
	Name         string `json:"name"`
	RestartCount int    `json:"restartCount"`
	State        struct {
		Terminated *struct{} `json:"terminated"`
	} `json:"state"`
}

// state is what became of a source's container.
type state struct {
	gone     bool // the pod is another one
	over     bool // the pod is done: nothing will be written any more
	ended    bool // this instance of the container has written its last line; there may be another
	restarts int  // how often it was started anew
}

// look asks after a source's container.
func look(ctx context.Context, c Client, s Source) (state, error) {
	var p pod
	if err := c.Get(ctx, podsResource, s.Namespace, s.Pod, &p); err != nil {
		return state{}, err
	}
	if s.UID != "" && p.Metadata.UID != s.UID {
		return state{gone: true}, nil
	}
	is := state{over: p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed"}
	for _, status := range slices.Concat(p.Status.Containers, p.Status.Init) {
		if status.Name == s.Container {
			is.restarts, is.ended = status.RestartCount, status.State.Terminated != nil
		}
	}
	return is, nil
}
