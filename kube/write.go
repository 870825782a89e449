package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// ApplyOptions steer a server-side apply.
type ApplyOptions struct {
	DryRun bool // ask the API server, with all its checks and webhooks, but store nothing
	Force  bool // take fields over that other managers own; without it they are a ConflictError
	// Manager is the field manager, default egress.FieldManager. What one manager applies is all that it wants of an object, so
	// that parts of an object that are wanted apart need managers apart.
	Manager string
}

// DeleteOptions steer a deletion.
type DeleteOptions struct {
	UID    types.UID // if set, only that very object is deleted; another one of the same name is ErrConflict
	DryRun bool
}

// Apply writes an object by server-side apply as field manager o.Manager and returns it as it is then on the
// cluster. Fields that the API server does not know are refused rather than dropped.
func (c *Client) Apply(ctx context.Context, r Resource, obj *unstructured.Unstructured, o ApplyOptions) (*unstructured.Unstructured, error) {
	about := operation{doing: "apply", verb: "patch", resource: r, namespace: obj.GetNamespace(), name: obj.GetName()}
	if obj.GetName() == "" {
		return nil, c.fail(ctx, about, errors.New("no name given"))
	}
	body, err := obj.MarshalJSON()
	if err != nil {
		return nil, c.fail(ctx, about, fmt.Errorf("encoding: %w", err))
	}
	request, err := c.request(http.MethodPatch, r, obj.GetNamespace(), obj.GetName())
	if err != nil {
		return nil, c.fail(ctx, about, err)
	}
	request.SetHeader("Content-Type", string(types.ApplyPatchType)).
		Param("fieldManager", cmp.Or(o.Manager, egress.FieldManager)).
		Param("fieldValidation", metav1.FieldValidationStrict).
		Param("force", strconv.FormatBool(o.Force)).
		Body(body)
	if o.DryRun {
		request.Param("dryRun", metav1.DryRunAll)
	}
	answer, err := c.do(ctx, request)
	if err != nil {
		return nil, c.fail(ctx, about, err)
	}
	applied := &unstructured.Unstructured{}
	if err := applied.UnmarshalJSON(answer); err != nil {
		return nil, fmt.Errorf("decode %s: %w", about.object(), err)
	}
	return applied, nil
}

// Delete removes one object; what depends on it goes in the background. That it is gone has to be watched for:
// finalizers may hold it.
func (c *Client) Delete(ctx context.Context, r Resource, namespace, name string, o DeleteOptions) error {
	about := operation{doing: "delete", verb: "delete", resource: r, namespace: namespace, name: name}
	if name == "" {
		return c.fail(ctx, about, errors.New("no name given")) // would be the whole collection
	}
	background := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{
		TypeMeta:          metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"},
		PropagationPolicy: &background,
	}
	if o.UID != "" {
		options.Preconditions = &metav1.Preconditions{UID: &o.UID}
	}
	request, err := c.request(http.MethodDelete, r, namespace, name)
	if err != nil {
		return c.fail(ctx, about, err)
	}
	if o.DryRun {
		// The API server heeds the body and not the query if there is a body; the query is for those in between.
		options.DryRun = []string{metav1.DryRunAll}
		request.Param("dryRun", metav1.DryRunAll)
	}
	body, err := json.Marshal(options)
	if err != nil {
		return c.fail(ctx, about, fmt.Errorf("encoding options: %w", err))
	}
	_, err = c.do(ctx, request.SetHeader("Content-Type", "application/json").Body(body))
	return c.fail(ctx, about, err)
}
