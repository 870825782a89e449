package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

const (
	kindDeployment = "Deployment"
	kindReplicaSet = "ReplicaSet"
	kindPod        = "Pod"
)

// contents is what people and controllers put into namespaces and would miss. Deployments come before what they control.
var contents = []kind{
	grouped("apps", "v1", kindDeployment, "deployments"),
	grouped("apps", "v1", kindReplicaSet, "replicasets"),
	grouped("apps", "v1", "StatefulSet", "statefulsets"),
	grouped("apps", "v1", "DaemonSet", "daemonsets"),
	grouped("batch", "v1", "Job", "jobs"),
	grouped("batch", "v1", "CronJob", "cronjobs"),
	core(kindPod, "pods"),
	core("Service", "services"),
	core("PersistentVolumeClaim", "persistentvolumeclaims"),
	core(kindSecret, "secrets"),
	core(kindConfigMap, "configmaps"),
}

// everywhere are ConfigMaps that Kubernetes and Istio put into every namespace.
var everywhere = []string{"kube-root-ca.crt", "istio-ca-root-cert", "istio-ca-crl"}

// head is what of any object says whose it is.
type head struct {
	Metadata struct {
		Name              string                  `json:"name"`
		UID               types.UID               `json:"uid"`
		Labels            map[string]string       `json:"labels"`
		OwnerReferences   []metav1.OwnerReference `json:"ownerReferences"`
		DeletionTimestamp *metav1.Time            `json:"deletionTimestamp"`
	} `json:"metadata"`
}

func (h head) controller() types.UID {
	for _, o := range h.Metadata.OwnerReferences {
		if o.Controller != nil && *o.Controller {
			return o.UID
		}
	}
	return ""
}

// strangers lists what a namespace holds that is not the bundle's, nor made by a controller of the bundle's, nor in every namespace.
func (p *Plan) strangers(ctx context.Context, namespace string) ([]Ref, error) {
	look := slices.Clone(contents)
	a, err := served(ctx, p.client)
	if err != nil && !errors.Is(err, kube.ErrAbsent) {
		return nil, err
	}
	if err == nil {
		for _, k := range kinds {
			if ofIstio(k.Kind) {
				look = append(look, kind{a.gvk(k.Kind), k.plural})
			}
		}
	}
	var found []Ref
	ours := map[types.UID]bool{}
	for _, k := range look {
		o := kube.ListOptions{HeadsOnly: true}
		if k.Kind == kindSecret {
			o.Fields = "type!=kubernetes.io/service-account-token"
		}
		heads, err := kube.ListOf[head](ctx, p.client, k.GroupVersion().WithResource(k.plural), namespace, o)
		if errors.Is(err, kube.ErrAbsent) {
			continue // a kind that the cluster does not serve has no objects
		}
		if err != nil {
			return nil, err
		}
		for _, h := range heads {
			if p.isOurs(k.Kind, h, ours) {
				ours[h.Metadata.UID] = true
			} else {
				found = append(found, Ref{Kind: k.Kind, Namespace: namespace, Name: h.Metadata.Name})
			}
		}
	}
	return found, nil
}

// isOurs says whether an object need not be missed when the bundle's namespace goes.
func (p *Plan) isOurs(kind string, h head, ours map[types.UID]bool) bool {
	m := h.Metadata
	switch {
	case m.Labels[egress.LabelPartOf] == p.id, m.Labels[egress.LabelApplySetID] == p.id && m.Name == p.ref.Name, ours[h.controller()]:
		return true
	case kind == kindReplicaSet:
		return h.controller() != "" // its controller is what counts, and if that is gone, so is this in a moment
	case kind == kindPod:
		return m.DeletionTimestamp != nil
	case kind == kindConfigMap:
		return slices.Contains(everywhere, m.Name)
	}
	return false
}

// whyStays says why a Namespace of the bundle is not deleted; empty if it can go. It can go only with everything else.
func (p *Plan) whyStays(ctx context.Context, u *unstructured.Unstructured, all bool) string {
	if !all {
		return "it is no longer part of " + p.What
	}
	found, err := p.strangers(ctx, u.GetName())
	switch {
	case err != nil:
		return "what else it holds could not be found out: " + err.Error()
	case len(found) > 0:
		return "it holds " + names(found)
	}
	return ""
}

// release plans to take our mark off a Namespace that stays, and nothing else: its other labels may say who gets a sidecar.
func (p *Plan) release(ctx context.Context, u *unstructured.Unstructured, why string) (Change, error) {
	want, err := undoing(u, u)
	if err != nil {
		return Change{}, err
	}
	labels := want.GetLabels()
	delete(labels, egress.LabelManagedBy)
	delete(labels, egress.LabelPartOf)
	want.SetLabels(labels)
	change, err := p.tryApply(ctx, want, u)
	if err != nil {
		return Change{}, err
	}
	change.note = fmt.Sprintf("namespace %s stays: %s", u.GetName(), why)
	return change, nil
}

// errStays marks the end of a removal that left something standing on purpose: nothing is to be taken back.
var errStays = errors.New("left as it is")

// waitEmpty looks at a Namespace once more before it is deleted, because deleting it deletes all that is in it. Pods whose Deployment
// was deleted go by themselves and are waited for. If somebody put something into it since the plan, the Namespace stays; if that
// cannot be found out, the removal has failed.
func (x *execution) waitEmpty(ctx context.Context, c Change) error {
	ctx, cancel := context.WithTimeout(ctx, x.plan.times.gone)
	defer cancel()
	var found []Ref
	err := x.retry(ctx, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, x.plan.times.attempt)
		defer cancel()
		if found, err = x.plan.strangers(ctx, c.Ref.Name); err != nil {
			return err
		}
		return keepOrWait(c.Ref.Name, found)
	})
	if err == nil || len(found) == 0 {
		return err
	}
	return &RefusedError{
		Reason: Meanwhile, Refs: found, Err: errStays,
		Msg: fmt.Sprintf("namespace %s stays, because it holds %s; all else of %s is gone; run the command again, or delete the namespace by hand",
			c.Ref.Name, names(found), x.plan.What),
	}
}

// keepOrWait says what strangers in a namespace mean: pods may be on their way, all else keeps it.
func keepOrWait(namespace string, found []Ref) error {
	switch {
	case len(found) == 0:
		return nil
	case slices.ContainsFunc(found, func(r Ref) bool { return r.Kind != kindPod }):
		return fmt.Errorf("%w: it holds %s", errKeep, names(found))
	}
	return fmt.Errorf("namespace %s still holds %s", namespace, names(found))
}

// undoNamespace takes back the making of a Namespace, unless somebody put something into it meanwhile.
func (x *execution) undoNamespace(ctx context.Context, name string) error {
	found, err := x.plan.strangers(ctx, name)
	if err != nil {
		return err
	}
	return keepOrWait(name, found)
}
