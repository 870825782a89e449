package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// podWriter makes objects and takes them away.
type podWriter interface {
	Apply(ctx context.Context, r kube.Resource, obj *unstructured.Unstructured, o kube.ApplyOptions) (*unstructured.Unstructured, error)
	Delete(ctx context.Context, r kube.Resource, namespace, name string, o kube.DeleteOptions) error
}

// Bounds of a pod that is made for the probe: what it may take to start and then to live, in seconds, should nobody take it away; and
// how long taking it away may last.
const (
	podDeadline = 600
	removing    = 10 * time.Second
)

// bypassPod is a pod that is in no mesh: neither a sidecar nor ztunnel takes its traffic.
func bypassPod(namespace, name, image string) *unstructured.Unstructured {
	out := map[string]any{"sidecar.istio.io/inject": "false"}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{
			"namespace": namespace, "name": name, "annotations": out, // before Istio 1.10 injection heeds the annotation only
			"labels": map[string]any{
				"sidecar.istio.io/inject": "false", "istio.io/dataplane-mode": "none", "app.kubernetes.io/name": "kubectl-egress-probe",
			},
		},
		"spec": map[string]any{
			"restartPolicy": "Never", "activeDeadlineSeconds": int64(podDeadline), "terminationGracePeriodSeconds": int64(0),
			"automountServiceAccountToken": false, "enableServiceLinks": false,
			"containers": []any{standIn("probe", image, nobodyID, nobodyID)},
		},
	}}
}

// makePod makes a pod that is in no mesh, and waits until it runs. remove takes it away again, also after an error and after the
// context has ended; it does nothing where there is nothing.
func makePod(ctx context.Context, c Writer, o *Options) (w workload, remove func() error, err error) {
	w = workload{Namespace: o.Namespace, Name: newName(), Container: "probe", Image: o.Image}
	o.Tell(fmt.Sprintf("making pod %s (image %s, no sidecar); it is taken away afterwards", &w, o.Image))
	o.Note("waiting for the pod")
	made, err := c.Apply(ctx, podsResource, bypassPod(w.Namespace, w.Name, o.Image), kube.ApplyOptions{})
	if err != nil {
		err = lacks(err, "--bypass with --image makes a pod")
	}
	var uid types.UID
	if made != nil {
		uid = made.GetUID()
	}
	remove = func() error {
		last, stop := context.WithTimeout(context.WithoutCancel(ctx), removing)
		defer stop()
		failed := c.Delete(last, podsResource, w.Namespace, w.Name, kube.DeleteOptions{UID: uid})
		if failed == nil || errors.Is(failed, kube.ErrAbsent) || made == nil && errors.Is(failed, kube.ErrForbidden) {
			return nil
		}
		o.Tell(fmt.Sprintf("pod %s is still there: take it away with kubectl -n %s delete pod %s", &w, w.Namespace, w.Name))
		return failed
	}
	if err != nil {
		return w, remove, err
	}
	p, err := w.running(ctx, c)
	if err == nil && p.meshed() {
		err = fmt.Errorf("pod %s was given a sidecar although it asks for none: name a pod without one with --from", &w)
	}
	if err != nil {
		return w, remove, err
	}
	image := w.Image
	w = p.workload()
	w.Image = image
	return w, remove, nil
}
