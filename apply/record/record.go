// Package record has an egress gateway's proxies record the statistics that tell of egress, and takes that back: by an annotation of the
// pod template, which Envoy's bootstrap is made from when a pod starts.
package record

import (
	"context"
	"errors"
	"fmt"
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

// Before is the annotation of the workload that keeps the value that was there before, so that it can be restored to the letter.
const Before = egress.ManagedBy + "/proxy-config-before"

// Client is what this package needs of the API server; *kube.Client is one.
type Client interface {
	Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error
	Apply(ctx context.Context, r kube.Resource, obj *unstructured.Unstructured, o kube.ApplyOptions) (*unstructured.Unstructured, error)
}

var podsOf = kube.Resource{Version: "v1", Resource: "pods"}

// Plan is one change of a pod template.
type Plan struct {
	Workload  Workload
	Pods      int    // that will restart
	ByHand    bool   // they restart only when somebody deletes them: update strategy OnDelete
	Now, Want string // values of the annotation; empty: it is not there
	before    string // value to be kept in Before
	force     bool
}

// Changes says whether there is anything to do.
func (p Plan) Changes() bool { return p.Now != p.Want }

// NewPlan finds out what has to change so that the gateway's pods record (on), or record what they did before (off). The API server is
// asked by a dry run: fields that other managers own are a *kube.ConflictError unless force is set. What cannot be done at all is an
// *egress.InputError.
func NewPlan(ctx context.Context, c Client, gateway mesh.Gateway, on, force bool) (Plan, error) {
	w, err := workloadOf(ctx, c, gateway)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Workload: w, Pods: len(gateway.Pods), force: force}
	var d wireWorkload
	if err := c.Get(ctx, w.resource(), w.Namespace, w.Name, &d); err != nil {
		return p, fmt.Errorf("gateway %s: %w", gateway.Ref(), err)
	}
	if d.Spec.Replicas != nil {
		p.Pods = *d.Spec.Replicas
	}
	p.ByHand = d.Spec.UpdateStrategy.Type == "OnDelete"
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

func (p *Plan) on(d wireWorkload) error {
	if list, ok := d.Spec.Template.Metadata.Annotations[counter.OldAnnotation]; ok {
		return egress.Inputf("%s has the annotation %s: %q, which takes the place of what %s says; move its patterns there first, or add these to it: %s",
			p.Workload, counter.OldAnnotation, list, counter.ConfigAnnotation, strings.Join(counter.Patterns(), ","))
	}
	want, err := counter.Record(p.Now)
	if err != nil {
		return egress.Inputf("%s: %v; mend it by hand", p.Workload, err)
	}
	p.Want, p.before = want, p.Now
	if kept, ok := d.Metadata.Annotations[Before]; ok {
		p.before = kept // from an older list of patterns
	}
	return nil
}

// off restores. What does not hold our patterns is none of our doing, or was restored already.
func (p *Plan) off(d wireWorkload) {
	p.Want = p.Now
	if recording, err := counter.Record(p.Now); err != nil || recording != p.Now || p.Now == "" {
		return
	}
	p.Want = d.Metadata.Annotations[Before]
}

// Execute carries the plan out. The workload's controller restarts the pods then, unless ByHand.
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
		return fmt.Errorf("%s: %w", p.Workload, err)
	}
	if value != p.Want {
		return egress.Inputf("%s has %s from another manager; take it away there, or by hand", p.Workload, counter.ConfigAnnotation)
	}
	return nil
}

// apply sends all that our manager wants of the workload: the annotation, and what it was before if it was something.
func (p Plan) apply(ctx context.Context, c Client, dry bool) (*unstructured.Unstructured, error) {
	meta := map[string]any{"namespace": p.Workload.Namespace, "name": p.Workload.Name}
	object := map[string]any{"apiVersion": "apps/v1", "kind": p.Workload.Kind, "metadata": meta}
	if p.before != "" {
		meta["annotations"] = map[string]any{Before: p.before}
	}
	if p.Want != "" {
		object["spec"] = map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{counter.ConfigAnnotation: p.Want}}}}
	}
	got, err := c.Apply(ctx, p.Workload.resource(), &unstructured.Unstructured{Object: object}, kube.ApplyOptions{DryRun: dry, Force: p.force, Manager: Manager})
	if conflict, ok := errors.AsType[*kube.ConflictError](err); ok {
		return nil, fmt.Errorf("%s: %w; --force-conflicts takes it over, if what manages it does not put it back", p.Workload, conflict)
	}
	return got, err
}
