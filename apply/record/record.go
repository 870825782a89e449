// Package record has an egress gateway's proxies record the statistics that tell of egress, and takes that back: by an annotation of the
// pod template, which Envoy's bootstrap is made from when a pod starts.
package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// Manager is the field manager that owns the annotation. It is not egress.FieldManager, which owns all of a gateway that this tool
// installed.
const Manager = egress.FieldManager + "-stats"

// Before is the annotation of the Deployment that keeps the value that was there before, so that it can be restored to the letter.
const Before = egress.ManagedBy + "/proxy-config-before"

// Client is what this package needs of the API server; *kube.Client is one.
type Client interface {
	Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error
	Apply(ctx context.Context, r kube.Resource, obj *unstructured.Unstructured, o kube.ApplyOptions) (*unstructured.Unstructured, error)
}

var (
	podsOf      = kube.Resource{Version: "v1", Resource: "pods"}
	deployments = kube.Resource{Group: "apps", Version: "v1", Resource: "deployments"}
)

// Plan is one change of a pod template.
type Plan struct {
	Deployment egress.GatewayRef // its name, where a reference has that of a Service
	Pods       int               // that will restart
	Now, Want  string            // values of the annotation; empty: it is not there
	before     string            // value to be kept in Before
	force      bool
}

// Changes says whether there is anything to do.
func (p Plan) Changes() bool { return p.Now != p.Want }

// wireDeployment is what is read of a Deployment.
type wireDeployment struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Replicas *int `json:"replicas"` // default 1
		Template struct {
			Metadata struct {
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
		} `json:"template"`
	} `json:"spec"`
}

// wirePod is what is read of a pod.
type wirePod struct {
	Metadata struct {
		Labels map[string]string `json:"labels"`
		Owners []struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
}

// NewPlan finds out what has to change so that the gateway's pods record (on), or record what they did before (off). The API server is
// asked by a dry run: fields that other managers own are a *kube.ConflictError unless force is set. What cannot be done at all is an
// *egress.InputError.
func NewPlan(ctx context.Context, c Client, gateway mesh.Gateway, on, force bool) (Plan, error) {
	name, err := deploymentOf(ctx, c, gateway)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Deployment: egress.GatewayRef{Namespace: gateway.Namespace, Service: name}, Pods: 1, force: force}
	var d wireDeployment
	if err := c.Get(ctx, deployments, gateway.Namespace, name, &d); err != nil {
		return p, fmt.Errorf("gateway %s: %w", gateway.Ref(), err)
	}
	if d.Spec.Replicas != nil {
		p.Pods = *d.Spec.Replicas
	}
	p.Now = d.Spec.Template.Metadata.Annotations[counter.ConfigAnnotation]
	if on {
		err = p.on(d)
	} else {
		p.off(d)
	}
	if err != nil || !p.Changes() {
		return p, err
	}
	_, err = p.apply(ctx, c, true)
	return p, err
}

func (p *Plan) on(d wireDeployment) error {
	if list, ok := d.Spec.Template.Metadata.Annotations[counter.OldAnnotation]; ok {
		return egress.Inputf("deployment %s has the annotation %s: %q, which takes the place of what %s says; move its patterns there first, or add these to it: %s",
			p.Deployment, counter.OldAnnotation, list, counter.ConfigAnnotation, strings.Join(counter.Patterns(), ","))
	}
	want, err := counter.Record(p.Now)
	if err != nil {
		return egress.Inputf("deployment %s: %v; mend it by hand", p.Deployment, err)
	}
	p.Want, p.before = want, p.Now
	if kept, ok := d.Metadata.Annotations[Before]; ok {
		p.before = kept // from an older list of patterns
	}
	return nil
}

// off restores. What does not hold our patterns is none of our doing, or was restored already.
func (p *Plan) off(d wireDeployment) {
	p.Want = p.Now
	if recording, err := counter.Record(p.Now); err != nil || recording != p.Now || p.Now == "" {
		return
	}
	p.Want = d.Metadata.Annotations[Before]
}

// Execute carries the plan out. The Deployment's controller restarts the pods then.
func (p Plan) Execute(ctx context.Context, c Client) error {
	if !p.Changes() {
		return nil
	}
	got, err := p.apply(ctx, c, false)
	if err != nil {
		return err
	}
	value, _, err := unstructured.NestedString(got.Object, "spec", "template", "metadata", "annotations", counter.ConfigAnnotation)
	if err != nil {
		return fmt.Errorf("deployment %s: %w", p.Deployment, err)
	}
	if value != p.Want {
		return egress.Inputf("deployment %s has %s from another manager; take it away there, or by hand", p.Deployment, counter.ConfigAnnotation)
	}
	return nil
}

// apply sends all that our manager wants of the Deployment: the annotation, and what it was before if it was something.
func (p Plan) apply(ctx context.Context, c Client, dry bool) (*unstructured.Unstructured, error) {
	meta := map[string]any{"namespace": p.Deployment.Namespace, "name": p.Deployment.Service}
	object := map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}
	if p.before != "" {
		meta["annotations"] = map[string]any{Before: p.before}
	}
	if p.Want != "" {
		object["spec"] = map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{counter.ConfigAnnotation: p.Want}}}}
	}
	got, err := c.Apply(ctx, deployments, &unstructured.Unstructured{Object: object}, kube.ApplyOptions{DryRun: dry, Force: p.force, Manager: Manager})
	if conflict, ok := errors.AsType[*kube.ConflictError](err); ok {
		return nil, fmt.Errorf("deployment %s: %w; --force-conflicts takes it over, if what manages it does not put it back", p.Deployment, conflict)
	}
	return got, err
}

// deploymentOf finds the Deployment that makes a gateway's pods.
func deploymentOf(ctx context.Context, c Client, gateway mesh.Gateway) (string, error) {
	if len(gateway.Pods) == 0 {
		return "", egress.Inputf("gateway %s has no pod, so that what makes its pods cannot be found", gateway.Ref())
	}
	var names []string
	for _, p := range gateway.Pods {
		var pod wirePod
		if err := c.Get(ctx, podsOf, gateway.Namespace, p.Name, &pod); err != nil {
			if errors.Is(err, kube.ErrAbsent) {
				continue // it went meanwhile
			}
			return "", fmt.Errorf("gateway %s: %w", gateway.Ref(), err)
		}
		name, err := pod.deployment()
		if err != nil {
			return "", egress.Inputf("gateway %s: pod %s %v; put the annotation %s on what makes it by hand", gateway.Ref(), p.Name, err, counter.ConfigAnnotation)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		return "", egress.Inputf("gateway %s has pods of %d Deployments (%s); name a gateway with one", gateway.Ref(), len(names), strings.Join(names, ", "))
	}
	return names[0], nil
}

func (p wirePod) deployment() (string, error) {
	if len(p.Metadata.Owners) == 0 {
		return "", errors.New("is made by nothing: it stands alone")
	}
	o, hash := p.Metadata.Owners[0], p.Metadata.Labels["pod-template-hash"]
	name, ok := strings.CutSuffix(o.Name, "-"+hash)
	if o.Kind != "ReplicaSet" || !ok || hash == "" {
		return "", fmt.Errorf("is made by %s %s and no Deployment", o.Kind, o.Name)
	}
	return name, nil
}
