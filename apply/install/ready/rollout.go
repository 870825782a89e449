package ready

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// look is the time between two looks at a Deployment, and epilogue what finding out takes why it is not ready.
const (
	look     = 300 * time.Millisecond
	epilogue = 5 * time.Second
)

type deployment struct {
	Metadata struct {
		Generation int64 `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		Replicas *int `json:"replicas"`
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64       `json:"observedGeneration"`
		Replicas           int         `json:"replicas"`
		UpdatedReplicas    int         `json:"updatedReplicas"`
		AvailableReplicas  int         `json:"availableReplicas"`
		Conditions         []condition `json:"conditions"`
	} `json:"status"`
}

type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// rolledOut: every pod is of the newest template, ready, no old one is left, and there are as many as are wanted at least.
func (d deployment) rolledOut(least int) bool {
	want := max(least, 1)
	if d.Spec.Replicas != nil {
		want = max(least, *d.Spec.Replicas)
	}
	s := d.Status
	return s.ObservedGeneration >= d.Metadata.Generation && s.UpdatedReplicas >= want && s.Replicas == s.UpdatedReplicas && s.AvailableReplicas == s.UpdatedReplicas
}

// NotReadyError says what keeps something from being ready, or from being gone, when the time is up. It unwraps to what ended the
// waiting.
type NotReadyError struct {
	Msg string
	Err error
}

// Error is the line for the user.
func (e *NotReadyError) Error() string { return e.Msg }

// Unwrap gives what ended the waiting.
func (e *NotReadyError) Unwrap() error { return e.Err }

// Deployment waits until a Deployment is rolled out with at least so many pods, which an autoscaler may have to see to first, and says
// how many it has. If ctx ends before, the error is a
// *NotReadyError. A pod that was to be injected and was not can never be ready: that error comes at once.
func Deployment(ctx context.Context, c Reader, ref egress.GatewayRef, least int) (pods int, err error) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	var seen deployment // at the last look that saw it
	for {
		var d deployment
		err := c.Get(ctx, deployments, ref.Namespace, ref.Service, &d)
		if err == nil {
			seen = d
		}
		switch {
		case err == nil && d.rolledOut(least):
			return d.Status.AvailableReplicas, nil
		case err == nil:
			if err := uninjected(ctx, c, ref.Namespace, d); err != nil {
				return 0, err
			}
		case errors.Is(err, kube.ErrForbidden), errors.Is(err, kube.ErrUnauthorized):
			return 0, err // waiting does not give rights
		}
		select {
		case <-ctx.Done():
			return 0, notReady(ctx, c, ref, seen, least, err)
		case <-tick.C:
		}
	}
}

// notReady tells why, on a clock of its own.
func notReady(ctx context.Context, c Reader, ref egress.GatewayRef, d deployment, least int, last error) error {
	why := ""
	if last != nil && ctx.Err() == nil {
		why = last.Error()
	}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), epilogue)
	defer cancel()
	if len(d.Spec.Selector.MatchLabels) > 0 {
		why = d.why(own, c, ref.Namespace)
	}
	if why == "" {
		why = fmt.Sprintf("%d of %d pods are ready", d.Status.AvailableReplicas, max(d.Status.Replicas, least, 1))
	}
	return &NotReadyError{Msg: fmt.Sprintf("deployment %s is not ready: %s", ref, why), Err: context.Cause(ctx)}
}

// why says what the Deployment, its pods and the events about them say, most telling first.
func (d deployment) why(ctx context.Context, c Reader, namespace string) string {
	for _, cond := range d.Status.Conditions {
		if cond.Type == "ReplicaFailure" && cond.Status == "True" {
			return "no pod can be made: " + cond.Message
		}
	}
	pods, err := kube.ListOf[pod](ctx, c, podsOf, namespace, kube.ListOptions{Labels: selector(d.Spec.Selector.MatchLabels)})
	if err != nil {
		return "its pods could not be read: " + err.Error()
	}
	if len(pods) == 0 {
		return "it has no pods yet"
	}
	egress.SortFunc(pods, func(a, b pod) int { return b.Metadata.CreationTimestamp.Compare(a.Metadata.CreationTimestamp) })
	for _, p := range pods {
		if p.ready() {
			continue
		}
		why, cause := p.why()
		if !cause {
			event, err := lastWarning(ctx, c, namespace, p.Metadata.Name)
			switch {
			case err != nil:
				why += " (its events could not be read: " + err.Error() + ")"
			case event != "":
				why += ": " + event
			}
		}
		return "pod " + p.Metadata.Name + ": " + why
	}
	return ""
}

// uninjected finds pods that Istio's webhook passed by. Their image "auto" is no image. Pods that cannot be read are told of by why,
// when the time is up.
func uninjected(ctx context.Context, c Reader, namespace string, d deployment) error {
	pods, unread := kube.ListOf[pod](ctx, c, podsOf, namespace, kube.ListOptions{Labels: selector(d.Spec.Selector.MatchLabels)})
	if unread != nil {
		pods = nil
	}
	for _, p := range pods {
		for _, container := range p.Spec.Containers {
			if container.Image == "auto" {
				return fmt.Errorf("pod %s/%s was not injected: Istio's webhook passed it by; is an istiod of its revision running, and has namespace %s no label istio-injection=disabled or istio.io/rev of another revision (--revision)?",
					namespace, p.Metadata.Name, namespace)
			}
		}
	}
	return nil
}

type event struct {
	Type          string    `json:"type"`
	Reason        string    `json:"reason"`
	Message       string    `json:"message"`
	LastTimestamp time.Time `json:"lastTimestamp"`
	EventTime     time.Time `json:"eventTime"`
}

// lastWarning is the newest warning about a pod; empty if there is none.
func lastWarning(ctx context.Context, c Reader, namespace, name string) (string, error) {
	events, err := kube.ListOf[event](ctx, c, eventsOf, namespace, kube.ListOptions{
		Fields: "involvedObject.kind=Pod,involvedObject.name=" + name + ",type=Warning",
	})
	if err != nil || len(events) == 0 {
		return "", err
	}
	when := func(e event) time.Time {
		if e.LastTimestamp.IsZero() {
			return e.EventTime
		}
		return e.LastTimestamp
	}
	newest := slices.MaxFunc(events, func(a, b event) int { return when(a).Compare(when(b)) })
	return newest.Message, nil
}

// selector writes labels as a label selector, always in the same order.
func selector(labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, key+"="+labels[key])
	}
	return strings.Join(parts, ",")
}

// Gone waits until no pod with the labels is left. If ctx ends before, the error is a *NotReadyError.
func Gone(ctx context.Context, c Reader, namespace string, labels map[string]string) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		pods, err := kube.ListOf[pod](ctx, c, podsOf, namespace, kube.ListOptions{Labels: selector(labels)})
		switch {
		case err == nil && len(pods) == 0, errors.Is(err, kube.ErrAbsent):
			return nil
		case errors.Is(err, kube.ErrForbidden), errors.Is(err, kube.ErrUnauthorized):
			return err
		}
		select {
		case <-ctx.Done():
			names := make([]string, 0, len(pods))
			for _, p := range pods {
				names = append(names, p.Metadata.Name)
			}
			msg := fmt.Sprintf("pods are left in namespace %s: %s", namespace, strings.Join(names, ", "))
			if err != nil {
				msg = "whether pods are left could not be found out: " + err.Error()
			}
			return &NotReadyError{Msg: msg, Err: context.Cause(ctx)}
		case <-tick.C:
		}
	}
}
