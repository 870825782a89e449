package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// AddEphemeralContainer adds a container to a pod that is there already, beside those that it has (Kubernetes 1.25 and later). It
// shares the pod's network. It can not be taken away again: when it has ended it stays in the pod's spec until the pod is gone.
// Needs the right to patch pods/ephemeralcontainers. The container is one of spec.ephemeralContainers, with a name that no other has.
func (c *Client) AddEphemeralContainer(ctx context.Context, namespace, pod string, container map[string]any) error {
	about := operation{
		doing: "add an ephemeral container to", verb: "patch", resource: pods, sub: "ephemeralcontainers", namespace: namespace, name: pod,
	}
	// Containers are merged by name: the others stay as they are.
	body, err := json.Marshal(map[string]any{"spec": map[string]any{"ephemeralContainers": []any{container}}})
	if err != nil {
		return c.fail(ctx, about, fmt.Errorf("encoding: %w", err))
	}
	request, err := c.request(http.MethodPatch, pods, namespace, pod)
	if err != nil {
		return c.fail(ctx, about, err)
	}
	request.SubResource("ephemeralcontainers").
		SetHeader("Content-Type", string(types.StrategicMergePatchType)).
		Param("fieldManager", egress.FieldManager).
		Param("fieldValidation", metav1.FieldValidationStrict).
		Body(body)
	_, err = c.do(ctx, request)
	return c.fail(ctx, about, err)
}
