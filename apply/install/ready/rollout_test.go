package ready

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

var ref = egress.GatewayRef{Namespace: "team", Service: "out"}

const theDeployment = "deployments team/out"

// rollout is a Deployment of generation 2 in some state.
func rollout(seen, replicas, updated, available int, conditions string) string {
	return fmt.Sprintf(`{"metadata":{"generation":2},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"out"}}},
"status":{"observedGeneration":%d,"replicas":%d,"updatedReplicas":%d,"availableReplicas":%d,"conditions":[%s]}}`, seen, replicas, updated, available, conditions)
}

func TestRolledOut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want bool
	}{
		"done":                   {rollout(2, 2, 2, 2, ""), true},
		"not seen yet":           {rollout(1, 2, 2, 2, ""), false},
		"one is new":             {rollout(2, 2, 1, 2, ""), false},
		"an old one is left":     {rollout(2, 3, 2, 2, ""), false},
		"one is not ready":       {rollout(2, 2, 2, 1, ""), false},
		"none":                   {rollout(2, 0, 0, 0, ""), false},
		"scaled up by then":      {rollout(2, 4, 4, 4, ""), true},
		"replicas are not given": {`{"status":{"replicas":1,"updatedReplicas":1,"availableReplicas":1}}`, true},
		"nothing is known":       {`{}`, false},
		"scaled to nothing":      {`{"spec":{"replicas":0}}`, false},
	} {
		c := &fake{objects: map[string]string{theDeployment: test.text}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, err := Deployment(ctx, c, ref, 1)
		cancel()
		if (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLeast: an autoscaler brings the pods that are wanted at least; before it did, a Deployment has one.
func TestLeast(t *testing.T) {
	t.Parallel()
	one := strings.Replace(rollout(2, 1, 1, 1, ""), `"replicas":2,`, `"replicas":1,`, 1)
	c := &fake{objects: map[string]string{theDeployment: one}, after: 1, later: [2]string{theDeployment, rollout(2, 2, 2, 2, "")}}
	if pods, err := Deployment(t.Context(), c, ref, 2); err != nil || pods != 2 {
		t.Errorf("%d pods, %v", pods, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := Deployment(ctx, &fake{objects: map[string]string{theDeployment: one}, lists: map[string][]string{
		"pods team": {onePod("p", `{"conditions":[{"type":"Ready","status":"True"}]}`)},
	}}, ref, 2)
	if err == nil || !strings.Contains(err.Error(), "1 of 2 pods are ready") {
		t.Errorf("%v", err)
	}
}

// TestWaits: what comes later is waited for, whether the Deployment was there before or not.
func TestWaits(t *testing.T) {
	t.Parallel()
	for _, before := range []map[string]string{{}, {theDeployment: rollout(1, 1, 0, 0, "")}} {
		c := &fake{objects: before, after: 2, later: [2]string{theDeployment, rollout(2, 2, 2, 2, "")}}
		pods, err := Deployment(t.Context(), c, ref, 1)
		if err != nil || pods != 2 || c.asked != 3 {
			t.Errorf("%d pods after %d looks, %v", pods, c.asked, err)
		}
	}
}

func onePod(name, status string) string {
	return `{"metadata":{"name":"` + name + `","labels":{"app":"out"},"creationTimestamp":"2026-11-21T06:00:00Z"},"status":` + status + `}`
}

func TestWhyNot(t *testing.T) {
	t.Parallel()
	newer := strings.Replace(onePod("new", `{"phase":"Pending"}`), "06:00:00", "06:05:00", 1)
	warning := func(message, at string) string {
		return `{"type":"Warning","message":"` + message + `","lastTimestamp":` + at + `,"involvedObject":{"name":"p"}}`
	}
	for name, test := range map[string]struct {
		deployment string
		pods       []string
		events     []string
		fail       map[string]error
		want       string
	}{
		"no pod may be made": {
			deployment: rollout(2, 0, 0, 0, `{"type":"Available","status":"False"},{"type":"ReplicaFailure","status":"True","message":"failed calling webhook"}`),
			want:       "no pod can be made: failed calling webhook",
		},
		"no pods":   {deployment: rollout(2, 0, 0, 0, ""), want: "it has no pods yet"},
		"all ready": {pods: []string{onePod("p", `{"conditions":[{"type":"Ready","status":"True"}]}`)}, want: "0 of 2 pods are ready"},
		"no node": {
			pods: []string{onePod("p", `{"conditions":[{"type":"PodScheduled","status":"False","message":"0/1 nodes"}]}`)},
			want: "pod p: no node takes it: 0/1 nodes",
		},
		"image": {
			pods:   []string{onePod("p", `{"containerStatuses":[{"name":"a","state":{"running":{}}},{"name":"b","state":{"waiting":{"reason":"ErrImagePull","message":"no such image"}}}]}`)},
			events: []string{warning("beside the point", `null`)},
			want:   "pod p: container b waits: ErrImagePull: no such image",
		},
		"waits without a word": {
			pods: []string{onePod("p", `{"containerStatuses":[{"name":"b","state":{"waiting":{"reason":"CreateContainerConfigError"}}}]}`)},
			want: "pod p: container b waits: CreateContainerConfigError",
		},
		"crashes": {
			pods: []string{onePod("p", `{"containerStatuses":[{"name":"b","state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off 10s"}},"lastState":{"terminated":{"exitCode":1,"reason":"Error","message":"bind() failed"}}}]}`)},
			want: "pod p: container b ends again and again: exit code 1 (Error): bind() failed",
		},
		"ended": {
			pods: []string{onePod("p", `{"containerStatuses":[{"name":"b","state":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]}`)},
			want: "pod p: container b ended: exit code 137 (OOMKilled)",
		},
		"started again": {
			pods: []string{onePod("p", `{"containerStatuses":[{"name":"b","state":{"running":{}},"lastState":{"terminated":{"exitCode":2,"reason":"Error"}}}]}`)},
			want: "pod p: container b ended before: exit code 2 (Error)",
		},
		"init container": {
			pods: []string{onePod("p", `{"initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":3,"reason":"Error"}}}],"containerStatuses":[{"name":"b","state":{"waiting":{"reason":"PodInitializing"}}}]}`)},
			want: "pod p: container i ended: exit code 3 (Error)",
		},
		"not ready, and an event tells why": {
			pods:   []string{onePod("p", `{"containerStatuses":[{"name":"istio-proxy","state":{"running":{}}}]}`)},
			events: []string{warning("first", `"2026-11-21T06:00:00Z"`), warning("Readiness probe failed", `"2026-11-21T06:00:02Z"`), warning("second", `"2026-11-21T06:00:01Z"`)},
			want:   "pod p: container istio-proxy runs and is not ready: Readiness probe failed",
		},
		"events of a newer kind": {
			pods:   []string{onePod("p", `{"phase":"Pending"}`)},
			events: []string{warning("older", `"2026-11-21T06:00:00Z"`), `{"message":"newer","eventTime":"2026-11-21T06:00:01.123456Z","involvedObject":{"name":"p"}}`},
			want:   "pod p: it is Pending: newer",
		},
		"events may not be read": {
			pods: []string{onePod("p", `{"phase":"Pending"}`)},
			fail: map[string]error{"events team": kube.ErrForbidden},
			want: "pod p: it is Pending (its events could not be read: ",
		},
		"pods may not be read": {
			fail: map[string]error{"pods team": kube.ErrForbidden},
			want: "its pods could not be read: ",
		},
		"going":            {pods: []string{strings.Replace(onePod("p", `{}`), `"name"`, `"deletionTimestamp":"2026-11-21T06:00:00Z","name"`, 1)}, want: "pod p: it is being deleted"},
		"the newest first": {pods: []string{onePod("old", `{"phase":"Running"}`), newer}, want: "pod new: it is Pending"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := test.deployment
			if text == "" {
				text = rollout(2, 2, 2, 0, "")
			}
			c := &fake{
				objects: map[string]string{theDeployment: text},
				lists:   map[string][]string{"pods team": test.pods, "events team": test.events}, fail: test.fail,
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			_, err := Deployment(ctx, c, ref, 1)
			var why *NotReadyError
			if !errors.As(err, &why) || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%v, want why it is not ready, and that the time is up", err)
			}
			if want := "deployment team/out is not ready: " + test.want; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v\nwant %s", err, want)
			}
			if c.ctx != nil {
				t.Errorf("looked why with a context that had ended: %v", c.ctx)
			}
			for _, f := range c.fields {
				if !strings.Contains(f, "involvedObject.kind=Pod") || !strings.Contains(f, "type=Warning") {
					t.Errorf("asked for events with %s", f)
				}
			}
		})
	}
}

// TestLastLookFails: the time may be up in the middle of a look; what the one before saw is told all the same.
func TestLastLookFails(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	c := &dying{fake: fake{
		objects: map[string]string{theDeployment: rollout(2, 1, 1, 0, "")},
		lists:   map[string][]string{"pods team": {onePod("p", `{"phase":"Pending"}`)}},
	}, end: func() { cancel(context.DeadlineExceeded) }}
	_, err := Deployment(ctx, c, ref, 1)
	if err == nil || !strings.Contains(err.Error(), "pod p: it is Pending") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// dying is a cluster that answers about a Deployment once, and in the middle of the second look the time is up.
type dying struct {
	fake
	end   func()
	looks int
}

func (d *dying) Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error {
	if d.looks++; d.looks > 1 {
		d.end()
		return &kube.Error{Kind: kube.ErrTimeout, Doing: "get", Words: "so it is"}
	}
	return d.fake.Get(ctx, r, namespace, name, into)
}

// TestStopped: a signal is no time-out.
func TestStopped(t *testing.T) {
	t.Parallel()
	stopped := errors.New("stopped by signal")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	_, err := Deployment(ctx, &fake{}, ref, 1)
	if !errors.Is(err, stopped) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestNotInjected(t *testing.T) {
	t.Parallel()
	passedBy := strings.Replace(onePod("p", `{"phase":"Pending"}`), `"status"`, `"spec":{"containers":[{"name":"istio-proxy","image":"auto"}]},"status"`, 1)
	c := &fake{objects: map[string]string{theDeployment: rollout(2, 1, 1, 0, "")}, lists: map[string][]string{"pods team": {passedBy}}}
	_, err := Deployment(t.Context(), c, ref, 1)
	if err == nil || !strings.Contains(err.Error(), "pod team/p was not injected") || !strings.Contains(err.Error(), "--revision") {
		t.Errorf("%v", err)
	}
	if c.asked != 1 {
		t.Errorf("looked %d times at what cannot become ready", c.asked)
	}
}

// TestNoRights: waiting does not give any; an API server that is busy may answer later.
func TestNoRights(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{kube.ErrForbidden, kube.ErrUnauthorized} {
		if _, err := Deployment(t.Context(), &fake{fail: map[string]error{theDeployment: kind}}, ref, 1); !errors.Is(err, kind) {
			t.Errorf("%v: %v", kind, err)
		}
		if err := Gone(t.Context(), &fake{fail: map[string]error{"pods team": kind}}, "team", map[string]string{"app": "out"}); !errors.Is(err, kind) {
			t.Errorf("%v: %v", kind, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := Deployment(ctx, &fake{fail: map[string]error{theDeployment: kube.ErrTimeout}}, ref, 1)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestGone(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"app": "out"}
	other := `{"metadata":{"name":"q","labels":{"app":"other"}}}`
	if err := Gone(t.Context(), &fake{lists: map[string][]string{"pods team": {other}}}, "team", labels); err != nil {
		t.Errorf("other pods: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := Gone(ctx, &fake{lists: map[string][]string{"pods team": {onePod("p", `{}`), other}}}, "team", labels)
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "pods are left in namespace team: p" {
		t.Errorf("a pod is left: %v", err)
	}
	err = Gone(ctx, &fake{fail: map[string]error{"pods team": kube.ErrTimeout}}, "team", labels)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "whether pods are left could not be found out: ") {
		t.Errorf("not seen: %v", err)
	}
}
