package probe

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// States of a container as the kubelet tells them.
const (
	creating   = `{"waiting":{"reason":"ContainerCreating"}}`
	runs       = `{"running":{"startedAt":"2026-11-21T09:17:27Z"}}`
	injected   = `{"running":{"startedAt":"injected"}}`
	noImage    = `{"waiting":{"reason":"ErrImagePull","message":"failed to pull: not found"}}`
	endedAtOne = `{"terminated":{"exitCode":128,"reason":"StartError","message":"exec: \"sleep\": executable file not found in $PATH"}}`
)

func gatewayWithLabels() string {
	return strings.Replace(gatewayPod, `"name":"egress-a"`, `"name":"egress-a","labels":{"istio":"egressgateway"}`, 1)
}

// TestEphemeral: a workload without tools borrows a container, which is told before it is made, and asks through the same sidecar.
func TestEphemeral(t *testing.T) {
	t.Parallel()
	w := &world{
		pods: []string{clientPod, gatewayWithLabels()}, made: map[string]string{"curl": curlSays}, states: []string{creating, runs},
		sidecar: sidecarTLS, gateway: gatewayTLS,
	}
	o := options(t, "https://edition.cnn.com")
	o.Image = "example.com/curl:8"
	var told []string
	o.Tell = func(s string) {
		if w.added != nil {
			t.Error("it was told when it had been made")
		}
		told = append(told, s)
	}
	r, err := Run(t.Context(), w, o)
	if err != nil {
		t.Fatal(err)
	}
	if got := inShort(r); got != "through connection sidecar,gateway 10.244.0.4:48214 0" || r.Image != o.Image || r.Tool != "curl" {
		t.Errorf("%s by %s of image %q", got, r.Tool, r.Image)
	}
	name, ok := w.added["name"].(string)
	if !ok || !strings.HasPrefix(name, "kubectl-egress-probe-") || len(name) > 63 || w.added["image"] != o.Image {
		t.Errorf("added %v", w.added)
	}
	if len(told) != 1 || !strings.Contains(told[0], name) || !strings.Contains(told[0], o.Image) || !strings.Contains(told[0], "stays in the pod's spec until the pod is gone") {
		t.Errorf("told %q", told)
	}
	if want := []string{"sleep curl", "sleep wget", "sleep wget", "sleep openssl", "sleep python3", name + " curl"}; !slices.Equal(w.ran, want) {
		t.Errorf("ran %q, want %q", w.ran, want)
	}
	rights, ok := w.added["securityContext"].(map[string]any)
	if !ok || rights["runAsUser"] == int64(proxyID) || rights["runAsUser"] == int64(0) || rights["runAsNonRoot"] != true || rights["allowPrivilegeEscalation"] != false {
		t.Errorf("may do %v", rights)
	}
}

// TestEphemeralIsNotNeeded: nothing is added where the workload can ask by itself.
func TestEphemeralIsNotNeeded(t *testing.T) {
	t.Parallel()
	w := &world{pods: []string{clientPod, gatewayWithLabels()}, programs: map[string]string{"curl": curlSays}, sidecar: sidecarTLS, gateway: gatewayTLS}
	o := options(t, "https://edition.cnn.com")
	o.Image = "example.com/curl:8"
	o.Tell = func(s string) { t.Errorf("told %q", s) }
	r, err := Run(t.Context(), w, o)
	if err != nil || r.Image != "" || w.added != nil || r.Verdict != Through {
		t.Errorf("%+v, %v; added %v", r, err, w.added)
	}
}

func TestEphemeralErrors(t *testing.T) {
	t.Parallel()
	forbidden := func(words string) error {
		return &kube.Error{
			Kind: kube.ErrForbidden, Doing: "add an ephemeral container to pod default/sleep-1-a", Verb: "patch", Resource: "pods/ephemeralcontainers",
			Namespace: "default", Words: words,
		}
	}
	curl := map[string]string{"curl": curlSays}
	cases := map[string]struct {
		w    *world
		tool string
		says string
		is   error
	}{
		"no right": {
			w:    &world{refuse: forbidden(`User "eve" cannot patch resource "pods/ephemeralcontainers"`)},
			says: "--image adds an ephemeral container to the workload's pod, and the right to patch pods/ephemeralcontainers in namespace default is missing", is: kube.ErrForbidden,
		},
		"against a policy": {
			w: &world{refuse: forbidden(`violates PodSecurity "restricted:latest"`)}, says: `default/sleep-1-a: forbidden: violates PodSecurity "restricted:latest"`, is: kube.ErrForbidden,
		},
		"no image":          {w: &world{states: []string{creating, noImage}}, says: "cannot start: ErrImagePull: failed to pull: not found"},
		"no sleep in it":    {w: &world{states: []string{endedAtOne}}, says: `ended at once: exit code 128, StartError: exec: "sleep": executable file not found in $PATH`},
		"no tool in it":     {w: &world{states: []string{runs}}, says: "(image example.com/curl:8) of pod default/sleep-1-a has no curl, wget, openssl or python3"},
		"not the one asked": {w: &world{states: []string{runs}, made: curl}, tool: "python3", says: "has no python3 that can be used"},
		"never starts":      {w: &world{states: []string{creating}, made: curl}, says: "of pod default/sleep-1-a: ContainerCreating: context canceled", is: context.Canceled},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.w.pods = []string{clientPod}
			o := options(t, "https://edition.cnn.com")
			o.Image, o.Tool = "example.com/curl:8", tt.tool
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			tt.w.onGet = func(n int) {
				if name == "never starts" && n > 2 {
					stop()
				}
			}
			_, err := Run(ctx, tt.w, o)
			if err == nil || !strings.Contains(err.Error(), tt.says) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v, want %q in it", err, tt.says)
			}
		})
	}
}

// TestIDs: a sidecar's redirection leaves out what runs as the proxy, by user and by group: no container that is added may be that.
func TestIDs(t *testing.T) {
	t.Parallel()
	id := func(n int64) *int64 { return &n }
	type ids struct{ User, Group int64 }
	cases := map[string]struct {
		pod, app, proxy security
		want            ids
	}{
		"nothing is said":          {want: ids{nobodyID, nobodyID}},
		"as the application":       {app: security{id(1000), id(2000)}, want: ids{1000, 2000}},
		"as the pod":               {pod: security{id(1000), nil}, want: ids{1000, 1000}},
		"the application's wins":   {pod: security{id(1000), id(5)}, app: security{User: id(1001)}, want: ids{1001, 5}},
		"never root":               {app: security{id(0), id(0)}, want: ids{nobodyID, nobodyID}},
		"never the proxy":          {app: security{id(proxyID), id(proxyID)}, want: ids{nobodyID, nobodyID}},
		"nor its group":            {app: security{id(1000), id(proxyID)}, want: ids{1000, 1000}},
		"a proxy of another user":  {app: security{id(700), id(700)}, proxy: security{id(700), id(700)}, want: ids{nobodyID, nobodyID}},
		"a proxy who is also next": {proxy: security{id(nobodyID), id(nobodyID)}, want: ids{nobodyID - 1, nobodyID - 1}},
	}
	for name, tt := range cases {
		var p object
		p.Spec.Security = tt.pod
		p.Spec.Containers = []container{{Name: "app", Security: tt.app}, {Name: proxyContainer, Security: tt.proxy}}
		user, group := p.ids("app")
		if diff := cmp.Diff(tt.want, ids{user, group}); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// TestTools: a program that dies of its flags is not there, and one that cannot is told before anything is sent.
func TestTools(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"curl", "wget", "openssl", "python3"}, Tools()); diff != "" {
		t.Error(diff)
	}
	for url, bad := range map[string]bool{"http://edition.cnn.com": true, "https://edition.cnn.com": false} {
		target, err := ParseTarget(url, 0, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, tool := range append(Tools(), "") {
			if err := CheckTool(tool, target); (err != nil) != (bad && tool == "openssl") {
				t.Errorf("%s for %s: %v", tool, url, err)
			}
		}
	}
	timed, untimed := wget(order{agent: "a"}), untimedWget(order{agent: "a"})
	if !slices.Contains(timed, "-T") || slices.Contains(untimed, "-T") || !slices.Contains(untimed, "a") {
		t.Errorf("%q, %q", timed, untimed)
	}
	for _, argv := range [][]string{wget(order{once: true}), untimedWget(order{once: true})} {
		if !slices.Contains(argv, "--max-redirect=0") {
			t.Errorf("%q follows redirections", argv)
		}
	}
	if !missing(&kube.ExitError{Code: crashed}) {
		t.Error("what died of SIGSEGV can be used")
	}
}

// TestHangingTool: a program that does not end by itself is left behind when it has had its time, and the request has failed.
func TestHangingTool(t *testing.T) {
	t.Parallel()
	w := &world{pods: []string{clientPod}, hangs: true}
	o := options(t, "https://edition.cnn.com")
	a, err := run(t.Context(), w, &workload{Namespace: "default", Name: "sleep-1-a", Container: "sleep"}, programs()[0], curl(order{Target: o.Target}), -grace+50*time.Millisecond)
	if err != nil || !strings.HasPrefix(a.failed, "curl had no answer within ") {
		t.Errorf("%+v, %v", a, err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if a, err = run(ctx, w, &workload{Container: "sleep"}, programs()[0], nil, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the time of all is over: %+v, %v", a, err)
	}
}
