package probe

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

const (
	// plainPod is in no mesh.
	plainPod = `{"metadata":{"namespace":"default","name":"plain-1-a","ownerReferences":[{"kind":"ReplicaSet","name":"plain-1"}]},"spec":{"containers":[{"name":"plain"}]},"status":{"podIPs":[{"ip":"10.244.0.7"}],"conditions":[{"type":"Ready","status":"True"}]}}`
	ztunnel  = `{"metadata":{"namespace":"default","name":"ambient","annotations":{"ambient.istio.io/redirection":"enabled"}},"spec":{"containers":[{"name":"app"}]},"status":{"conditions":[{"type":"Ready","status":"True"}]}}`
	fromBare = `[NOW] "- - -" 0 - - - "-" 749 1559 5 - "-" "-" "-" "-" "10.96.0.83:443" outbound|443||edition.cnn.com 10.244.0.4:48214 10.244.0.4:8443 10.244.0.7:49240 edition.cnn.com -` + "\n"
	timedOut = "curl: (28) Connection timed out after 10001 milliseconds\n"
)

// left is a gateway that carried something to the host meanwhile, idle one that did not.
func left() map[string][2]string {
	return map[string][2]string{"egress-a": {"outbound|443||edition.cnn.com=7", "outbound|443||edition.cnn.com=8"}}
}

func idle() map[string][2]string {
	return map[string][2]string{"egress-a": {"outbound|443||edition.cnn.com=7 outbound|443||bbc.com=1", "outbound|443||edition.cnn.com=7 outbound|443||bbc.com=2"}}
}

// TestBypass: that it could, and that it could not, both have to be shown.
func TestBypass(t *testing.T) {
	t.Parallel()
	answers := map[string]string{"plain curl": curlSays}
	vouched := func(says string) map[string]string {
		return map[string]string{"plain curl": timedOut, "sleep curl": says}
	}
	gone := &kube.ExitError{Code: 28}
	const http = "http://edition.cnn.com"
	cases := map[string]struct {
		w    *world
		url  string
		pods []string // beside the plain one; default: the client
		want string   // verdict proof hops leaves code
		why  string
	}{
		"answered":                         {w: &world{programs: answers, clusters: idle()}, want: "bypassed - - - 3", why: "no egress gateway carried anything to edition.cnn.com meanwhile"},
		"a certificate is an answer":       {w: &world{programs: map[string]string{"plain curl": "curl: (60) SSL certificate problem: self-signed certificate\n"}, exit: &kube.ExitError{Code: 60}, clusters: idle()}, want: "bypassed - - - 3"},
		"by way of a gateway":              {w: &world{programs: answers, clusters: left(), gateway: anothers + fromBare}, want: "held - gateway - 0", why: "it came to gateway istio-system/istio-egressgateway"},
		"others by way of a gateway":       {w: &world{programs: answers, clusters: left(), gateway: anothers}, want: "bypassed - - - 3", why: "came from others"},
		"a gateway, and no log":            {w: &world{programs: answers, clusters: left()}, want: "unknown - - - 1", why: "no access log tells whose it was"},
		"logs forbidden":                   {w: &world{programs: answers, clusters: left(), logs: errors.New("no right to get pods/log")}, want: "unknown - - - 1", why: "no right to get pods/log"},
		"nothing can be read":              {w: &world{programs: answers, admin: errors.New("no way in")}, want: "unknown - - - 1", why: "no way in"},
		"counters cannot be read":          {w: &world{programs: answers, admin: errors.New("no way in"), gateway: fromBare}, want: "held - gateway - 0"},
		"no name":                          {w: &world{programs: map[string]string{"plain curl": "curl: (6) Could not resolve host: edition.cnn.com\n"}, exit: &kube.ExitError{Code: 6}}, want: "unknown - - - 1", why: "the name was not found there"},
		"no answer, but others have one":   {w: &world{programs: vouched(curlSays), exit: gone, well: "sleep"}, want: "held - - - 0", why: "(28) Connection timed out after 10001 milliseconds; default/sleep-1-a, which is in the mesh, was answered with 200"},
		"no answer to anybody":             {w: &world{programs: vouched("curl: (7) refused\n"), exit: gone}, want: "unknown - - - 1", why: "the host does not answer default/sleep-1-a either, which is in the mesh: curl ended with exit code 28: curl: (7) refused"},
		"nobody to ask":                    {w: &world{programs: vouched(""), exit: gone}, pods: []string{lazyPod}, want: "unknown - - - 1", why: "whether the host answers anybody is not known: no pod with a sidecar is ready"},
		"nobody with a tool to ask":        {w: &world{programs: map[string]string{"plain curl": timedOut}, exit: gone}, want: "unknown - - - 1", why: "whether the host answers anybody is not known: container sleep"},
		"a proxy answers in its place":     {w: &world{programs: vouched("503 10.244.0.10 50954 0.031\n"), exit: gone, well: "sleep"}, url: http, want: "unknown - - - 1", why: "does not answer default/sleep-1-a either"},
		"so does one without a route":      {w: &world{programs: vouched("404 10.244.0.10 50954 0.031\n"), exit: gone, well: "sleep"}, url: http, want: "unknown - - - 1"},
		"an error of the server's own TLS": {w: &world{programs: vouched("503 10.244.0.10 50954 0.031\n"), exit: gone, well: "sleep"}, want: "held - - - 0"},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.pods == nil {
				tt.pods = []string{clientPod}
			}
			tt.w.pods = slices.Concat(tt.pods, []string{plainPod, gatewayWithLabels()})
			if tt.url == "" {
				tt.url = "https://edition.cnn.com"
			}
			o := options(t, tt.url)
			o.From = "deploy/plain"
			r, err := Bypass(t.Context(), tt.w, o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, inShort(r)); diff != "" || r.Pod != "default/plain-1-a" {
				t.Errorf("%s (-want +got)\n%s\n%+v", r.Pod, diff, r)
			}
			if !strings.Contains(r.Reason, tt.why) {
				t.Errorf("says %q, want %q in it", r.Reason, tt.why)
			}
			if tt.w.applied != nil || tt.w.added != nil || tt.w.deleted != nil {
				t.Error("something was made, or taken away")
			}
		})
	}
}

// TestBypassFollowsNothing: nothing is sent to a host to which the one that was asked for points.
func TestBypassFollowsNothing(t *testing.T) {
	t.Parallel()
	w := &world{pods: []string{plainPod}, programs: map[string]string{"plain wget": "  HTTP/1.1 301 Moved\n"}, clusters: idle()}
	o := options(t, "http://edition.cnn.com")
	o.From = "deploy/plain"
	r, err := Bypass(t.Context(), w, o)
	if err != nil || r.Verdict != Bypassed || r.Status != 301 || !slices.Contains(w.argv, "--max-redirect=0") {
		t.Errorf("%+v, %v; ran %q", r, err, w.argv)
	}
}

// TestBypassFrom: who is in the mesh's hands cannot show what others can.
func TestBypassFrom(t *testing.T) {
	t.Parallel()
	gateway := strings.Replace(gatewayPod, "istio-system", "default", 1)
	for from, says := range map[string]string{
		"deploy/sleep": "its traffic is in the mesh's hands", "pod/ambient": "its traffic is in the mesh's hands", "pod/egress-a": "its traffic is in the mesh's hands",
		"deploy/web": "there is no such pod",
	} {
		o := options(t, "https://edition.cnn.com")
		o.From = from
		_, err := Bypass(t.Context(), &world{pods: []string{clientPod, ztunnel, gateway}}, o)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("--from=%s: %v, want %q in it", from, err, says)
		}
	}
}

// TestBypassPod: the pod that is made is in no mesh, may do little, and is taken away, that one and no other.
func TestBypassPod(t *testing.T) {
	t.Parallel()
	w := &world{pods: []string{clientPod}, made: map[string]string{"curl": curlSays}, states: []string{creating, runs}, clusters: idle()}
	o := options(t, "https://edition.cnn.com")
	o.Image = "example.com/curl:8"
	var told []string
	o.Tell = func(s string) { told = append(told, s) }
	r, err := Bypass(t.Context(), w, o)
	if err != nil {
		t.Fatal(err)
	}
	meta := w.applied["metadata"].(map[string]any)
	name := meta["name"].(string)
	if got := inShort(r); got != "bypassed - - - 3" || r.Image != o.Image || r.Pod != "default/"+name {
		t.Errorf("%s by pod %s of image %q", got, r.Pod, r.Image)
	}
	if !slices.Equal(w.deleted, []string{"default/" + name + " made"}) {
		t.Errorf("deleted %q", w.deleted)
	}
	if len(told) != 1 || !strings.Contains(told[0], name) || !strings.Contains(told[0], "is taken away afterwards") {
		t.Errorf("told %q", told)
	}
	for _, field := range []string{"labels", "annotations"} {
		if meta[field].(map[string]any)["sidecar.istio.io/inject"] != "false" {
			t.Errorf("%s %v: it would get a sidecar", field, meta[field])
		}
	}
	spec := w.applied["spec"].(map[string]any)
	if spec["activeDeadlineSeconds"] != int64(podDeadline) || spec["automountServiceAccountToken"] != false || spec["restartPolicy"] != "Never" {
		t.Errorf("spec %v", spec)
	}
}

// TestBypassPodIsTakenAway, whatever happens in between.
func TestBypassPodIsTakenAway(t *testing.T) {
	t.Parallel()
	forbidden := &kube.Error{Kind: kube.ErrForbidden, Verb: "create", Resource: "pods", Namespace: "default", Words: `User "eve" cannot create resource "pods"`}
	curl := map[string]string{"curl": curlSays}
	cases := map[string]struct {
		w       *world
		stop    bool // by a signal while it asks
		says    string
		told    string
		deleted int
	}{
		"no image":          {w: &world{states: []string{noImage}}, says: "cannot start: ErrImagePull", deleted: 1},
		"no tool":           {w: &world{states: []string{runs}}, says: "(image example.com/curl:8) of pod default/kubectl-egress-probe-", deleted: 1},
		"a sidecar all the": {w: &world{states: []string{injected}, made: curl}, says: "was given a sidecar although it asks for none", deleted: 1},
		"no right":          {w: &world{refuse: forbidden, keep: kube.ErrForbidden}, says: "--bypass with --image makes a pod, and the right to create pods in namespace default is missing", deleted: 1},
		"interrupted":       {w: &world{states: []string{runs}, made: curl}, stop: true, says: "interrupt", deleted: 1},
		"it stays":          {w: &world{states: []string{runs}, made: curl, clusters: idle(), keep: errors.New("connection lost")}, says: "connection lost", told: "is still there: take it away with kubectl -n default delete pod kubectl-egress-probe-", deleted: 1},
		"gone by itself":    {w: &world{states: []string{runs}, made: curl, clusters: idle(), keep: kube.ErrAbsent}, deleted: 1},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if tt.stop {
				tt.w.onExec = func() { cancel(errors.New("interrupt")) }
				tt.w.hangs = true
			}
			o := options(t, "https://edition.cnn.com")
			o.Image = "example.com/curl:8"
			told := ""
			o.Tell = func(s string) { told = s }
			_, err := Bypass(ctx, tt.w, o)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %q in it", err, tt.says)
			}
			if len(tt.w.deleted) != tt.deleted || !strings.Contains(told, tt.told) {
				t.Errorf("deleted %q, told %q", tt.w.deleted, told)
			}
		})
	}
}
